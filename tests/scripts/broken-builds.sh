#!/usr/bin/env bash
# Builds the program broken in many places, each behind a switch, and asks the tests
# to notice each break (tests/broken/run). Then `rehearse` and a short soak must
# report a few of the broken programs, and nothing of the sound one. The last line
# says how many cases of how many were tried.
#
# usage: tests/scripts/broken-builds.sh PATH_TO_REDIVIS_INGEST [CASES | --all] [SEED]
#
# CASES are taken by chance from the seed (60 by default; --all: all). The given
# program is only asked for its version: what is tried is built here.
set -euo pipefail

usage="usage: broken-builds.sh PATH_TO_REDIVIS_INGEST [CASES | --all] [SEED]"
"${1:?$usage}" --version
share=${2:-60}
seed=${3:-$(date +%s)}
cd "$(dirname "$0")/../.."
if [ "$share" = --all ]; then
    share=$(tests/broken/run --list | wc -l)
fi
echo "$share cases from seed $seed: again with tests/scripts/broken-builds.sh BINARY $share $seed"
exec tests/broken/run --share "$share" --seed "$seed" --loud 24
