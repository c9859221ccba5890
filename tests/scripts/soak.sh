#!/usr/bin/env bash
# Random jobs under random faults, killed at random requests, run until done: wrong
# bytes, lost or doubled rows and uploads, wrong exit codes, hangs and panics are
# counted, and all must be zero. A failure prints the seed that shows it again:
# soak.sh BINARY 1 SEED.
#
# usage: tests/scripts/soak.sh PATH_TO_REDIVIS_INGEST [TRIALS] [SEED]
#
# A trial has one to four jobs. 500 take about two and a half minutes on two cores.
# The last line has the counts.
set -euo pipefail

export REDIVIS_INGEST_TEST_BINARY
REDIVIS_INGEST_TEST_BINARY=$(realpath "${1:?usage: soak.sh PATH_TO_REDIVIS_INGEST [TRIALS] [SEED]}")
export REDIVIS_INGEST_TEST_TRIALS=${2:-500}
export REDIVIS_INGEST_TEST_SEED=${3:-1}
exec "$(dirname "$0")/common/proof.sh" proof::soak::random_schedules_lose_and_double_nothing
