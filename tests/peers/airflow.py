"""Runs the DAGs of docs/airflow in a real Airflow against the sandbox, and the one of
docs/tutorial.md in the home that the tutorial's own commands make.

airflow.py BINARY REPOSITORY [first-hour]. With `first-hour` the tutorial only. Needs nothing but the standard library, and `airflow`
beside the interpreter. Every wait is for an event, and patient.
"""

import base64
import hashlib
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE = 300  # seconds for one thing that must come; never waited out
TRY_SECONDS = 25  # `execution_timeout` of the DAG that is killed
SHARDS = 3
CHUNK = 4 << 20
BIG = 40 << 20  # above the size from which uploads are resumable
BWLIMIT = 8_000_000  # so slow that a large file can be caught on its way
TOKEN = f"canary-{secrets.token_hex(12)}"
MARK = "REDIVIS_INGEST_PEER_RUN"

checks = []


class Failed(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)
    checks.append(what)


def same(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: got {str(got)[:600]!r}, wanted {str(wanted)[:600]!r}")
    checks.append(what)


def say(text):
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)


def wait(what, look, seconds=PATIENCE, pause=0.5):
    """Looks until something true comes, and answers it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(pause)
    raise Failed(f"waited in vain: {what}")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def call(method, url, body=None, token=None, raw=False):
    request = urllib.request.Request(url, method=method)
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    # Never through a proxy: everything is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, data, timeout=60) as answer:
            content = answer.read()
    except urllib.error.HTTPError as error:
        raise Failed(f"{method} {url}: {error.code} {error.read()[:500]!r}") from error
    return content if raw else json.loads(content or b"null")


class Sandbox:
    """The sandbox: one folder, one port; it may be restarted with other faults."""

    def __init__(self, binary, work):
        self.binary, self.data, self.log = binary, work / "sandbox", work / "sandbox.err"
        self.faults_file, self.port, self.process = work / "faults.yaml", 0, None

    def start(self, faults=""):
        command = [self.binary, "sandbox", "--data-dir", self.data, "--port", str(self.port)]
        for name in ("plain", "skip", "plan", "shards", "retries", "timeout"):
            command += ["--dataset", f"demo.{name}"]
        if faults:
            self.faults_file.write_text(faults)
            command += ["--faults", self.faults_file]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        self.endpoint = self.process.stdout.readline().decode().strip()
        if not self.endpoint.startswith("http://127.0.0.1:"):
            raise Failed(f"the sandbox did not start: {self.log.read_text()}")
        self.port = int(self.endpoint.split(":")[2].split("/")[0])

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def pages(self, path):
        found, page = [], ""
        while True:
            answer = call("GET", f"{self.endpoint}{path}?maxResults=1000{page}", token=TOKEN)
            found += answer["results"]
            if not answer.get("nextPageToken"):
                return found
            page = f"&pageToken={answer['nextPageToken']}"

    def files(self, dataset):
        """Name to MD5 of the bytes that are served, and every name once."""
        found = self.pages(f"/tables/demo.{dataset}:next.files/rawFiles")
        names = [one["name"] for one in found]
        same(len(names), len(set(names)), f"{dataset}: no file is there twice")
        digests = {}
        for one in found:
            content = call("GET", f"{self.endpoint}/rawFiles/{one['id']}", token=TOKEN, raw=True)
            digests[one["name"]] = hashlib.md5(content).hexdigest()
            same(
                base64.b64decode(one["md5Hash"]).hex(),
                digests[one["name"]],
                f"{dataset}: {one['name']} has the MD5 that the listing says",
            )
        return digests

    def rows(self, dataset):
        """All rows that the draft's uploads hold, sorted."""
        rows = []
        for one in self.pages(f"/tables/demo.{dataset}:next.readings/uploads"):
            lines = (self.data / "rows" / f"{one['id']}.ndjson").read_text().splitlines()
            same(one["numRows"], len(lines), f"{dataset}: upload {one['id']} counts its rows")
            rows += [json.loads(line) for line in lines]
        return sorted((row["id"], row["text"]) for row in rows)


class Job:
    """A manifest with its sources: files, and CSV files of rows."""

    def __init__(self, work, name, files=6, tables=3, big=0):
        self.name, self.folder = name, work / "jobs" / name
        self.rng = random.Random(name)
        self.wanted_rows = []
        for folder in ("files", "rows"):
            (self.folder / folder).mkdir(parents=True)
        for n in range(files):
            self.file(f"f{n:02}.bin", self.rng.randbytes(1000 + n * 777))
        if big:
            self.file("big.bin", self.rng.randbytes(big))
        for n in range(tables):
            self.table(f"r{n:02}.csv", 40 + n)
        self.manifest = self.folder / "manifest.yaml"
        self.manifest.write_text(
            f"""version: 1
name: {name}
dataset: demo.{name}
prepare: {{ next_version: true, tables: true }}
jobs:
  - name: files
    table: files
    files: [{{ glob: "files/**/*", base: files }}]
  - name: readings
    table: readings
    rows: [{{ csv: "rows/*.csv" }}]
    schema: {{ id: integer, text: string }}
"""
        )

    def file(self, name, content):
        (self.folder / "files" / name).write_bytes(content)

    def table(self, name, rows):
        first = len(self.wanted_rows)
        new = [(n, f"{self.name} {n}") for n in range(first, first + rows)]
        text = "".join(f"{n},{text}\n" for n, text in new)
        (self.folder / "rows" / name).write_text("id,text\n" + text)
        self.wanted_rows += new

    def wanted_files(self):
        return {
            one.name: hashlib.md5(one.read_bytes()).hexdigest()
            for one in (self.folder / "files").iterdir()
        }

    def is_delivered(self, sandbox):
        """The remote holds exactly the sources, once: bytes and rows."""
        same(sandbox.files(self.name), self.wanted_files(), f"{self.name}: the files' bytes")
        same(sandbox.rows(self.name), sorted(self.wanted_rows), f"{self.name}: the rows, once")


class Airflow:
    """An api-server, a scheduler and a dag-processor in a folder of their own."""

    def __init__(self, work, dags, binary, endpoint):
        self.home = work / "airflow"
        if dags:
            shutil.copytree(dags, self.home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (self.home / "dags").mkdir(parents=True)
        (self.home / "dags" / "survey.py").symlink_to(work / "home/airflow/dags/survey.py")
        (work / "bin").mkdir()
        (work / "bin" / "redivis-ingest").symlink_to(binary)
        (work / "plans").mkdir()
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.bin = Path(sys.executable).parent
        self.state = work / "state"
        self.mark = str(work)
        connection = {"conn_type": "http", "host": endpoint, "password": TOKEN}
        self.env = {
            MARK: self.mark,
            "PATH": f"{work}/bin:{self.bin}:{os.environ['PATH']}",
            "HOME": str(work),
            "LANG": "C.UTF-8",
            "NO_PROXY": "*",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW_CONN_REDIVIS": json.dumps(connection),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "4",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.base}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=60",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "INGEST_PLANS": str(work / "plans"),
            "INGEST_RETRY_SECONDS": "4",
            "INGEST_TRY_SECONDS": str(TRY_SECONDS),
            "INGEST_SHARDS": str(SHARDS),
            "REDIVIS_INGEST_STATE_DIR": str(self.state),
            "REDIVIS_INGEST_CHUNK_SIZE": str(CHUNK),
            "REDIVIS_INGEST_BWLIMIT": str(BWLIMIT),
            "REDIVIS_INGEST_RETRY_SCALE": "0.01",
        }
        self.processes = []

    def command(self, name, *args):
        """Starts a part of Airflow; its output goes to a file."""
        with open(self.home / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [self.bin / "airflow", name, *args],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start(self):
        same(self.command("db", "migrate").wait(), 0, "airflow db migrate")
        say("the database is made")
        for name in ("api-server", "scheduler", "dag-processor"):
            self.command(name)

        def is_ready():
            for process in self.processes[1:]:
                if process.poll() is not None:
                    raise Failed(f"a part of Airflow ended: {process.args[1]}")
            try:
                answer = call("GET", f"{self.base}/auth/token")
            except (Failed, OSError):
                return None
            return answer["access_token"]

        self.token = wait("the api-server", is_ready)
        say("the api-server answers")
        self.api("POST", "/pools", {"name": "redivis_writes", "slots": 4})
        names = {path.stem for path in (self.home / "dags").glob("*.py")}
        names.discard("redivis_ingest")

        def are_read():
            errors = self.api("GET", "/importErrors")["import_errors"]
            if errors:
                raise Failed(f"a DAG file has an error: {errors}")
            return {one["dag_id"] for one in self.api("GET", "/dags")["dags"]} == names

        wait("the DAGs", are_read)
        checks.append(f"{len(names)} DAGs are read without an error")

    def api(self, method, path, body=None):
        return call(method, f"{self.base}/api/v2{path}", body, self.token)

    def trigger(self, name, manifest):
        return self.trigger_dag(f"redivis_{name}", {"manifest": str(manifest)})

    def trigger_dag(self, dag, conf):
        body = {"logical_date": None, "conf": conf}
        return Run(self, dag, self.api("POST", f"/dags/{dag}/dagRuns", body)["dag_run_id"])

    def scheduled(self, dag):
        """The run that the scheduler makes by itself."""
        def look():
            runs = self.api("GET", f"/dags/{dag}/dagRuns")["dag_runs"]
            return next((one for one in runs if one["run_type"] == "scheduled"), None)

        return Run(self, dag, wait(f"a scheduled run of {dag}", look)["dag_run_id"])

    def kill_program(self):
        """Ends this run's `redivis-ingest` as the kernel does for want of memory."""
        mark = f"{MARK}={self.mark}\0".encode()
        killed = 0
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[0] == b"redivis-ingest" and mark in (entry / "environ").read_bytes() + b"\0":
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed += 1
            except OSError:
                pass
        return killed

    def set_slots(self, slots):
        self.api("PATCH", "/pools/redivis_writes?update_mask=slots", {"name": "redivis_writes", "slots": slots})

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + 15
        while time.monotonic() < end and any(one.poll() is None for one in self.processes):
            time.sleep(0.1)
        # What is left, and what left its session: all bear this run's mark.
        mark = f"{MARK}={self.mark}\0".encode()
        for entry in Path("/proc").glob("[0-9]*") if Path("/proc").is_dir() else ():
            try:
                if mark in (entry / "environ").read_bytes() + b"\0":
                    os.kill(int(entry.name), signal.SIGKILL)
            except (OSError, ValueError):
                pass
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def reports(self, manifest):
        """The program's own reports of one manifest, oldest first."""
        found = []
        for path in self.state.glob("runs/*/report.json"):
            report = json.loads(path.read_text())
            if report["manifest"]["name"] == manifest:
                report["exit"] = report["exit"]["code"]
                report["counts"] = report["totals"]
                found.append((path.stat().st_mtime, report))
        return [report for _, report in sorted(found, key=lambda one: one[0])]


class Run:
    """A run of a DAG."""

    def __init__(self, airflow, dag, run):
        self.airflow, self.dag = airflow, dag
        self.path = f"/dags/{dag}/dagRuns/{run}"
        self.run = run

    def tasks(self):
        found = self.airflow.api("GET", f"{self.path}/taskInstances")["task_instances"]
        return {
            one["task_id"] if one["map_index"] < 0 else f"{one['task_id']}[{one['map_index']}]": one
            for one in found
        }

    def wait_for(self, task, *states):
        def look():
            one = self.tasks().get(task)
            return one if one and one["state"] in states else None

        return wait(f"{self.dag}: {task} is {states}", look)

    def ends(self, state, tasks):
        """Waits for the end; `tasks` is (state, tries) for each task."""
        look = lambda: self.airflow.api("GET", self.path)["state"] in ("success", "failed")
        wait(f"the end of {self.dag}", look)
        got = {name: (one["state"], one["try_number"]) for name, one in self.tasks().items()}
        for name, wanted in tasks.items():
            if not callable(wanted):
                same(got.get(name), wanted, f"{self.dag}: {name} ended as (state, try)")
            else:
                check(wanted(got.get(name)), f"{self.dag}: {name} ended as {got.get(name)}")
        same(set(got), set(tasks), f"{self.dag}: no other tasks")
        same(self.airflow.api("GET", self.path)["state"], state, f"{self.dag}: the run's state")
        say(f"{self.dag}: {got}")

    def xcom(self, task, index=-1):
        path = f"{self.path}/taskInstances/{task}/xcomEntries/return_value?map_index={index}"
        value = self.airflow.api("GET", path + "&deserialize=true")["value"]
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value

    def tries(self, task):
        path = f"{self.path}/taskInstances/{task}/tries"
        return [one["state"] for one in self.airflow.api("GET", path)["task_instances"]]

    def clear(self, task):
        body = {
            "dry_run": False, "dag_run_id": self.run, "task_ids": [task],
            "include_downstream": True, "only_failed": False, "reset_dag_runs": True,
        }
        self.airflow.api("POST", f"/dags/{self.dag}/clearTaskInstances", body)


def plain(airflow, sandbox, job, run):
    run.ends("success", {"ingest": ("success", 1)})
    summary = run.xcom("ingest")
    same(summary["exit"], 0, "plain: the XCom's exit")
    same(summary["counts"]["files"], 6, "plain: the XCom's files")
    same(summary["counts"]["rows"], 123, "plain: the XCom's rows")
    job.is_delivered(sandbox)


def skip(airflow, sandbox, job, run):
    run.ends("success", {"ingest": ("success", 1), "announce": ("success", 1)})
    same(run.xcom("announce"), "6 files and 123 rows are new", "skip: what came after read it")
    job.is_delivered(sandbox)
    again = airflow.trigger("skip", job.manifest)
    again.ends("success", {"ingest": ("skipped", 1), "announce": ("skipped", 0)})
    same(airflow.reports("skip")[-1]["exit"], 99, "skip: the program said 99")
    job.is_delivered(sandbox)


def plan(airflow, sandbox, job, run):
    way = {"plan": ("success", 1), "has_changes": ("success", 1)}
    run.ends("success", way | {"run": ("success", 1), "nothing_to_do": ("skipped", 0)})
    totals, done = run.xcom("plan"), run.xcom("run")
    same(totals["type"], "totals", "plan: the XCom is the plan's totals")
    same(totals["send"]["items"], 9, "plan: what was to be sent")
    same(totals["send"]["rows"], 123, "plan: rows to be sent")
    same(done["plan_id"], totals["plan_id"], "plan: what was run is what was planned")
    same(done["counts"]["verified"], totals["classes"]["new"]["items"], "plan: all was done")
    job.is_delivered(sandbox)

    again = airflow.trigger("plan", job.manifest)
    again.ends("success", way | {"run": ("skipped", 0), "nothing_to_do": ("success", 1)})
    same(again.xcom("plan")["send"]["items"], 0, "plan: nothing to be sent")

    # Somebody changes a file between the plan and the run.
    airflow.set_slots(0)
    job.file("late.bin", b"as it was planned")
    job.table("r99.csv", 7)
    drift = airflow.trigger("plan", job.manifest)
    drift.wait_for("run", "scheduled")
    same(drift.xcom("plan")["send"]["items"], 2, "drift: two items are planned")
    job.file("late.bin", b"as it is by now, longer")
    airflow.set_slots(4)
    drift.ends("failed", way | {"run": ("failed", 1), "nothing_to_do": ("skipped", 0)})
    report = airflow.reports("plan")[-1]
    same(report["exit"], 4, "drift: the program said 4, and Airflow did not retry")
    same(report["counts"]["drifted"], 1, "drift: one item drifted")
    check("late.bin" not in sandbox.files("plan"), "drift: what was not planned was not sent")
    same(sandbox.rows("plan"), sorted(job.wanted_rows), "drift: the other item was delivered")
    drift.clear("plan")
    drift.wait_for("run", "success")
    drift.ends("success", {
        "plan": ("success", 2), "has_changes": ("success", 2),
        "run": ("success", 2), "nothing_to_do": lambda one: one[0] == "skipped",
    })
    job.is_delivered(sandbox)


def shards(airflow, sandbox, job, run):
    tasks = {f"shard[{n}]": ("success", 1) for n in range(SHARDS)}
    run.ends("success", tasks | {"whole": ("success", 1)})
    parts = [run.xcom("shard", n)["counts"] for n in range(SHARDS)]
    same(sum(one["files"] for one in parts), 40, "shards: their files add up")
    same(sum(one["rows"] for one in parts), len(job.wanted_rows), "shards: their rows add up")
    check(all(one["files"] for one in parts), "shards: each had a part of the work")
    whole = run.xcom("whole")["counts"]
    same((whole["planned"], whole["files"], whole["rows"]), (0, 0, 0), "shards: nothing was left")
    stores = len(list(airflow.state.glob("shards-*.sqlite")))
    same(stores, SHARDS + 1, "shards: each has its own state")
    job.is_delivered(sandbox)


def timeout(airflow, sandbox, job, run):
    run.ends("success", {"ingest": lambda one: one[0] == "success" and 2 <= one[1] <= 4})
    tries = run.tries("ingest")
    same(tries[-1], "success", "timeout: the last try")
    first, *_, last = airflow.reports("timeout")
    same(first["exit"], 143, "timeout: the first try ended cleanly, on SIGTERM")
    same(last["exit"], 0, "timeout: the last try was verified")
    sent = [one["counts"]["bytes_sent"] for one in airflow.reports("timeout")]
    files = sum(len(one.read_bytes()) for one in (job.folder / "files").iterdir())
    # Two chunks were taken, and the third was under way when the task was ended.
    rest = last["counts"]["bytes_sent"]
    check(rest <= BIG - 2 * CHUNK, f"timeout: the last try sent {rest} bytes, not all again")
    sessions = [json.loads(line)["Session"] for line in
                (sandbox.data / "sandbox.log").read_text().splitlines() if '"Session":' in line]
    ids = {one["id"] for one in sessions if one["total"] == BIG}
    same(len(ids), 1, "timeout: all tries sent through one session")
    say(f"timeout: bytes sent by the tries {sent}, bytes of the files {files}")
    job.is_delivered(sandbox)


def first_hour(binary, root, work):
    """From nothing: the commands of the README and of the tutorial, in an empty home."""
    script = root / "tests/scripts/tutorial.sh"
    done = subprocess.run(
        ["bash", script, binary, work / "home"], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=600,
    )
    if done.returncode != 0:
        raise Failed(f"first hour: the tutorial: {done.stdout[-3000:]}{done.stderr}")
    checks.append("first hour: the commands of README and tutorial")
    say(done.stdout.strip())


def survey(airflow, work):
    """The tutorial's DAG: scheduled, skipping, resuming."""
    run = airflow.scheduled("survey")
    run.ends("success", {"ingest": ("success", 1)})
    reports = airflow.reports("survey")
    same(len(reports), 1, "first hour: the scheduler started one run by itself")
    same(reports[0]["exit"], 0, "first hour: it was verified")
    same(reports[0]["counts"]["rows"], 3, "first hour: its rows")

    airflow.trigger_dag("survey", {}).ends("success", {"ingest": ("skipped", 1)})
    same(airflow.reports("survey")[-1]["exit"], 99, "first hour: nothing to do is a skip")

    content = random.Random("survey").randbytes(BIG)
    (work / "home/survey/scans/big.tif").write_bytes(content)
    run = airflow.trigger_dag("survey", {})
    bodies = airflow.state / "sandbox/bodies"
    sent = lambda: sum(one.stat().st_size for one in bodies.glob("session-*"))
    wait("two chunks of the large file", lambda: sent() > 2 * CHUNK, pause=0.05)
    same(airflow.kill_program(), 1, "first hour: the program was killed in the middle")
    run.ends("success", {"ingest": ("success", 2)})
    last = airflow.reports("survey")[-1]
    same(last["exit"], 0, "first hour: the retry was verified")
    rest = last["counts"]["bytes_sent"]
    check(0 < rest <= BIG - 2 * CHUNK, f"first hour: the retry sent {rest} bytes of {BIG}")
    stored = [one.read_bytes() for one in bodies.glob("session-*")]
    same([hashlib.md5(one).hexdigest() for one in stored], [hashlib.md5(content).hexdigest()],
         "first hour: the file is there, once")
    say(f"survey: the retry sent {rest} of {BIG} bytes")


def retries(airflow, sandbox, job):
    """An outage in the middle of a run; then what no retry can mend."""
    sandbox.stop()
    down = "fault: {status: {code: 503}}"
    sandbox.start(f"- {{operation: put_file, nth: {{after: 3}}, {down}}}\n"
                  f"- {{operation: insert_rows, nth: {{after: 1}}, {down}}}\n")
    run = airflow.trigger("retries", job.manifest)
    run.wait_for("ingest", "up_for_retry")
    first = airflow.reports("retries")[0]
    same(first["exit"], 75, "outage: the program said 75, and Airflow waits to retry")
    sandbox.stop()
    sandbox.start()
    run.ends("success", {"ingest": lambda one: one[0] == "success" and 2 <= one[1] <= 4})
    check(len(run.tries("ingest")) >= 2, "outage: it was retried")
    reports = airflow.reports("retries")
    same(reports[-1]["exit"], 0, "outage: the retry was verified")
    check(reports[-1]["counts"]["verified"] > 0, "outage: the retry had something to do")
    rows = sum(one["counts"]["rows"] for one in reports)
    same(rows, len(job.wanted_rows), "outage: each row was delivered by one try only")
    job.is_delivered(sandbox)

    bad = job.folder / "bad.yaml"
    bad.write_text(job.manifest.read_text().replace("glob:", "globb:"))
    runs = [airflow.trigger("retries", bad), airflow.trigger("retries", job.folder / "gone.yaml")]
    for run, what in zip(runs, ("an invalid manifest (78)", "a missing manifest (66)")):
        run.ends("failed", {"ingest": ("failed", 1)})
        checks.append(f"retries: {what} is not retried")
    job.is_delivered(sandbox)


def leaks(airflow):
    """The token is in no log and not in Airflow's database."""
    airflow.stop()
    seen = 0
    for path in airflow.home.rglob("*"):
        if path.is_file():
            seen += 1
            check(TOKEN.encode() not in path.read_bytes(), f"no token in {path.name}")
    check(seen > 5, "logs and database were looked at")


def show(airflow):
    """What a person needs to see after a failure."""
    tasks = [one for one in airflow.home.rglob("*.log") if "task_id=" in str(one)]
    parts = list(airflow.home.glob("*.log"))
    for path in sorted(tasks, key=lambda one: one.stat().st_mtime)[-6:] + parts:
        text = path.read_text(errors="replace").replace(TOKEN, "***")
        print(f"--- {path.relative_to(airflow.home)}\n{text[-2000:]}", file=sys.stderr)


def all_dags(airflow, sandbox, work):
    jobs = {
        "timeout": Job(work, "timeout", big=BIG),
        "plain": Job(work, "plain"),
        "skip": Job(work, "skip"),
        "plan": Job(work, "plan"),
        "shards": Job(work, "shards", files=40, tables=12),
    }
    runs = {name: airflow.trigger(name, job.manifest) for name, job in jobs.items()}
    for part in (plain, skip, plan, shards, timeout):
        name = part.__name__
        part(airflow, sandbox, jobs[name], runs[name])
    retries(airflow, sandbox, Job(work, "retries", files=12, tables=4))


def main(binary, root, only=""):
    root = Path(root)
    is_whole = only != "first-hour"
    work = Path(tempfile.mkdtemp(prefix="redivis-airflow-"))
    # A signal ends the script through `finally`, so that nothing is left behind.
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, lambda *_: sys.exit(1))
    sandbox, airflow = Sandbox(binary, work), None
    try:
        # The third chunk of all never ends: only the large file has chunks.
        sandbox.start("- {operation: put_chunk, nth: {nth: 3}, fault: {stall: {ms: 3600000}}}\n")
        first_hour(binary, root, work)
        dags = root / "docs/airflow/dags" if is_whole else None
        airflow = Airflow(work, dags, binary, sandbox.endpoint)
        airflow.start()
        say("Airflow is ready")
        survey(airflow, work)
        if is_whole:
            all_dags(airflow, sandbox, work)
        leaks(airflow)
    except Failed as error:
        print(f"airflow: {error}", file=sys.stderr)
        if airflow:
            show(airflow)
        return 1
    finally:
        if airflow:
            airflow.stop()
        sandbox.stop()
        shutil.rmtree(work, ignore_errors=True)
    kinds = {}
    for what in checks:
        kinds[what.split(":")[0]] = kinds.get(what.split(":")[0], 0) + 1
    for kind in ("first hour", "survey", "redivis_plain", "plain", "redivis_skip", "skip",
                 "redivis_plan", "plan", "drift", "redivis_shards", "shards", "redivis_timeout", "timeout", "redivis_retries",
                 "outage", "retries"):
        print(f"  {kind}: {kinds.get(kind, 0)} checks")
    print(f"airflow: {len(checks)} checks passed in {time.monotonic() - STARTED:.0f} s")
    return 0


STARTED = time.monotonic()
sys.exit(main(*sys.argv[1:]))
