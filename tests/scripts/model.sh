#!/usr/bin/env bash
# Random histories (sources change, runs fail or are killed, others write and
# release) against a plain model of what the remote should hold. A history that
# fails is made as short as may be and printed whole.
# 250 take about a minute and a half on two cores. The last line has the counts.
#
# usage: tests/scripts/model.sh PATH_TO_REDIVIS_INGEST [CASES] [SEED]
set -euo pipefail

export REDIVIS_INGEST_TEST_BINARY
REDIVIS_INGEST_TEST_BINARY=$(realpath "${1:?usage: model.sh PATH_TO_REDIVIS_INGEST [CASES] [SEED]}")
export REDIVIS_INGEST_TEST_CASES=${2:-250}
export REDIVIS_INGEST_TEST_SEED=${3:-1}
exec "$(dirname "$0")/common/proof.sh" model::random_histories_end_as_the_plain_model_says
