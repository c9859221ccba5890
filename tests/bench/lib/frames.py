"""CSV to JSON lines with DuckDB and Polars: the schema is given, the threads are
two, the imports are not timed.

frames.py duckdb|polars THREADS OUT CSV [CSV ...]"""

import json
import os
import sys
import time

which, threads, out, *sources = sys.argv[1:]
os.environ["POLARS_MAX_THREADS"] = threads
COLUMNS = json.loads(os.environ["BENCH_COLUMNS"])


def with_duckdb():
    import duckdb

    types = {
        "string": "VARCHAR",
        "integer": "BIGINT",
        "float": "DOUBLE",
        "boolean": "BOOLEAN",
        "date": "DATE",
        "dateTime": "TIMESTAMP",
    }
    columns = ", ".join(f"'{name}': '{types[kind]}'" for name, kind in COLUMNS.items())
    names = ", ".join(f"'{source}'" for source in sources)
    database = duckdb.connect(config={"threads": int(threads)})
    started = time.perf_counter()
    database.execute(
        f"COPY (SELECT * FROM read_csv([{names}], header=true, auto_detect=false, delim=',',"
        f" quote='\"', columns={{{columns}}})) TO '{out}' (FORMAT json)"
    )
    return time.perf_counter() - started


def with_polars():
    import polars

    types = {
        "string": polars.String,
        "integer": polars.Int64,
        "float": polars.Float64,
        "boolean": polars.Boolean,
        "date": polars.Date,
        "dateTime": polars.Datetime("us"),
    }
    schema = {name: types[kind] for name, kind in COLUMNS.items()}
    started = time.perf_counter()
    polars.scan_csv(sources, schema=schema, has_header=True).sink_ndjson(out)
    return time.perf_counter() - started


before = time.process_time()
seconds = with_duckdb() if which == "duckdb" else with_polars()
print(json.dumps({"wall": seconds, "cpu": time.process_time() - before}))
