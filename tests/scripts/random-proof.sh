#!/usr/bin/env bash
# Runs one of the long random tests and ends with its line of counts, whatever
# else was printed: for soak.sh, model.sh and two-writers.sh, which say how much.
set -euo pipefail

test=${1:?usage: random-proof.sh TEST}
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
cargo test --quiet --test it -- --ignored --nocapture "$test" 2>&1 | tee "$output" || status=$?
grep -E '^(soak|model|two-writers): ' "$output" | tail -n 1
exit "$status"
