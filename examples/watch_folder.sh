#!/usr/bin/env bash
# Make a run of every config that is dropped into a folder; what was made moves to done/, what was wrong to failed/.
#   examples/watch_folder.sh inbox            until Ctrl-C
#   examples/watch_folder.sh inbox --once     what is there now, for cron
set -euo pipefail
inbox=$1
mkdir -p "$inbox/done" "$inbox/failed"
trap 'exit 130' INT # the interrupted config stays, and goes on next time

while true; do
  for config in "$inbox"/*.yaml; do
    [ -e "$config" ] || continue # no match: the pattern itself
    if denoisecli sample --quiet "$config"; then to="done"; else to="failed"; fi
    mv "$config" "$inbox/$to/"
  done
  [ "${2:-}" != --once ] || break
  sleep 5
done
