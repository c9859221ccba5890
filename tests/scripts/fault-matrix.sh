#!/usr/bin/env bash
# Each fault of the sandbox at each call of a run: the first, a later one, and all
# of them; late effects at each later point. After each cell the remote is right, or
# the run said what is not and ended with the promised exit code; the next run ends
# it, and the one after that finds nothing to do.
#
#   tests/scripts/fault-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]
#
# REDIVIS_INGEST_TEST_CELL=TEXT tries only cells whose names have TEXT in them.
# --every N runs each N-th cell, from the --start-th on (0 by default); --all is
# --every 1. By default an eighth runs, which takes two cores about five minutes.
# The last line of the output says what was run, and how many cells failed.
set -euo pipefail

exec "$(dirname "$0")/common/matrix.sh" matrix::faults::the_whole_matrix 8 "${1:?usage: fault-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]}" "${@:2}"
