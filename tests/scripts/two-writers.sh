#!/usr/bin/env bash
# Two processes with one manifest and two states, whose requests take place in a
# random order, step by step; some release, some are killed. What ends well must
# be right, the other one must say what happened, and when each was run again the
# remote must hold everything once. A failure prints the seed that shows it again:
# two-writers.sh BINARY 1 SEED.
#
# usage: tests/scripts/two-writers.sh PATH_TO_REDIVIS_INGEST [COUNT] [SEED]
#
# 200 orders take one to two minutes on two cores. The last line has the counts.
set -euo pipefail

export REDIVIS_INGEST_TEST_BINARY
REDIVIS_INGEST_TEST_BINARY=$(realpath "${1:?usage: two-writers.sh PATH_TO_REDIVIS_INGEST [COUNT] [SEED]}")
export REDIVIS_INGEST_TEST_TRIALS=${2:-200}
export REDIVIS_INGEST_TEST_SEED=${3:-1}
exec "$(dirname "$0")/common/proof.sh" proof::two_writers::random_orders_of_two_writers_lose_and_double_nothing
