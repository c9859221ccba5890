"""What a user of the official client does, and a comparison of everything that
was stored with its source. `drive.py store DIR` makes the sources and stores
them; `drive.py check DIR` reads them back, from another process."""

import hashlib
import json
import os
import random
import sys
import warnings

import redivis

warnings.simplefilter("ignore", FutureWarning)

OWNER, DATASET = "peers", "Official client"
BIG = 50_000_001  # the client's `add_files` goes resumable above 50,000,000


def check(condition, what):
    if not condition:
        sys.exit(f"peers: {what}")


def same(got, wanted, what):
    check(got == wanted, f"{what}: got {str(got)[:200]!r}, wanted {str(wanted)[:200]!r}")


def make_sources(folder):
    rng = random.Random(20)
    files = {
        "empty.bin": b"",
        "one.bin": b"\x00",
        "deep/er/a b (1).txt": "Grüße\n".encode(),
        "edge.bin": rng.randbytes(262_144),
        "medium.bin": rng.randbytes(3_000_000),
        "big.bin": rng.randbytes(BIG),
    }
    files.update({f"many/{n:04}.bin": rng.randbytes(n * 7) for n in range(1100)})
    for name, content in files.items():
        path = os.path.join(folder, "files", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content)
    rows = "".join(f'{n},"name {n}",{n / 8}\n' for n in range(200_000))
    with open(os.path.join(folder, "large.csv"), "w") as out:
        out.write("id,name,value\n" + rows)
    with open(os.path.join(folder, "huge.csv"), "w") as out:
        line = "x" * 1000 + "\n"
        out.write("text\n" + line * 34_000)  # over 32 MiB: resumable


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as source:
        return source.read()


def sources_of_files(folder):
    base = os.path.join(folder, "files")
    for where, _, names in os.walk(base):
        for name in names:
            path = os.path.join(where, name)
            yield os.path.relpath(path, base), path


def compare_files(table, folder):
    listed = {str(file.path).lstrip("/"): file for file in table.list_files()}
    wanted = dict(sources_of_files(folder))
    same(sorted(listed), sorted(wanted), "names of files")
    for name, path in wanted.items():
        content, file = read("", path), listed[name]
        same(file.size, len(content), f"size of {name}")
        same(file.hash, hashlib.md5(content).digest(), f"MD5 of {name}")
        if len(content) > 100_000 or name.endswith("0.bin"):
            check(file.read() == content, f"content of {name} differs")
    target = os.path.join(folder, "downloaded.bin")
    if os.path.exists(target):
        os.remove(target)
    listed["big.bin"].download(target, progress=False)
    check(read("", target) == read(folder, "files/big.bin"), "the download differs")
    part = listed["medium.bin"].read(start_byte=1000, end_byte=1999)
    check(part == read(folder, "files/medium.bin")[1000:2000], "a range differs")


def compare_upload(upload, rows, content=None):
    upload.get()
    properties = upload.properties
    same(properties["status"], "completed", f"status of {upload.name}")
    same(int(properties["numRows"]), rows, f"rows of {upload.name}")
    if content is not None:
        same(int(properties["size"]), len(content), f"size of {upload.name}")
        same(properties["hash"], hashlib.md5(content).hexdigest(), f"hash of {upload.name}")


def store(folder):
    make_sources(folder)
    dataset = redivis.organization(OWNER).dataset(DATASET)
    check(not dataset.exists(), "the dataset exists already")
    dataset.create(description="from the official client")
    check(dataset.exists(), "the dataset was not created")

    scans = dataset.table("scans").create(is_file_index=True, description="files")
    same(scans.get().properties["isFileIndex"], True, "isFileIndex")
    scans.add_files(directory=os.path.join(folder, "files"), progress=False)
    compare_files(scans, folder)

    readings = dataset.table("readings").create(upload_merge_strategy="append")
    small = b"a,b\n1,x\n2,y\n"
    upload = readings.upload("small.csv").create(small, progress=False)
    compare_upload(upload, 2, small)
    same([v.name for v in upload.list_variables()], ["a", "b"], "variables")
    lines = b'{"a":1}\n{"a":2}\n{"a":3}\n'
    compare_upload(readings.upload("lines.jsonl").create(lines, progress=False), 3, lines)
    for name, rows in [("large.csv", 200_000), ("huge.csv", 34_000)]:
        upload = readings.upload(name)
        upload.create(os.path.join(folder, name), progress=False)
        compare_upload(upload, rows, read(folder, name))

    import pyarrow

    frame = pyarrow.table({"n": list(range(1234)), "t": ["x"] * 1234})
    compare_upload(readings.upload("frame").create(frame, progress=False), 1234)

    try:
        readings.upload("small.csv").create(small, progress=False)
        check(False, "a taken name was not seen")
    except redivis.exceptions.ValueError:
        pass
    readings.upload("small.csv").create(small, progress=False, replace_on_conflict=True)
    renamed = readings.upload("small.csv").create(small, progress=False, rename_on_conflict=True)
    check(renamed.properties["name"] != "small.csv", "the second upload has the first one's name")
    renamed.delete()
    try:
        readings.upload("bad.csv").create(b"a,b\n1\n", progress=False, remove_on_fail=True)
        check(False, "a ragged file was imported")
    except redivis.exceptions.JobError as error:
        check("Line 2" in str(error), f"no reason in {error}")

    stream = readings.upload("stream")
    stream.create(
        type="stream",
        schema=[
            {"name": "a", "type": "integer"},
            {"name": "day", "type": "date"},
            {"name": "at", "type": "dateTime"},
            {"name": "ok", "type": "boolean"},
            {"name": "v", "type": "float"},
        ],
    )
    rows = [
        {"a": 9007199254740993, "day": "2024-02-29", "at": "1970-01-01T00:00:00.000", "ok": True, "v": 0.1},
        {"a": None, "v": -1.5e300},
    ]
    same(stream.insert_rows(rows)["rowsAdded"], 2, "rowsAdded")
    for bad in [{"a": "1"}, {"day": "2023-02-29"}, {"other": 1}]:
        try:
            stream.insert_rows([bad])
            check(False, f"{bad} was accepted")
        except redivis.exceptions.APIError as error:
            same(error.status_code, 400, "status of a bad row")
    compare_upload(stream, 2)

    total = 2 + 3 + 200_000 + 34_000 + 1234 + 2
    same(int(readings.get().properties["numRows"]), total, "rows of the table")
    readings.update(description="rows", upload_merge_strategy="replace")
    readings.update(upload_merge_strategy="append")
    readings.variable("a").update(label="A")
    same(readings.variable("a").get().properties["label"], "A", "label")

    dataset.release(release_notes="first")
    same(dataset.version("current").get().properties["tag"], "v1.0", "the released version")
    following = dataset.create_next_version(if_not_exists=True)
    same(sorted(t.name for t in following.list_tables()), ["readings", "scans"], "tables of next")
    same([v.tag for v in following.list_versions()], ["next", "v1.0"], "versions")
    table = following.table("readings")
    more = table.upload("more")
    more.create(type="stream", schema=[{"name": "a", "type": "integer"}])
    more.insert_rows([{"a": n} for n in range(10)])
    same(int(table.get().properties["numRows"]), total + 10, "rows of next")
    with open(os.path.join(folder, "total.json"), "w") as out:
        json.dump(total, out)


def again(folder):
    with open(os.path.join(folder, "total.json")) as source:
        total = json.load(source)
    dataset = redivis.organization(OWNER).dataset(DATASET)
    same(dataset.get().properties["description"], "from the official client", "description")
    compare_files(dataset.table("scans"), folder)
    same(int(dataset.table("readings").get().properties["numRows"]), total, "rows after a restart")
    following = redivis.organization(OWNER).dataset(DATASET, version="next")
    compare_files(following.table("scans"), folder)
    same(int(following.table("readings").get().properties["numRows"]), total + 10, "rows of next")
    following.release()
    same(following.version("current").get().properties["tag"], "v1.1", "the second release")
    dataset.delete()
    check(not dataset.exists(), "the dataset is still there")


if __name__ == "__main__":
    {"store": store, "check": again}[sys.argv[1]](sys.argv[2])
