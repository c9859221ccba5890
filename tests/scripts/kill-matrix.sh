#!/usr/bin/env bash
# Kills a run with SIGKILL at its n-th request, for each n, before and after the
# effect, with and without its state, and twice in a row. The next run must bring
# the remote to the very end of a run that nobody disturbs, and send nothing twice
# but what was on its way.
#
#   tests/scripts/kill-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]
#
# --every N runs each N-th cell, from the --start-th on (0 by default); --all is
# --every 1. By default a share runs that takes two idle cores about three minutes.
# The last line of the output says what was run, and how many cells failed.
set -euo pipefail

usage="usage: kill-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]"
binary=$(realpath "${1:?$usage}")
shift
every=1
start=0
while [ $# -gt 0 ]; do
    case $1 in
        --all) every=1; shift ;;
        --every) every=${2:?$usage}; shift 2 ;;
        --start) start=${2:?$usage}; shift 2 ;;
        *) echo "$usage" >&2; exit 64 ;;
    esac
done
cd "$(dirname "$0")/../.."
export REDIVIS_INGEST_TEST_BINARY=$binary REDIVIS_INGEST_TEST_STEP=$every REDIVIS_INGEST_TEST_START=$start
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
cargo test --quiet --test it -- --ignored --exact matrix::kills::the_whole_matrix --nocapture |
    tee "$output" || status=$?
# What was run, once more, as the last line.
grep '^kill matrix: ' "$output" || status=1
exit "$status"
