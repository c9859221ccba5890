#!/usr/bin/env bash
# Noise for every parser, for longer than `cargo test` does it: inputs made of the
# committed ones under tests/fuzz/corpus and of words, from a seed, with properties
# that must hold. An input that breaks one is shown as short as may be.
#
# usage: tests/scripts/fuzz.sh PATH_TO_REDIVIS_INGEST [SECONDS_PER_TARGET] [SEED]
#
# The parsers are tested in the test's own process: the program is not used, and is
# an argument only because all these scripts have it. In the profile of `cargo test`,
# which is built already. Two targets at a time; 12 targets of 15 s take 90 s.
set -euo pipefail

: "${1:?usage: fuzz.sh PATH_TO_REDIVIS_INGEST [SECONDS_PER_TARGET] [SEED]}"
export REDIVIS_INGEST_TEST_FUZZ_SECONDS=${2:-15}
export REDIVIS_INGEST_TEST_FUZZ_SEED=${3:-1}
export RUST_BACKTRACE=0
cd "$(dirname "$0")/../.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cargo test --quiet --locked --test fuzz -- --nocapture --test-threads 2 2>&1 |
  tee "$log" || status=$?
grep -oE 'fuzz [a-z_0-9]+: [0-9]+ executions.*' "$log" | sort | awk -v seed="$REDIVIS_INGEST_TEST_FUZZ_SEED" '
  { targets++; executions += $3; failures += $(NF - 1) }
  END {
    printf "fuzz: %d targets, %d executions, seed %s; %d failures\n", targets, executions, seed, failures
    exit (targets == 0 || failures > 0)
  }' || status=1
exit "$status"
