"""Files: the program against the official client and against curl."""

import base64
import hashlib
import json
import os
import time

from . import data, measure
from .bench import call, fresh, idle_note, listed_files, need, row
from .measure import interleave, median, median_extra
from .places import DATASET, OUT, Nginx, environment
from .table import Line

WIDTH = 16


def digests(folder, files):
    base = folder / "files"
    found = {}
    for path in files:
        with open(path, "rb") as source:
            md5 = hashlib.file_digest(source, "md5").digest()
        name = os.path.relpath(path, base)
        found[name] = (os.path.getsize(path), base64.b64encode(md5).decode())
    return found


def curl_config(pairs):
    """A file that tells curl what goes where."""
    path = OUT / "curl.config"
    with open(path, "w") as out:
        for source, url in pairs:
            out.write(f'upload-file = "{source}"\nurl = "{url}"\n')
    return path


def curl(config, width):
    command = ["curl", "--silent", "--show-error", "--fail"]
    if width > 1:
        command += ["--parallel", "--parallel-max", str(width)]
    return measure.run([*command, "--config", config], env=environment())


def addresses(server, files):
    """A temp upload for each file, asked for before the clock starts."""
    call(server, "POST", f"/datasets/{DATASET}:next/tables", {"name": "files", "isFileIndex": True})
    given = []
    for at in range(0, len(files), 1000):
        wanted = [
            {"name": f"{at + n}", "size": os.path.getsize(path), "resumable": False}
            for n, path in enumerate(files[at : at + 1000])
        ]
        path = f"/tables/{DATASET}:next.files/tempUploads"
        given += [one["url"] for one in call(server, "POST", path, {"tempUploads": wanted})["results"]]
    return given


def sides(bench, folder, files, width=WIDTH):
    """The program, the client and curl, each against a server of its own."""
    transfers = ("--transfers", str(width))

    def ours(server):
        return lambda: bench.ours(folder / "files.yaml", server.endpoint, *transfers)

    def client(server):
        return lambda: bench.client(server.endpoint, "files", folder / "files")

    def with_curl(server):
        config = curl_config(zip(files, addresses(server, files)))
        return lambda: curl(config, width)

    return {"ours": ours, "client": client, "curl": with_curl}


def check_equal(bench, folder, files):
    """The program and the client leave the same table, which is the folder."""
    wanted = digests(folder, files)
    for name in ("ours", "client"):

        def side(server, name=name):
            run = sides(bench, folder, files)[name](server)

            def checked():
                sample = run()
                need(listed_files(server) == wanted, f"{name} stored something else")
                return sample

            return checked

        bench.served(side)


@row("small-files")
def small_files(bench):
    count = bench.size(10_000, 1_000)
    few = data.files("few-files", 300, 4096, 10240)
    check_equal(bench, few, data.paths(few))
    folder = data.files(f"small-files-{count}", count, 4096, 10240)
    files = data.paths(folder)
    made = sides(bench, folder, files)
    found = interleave(
        {name: lambda side=side: bench.served(side) for name, side in made.items()}, bench.rounds
    )
    ours, client, with_curl = found["ours"], found["client"], found["curl"]
    need(all(sample.extra["files"] == count for sample in ours + client), "files are missing")
    rate = count / median(ours)
    cpu = 1000 * median(ours, "cpu") / count
    note = f"{rate:,.0f} files/s; {measure.spread(ours)}; {idle_note(ours)}"
    name = "small-files"
    return [
        Line(name, f"{count:,} files of 4-10 KiB, whole program, against the official Python client",
             median(client) / median(ours), "x", 15, 25,
             notes=f"{note}; client {count / median(client):,.0f} files/s"),
        Line(name, f"against `curl --parallel` (PUTs only) of the same width, {WIDTH}",
             median(with_curl) / median(ours), "x", 1.0, 1.8,
             notes=f"curl {count / median(with_curl):,.0f} files/s; {idle_note(with_curl)}"),
        Line(name, "CPU for each file", cpu, "ms", None, 0.1, more=False,
             notes=f"curl {1000 * median(with_curl, 'cpu') / count:.3f} ms"),
        Line(name, f"connections for those files, {WIDTH} workers",
             median_extra(ours, "connections"), "connections", WIDTH + 8, WIDTH + 2, more=False,
             notes=f"client {median_extra(client, 'connections'):,.0f}, "
                   f"curl {median_extra(with_curl, 'connections'):,.0f}"),
        Line(name, "peak memory", median(ours, "peak_mb"), "MB", None, None,
             notes=f"client {median(client, 'peak_mb'):.0f} MB"),
    ]


@row("latency")
def latency(bench):
    count, milliseconds = bench.size(10_000, 1_000), 20
    folder = data.files(f"small-files-{count}", count, 4096, 10240)
    files = data.paths(folder)
    made = sides(bench, folder, files)
    few = files[: bench.size(200, 50)]
    alone = sides(bench, folder, few, width=1)["curl"]
    found = interleave(
        {
            "ours": lambda: bench.served(made["ours"], milliseconds),
            "alone": lambda: bench.served(alone, milliseconds),
        },
        bench.rounds,
    )
    # For information: one run, since it takes long.
    found["curl"] = [bench.served(made["curl"], milliseconds)]
    # What a worker waits for is the added time and the request itself.
    each = median(found["alone"]) / len(few)
    most = WIDTH / each
    reached = {name: 100 * count / median(found[name]) / most for name in ("ours", "curl")}
    nominal = 100 * count / median(found["ours"]) / (WIDTH / (milliseconds / 1000))
    return [
        Line("latency", f"{count:,} small files, {milliseconds} ms added to each request: "
             "share of workers / latency", reached["ours"], "%", 95, 97,
             notes=f"{count / median(found['ours']):,.0f} files/s of {most:,.0f}: one PUT at a time takes "
                   f"`curl` {1000 * each:.1f} ms; {nominal:.1f} % of workers / {milliseconds} ms; "
                   f"curl {reached['curl']:.0f} %; {idle_note(found['ours'])}"),
    ]


def md5_sides(bench, path):
    """The MD5 of a file on one core: by the library of this program, which the server
    under test has too, and by OpenSSL."""
    def ours():
        sample = measure.run([bench.tool, "md5", path])
        told = json.loads(sample.out)
        sample.wall, sample.extra["md5"] = told["seconds"], told["md5"]
        return sample

    def openssl():
        started = time.perf_counter()
        with open(path, "rb") as source:
            digest = hashlib.file_digest(source, "md5").hexdigest()
        return measure.Sample(time.perf_counter() - started, extra={"md5": digest})

    need(ours().extra == openssl().extra, f"two MD5s of {path} differ")
    return {"md5": ours, "openssl": openssl}


def md5_note(found, size):
    rate = {name: size / median(found[name]) / 1e6 for name in ("md5", "openssl")}
    return f"MD5 {rate['md5']:,.0f} MB/s, OpenSSL's {rate['openssl']:,.0f}"


@row("one-large-file")
def one_large_file(bench):
    size = bench.size(1 << 30, 64 << 20)
    folder = data.huge(f"large-{size}", 1, size)
    files = data.paths(folder)
    made = sides(bench, folder, files, 1)
    runs = {name: lambda side=made[name]: bench.served(side, content="count") for name in ("ours", "curl")}
    runs |= md5_sides(bench, files[0])
    found = interleave(runs, bench.rounds)
    ours, with_curl = found["ours"], found["curl"]
    core = size / median(found["md5"])
    least = least_seconds(ours, with_curl, core, 1, size)
    return [
        Line("one-large-file", f"one file of {size >> 20} MiB with its MD5 verified, against {LEAST}",
             least / median(ours), "x", 0.9, 1.0,
             notes=f"{size / median(ours) / 1e6:,.0f} MB/s; curl {size / median(with_curl) / 1e6:,.0f}, "
                   f"over the cores {size / least / 1e6:,.0f} MB/s; {md5_note(found, size)}; {idle_note(ours)}"),
        Line("one-large-file", "peak memory", median(ours, "peak_mb"), "MB", 200, 100, more=False),
    ]


def least_seconds(ours, with_curl, core, files, total):
    """What no client that hashes can beat here: curl's time; the MD5 of one file on one
    core; and the server's work, curl's, and the MD5 of all bytes, over all cores."""
    work = measure.median_extra(ours, "server_cpu") + median(with_curl, "cpu") + total / core
    return max(median(with_curl), total / files / core, work / measure.CORES)


LEAST = "the slowest of curl without, the MD5 of a file on one core, and all that work over the cores"


@row("several-large-files")
def several_large_files(bench):
    count, size = bench.size(200, 8), 10 << 20
    folder = data.huge(f"several-{count}", count, size)
    files = data.paths(folder)
    made = sides(bench, folder, files, 8)
    runs = {name: lambda side=made[name]: bench.served(side, content="count") for name in ("ours", "curl")}
    runs |= md5_sides(bench, files[0])
    found = interleave(runs, bench.rounds)
    ours, with_curl = found["ours"], found["curl"]
    core = size / median(found["md5"])
    total = count * size
    return [
        Line("several-large-files", f"{count} files of 10 MiB with MD5, 8 at once, against {LEAST}",
             least_seconds(ours, with_curl, core, count, total) / median(ours), "x", 0.9, 1.0,
             notes=f"{median(with_curl) / median(ours):.2f}x of curl; "
                   f"{total / median(ours) / 1e6:,.0f} MB/s = {total / median(ours) / core:.2f} of one core's MD5; "
                   f"curl {total / median(with_curl) / 1e6:,.0f} MB/s; {md5_note(found, size)}; {idle_note(ours)}"),
        Line("several-large-files", "peak memory", median(ours, "peak_mb"), "MB", 200, 100, more=False),
    ]


@row("latency-large")
def latency_large(bench):
    """Large files with 20 ms before each answer, beside the same without."""
    milliseconds = 20
    lines = []
    for count, size, width in [(1, bench.size(1 << 30, 64 << 20), 1), (bench.size(200, 8), 10 << 20, 8)]:
        name = f"{count} of {size >> 20} MiB, {width} at once"
        folder = data.huge(f"{'large' if count == 1 else 'several'}-{size if count == 1 else count}", count, size)
        made = sides(bench, folder, data.paths(folder), width)
        found = interleave(
            {
                "late": lambda: bench.served(made["ours"], milliseconds, "count"),
                "ours": lambda: bench.served(made["ours"], content="count"),
                "curl": lambda: bench.served(made["curl"], milliseconds, "count"),
            },
            min(3, bench.rounds),
        )
        late = median(found["late"])
        lines.append(
            Line("latency-large", f"{name}, {milliseconds} ms added to each request, against none added",
                 median(found["ours"]) / late, "x", None, None,
                 notes=f"{count * size / late / 1e6:,.0f} MB/s; {median(found['curl']) / late:.2f}x of curl with the same, "
                       "which does without MD5")
        )
    return lines


def storage(bench, name, folder, width, rounds):
    """The client's own transfer and curl put files to nginx."""
    files = data.paths(folder)
    listing = OUT / "paths"
    listing.write_text("\n".join(files) + "\n")
    sums = OUT / "sums"
    with Nginx(bench.nginx) as nginx:
        config = curl_config((path, f"{nginx.url}/{n}") for n, path in enumerate(files))
        runs = {
            "ours": lambda: measure.run([bench.tool, "put", nginx.url, listing, str(width), sums]),
            "curl": lambda: curl(config, width),
        }

        def side(run):
            nginx.empty()
            with measure.Watch(*nginx.pids()) as watch:
                sample = run()
            sample.extra["server_cpu"] = watch.server_cpu
            return sample

        for which, run in runs.items():
            side(run)
            for n, path in enumerate(files):
                if n % max(1, len(files) // 100) == 0:
                    with open(path, "rb") as sent, open(nginx.stored(n), "rb") as kept:
                        same = sent.read(1 << 20) == kept.read(1 << 20)
                    same = same and os.path.getsize(path) == os.path.getsize(nginx.stored(n))
                    need(same, f"nginx has something else of {path} from {which}")
        with open(sums) as told:
            need(len(told.readlines()) == len(files), "digests are missing")
        turns = {which: lambda run=run: side(run) for which, run in runs.items()}
        turns |= md5_sides(bench, files[0])
        found = interleave(turns, rounds)
    ours, with_curl = found["ours"], found["curl"]
    total = data.bytes_of(files)
    is_small = len(files) >= 1000
    what, least = f"curl of the same width, {width}", median(with_curl)
    if not is_small:
        core = os.path.getsize(files[0]) / median(found["md5"])
        what, least = LEAST, least_seconds(ours, with_curl, core, len(files), total)
    return Line(
        "nginx", f"storage side only, on nginx: {name}, against {what}",
        least / median(ours), "x", 1.0 if is_small else 0.9, 1.8 if is_small else 1.0,
        notes=f"{median(with_curl) / median(ours):.2f}x of curl; "
              f"{len(files) / median(ours):,.0f} files/s, {total / median(ours) / 1e6:,.0f} MB/s with MD5; "
              f"curl {len(files) / median(with_curl):,.0f} files/s, {total / median(with_curl) / 1e6:,.0f} MB/s; "
              f"CPU {median(ours, 'cpu'):.2f} and {median(with_curl, 'cpu'):.2f} s, "
              f"nginx's {measure.median_extra(ours, 'server_cpu'):.2f} and "
              f"{measure.median_extra(with_curl, 'server_cpu'):.2f} s"
              + ("" if is_small else f"; {md5_note(found, os.path.getsize(files[0]))}"),
    )


@row("nginx")
def on_nginx(bench):
    count = bench.size(10_000, 1_000)
    many = data.files(f"small-files-{count}", count, 4096, 10240)
    count = bench.size(200, 8)
    several = data.huge(f"several-{count}", count, 10 << 20)
    size = bench.size(1 << 30, 64 << 20)
    large = data.huge(f"large-{size}", 1, size)
    return [
        storage(bench, f"{len(data.paths(many)):,} small files", many, WIDTH, bench.rounds),
        storage(bench, f"{count} files of 10 MiB", several, 8, bench.rounds),
        storage(bench, f"one file of {size >> 20} MiB", large, 1, bench.rounds),
    ]
