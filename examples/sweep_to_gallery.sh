#!/usr/bin/env bash
# Every combination of prompts and guidance scales, then all of them as one page to filter, open and compare.
#   examples/sweep_to_gallery.sh runs/mills
set -euo pipefail
export DENOISECLI_RUNS_DIR=${1:-runs}

denoisecli batch --quiet --vary 'prompt=["a windmill at dawn", "a windmill at night"]' --vary cfg=1,7.5 >/dev/null
denoisecli gallery "$DENOISECLI_RUNS_DIR"
