"""The runs whose reports tests/peers/browser looks at: real ones, against the sandbox."""

import json
import os
import random
import subprocess

from browser_checks import Failed, same

TOKEN = "canary-browser-1234567890"

# Names that would do harm if a page took them for markup.
HOSTILE = [
    "<img src=x onerror=pwned()>.txt",
    "'\"><script>pwned()<!--.txt",
    "&lt;b onclick=pwned()&gt;.txt",
    "javascript:pwned().txt",
    "]]>-->{{7*7}}${pwned()}.txt",
    "rtl-\u202egnp.txt",
]


class Sandbox:
    def __init__(self, binary, work, faults=""):
        command = [binary, "sandbox", "--dataset", "demo.coastal"]
        if faults:
            path = work / "faults.yaml"
            path.write_text(faults)
            command += ["--faults", path]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.endpoint = self.process.stdout.readline().decode().strip()
        if not self.endpoint.startswith("http://127.0.0.1:"):
            raise Failed("the sandbox did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Runs:
    """Makes pages in a folder, one for each run."""

    def __init__(self, binary, work):
        self.binary, self.work = binary, work
        self.rng = random.Random("coastal")

    def folder(self, name):
        folder = self.work / name
        folder.mkdir(parents=True)
        return folder

    def write(self, folder, name, content):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def run(self, folder, sandbox, exit, *more, page="run.html", scale="1", **settings):
        """Runs the folder's manifest; answers the page and the same report as JSON."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "REDIVIS_API_TOKEN": TOKEN,
            "REDIVIS_API_ENDPOINT": sandbox.endpoint,
            "REDIVIS_INGEST_STATE_DIR": str(folder / "state"),
            "REDIVIS_INGEST_RETRY_SCALE": scale,
            **settings,
        }
        report = folder / page
        command = [self.binary, "run", folder / "manifest.yaml", "--report", report]
        command += ["--format", "json", *more]
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        if ended.returncode != exit:
            raise Failed(f"{folder.name}: exit {ended.returncode}: {ended.stderr[-3000:]}")
        line = json.loads(ended.stdout.splitlines()[-1])
        same(line["page"], str(report), f"{folder.name}: the summary names the page")
        whole = json.loads(open(line["report"]).read())
        same(whole["run_id"], line["run_id"], f"{folder.name}: the summary names the JSON report")
        return report, whole

    def manifest(self, folder, jobs, head=""):
        text = f"""version: 1
name: coastal-survey
dataset: demo.coastal
prepare: {{ next_version: true, tables: true }}
{head}jobs:
{jobs}"""
        self.write(folder, "manifest.yaml", text)

    def good(self):
        """Everything is sent, with a rate limit and some rejects on the way."""
        folder = self.folder("good")
        for n in range(48):
            size = self.rng.randrange(20_000, 900_000)
            name = f"data/scans/{2019 + n % 8}/site-{n % 6:02}/scan_{n:04}.tif"
            self.write(folder, name, self.rng.randbytes(size))
        self.readings(folder, 9, 400, bad=4)
        self.write(folder, "export/taxa.csv", "id,name\n1,Fucus\n2,Ulva\n")
        self.manifest(
            folder,
            """  - name: scans
    table: scans
    files: [{ glob: "data/scans/**/*.tif", base: data/scans }]
  - name: readings
    table: readings
    rows: [{ csv: "data/readings/*.csv" }]
    schema: { station: string, day: date, value: { type: float, from: "Value (mg/l)" } }
    rejects: { max: 10 }
  - name: taxa
    table: taxa
    uploads: [{ path: export/taxa.csv, name: taxa }]
""",
        )
        faults = """- operation: insert_rows
  nth: {nth: 3}
  fault: {status: {code: 429, retry_after: {seconds: 1}}}
- operation: put_file
  nth: {every: 17}
  fault: {status: {code: 503}}
"""
        with Sandbox(self.binary, folder, faults) as sandbox:
            return self.run(folder, sandbox, 0, "--bwlimit", "6MiB", "-j", "8", "--receipts", str(folder / "receipts"))

    def readings(self, folder, files, rows, bad=0):
        for n in range(files):
            lines = ["station,day,Value (mg/l)"]
            for row in range(rows):
                value = f"{self.rng.random() * 10:.3f}"
                if n == 2 and row < bad:
                    value = ["n/a", "<0.05", "unter 5", "<b>bold</b>"][row % 4]
                lines.append(f"st-{row % 7:02},2026-{n + 1:02}-{row % 28 + 1:02},{value}")
            self.write(folder, f"data/readings/readings_2026-{n + 1:02}.csv", "\n".join(lines) + "\n")

    def partial(self):
        """Some items fail, some are refused, most are sent; names are hostile."""
        folder = self.folder("partial")
        for n in range(20):
            self.write(folder, f"data/scans/scan_{n:02}.tif", self.rng.randbytes(9000 + 100 * n))
        for name in HOSTILE:
            self.write(folder, f"data/notes/{name}", f"hello {name}")
        self.write(folder, "data/frozen/readme.txt", "first")
        self.readings(folder, 3, 50)
        self.manifest(folder, PARTIAL)
        with Sandbox(self.binary, folder) as sandbox:
            self.run(folder, sandbox, 0, page="first.html")
            self.write(folder, "data/frozen/readme.txt", "second, longer")
            self.write(folder, "data/scans/scan_03.tif", self.rng.randbytes(12_000))
            self.write(folder, "data/scans/new.tif", self.rng.randbytes(50_000))
            self.write(folder, "data/notes/<svg onload=pwned()>.txt", "new")
            self.readings(folder, 4, 60, bad=4)
            return self.run(folder, sandbox, 3)

    def failed(self):
        """The dataset is not there: no plan was made."""
        folder = self.folder("failed")
        self.write(folder, "data/a.txt", "a")
        self.manifest(
            folder,
            "  - { name: scans, table: demo.nowhere:next.scans, files: [{ glob: 'data/*' }] }\n",
        )
        with Sandbox(self.binary, folder) as sandbox:
            return self.run(folder, sandbox, 69)

    def stopped(self):
        """A deadline ends the run; run again."""
        folder = self.folder("stopped")
        for n in range(40):
            self.write(folder, f"data/scan_{n:02}.tif", self.rng.randbytes(300_000))
        self.manifest(
            folder, "  - { name: scans, table: scans, files: [{ glob: 'data/*' }] }\n"
        )
        with Sandbox(self.binary, folder) as sandbox:
            return self.run(
                folder, sandbox, 75, "--deadline", "4s", "--bwlimit", "1MiB", "-j", "4"
            )

    def big(self):
        """More items than a page shows."""
        folder = self.folder("big")
        for n in range(1300):
            name = f"data/plots/block-{n % 40:02}/plot-{n:05}-with-a-rather-long-name.json"
            self.write(folder, name, json.dumps({"n": n}))
        self.write(folder, "data/one/only.txt", "one")
        self.manifest(
            folder,
            """  - name: plots
    table: plots
    files: [{ glob: "data/plots/**/*.json", base: data/plots }]
  - name: one
    table: one
    files: [{ glob: "data/one/*" }]
""",
        )
        with Sandbox(self.binary, folder) as sandbox:
            return self.run(folder, sandbox, 0)


PARTIAL = """  - name: scans
    table: scans
    files: [{ glob: "data/scans/*.tif", base: data }]
  - name: notes
    table: notes
    files: [{ glob: "data/notes/*", prefix: "</script></style>/" }]
  - name: frozen
    table: frozen
    files: [{ glob: "data/frozen/*" }]
    on_change: fail
  - name: readings
    table: readings
    rows: [{ csv: "data/readings/*.csv" }]
    schema: { station: string, day: date, value: { type: float, from: "Value (mg/l)" } }
"""
