#!/usr/bin/env bash
# One deck for each line of a file; then the seeds whose layout was fixed first. Run it again: what is done is skipped.
#   examples/prompts_from_a_file.sh prompts.txt
set -euo pipefail

while IFS= read -r prompt; do
  [ -n "$prompt" ] || continue
  run=$(denoisecli sample --quiet --prompt "$prompt" </dev/null)
  jq -r --arg run "$run" '.runs | min_by(.committed_at.layout) | "\($run)  seed \(.seed): layout fixed at state \(.committed_at.layout)"' \
    "$run/trace.json"
done <"$1"
