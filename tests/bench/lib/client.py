"""The official Python client, as its users call it. The imports are not timed.

client.py files DIR | client.py rows CSV [CSV ...]"""

import csv
import json
import sys
import time
import warnings

import redivis

warnings.simplefilter("ignore", FutureWarning)
OWNER, DATASET = "bench", "speed"
# Rows a call: about as many bytes as this program's payloads.
BATCH = 50_000


def send_files(directory):
    table = redivis.organization(OWNER).dataset(DATASET).table("files")
    table.create(is_file_index=True)
    started = time.perf_counter()
    table.add_files(directory=directory, progress=False)
    return time.perf_counter() - started


def typed(row):
    """What the platform wants of each column."""
    return {
        "id": int(row["id"]),
        "station": row["station"],
        "day": row["day"],
        "measured_at": row["measured_at"],
        "value": float(row["value"]),
        "ratio": float(row["ratio"]) if row["ratio"] else None,
        "count": int(row["count"]),
        "flag": row["flag"] == "true",
        "note": row["note"],
        "code": row["code"],
    }


def send_rows(paths, schema):
    table = redivis.organization(OWNER).dataset(DATASET).table("rows")
    table.create()
    started = time.perf_counter()
    for number, path in enumerate(paths):
        upload = table.upload(f"rows-{number}")
        upload.create(type="stream", schema=schema)
        batch = []
        with open(path, newline="") as source:
            for row in csv.DictReader(source):
                batch.append(typed(row))
                if len(batch) == BATCH:
                    upload.insert_rows(batch)
                    batch = []
        if batch:
            upload.insert_rows(batch)
    return time.perf_counter() - started


if __name__ == "__main__":
    before = time.process_time()
    if sys.argv[1] == "files":
        seconds = send_files(sys.argv[2])
    else:
        seconds = send_rows(sys.argv[3:], json.loads(sys.argv[2]))
    print(json.dumps({"wall": seconds, "cpu": time.process_time() - before}))
