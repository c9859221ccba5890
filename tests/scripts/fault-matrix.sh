#!/usr/bin/env bash
# Each fault of the sandbox at each call of a run, the first, a later one, and all
# of them; late effects at each later point. After each cell the remote is right or
# the run said what is not, the next run ends it, and the one after that finds
# nothing to do. Prints cells run of cells in all, faults injected, failures.
#
#   tests/scripts/fault-matrix.sh PATH_TO_REDIVIS_INGEST [--every N] [--start N]
#
# --every N runs each N-th cell (1: all, the default), from the --start-th on.
set -euo pipefail

usage="usage: fault-matrix.sh PATH_TO_REDIVIS_INGEST [--every N] [--start N]"
binary=$(realpath "${1:?$usage}")
shift
every=1
start=0
while [ $# -gt 0 ]; do
    case $1 in
        --every) every=${2:?$usage}; shift 2 ;;
        --start) start=${2:?$usage}; shift 2 ;;
        *) echo "$usage" >&2; exit 64 ;;
    esac
done
cd "$(dirname "$0")/../.."
export REDIVIS_INGEST_TEST_BINARY=$binary REDIVIS_INGEST_TEST_STEP=$every REDIVIS_INGEST_TEST_START=$start
cargo test --quiet --test it -- --ignored --exact matrix::faults::the_whole_matrix --nocapture
