"""One command, measured: seconds, CPU seconds, peak memory. Sides of a comparison
take turns, and medians are compared."""

import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SPAWN = pathlib.Path(__file__).with_name("spawn.py")
CORES = os.cpu_count() or 1
TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Sample:
    """What one run took. `extra` holds what only this side knows."""

    wall: float
    cpu: float = 0.0
    peak_mb: float = 0.0
    code: int = 0
    out: str = ""
    extra: dict = dataclasses.field(default_factory=dict)


def run(command, env=None, cwd=None, codes=(0,)):
    """Runs a command to its end. Another exit code than wanted is an error that
    shows what it said."""
    with tempfile.NamedTemporaryFile("r") as result:
        words = [sys.executable, "-S", "-E", SPAWN, result.name, *map(str, command)]
        done = subprocess.run(
            words,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        text = done.stdout.decode(errors="replace")
        told = result.read().split()
    if len(told) != 4:
        raise RuntimeError(f"{command[0]} could not be run:\n{text[-2000:]}")
    wall, cpu, peak, code = (float(word) for word in told)
    if code not in codes:
        raise RuntimeError(f"{command[0]} ended with {code:.0f}:\n{text[-2000:]}")
    return Sample(wall, cpu, peak, int(code), text)


def cpu_of(pid):
    """CPU seconds of a living process."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def idle_of_machine():
    """Seconds that the cores were idle since the start, summed."""
    with open("/proc/stat") as stat:
        fields = stat.readline().split()
    return (int(fields[4]) + int(fields[5])) / TICKS


class Watch:
    """What server and machine did while a side ran."""

    def __init__(self, *pids):
        self.pids = pids

    def __enter__(self):
        self.started = time.perf_counter()
        self.cpu, self.idle = sum(map(cpu_of, self.pids)), idle_of_machine()
        return self

    def __exit__(self, *_):
        wall = time.perf_counter() - self.started
        self.server_cpu = sum(map(cpu_of, self.pids)) - self.cpu
        self.server_idle = max(0.0, 1 - self.server_cpu / (wall * CORES))
        self.machine_idle = (idle_of_machine() - self.idle) / (wall * CORES)


def interleave(sides, rounds):
    """Runs `sides` (name to function) in turn; answers the samples of each. The
    first side changes from round to round, so that none is always after another."""
    found = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(sides[name]())
    return found


def median(samples, of="wall"):
    return statistics.median(getattr(sample, of) for sample in samples)


def median_extra(samples, key):
    return statistics.median(sample.extra[key] for sample in samples)


def spread(samples):
    walls = [sample.wall for sample in samples]
    return f"{min(walls):.2f} / {statistics.median(walls):.2f} / {max(walls):.2f} s"
