"""The data that is sent. The same for everybody and every time; made once and kept
in `out/data` until it is removed."""

import datetime
import itertools
import json
import os
import random
import shutil
import subprocess

from .places import DATASET, OUT

DATA = OUT / "data"

COLUMNS = {
    "id": "integer",
    "station": "string",
    "day": "date",
    "measured_at": "dateTime",
    "value": "float",
    "ratio": "float",
    "count": "integer",
    "flag": "boolean",
    "note": "string",
    "code": "string",
}
# Rows that differ; a larger file repeats them.
BLOCK = 100_000

HEAD = """version: 1
name: speed
dataset: {dataset}
prepare: {{ next_version: true, tables: true }}
jobs:
"""


def once(name, make):
    """The folder `name`, filled by `make` unless it was before."""
    folder = DATA / name
    done = DATA / f"{name}.done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        done.touch()
    return folder


def forget(name):
    shutil.rmtree(DATA / name, ignore_errors=True)
    (DATA / f"{name}.done").unlink(missing_ok=True)


def manifest(folder, name, job):
    path = folder / f"{name}.yaml"
    path.write_text(HEAD.format(dataset=DATASET) + job)
    return path


def files_manifest(folder):
    job = '  - { name: files, table: files, files: [{ glob: "files/**/*", base: files }] }\n'
    return manifest(folder, "files", job)


def rows_manifest(folder, pattern, kind, columns=None):
    schema = ", ".join(f"{name}: {type_}" for name, type_ in (columns or COLUMNS).items())
    job = f'  - name: rows\n    table: rows\n    rows: [{{ {kind}: "{pattern}" }}]\n'
    return manifest(folder, kind, job + f"    schema: {{ {schema} }}\n    payload: 16MiB\n")


def files(name, count, smallest, largest, per_folder=1000):
    """Files of random bytes."""

    def make(folder):
        rng = random.Random(len(name) * 7919 + count)
        noise = rng.randbytes(largest * 2)
        for number in range(count):
            if number % per_folder == 0:
                within = folder / "files" / f"{number // per_folder:04}"
                within.mkdir(parents=True)
            size = rng.randint(smallest, largest)
            start = rng.randrange(len(noise) - size + 1)
            with open(within / f"{number:07}.bin", "wb") as out:
                out.write(number.to_bytes(8, "little") + noise[start : start + max(0, size - 8)])
        files_manifest(folder)

    return once(name, make)


def huge(name, count, size, sparse=False):
    """Files of `size` bytes; a sparse one has no content."""

    def make(folder):
        (folder / "files").mkdir()
        block = random.Random(size).randbytes(1 << 20)
        for number in range(count):
            with open(folder / "files" / f"{number:04}.bin", "wb") as out:
                if sparse:
                    out.truncate(size)
                else:
                    for piece in range(size >> 20):
                        out.write((piece * count + number).to_bytes(8, "little") + block[8:])
        files_manifest(folder)

    return once(name, make)


def block_of_rows():
    """Records as Python values, all types, with what needs quotes and escapes."""
    rng = random.Random(10)
    start = datetime.datetime(2020, 1, 1)
    words = ["salt marsh", 'a "quoted" word', "comma, here", "Grüße", "plain", "dune\\slack", ""]
    for number in range(BLOCK):
        at = start + datetime.timedelta(seconds=rng.randrange(10**8))
        yield {
            "id": number,
            "station": f"ST-{rng.randrange(500):03}",
            "day": at.date().isoformat(),
            "measured_at": at.isoformat(),
            "value": round(rng.uniform(-1000, 1000), 4),
            "ratio": None if number % 50 == 0 else round(rng.random(), 6),
            "count": rng.randrange(10**9),
            "flag": rng.random() < 0.5,
            "note": words[rng.randrange(len(words))] or f"note {number}",
            "code": f"{rng.randrange(16**8):08x}",
        }


def cell(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if '"' in text or "," in text else text


def as_csv(row):
    return ",".join(cell(value) for value in row.values()) + "\n"


def as_json(row):
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n"


def rows(name, kind, sources, megabytes, of=1):
    """`sources` files of rows, `megabytes` in all (the smallest is one block each, or
    one `of` so many pieces of it)."""

    def make(folder):
        (folder / "rows").mkdir()
        taken = itertools.islice(block_of_rows(), BLOCK // of)
        text = "".join(map(as_csv if kind == "csv" else as_json, taken)).encode()
        times = max(1, round(megabytes * 1e6 / sources / len(text)))
        for number in range(sources):
            with open(folder / "rows" / f"{number}.{kind}", "wb") as out:
                if kind == "csv":
                    out.write((",".join(COLUMNS) + "\n").encode())
                for _ in range(times):
                    out.write(text)
        rows_manifest(folder, f"rows/*.{kind}", kind)

    return once(name, make)


def few_rows(name, source, kind, count):
    """The first rows of another source, for comparing outputs."""

    def make(folder):
        (folder / "rows").mkdir()
        taken = count + (kind == "csv")
        with open(source, "rb") as lines, open(folder / "rows" / f"0.{kind}", "wb") as out:
            for _, line in zip(range(taken), lines):
                out.write(line)
        rows_manifest(folder, f"rows/*.{kind}", kind)

    return once(name, make)


def compressed_rows(name, megabytes):
    """One CSV source, plain and with gzip; a manifest for each."""

    def make(folder):
        plain = rows(f"{name}-plain", "csv", 1, megabytes) / "rows" / "0.csv"
        for kind in ("rows", "plain"):
            (folder / kind).mkdir()
        shutil.move(plain, folder / "plain" / "0.csv")
        forget(f"{name}-plain")
        with open(folder / "rows" / "0.csv.gz", "wb") as out:
            subprocess.run(["gzip", "-1", "-n", "-c", folder / "plain" / "0.csv"], stdout=out, check=True)
        for kind, pattern in (("packed", "rows/*.csv.gz"), ("plain", "plain/*.csv")):
            rows_manifest(folder, pattern, "csv").rename(folder / f"{kind}.yaml")

    return once(name, make)


def narrow_rows(name, count):
    """Many short rows: two columns, a line repeated."""

    def make(folder):
        (folder / "rows").mkdir()
        text = "".join(f"{n},{n % 977}.5\n" for n in range(1_000_000)).encode()
        with open(folder / "rows" / "0.csv", "wb") as out:
            out.write(b"id,value\n")
            for _ in range(count // 1_000_000):
                out.write(text)
        rows_manifest(folder, "rows/*.csv", "csv", {"id": "integer", "value": "float"})

    return once(name, make)


def paths(folder, kind="files"):
    found = []
    for where, _, names in os.walk(folder / kind):
        found.extend(os.path.join(where, name) for name in names)
    return sorted(found)


def bytes_of(found):
    return sum(os.path.getsize(path) for path in found)
