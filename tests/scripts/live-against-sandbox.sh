#!/usr/bin/env bash
# Runs the probe of the live platform (tests/live/run) against the sandbox in both
# characters, and holds its answers against the sandbox's switches: so it is known
# to find out what it claims to. The program's scenarios must pass, no table may be
# left, and the token may stand nowhere.
#
# usage: tests/scripts/live-against-sandbox.sh PATH_TO_REDIVIS_INGEST
set -euo pipefail

binary=$(realpath "${1:?usage: live-against-sandbox.sh PATH_TO_REDIVIS_INGEST}")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
server=
cleanup() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT

token=canary-live-0123456789
dataset=demo.live

# A dataset with a release behind it: a table with rows, then a draft.
prepare() {
    python3 - "$1" "$token" "$dataset" <<'PY'
import json
import sys
import urllib.request

endpoint, token, dataset = sys.argv[1:]


def post(path, body):
    request = urllib.request.Request(
        endpoint + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return json.load(answer)


post(f"/datasets/{dataset}:next/tables", {"name": "history"})
schema = [{"name": "n", "type": "integer"}]
made = post(
    f"/tables/{dataset}:next.history/uploads",
    {"name": "first", "type": "stream", "schema": schema},
)
post(made["uri"] + "/rows", {"rows": [{"n": 1}]})
post(f"/datasets/{dataset}/versions/next/release", {})
post(f"/datasets/{dataset}/versions", {})
PY
}

tables() {
    curl --silent --fail --noproxy '*' -H "Authorization: Bearer $token" \
        "$1/datasets/$dataset:next/tables" | grep -o 'ri_live_[a-z0-9_]*' || true
}

passed=0
for character in friendly worst; do
    "$binary" sandbox --character "$character" --dataset "$dataset" \
        --data-dir "$work/$character" >"$work/endpoint" 2>"$work/log" &
    server=$!
    endpoint=
    for _ in $(seq 200); do
        endpoint=$(head -n 1 "$work/endpoint")
        if [ -n "$endpoint" ]; then break; fi
        if ! kill -0 "$server" 2>/dev/null; then break; fi
        sleep 0.1
    done
    if [ -z "$endpoint" ]; then
        echo "the sandbox did not start:" >&2
        cat "$work/log" >&2
        exit 1
    fi
    prepare "$endpoint"

    findings=$work/$character.json
    env -i HOME="$work" PATH="$PATH" REDIVIS_API_TOKEN="$token" REDIVIS_API_ENDPOINT="$endpoint" \
        REDIVIS_INGEST_LIVE_DATASET="$dataset" \
        "$root/tests/live/run" "$binary" --out "$findings" >"$work/out" 2>"$work/err" ||
        { cat "$work/out" "$work/err"; exit 1; }
    grep -E '^(PASS|FAIL|SKIP) ' "$work/out"
    passed=$((passed + $(grep -c '^PASS ' "$work/out")))
    python3 "$root/tests/live/compare.py" "$findings" "$character" "$root/src/sandbox/behaviour.rs"
    if grep -q "$token" "$work/out" "$work/err" "$findings"; then
        echo "the token was printed" >&2
        exit 1
    fi
    left=$(tables "$endpoint")
    if [ -n "$left" ]; then
        echo "tables were left: $left" >&2
        exit 1
    fi
    kill "$server"
    wait "$server" || true
    server=
done

status=0
env -i PATH="$PATH" "$root/tests/live/run" >"$work/out" 2>&1 || status=$?
if [ "$status" != 64 ] || ! grep -q REDIVIS_API_TOKEN "$work/out"; then
    echo "without a token it must say what it needs and exit 64, not $status:" >&2
    cat "$work/out" >&2
    exit 1
fi
echo "without a token: exit 64"
echo "live against sandbox: $passed scenarios passed in two characters, each answer compared; 0 failures"
