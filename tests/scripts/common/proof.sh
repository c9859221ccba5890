#!/usr/bin/env bash
# Runs one of the long tests, whose settings are in the environment, and repeats its
# figures as the last line. A part of other scripts.
#
# usage: tests/scripts/common/proof.sh TEST
set -euo pipefail

test=${1:?usage: proof.sh TEST}
cd "$(dirname "$0")/../../.."
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
cargo test --quiet --test it -- --ignored --exact "$test" --nocapture 2>&1 | tee "$output" || status=$?
grep -E '^(fault matrix|kill matrix|soak|model|two-writers): ' "$output" | tail -n 1 || status=1
exit "$status"
