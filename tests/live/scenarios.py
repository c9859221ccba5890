"""The program itself, end to end, against the same dataset: each scenario answers
PASS, FAIL or SKIP with what was seen."""

import hashlib
import json
import os
import random
import subprocess
import time

from api import Stop

LARGE = 34 << 20  # resumable from 32 MiB
KILLED = 48 << 20


class Program:
    """The binary, with a state folder and manifests of its own."""

    def __init__(self, binary, folder, api, world):
        self.binary, self.folder, self.api, self.world = binary, folder, api, world
        self.child = None

    def stop(self):
        """Ends what still runs, so that it makes no table again."""
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.communicate()

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content)

    def manifest(self, name, table, job):
        """Writes a manifest of one job on a table under the prefix."""
        table = self.world.claim(table)
        prefix = self.world.prefix.replace("_", "-")
        text = f"""version: 1
name: {prefix}-{name}
dataset: {self.world.dataset}
prepare: {{ next_version: true, tables: true }}
{job.replace("TABLE", table)}"""
        self.file(f"{name}.yaml", text.encode())
        return os.path.join(self.folder, f"{name}.yaml"), table

    def start(self, command, manifest, *args):
        environment = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
            if name in os.environ
        }
        environment |= {
            "REDIVIS_API_TOKEN": self.api.token,
            "REDIVIS_API_ENDPOINT": self.api.endpoint,
            "REDIVIS_INGEST_STATE_DIR": os.path.join(self.folder, "state"),
        }
        self.child = subprocess.Popen(
            [self.binary, command, manifest, *args],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.child

    def has(self, command):
        told = subprocess.run([self.binary, "--help"], capture_output=True, text=True).stdout
        return any(line.split()[:1] == [command] for line in told.splitlines())

    def run(self, manifest, *args, exits=0):
        """Runs to the end; answers the one-line summary."""
        child = self.start("run", manifest, "--format", "json", *args)
        out, err = child.communicate(timeout=1800)
        summary = json.loads(out.strip().splitlines()[-1]) if out.strip() else {}
        if child.returncode != exits:
            told = json.dumps(summary.get("failures") or summary.get("failure") or "")
            raise Stop(f"`run` exited {child.returncode} instead of {exits}: {told} {err[-600:]}")
        return summary["counts"]

    def settles(self, manifest):
        """The second run finds nothing to do."""
        counts = self.run(manifest)
        if counts["planned"]:
            raise Stop(f"the second run planned {counts['planned']} items again")


def expect(got, wanted, what):
    if got != wanted:
        raise Stop(f"{what}: {got!r} instead of {wanted!r}")


FILES = """jobs:
  - name: files
    table: TABLE
    files: [{ glob: 'FOLDER/**/*', base: FOLDER }]
"""
ROWS = """jobs:
  - name: rows
    table: TABLE
    rows: [{ csv: 'FOLDER/*.csv' }]
    schema: { n: integer, s: string, day: date }
"""


def small_and_large_files(program):
    rng = random.Random(7)
    for index in range(20):
        program.file(f"files/deep/{index:02}.bin", rng.randbytes(index * 501))
    large = rng.randbytes(LARGE)
    program.file("files/large.bin", large)
    manifest, table = program.manifest("files", "e2e_files", FILES.replace("FOLDER", "files"))
    counts = program.run(manifest)
    expect(counts["files"], 21, "files verified")
    program.settles(manifest)
    listing = program.world.listing(table).body
    expect(b"deep/19.bin" in listing, True, "the listing has deep/19.bin")
    return f"21 files, {len(large) >> 20} MiB resumable ({hashlib.md5(large).hexdigest()})"


def resume_after_kill(program):
    content = random.Random(8).randbytes(KILLED)
    program.file("killed/large.bin", content)
    manifest, _ = program.manifest("killed", "e2e_killed", FILES.replace("FOLDER", "killed"))
    slow = ["--chunk-size", "1MiB", "--bwlimit", "8MB"]
    for wait in (3, 5, 9, 15):
        child = program.start("run", manifest, *slow)
        time.sleep(wait)
        child.kill()
        child.communicate()
        if child.returncode == 0:
            raise Stop("the run ended before it was killed")
        counts = program.run(manifest)
        sent = counts["bytes_sent"]
        program.settles(manifest)
        if 0 < sent < KILLED:
            return f"killed after {wait} s; {sent >> 10} of {KILLED >> 10} KiB were left to send"
        # Nothing had arrived yet: another file, a later kill.
        content = random.Random(wait).randbytes(KILLED)
        program.file("killed/large.bin", content)
    raise Stop("no kill came in the midst of the transfer")


def rows_are_appended(program):
    line = "{0},text {0},2026-01-{1:02}\n"
    lines = "".join(line.format(n, n % 28 + 1) for n in range(3000))
    program.file("rows/a.csv", ("n,s,day\n" + lines).encode())
    manifest, table = program.manifest("rows", "e2e_rows", ROWS.replace("FOLDER", "rows"))
    expect(program.run(manifest)["rows"], 3000, "rows verified")
    program.settles(manifest)
    more = "".join(line.format(n, 1) for n in range(3000, 3100))
    program.file("rows/b.csv", ("n,s,day\n" + more).encode())
    expect(program.run(manifest)["rows"], 100, "rows of the new source")
    program.settles(manifest)
    return f"{rows_of(program, table)} rows in the table's uploads"


def rows_of(program, table):
    total, query = 0, {"maxResults": 100}
    while True:
        page = program.api.must("GET", program.world.path(table, "/uploads"), query=query).json
        total += sum(int(one.get("numRows") or 0) for one in page["results"])
        if not page.get("nextPageToken"):
            return total
        query["pageToken"] = page["nextPageToken"]


def a_table_is_replaced(program):
    job = "tables:\n  TABLE: { merge: replace }\n" + ROWS.replace("FOLDER", "whole")
    program.file("whole/a.csv", b"n,s,day\n1,x,2026-01-01\n2,y,2026-01-02\n")
    manifest, table = program.manifest("whole", "e2e_whole", job)
    expect(program.run(manifest)["rows"], 2, "rows verified")
    program.settles(manifest)
    program.file("whole/a.csv", b"n,s,day\n3,z,2026-01-03\n")
    expect(program.run(manifest)["rows"], 1, "rows verified")
    program.settles(manifest)
    expect(rows_of(program, table), 1, "rows in the draft")
    return "two rows, then one"


def bulk_uploads(program):
    program.file("bulk/taxa.csv", b"id,name\n1,a\n2,b\n3,c\n")
    job = "jobs:\n  - name: bulk\n    table: TABLE\n    uploads: [{ path: bulk/taxa.csv }]\n"
    manifest, _ = program.manifest("bulk", "e2e_bulk", job)
    expect(program.run(manifest)["uploads"], 1, "uploads verified")
    program.settles(manifest)
    return "one CSV file"


def verify(program):
    if not program.has("verify"):
        return None
    for name in ("files", "rows", "bulk"):
        child = program.start("verify", os.path.join(program.folder, f"{name}.yaml"))
        out, err = child.communicate(timeout=1800)
        if child.returncode:
            raise Stop(f"`verify {name}.yaml` exited {child.returncode}: {out[-300:]}{err[-300:]}")
    return "files, rows and uploads"


SCENARIOS = [
    ("files, small and large, then unchanged", small_and_large_files),
    ("a large file goes on after `kill -9`", resume_after_kill),
    ("rows appended, then unchanged", rows_are_appended),
    ("a table replaced as a whole, then unchanged", a_table_is_replaced),
    ("a bulk upload, then unchanged", bulk_uploads),
    ("`verify` finds all as it is", verify),
]


def run_all(program, note):
    """`(name, PASS or FAIL or SKIP, what was seen, seconds)` for each."""
    ends = []
    for name, scenario in SCENARIOS:
        note(f"scenario: {name}")
        started = time.monotonic()
        try:
            seen = scenario(program)
            end = ("PASS", seen) if seen is not None else ("SKIP", "this build has no such command")
        except Exception as why:  # a bug in a scenario must not keep the tables
            end = ("FAIL", f"{type(why).__name__}: {why}")
        finally:
            program.stop()
        ends.append((name, *end, round(time.monotonic() - started, 1)))
    return ends
