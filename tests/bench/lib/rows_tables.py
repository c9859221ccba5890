"""Rows: CSV and NDJSON to payloads."""

import decimal
import itertools
import json
import pathlib

from . import data, measure
from .bench import call, fresh, idle_note, need, row
from .measure import interleave, median
from .places import DATASET, OUT
from .table import Line


def meaning(line, columns):
    """A row as values, so that forms of one value are equal."""
    found = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
    row = {}
    for name, kind in columns.items():
        value = found.get(name)
        if kind == "dateTime" and value is not None:
            value = value.replace(" ", "T")
            value = value.rstrip("0").rstrip(".") if "." in value else value
        row[name] = value
    need(set(found) <= set(columns), f"a row has other columns: {sorted(found)}")
    return row


def same_rows(what, wanted, found, columns):
    """Compares two files of JSON lines by what they mean."""
    with open(wanted, "rb") as one, open(found, "rb") as other:
        for number, (left, right) in enumerate(itertools.zip_longest(one, other), 1):
            need(left and right, f"{what}: the number of rows differs at row {number}")
            left, right = meaning(left, columns), meaning(right, columns)
            need(left == right, f"{what}: row {number} is {right}, wanted {left}")


def encoded(bench, folder, kind, out=None):
    words = [bench.tool, "encode", folder / f"{kind}.yaml", "2", *([out] if out else [])]
    return measure.run(words)


def plan(bench, folder, kind, server):
    """The program's own pass: encoding, digests, cutting. Nothing is sent."""
    return measure.run(
        bench.command("plan", folder / f"{kind}.yaml", server.endpoint, "--format", "ndjson"),
        env={"PATH": "/usr/bin", "REDIVIS_API_TOKEN": "benchmark"},
    )


@row("csv-encode")
def csv_encode(bench):
    megabytes = bench.size(400, 40)
    folder = data.rows(f"csv-{megabytes}", "csv", 4, megabytes)
    sources = data.paths(folder, "rows")
    few = data.few_rows("csv-few", sources[0], "csv", 20_000)
    scratch = fresh("scratch")
    encoded(bench, few, "csv", scratch / "ours")
    for which in ("duckdb", "polars"):
        bench.frames(which, data.COLUMNS, scratch / which, data.paths(few, "rows"))
        same_rows(which, scratch / "ours", scratch / which, data.COLUMNS)

    def planned():
        return bench.served(lambda server: lambda: plan(bench, folder, "csv", server))

    found = interleave(
        {
            "ours": lambda: encoded(bench, folder, "csv"),
            "duckdb": lambda: bench.frames("duckdb", data.COLUMNS, "/dev/null", sources),
            "polars": lambda: bench.frames("polars", data.COLUMNS, "/dev/null", sources),
            "plan": planned,
        },
        bench.rounds,
    )
    size = data.bytes_of(sources) / 1e6
    rate = {name: size / median(samples) for name, samples in found.items()}
    told = json.loads(found["ours"][0].out)
    note = (
        f"{rate['ours']:,.0f} MB/s of CSV, {told['bytes'] / median(found['ours']) / 1e6:,.0f} MB/s of JSON; "
        f"{measure.spread(found['ours'])}; 4 files, {size:,.0f} MB"
    )
    return [
        Line("csv-encode", "CSV (10 typed columns) to payloads, encode only, against DuckDB `COPY .. (FORMAT json)`, "
             "two threads each", rate["ours"] / rate["duckdb"], "x", 2.5, 5,
             notes=f"{note}; DuckDB {rate['duckdb']:,.0f} MB/s; CPU {median(found['ours'], 'cpu'):.2f} and "
                   f"{median(found['duckdb'], 'cpu'):.2f} s"),
        Line("csv-encode", "against Polars `sink_ndjson`", rate["ours"] / rate["polars"], "x", 1.3, 2.6,
             notes=f"Polars {rate['polars']:,.0f} MB/s, CPU {median(found['polars'], 'cpu'):.2f} s"),
        Line("csv-encode", "whole `plan` of the same files: encoding, the digest of every row, cutting",
             rate["plan"], "MB/s", None, None,
             notes=f"CPU {median(found['plan'], 'cpu'):.2f} s in {median(found['plan']):.2f} s"),
        Line("csv-encode", "peak memory of that `plan`", median(found["plan"], "peak_mb"), "MB", 200, 100, more=False),
    ]


def stored_rows(server, out):
    """The rows that the server keeps, in the order of their uploads' first rows."""
    folder = pathlib.Path(server.data) / "rows"
    pieces = [path for path in folder.iterdir() if path.name != "small.pack"]
    lines = []
    for path in pieces:
        lines += path.read_bytes().splitlines(keepends=True)
    lines.sort(key=lambda line: json.loads(line)["id"])
    out.write_bytes(b"".join(lines))


@row("csv-posted")
def csv_posted(bench):
    megabytes, fewer = bench.size(400, 40), bench.size(60, 12)
    folder = data.rows(f"csv-{megabytes}", "csv", 4, megabytes)
    sources = data.paths(folder, "rows")
    smaller = data.rows(f"csv-{fewer}", "csv", 1 if bench.quick else 2, fewer)
    few = data.few_rows("csv-few", sources[0], "csv", 20_000)
    schema = json.dumps([{"name": name, "type": kind} for name, kind in data.COLUMNS.items()])

    def sides(folder, sources):
        return {
            "ours": lambda server: lambda: bench.ours(folder / "csv.yaml", server.endpoint),
            "client": lambda server: lambda: bench.client(server.endpoint, "rows", schema, *sources),
        }

    scratch = fresh("scratch")
    for name, side in sides(few, data.paths(few, "rows")).items():

        def checked(server, side=side, name=name):
            run = side(server)

            def then():
                sample = run()
                stored_rows(server, scratch / name)
                return sample

            return then

        bench.served(checked)
    same_rows("client", scratch / "ours", scratch / "client", data.COLUMNS)

    def measured(folder, sources):
        turns = {
            name: lambda side=side: bench.served(side, content="count")
            for name, side in sides(folder, sources).items()
        }
        found = interleave(turns, bench.rounds)
        return found["ours"], found["client"], data.bytes_of(sources) / 1e6

    ours, client, size = measured(folder, sources)
    fewer_ours, fewer_client, fewer_size = measured(smaller, data.paths(smaller, "rows"))
    return [
        Line("csv-posted", "CSV (10 typed columns) to posted payloads, whole program, against the Python client's "
             "`csv` and `insert_rows`", median(client) / median(ours), "x", 25, 50,
             notes=f"{size:,.0f} MB: {size / median(ours):,.0f} MB/s of CSV, client {size / median(client):,.1f}; CPU "
                   f"{median(ours, 'cpu'):.2f} s in {median(ours):.2f} s; {idle_note(ours)}"),
        Line("csv-posted", "peak memory", median(ours, "peak_mb"), "MB", 200, 100, more=False,
             notes=f"client {median(client, 'peak_mb'):.0f} MB"),
        Line("csv-posted", f"the same with {fewer_size:,.0f} MB: more of it is start and end",
             median(fewer_client) / median(fewer_ours), "x", None, None,
             notes=f"{median(fewer_ours):.2f} s; CPU {median(fewer_ours, 'cpu'):.2f} s; {idle_note(fewer_ours)}"),
    ]


@row("ndjson")
def ndjson(bench):
    megabytes = bench.size(400, 40)
    folder = data.rows(f"ndjson-{megabytes}", "ndjson", 4, megabytes)
    sources = data.paths(folder, "rows")
    few = data.few_rows("ndjson-few", sources[0], "ndjson", 20_000)
    scratch = fresh("scratch")
    encoded(bench, few, "ndjson", scratch / "ours")
    same_rows("ndjson", data.paths(few, "rows")[0], scratch / "ours", data.COLUMNS)
    found = interleave(
        {
            "ours": lambda: encoded(bench, folder, "ndjson"),
            "plan": lambda: bench.served(
                lambda server: lambda: plan(bench, folder, "ndjson", server)
            ),
        },
        bench.rounds,
    )
    size = data.bytes_of(sources) / 1e6
    return [
        Line("ndjson", "NDJSON, typed, to payloads, two threads, encode only", size / median(found["ours"]), "MB/s",
             700, 1000, notes=f"{measure.spread(found['ours'])}; 4 files, {size:,.0f} MB"),
        Line("ndjson", "whole `plan` of the same files, with digests", size / median(found["plan"]), "MB/s", None, None),
    ]


@row("plan-gzip")
def plan_gzip(bench):
    """One compressed source of one member: how often a plan unpacks it."""
    folder = data.compressed_rows(f"gzip-{bench.size(1000, 20)}", bench.size(1000, 20))
    packed = folder / "rows" / "0.csv.gz"

    def planned(kind):
        return lambda: bench.served(lambda server: lambda: plan(bench, folder, kind, server))

    found = interleave(
        {
            "packed": planned("packed"),
            "plain": planned("plain"),
            "gzip": lambda: measure.run(["sh", "-c", 'exec gzip -dc "$0" > /dev/null', packed]),
        },
        min(3, bench.rounds),
    )
    times = {name: median(samples, "cpu") for name, samples in found.items()}
    size = data.bytes_of([folder / "plain" / "0.csv"]) / 1e6
    return [
        Line("plan-gzip", f"plan of one `.csv.gz` ({size:,.0f} MB unpacked): CPU beyond the same plan of the plain file, "
             "against `gzip -dc`", (times["packed"] - times["plain"]) / times["gzip"], "x", None, 1, more=False,
             notes=f"{size / median(found['packed']):,.0f} MB/s, plain {size / median(found['plain']):,.0f}"),
        Line("plan-gzip", "peak memory", median(found["packed"], "peak_mb"), "MB", 200, 100, more=False),
    ]


@row("plan-days")
def plan_days(bench):
    """Daily files that were delivered, planned without a state."""
    days, megabytes = 365, bench.size(365, 8)
    folder = data.rows(f"days-{megabytes}", "csv", days, megabytes, of=100)
    sources = data.paths(folder, "rows")
    samples = []

    def side(server):
        bench.ours(folder / "csv.yaml", server.endpoint)

        def planned():
            sample = plan(bench, folder, "csv", server)
            classes = json.loads(sample.out.splitlines()[-1])["classes"]
            need(set(classes) == {"unchanged"}, f"the plan sees {classes}")
            return sample

        return planned

    for _ in range(min(3, bench.rounds)):
        samples.append(bench.served(side))
    size = data.bytes_of(sources) / 1e6
    return [
        Line("plan-days", f"plan of {days} daily CSVs that are delivered ({size:,.0f} MB), without a state",
             median(samples), "s", None, None,
             notes=f"{size / median(samples):,.0f} MB/s; CPU {median(samples, 'cpu'):.2f} s"),
        Line("plan-days", "peak memory", median(samples, "peak_mb"), "MB", 200, 100, more=False),
    ]


@row("memory-rows")
def memory_rows(bench):
    """The same peak for few and for many rows."""
    few, many = bench.size(1_000_000, 1_000_000), bench.size(50_000_000, 3_000_000)
    peaks = {}
    for count in (few, many):
        folder = data.narrow_rows(f"narrow-{count}", count)
        side = lambda server: lambda: bench.ours(folder / "csv.yaml", server.endpoint)
        peaks[count] = bench.served(side, content="count")
    if not bench.quick:
        data.forget(f"narrow-{many}")
    return [
        Line("memory-rows", f"peak memory of a run with {many:,} rows", peaks[many].peak_mb, "MB", 200, 100, more=False,
             notes=f"{peaks[few].peak_mb:.0f} MB with {few:,} rows; {many / peaks[many].wall / 1e6:.2f} M rows/s"),
    ]
