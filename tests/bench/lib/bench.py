"""What every row is given, and the register of rows."""

import dataclasses
import json
import pathlib
import shutil
import urllib.request

from . import measure
from .places import DATASET, OUT, Server, environment

ROWS = {}


def row(name):
    """Registers a function that measures a row and answers its lines."""

    def keep(function):
        ROWS[name] = function
        return function

    return keep


@dataclasses.dataclass
class Bench:
    program: pathlib.Path
    tool: pathlib.Path
    python: pathlib.Path
    nginx: pathlib.Path
    quick: bool
    rounds: int

    def size(self, whole, quick):
        return quick if self.quick else whole

    def command(self, name, manifest, endpoint, *more, state=None):
        state = state or fresh("state")
        return [
            self.program, name, manifest, "--endpoint", endpoint,
            "--state-dir", state, "--progress", "none", *more,
        ]

    def ours(self, manifest, endpoint, *more, codes=(0,)):
        """A whole `run` of the program, with an empty state on disk."""
        command = self.command("run", manifest, endpoint, *more)
        return measure.run(command, env=environment(), codes=codes)

    def client(self, endpoint, *words):
        """The official client; the sample has its own clock's seconds."""
        script = pathlib.Path(__file__).with_name("client.py")
        env = environment(REDIVIS_API_ENDPOINT=endpoint, HOME=str(OUT))
        sample = measure.run([self.python, script, *words], env=env)
        told = json.loads(sample.out.splitlines()[-1])
        sample.wall, sample.cpu = told["wall"], told["cpu"]
        return sample

    def frames(self, which, columns, out, sources):
        script = pathlib.Path(__file__).with_name("frames.py")
        env = environment(BENCH_COLUMNS=json.dumps(columns))
        sample = measure.run([self.python, script, which, "2", out, *sources], env=env)
        told = json.loads(sample.out.splitlines()[-1])
        sample.wall, sample.cpu = told["wall"], told["cpu"]
        return sample

    def served(self, side, latency_ms=0, content="keep"):
        """Measures one side against a fresh server: `side` is called with it."""
        with Server(self.tool, latency_ms, content) as server:
            prepared = side(server)
            with measure.Watch(server.pid) as watch:
                sample = prepared()
            sample.extra["server_idle"] = watch.server_idle
            sample.extra["server_cpu"] = watch.server_cpu
            sample.extra["machine_idle"] = watch.machine_idle
            sample.extra |= server.stats()
        return sample


def fresh(name):
    """An empty folder."""
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def call(server, method, path, body=None):
    """One call to the server's API."""
    request = urllib.request.Request(
        server.endpoint + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer benchmark", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def listed_files(server):
    """Name, size and MD5 of every file of the table."""
    found, token = {}, ""
    while True:
        path = f"/tables/{DATASET}:next.files/rawFiles?maxResults=1000{token}"
        answer = call(server, "GET", path)
        for one in answer["results"]:
            found[one["name"]] = (one["size"], one["md5Hash"])
        if not answer.get("nextPageToken"):
            return found
        token = f"&pageToken={answer['nextPageToken']}"


def need(condition, what):
    if not condition:
        raise RuntimeError(what)


def idle_note(samples):
    """How busy server and machine were, for a row's notes."""
    server = measure.median_extra(samples, "server_idle")
    machine = measure.median_extra(samples, "machine_idle")
    return f"server used {100 * (1 - server):.0f} % of the cores, {100 * machine:.0f} % were idle"
