#!/usr/bin/env bash
# Each fault of the sandbox at each call of a run: the first, a later one, and all
# of them; late effects at each later point. After each cell the remote is right, or
# the run said what is not and ended with the promised exit code; the next run ends
# it, and the one after that finds nothing to do.
#
#   tests/scripts/fault-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]
#
# --every N runs each N-th cell, from the --start-th on (0 by default); --all is
# --every 1. By default a share runs that takes two idle cores about three minutes.
# The last line of the output says what was run, and how many cells failed.
set -euo pipefail

usage="usage: fault-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]"
binary=$(realpath "${1:?$usage}")
shift
every=4
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
cargo test --quiet --test it -- --ignored --exact matrix::faults::the_whole_matrix --nocapture |
    tee "$output" || status=$?
# What was run, once more, as the last line.
grep '^fault matrix: ' "$output" || status=1
exit "$status"
