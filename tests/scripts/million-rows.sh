#!/bin/sh
# Sends a CSV of a million rows to the sandbox inside the program, and holds the
# stored rows and the peak of memory against what is promised.
#
#   tests/scripts/million-rows.sh [path of redivis-ingest]
#
# Memory is that of the whole process: program and sandbox together.
set -eu

binary=$(realpath "${1:-target/release/redivis-ingest}")
rows=1000000
limit_mb=200

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM

python3 - "$folder" "$rows" <<'PY'
import sys

folder, rows = sys.argv[1], int(sys.argv[2])
with open(f"{folder}/readings.csv", "w") as out:
    out.write("id,station,at,value,flag\n")
    for n in range(rows):
        out.write(f"{n},station-{n % 97},2026-01-{n % 28 + 1:02}T12:{n % 60:02}:00,{n * 0.25},{'true' if n % 3 else 'false'}\n")
with open(f"{folder}/manifest.yaml", "w") as out:
    out.write("""version: 1
name: million
dataset: demo.million
prepare: { next_version: true, tables: true }
jobs:
  - name: readings
    table: readings
    rows: [{ csv: readings.csv }]
    schema: { id: integer, station: string, at: dateTime, value: float, flag: boolean }
    payload: 4MiB
    expect: { min_rows: 1000000, max_rows: 1000000 }
""")
PY

python3 - "$binary" "$folder" "$rows" "$limit_mb" <<'PY'
import json
import os
import resource
import subprocess
import sys
import time

binary, folder, rows, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
environment = {"HOME": folder, "PATH": os.environ["PATH"], "REDIVIS_INGEST_STATE_DIR": f"{folder}/state"}


def run():
    done = subprocess.run(
        [binary, "run", f"{folder}/manifest.yaml", "--endpoint", "sandbox", "--format", "json"],
        env=environment, stdout=subprocess.PIPE, text=True,
    )
    if done.returncode != 0:
        sys.exit(f"exit {done.returncode}\n{done.stdout}")
    return json.loads(done.stdout.splitlines()[-1])


def stored_rows():
    """Lines in the sandbox's files of inserted rows."""
    count = 0
    for place, _, names in os.walk(f"{folder}/state"):
        if os.path.basename(place) == "rows":
            for name in names:
                with open(os.path.join(place, name), "rb") as file:
                    count += sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    return count


start = time.monotonic()
run()
seconds = time.monotonic() - start
before = stored_rows()
run()
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
stored = stored_rows()
print(f"rows stored   {stored}")
print(f"peak memory   {peak:.0f} MB")
print(f"first run     {seconds:.1f} s")
failed = []
if before != stored:
    failed.append(f"the second run changed {before} rows to {stored}")
if stored != rows:
    failed.append(f"{stored} rows are stored, not {rows}")
if peak >= limit:
    failed.append(f"the peak of memory is {peak:.0f} MB, not under {limit} MB")
if failed:
    sys.exit("; ".join(failed))
print(f"million rows: {stored:,} stored, each once, in two runs; peak {peak:.0f} MB; 0 failures")
PY
