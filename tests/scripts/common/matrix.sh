#!/usr/bin/env bash
# Runs each N-th cell of a matrix. A part of other scripts.
#
# usage: tests/scripts/common/matrix.sh TEST DEFAULT_N BINARY [--all | --every N] [--start N]
set -euo pipefail

usage="usage: PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]"
test=$1
every=$2
binary=$(realpath "${3:?$usage}")
shift 3
start=0
while [ $# -gt 0 ]; do
    case $1 in
        --all) every=1; shift ;;
        --every) every=${2:?$usage}; shift 2 ;;
        --start) start=${2:?$usage}; shift 2 ;;
        *) echo "$usage" >&2; exit 64 ;;
    esac
done
export REDIVIS_INGEST_TEST_BINARY=$binary REDIVIS_INGEST_TEST_STEP=$every REDIVIS_INGEST_TEST_START=$start
exec "$(dirname "$0")/proof.sh" "$test"
