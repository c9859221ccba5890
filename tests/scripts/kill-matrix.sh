#!/usr/bin/env bash
# Kills a run with SIGKILL at its n-th request, for each n, before and after the
# effect, with and without its state, and twice in a row. The next run must bring
# the remote to the very end of a run that nobody disturbs, and send nothing twice
# but what was on its way.
#
#   tests/scripts/kill-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]
#
# --every N runs each N-th cell, from the --start-th on (0 by default); --all is
# --every 1. By default every second one runs, which takes two cores about three minutes.
# The last line of the output says what was run, and how many cells failed.
set -euo pipefail

exec "$(dirname "$0")/common/matrix.sh" matrix::kills::the_whole_matrix 2 "${1:?usage: kill-matrix.sh PATH_TO_REDIVIS_INGEST [--all | --every N] [--start N]}" "${@:2}"
