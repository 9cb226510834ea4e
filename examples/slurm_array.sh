#!/usr/bin/env bash
#SBATCH --job-name=denoisecli
#SBATCH --array=1-4
#SBATCH --gpus=1
#SBATCH --time=04:00:00
# One batch over the tasks of a job array: each takes its share of the same list and skips what is done, so that
# submitting it again after a time-out goes on. All tasks share one runs folder; none of them needs the others.
#   sbatch examples/slurm_array.sh deck.yaml
set -euo pipefail

denoisecli batch "$1" --vary seed=0-3 --vary cfg=3,7.5 \
  --shard "$SLURM_ARRAY_TASK_ID/${SLURM_ARRAY_TASK_COUNT:-4}" --quiet
