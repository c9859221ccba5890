#!/bin/bash
# sbatch slurm.sh MANIFEST: one array task for each of eight shards, four at once.
# Tokens stand in a file that only its owner reads.
#SBATCH --job-name=redivis-ingest
#SBATCH --array=0-7%4
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -u

# A node's own disk; losing it costs time only.
export REDIVIS_INGEST_STATE_DIR=${SLURM_TMPDIR:-/tmp}/redivis-ingest-$USER

# The deadline is a bit before --time: the program ends by itself, with 75.
redivis-ingest run "$1" \
    --shard "$SLURM_ARRAY_TASK_ID/8" --tpslimit 2.25 \
    --token-file "$HOME/.redivis-token" --deadline 3h50m --lock-timeout 2m
code=$?

# What may end better goes back into the queue, a few times.
case $code in
6 | 75 | 130 | 143)
    if ((${SLURM_RESTART_COUNT:-0} < 5)); then
        scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    fi
    ;;
esac
exit "$code"
