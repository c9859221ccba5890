#!/usr/bin/env bash
# Kills a run with SIGKILL in the middle of a 300 MB resumable upload and runs the
# same command again: it must go on at the server's offset, and the stored bytes
# must equal the file.
#
# usage: tests/scripts/kill-resume.sh PATH_TO_REDIVIS_INGEST
set -euo pipefail

binary=$(realpath "${1:?usage: kill-resume.sh PATH_TO_REDIVIS_INGEST}")
work=$(mktemp -d)
child=
cleanup() {
    if [ -n "$child" ]; then kill -9 "$child" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT

size=300000000
killed_from=100000000
mkdir "$work/data" "$work/state"
head -c "$size" /dev/urandom >"$work/data/large.bin"
cat >"$work/manifest.yaml" <<'YAML'
version: 1
name: kill-resume
dataset: demo.kill_resume
prepare: { next_version: true, tables: true }
jobs:
  - name: large
    table: large
    files: [{ glob: 'data/*' }]
YAML

run() {
    exec env -i HOME="$work" PATH="$PATH" "$binary" run "$work/manifest.yaml" \
        --endpoint sandbox --state-dir "$work/state" --chunk-size 8MiB --progress plain "$@"
}

# Bytes of the largest file that the sandbox has.
largest() {
    find "$work/state/sandbox" -type f -printf '%s %p\n' 2>/dev/null | sort -n | tail -1
}

(run --bwlimit 100MB >"$work/first.out" 2>&1) &
child=$!
seen=0
for _ in $(seq 3000); do
    entry=$(largest || true)
    seen=${entry%% *}
    seen=${seen:-0}
    if [ "$seen" -ge "$killed_from" ]; then break; fi
    if ! kill -0 "$child" 2>/dev/null; then break; fi
    sleep 0.02
done
if ! kill -9 "$child" 2>/dev/null; then
    echo "the first run ended before it could be killed:" >&2
    cat "$work/first.out" >&2
    exit 1
fi
wait "$child" 2>/dev/null || true
child=
entry=$(largest)
kept=${entry%% *}
echo "killed: the sandbox keeps $kept of $size bytes"
if [ "$kept" -lt "$killed_from" ] || [ "$kept" -ge "$size" ]; then
    echo "the run was not killed in the middle" >&2
    exit 1
fi

if ! (run --report "$work/report.json" >"$work/second.out" 2>&1); then
    echo "the second run failed:" >&2
    cat "$work/second.out" >&2
    exit 1
fi
sent=$(grep -o '"bytes_sent":[0-9]*' "$work/report.json" | head -1 | cut -d: -f2)
echo "second run: $sent bytes sent"
if [ "$((sent + kept))" -ne "$size" ]; then
    echo "it did not go on at the server's offset: $kept were kept" >&2
    exit 1
fi

entry=$(largest)
stored=$(md5sum <"${entry#* }")
local=$(md5sum <"$work/data/large.bin")
echo "stored ${stored%% *}, file ${local%% *}"
if [ "$stored" != "$local" ]; then
    echo "the stored bytes differ from the file's" >&2
    exit 1
fi

if ! (run >"$work/third.out" 2>&1) || ! grep -q 'Nothing to do' "$work/third.out"; then
    echo "the third run found something to do:" >&2
    cat "$work/third.out" >&2
    exit 1
fi
echo "third run: nothing to do"
echo "kill resume: killed at $kept of $size bytes, $sent sent by the second run; 0 failures"
