#!/usr/bin/env bash
# Kills a run with SIGKILL at its n-th request, for each n, before and after the
# effect, with and without its state, and twice in a row. The next run must bring
# the remote to the very end of a run that nobody disturbs, and send nothing twice
# but what was on its way. Prints cases run of cases in all, and failures.
#
#   tests/scripts/kill-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]
#
# --every N runs each N-th case (5 by default), from the --start-th on; --all runs
# all of them.
set -euo pipefail

usage="usage: kill-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]"
binary=$(realpath "${1:?$usage}")
shift
every=5
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
cargo test --quiet --test it -- --ignored --exact matrix::kills::the_whole_matrix --nocapture
