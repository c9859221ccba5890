"""Planning of many files, memory, start-up, signals, hostile manifests."""

import json
import os
import signal
import statistics
import subprocess
import time

from . import data, measure
from .bench import fresh, idle_note, need, row
from .measure import interleave, median
from .places import DATASET, OUT, Server, environment
from .table import Line


def is_unchanged(sample, count):
    """That a plan, as NDJSON, found so many items, all as they should be; the table is
    one of them."""
    classes = json.loads(sample.out.splitlines()[-1])["classes"]
    found = {name: amount["items"] for name, amount in classes.items()}
    need(found in ({"unchanged": count}, {"unchanged": count + 1}), f"the plan sees {found}")


@row("plan-many")
def plan_many(bench):
    count = bench.size(1_000_000, 20_000)
    folder = data.files(f"many-{count}", count, 8, 8)
    kept, state = data.DATA / f"many-{count}-server", data.DATA / f"many-{count}-state"
    with Server(bench.tool, data=kept) as server:
        words = ("--format", "ndjson")
        command = bench.command("plan", folder / "files.yaml", server.endpoint, *words, state=state)
        if not (kept / "sent").exists():
            sent = bench.command("run", folder / "files.yaml", server.endpoint, state=state)
            measure.run(sent, env=environment())
            (kept / "sent").touch()
        find = ["find", folder / "files", "-type", "f", "-printf", "%P %s %T@ %C@ %i\\n"]

        def listed():
            with open(OUT / "found", "wb") as out:
                started = time.perf_counter()
                process = subprocess.Popen([str(word) for word in find], stdout=out)
                _, status, usage = os.wait4(process.pid, 0)
                wall = time.perf_counter() - started
            process.returncode = status
            need(status == 0, "find failed")
            return measure.Sample(wall, usage.ru_utime + usage.ru_stime)

        def planned():
            with measure.Watch(server.pid) as watch:
                sample = measure.run(command, env=environment())
            sample.extra["server_cpu"] = watch.server_cpu
            return sample

        listed()
        with open(OUT / "found") as found:
            need(sum(1 for _ in found) == count, "find found another number of files")
        is_unchanged(planned(), count)
        found = interleave({"ours": planned, "find": listed}, bench.rounds)
        command = bench.command("plan", folder / "files.yaml", server.endpoint, *words)
        cold = planned()
        is_unchanged(cold, count)
    ours = found["ours"]
    server_cpu = statistics.median(sample.extra["server_cpu"] for sample in ours)
    return [
        Line("plan-many", f"plan of {count:,} unchanged files, warm, against `find -printf` of the same tree",
             median(ours) / median(found["find"]), "x", 4, 2.5, more=False,
             notes=f"{median(ours):.2f} s, CPU {median(ours, 'cpu'):.2f} s; find {median(found['find']):.2f} s; "
                   f"the server's listing took {server_cpu:.2f} s of CPU"),
        Line("plan-many", "peak memory", median(ours, "peak_mb"), "MB", 200, 200, more=False),
        Line("plan-many", "the same plan without a state: every file is read", cold.wall, "s", None, None,
             notes=f"CPU {cold.cpu:.2f} s; once"),
        Line("plan-many", "its peak memory", cold.peak_mb, "MB", 200, 200, more=False),
    ]


@row("memory-file")
def memory_file(bench):
    """The same peak for a small and for a huge file."""
    small, large = bench.size(1 << 30, 16 << 20), bench.size(20 << 30, 256 << 20)
    found = {}
    for size in (small, large):
        folder = data.huge(f"sparse-{size}", 1, size, sparse=True)
        side = lambda server: lambda: bench.ours(folder / "files.yaml", server.endpoint)
        found[size] = bench.served(side, content="count")
    return [
        Line("memory-file", f"peak memory of a run with one file of {large >> 20:,} MiB", found[large].peak_mb, "MB",
             200, 100, more=False,
             notes=f"{found[small].peak_mb:.0f} MB with {small >> 20:,} MiB; "
                   f"{large / found[large].wall / 1e6:,.0f} MB/s"),
    ]


@row("start")
def start(bench):
    runs = [measure.run([bench.program, "--version"]) for _ in range(bench.size(100, 20))]
    size = os.path.getsize(bench.program) / 1e6
    return [
        Line("start", "`--version`", 1000 * median(runs), "ms", 10, 5, more=False),
        Line("start", "release binary", size, "MB", 15, 8, more=False),
    ]


STALL = "- { operation: put_file, nth: { every: 1 }, fault: { stall: { ms: 600000 } } }\n"


@row("stop")
def stop(bench):
    """SIGTERM with 32 blocked uploads, until the report is written and the program gone."""
    folder = data.files("few-files", 300, 4096, 10240)
    took = []
    for _ in range(bench.rounds):
        faults = fresh("stop") / "faults.yaml"
        faults.write_text(STALL)
        words = [bench.program, "sandbox", "--faults", faults, "--dataset", DATASET, "--data-dir", OUT / "stop" / "data"]
        server = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
        try:
            endpoint = server.stdout.readline().strip()
            took.append(one_stop(bench, folder, endpoint))
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
    return [
        Line("stop", "SIGTERM with 32 blocked uploads, to the end with the report written",
             statistics.median(took), "s", 2, 0.5, more=False, notes=f"{min(took):.2f} to {max(took):.2f} s"),
    ]


def connections(pid):
    """Open sockets of a process."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            pass
    return found


def one_stop(bench, folder, endpoint):
    report = OUT / "stop" / "report.json"
    more = ("--transfers", "32", "--report", report)
    command = bench.command("run", folder / "files.yaml", endpoint, *more)
    process = subprocess.Popen(
        [str(word) for word in command], env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    patience = time.monotonic() + 60
    while connections(process.pid) < 32:
        need(process.poll() is None and time.monotonic() < patience, "32 uploads never blocked")
        time.sleep(0.02)
    time.sleep(0.5)
    started = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    took = time.perf_counter() - started
    need(process.returncode == 143, f"the program ended with {process.returncode}")
    need(json.loads(report.read_text()), "there is no report")
    return took


def hostile():
    """Manifests of 32 KB that try to take much time or memory."""
    size = 32_000
    head = "version: 1\nname: bad\n"
    laughs = head + "x-a0: &a0 [" + ",".join(["lol"] * 30) + "]\n"
    for level in range(1, 40):
        row = ",".join([f"*a{level - 1}"] * 100)
        laughs += f"x-a{level}: &a{level} [{row}]\n"
    deep = head + "jobs: " + "[" * (size - 100)
    maps = head + "jobs: " + "{a: " * (size // 4 - 50)
    keys = head + "".join(f"k{n}: 1\n" for n in range(size // 9))
    entries = "".join(f"  - {{ name: j, table: t{n}, files: [{{ path: x }}] }}\n" for n in range(size // 50))
    globs = head + "dataset: a.b\njobs:\n  - { name: j, table: t, files: [{ glob: \"" + "**/*" * (size // 4 - 50) + '" }] }\n'
    return {
        "aliases": laughs[:size], "nested lists": deep, "nested maps": maps, "unknown keys": keys,
        "jobs of one name": head + "dataset: a.b\njobs:\n" + entries, "a glob": globs,
    }


@row("hostile")
def hostile_manifests(bench):
    folder = fresh("hostile")
    worst_time, worst_memory = (0, ""), (0, "")
    for name, text in hostile().items():
        path = folder / "manifest.yaml"
        path.write_text(text)
        codes = tuple(range(1, 128))
        samples = [measure.run([bench.program, "check", path], codes=codes) for _ in range(bench.rounds)]
        worst_time = max(worst_time, (1000 * median(samples), name))
        worst_memory = max(worst_memory, (median(samples, "peak_mb"), name))
    return [
        Line("hostile", "`check` of the worst hostile manifest of 32 KB", worst_time[0], "ms", 200, 50, more=False,
             notes=worst_time[1]),
        Line("hostile", "its memory", worst_memory[0], "MB", 64, 64, more=False, notes=worst_memory[1]),
    ]
