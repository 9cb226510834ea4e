#!/usr/bin/env bash
# One process for each prompt, several at once: with GNU parallel where it is there, else with xargs.
# For many small runs `denoisecli batch --jobs` is faster: its workers keep their model.
#   examples/in_parallel.sh prompts.txt [jobs]
set -euo pipefail
jobs=${2:-2}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # or every process takes every core

if command -v parallel >/dev/null; then
  grep -v '^$' "$1" | parallel --jobs "$jobs" --halt soon,fail=1 denoisecli sample --quiet --prompt {}
else
  grep -v '^$' "$1" | tr '\n' '\0' | xargs -0 -P "$jobs" -I{} denoisecli sample --quiet --prompt {}
fi
