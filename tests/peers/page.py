"""Runs docs/from-the-official-client.md: its Python with the official client, its
YAML with the program, each against a sandbox of its own, and compares what both hold.

page.py BINARY PAGE WORK. The interpreter must have the client.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

TOKEN = "peer-test"
FAULT = "- {operation: put_file, nth: {nth: 1}, fault: {status: {code: 503}}}\n"


def fail(what):
    sys.exit(f"page: {what}")


def blocks(page, kind):
    found = re.findall(rf"^```{kind}[^\n]*\n(.*?)^```$", page, re.M | re.S)
    if len(found) != 5:
        fail(f"{len(found)} blocks of {kind} instead of 5")
    return found


def manifest(page):
    """The blocks in their order; the last one stands at the top."""
    head, *jobs, release = blocks(page, "yaml")
    before, after = head.split("jobs:\n")
    return before + release + "jobs:\n" + after + "".join(jobs)


def make_sources(folder):
    files = {
        "scans/a1.tif": b"\0" * 2000,
        "scans/deep/er/Grün (2).tif": bytes(range(256)) * 300,
        "scans/empty.tif": b"",
        "readings.csv": b"station,day,value\nA1,2026-03-01,7.25\nA2,2026-03-01,NA\nA1,2026-03-02,-0.5\n",
        "taxa.csv": b"id,name\n1,Larus\n2,Sterna\n",
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {name.removeprefix("scans/"): content for name, content in files.items()
            if name.startswith("scans/")}


class Sandbox:
    def __init__(self, binary, data, faults=None):
        command = [binary, "sandbox", "--data-dir", data, "--dataset", "demo.survey"]
        if faults:
            path = data.with_suffix(".faults.yaml")
            path.write_text(faults)
            command += ["--faults", path]
        self.data = data
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().strip()
        if not self.endpoint.startswith("http://127.0.0.1:"):
            fail("the sandbox did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def get(self, path, raw=False):
        request = urllib.request.Request(self.endpoint + path)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            content = answer.read()
        return content if raw else json.loads(content)

    def results(self, path):
        return self.get(f"{path}?maxResults=1000")["results"]

    def files(self, version):
        """Name to digest of the bytes that are served, for every file."""
        found = {}
        for one in self.results(f"/tables/demo.survey:{version}.scans/rawFiles"):
            digest = hashlib.md5(self.get(f"/rawFiles/{one['id']}", raw=True)).digest()
            if base64.b64decode(one["md5Hash"]) != digest:
                fail(f"{one['name']}: the listing says another MD5")
            found[one["name"].lstrip("/")] = digest.hex()
        return found

    def held(self, version):
        """What does not depend on who sent it."""
        readings = self.results(f"/tables/demo.survey:{version}.readings/uploads")
        rows = []
        for one in readings:
            lines = (self.data / "rows" / f"{one['id']}.ndjson").read_text().splitlines()
            rows += [json.loads(line) for line in lines]
        taxa = self.results(f"/tables/demo.survey:{version}.taxa/uploads")
        table = {}
        for name in ("scans", "readings", "taxa"):
            got = self.get(f"/tables/demo.survey:{version}.{name}")
            table[name] = (got["isFileIndex"], got["numRows"])
        return {
            "files": self.files(version),
            "rows": sorted(map(str, ({k: v for k, v in row.items() if v is not None} for row in rows))),
            "variables": {
                name: [(one["name"], one["type"]) for one in self.results(
                    f"/tables/demo.survey:{version}.{name}/variables")]
                for name in ("readings", "taxa")
            },
            "taxa": [(one["status"], one["numRows"], one["size"], one["hash"]) for one in taxa],
            "tables": table,
            "versions": [
                (one["tag"], one["isReleased"], one.get("releaseNotes"))
                for one in self.results("/datasets/demo.survey/versions")
            ],
        }


def environment(work, sandbox):
    return {
        "PATH": os.environ["PATH"], "HOME": str(work), "LANG": "C.UTF-8",
        "REDIVIS_API_TOKEN": TOKEN, "REDIVIS_API_ENDPOINT": sandbox.endpoint,
    }


def call(command, folder, env):
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def run(command, folder, env):
    done = call(command, folder, env)
    if done.returncode != 0:
        fail(f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main(binary, page, work):
    page = Path(page).read_text(encoding="utf-8")
    work = Path(work)
    work.mkdir()
    files = make_sources(work / "sources")
    code = "\n".join(blocks(page, "python"))
    (work / "sources" / "manifest.yaml").write_text(manifest(page))
    python = [sys.executable, "-W", "ignore", "-c"]
    program = [binary, "run", "manifest.yaml"]
    folder = work / "sources"

    with Sandbox(binary, work / "by-client") as sandbox:
        run([*python, code], folder, environment(work, sandbox))
        by_client = sandbox.held("v1_0")
    with Sandbox(binary, work / "by-manifest") as sandbox:
        env = environment(work, sandbox)
        run(program, folder, env)
        by_manifest = sandbox.held("v1_0")
        if "Nothing to do" not in run(program, folder, env):
            fail("the second run found something to do")
    for what, held in by_client.items():
        if held != by_manifest[what]:
            fail(f"{what} differ:\nclient   {held}\nmanifest {by_manifest[what]}")
    wanted = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    if by_client["files"] != wanted or len(by_client["rows"]) != 3:
        fail(f"not what the sources say: {by_client}")

    # One 503 while a file is sent: what the page says of both.
    alone = work / "alone"
    (alone / "scans").mkdir(parents=True)
    (alone / "scans" / "one.bin").write_bytes(b"x" * 100_000)
    begin, scans, *_ = blocks(page, "python")
    with Sandbox(binary, work / "faulty-client", FAULT) as sandbox:
        done = call([*python, begin + scans], alone, environment(work, sandbox))
        # The sandbox compares the size at last, and the client ends with its refusal.
        if "has 0 bytes instead of 100000" not in done.stderr:
            fail(f"the client did not send an empty body: correct the page\n{done.stderr}")
    head, scans, *_ = blocks(page, "yaml")
    (alone / "manifest.yaml").write_text(head + scans)
    with Sandbox(binary, work / "faulty-manifest", FAULT) as sandbox:
        run(program, alone, environment(work, sandbox))
        stored = sandbox.files("next")
    if stored != {"one.bin": hashlib.md5(b"x" * 100_000).hexdigest()}:
        fail(f"the program stored {stored}")
    print(f"page: the client and the manifest made the same {len(by_client)} things of "
          f"{len(files)} files, 3 rows and 1 upload; after a 503 the client sent 0 of 100000 "
          "bytes, and the program all")


main(*sys.argv[1:])
