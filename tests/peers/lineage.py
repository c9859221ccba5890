"""Runs the program against the sandbox with a lineage server of its own, and validates
every event that comes against the schemas of OpenLineage, formats included."""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

import jsonschema
import referencing

BINARY = sys.argv[1]
SCHEMAS = pathlib.Path(__file__).parent.parent / "openlineage"
PARENT = "airflow/dag.task/01890a5d-ac96-774b-bcce-b302099a8057"
MANIFEST = """
version: 1
name: peers
dataset: demo.survey
prepare: { next_version: true, tables: true }
jobs:
  - { name: scans, table: scans, files: [{ glob: 'data/*.bin' }] }
  - name: readings
    table: readings
    rows: [{ csv: 'rows.csv' }]
    schema: { station: { type: string, description: "a place" }, value: float }
  - { name: taxa, table: taxa, uploads: [{ path: taxa.csv }] }
"""


def registry():
    """The schemas by their ids, and for each definition the schema that validates it."""
    documents = [json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))]
    resources = [(one["$id"], referencing.Resource.from_contents(one)) for one in documents]
    return {one["$id"] for one in documents}, referencing.Registry().with_resources(resources)


IDS, REGISTRY = registry()
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER
for needed in ("date-time", "uri", "uuid"):
    assert needed in FORMATS.checkers, f"the validator does not check {needed!r}"


def validate(url, value):
    assert url.split("#")[0] in IDS, f"{url} is not among the committed schemas"
    validator = jsonschema.Draft202012Validator(
        {"$ref": url}, registry=REGISTRY, format_checker=FORMATS
    )
    validator.validate(value)


def facets(value):
    if isinstance(value, dict):
        if "_schemaURL" in value:
            yield value
        for one in value.values():
            yield from facets(one)
    elif isinstance(value, list):
        for one in value:
            yield from facets(one)


class Server(http.server.BaseHTTPRequestHandler):
    events = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Server.events.append(json.loads(body))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def run(folder, url, command="run", *args, code=0):
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OPENLINEAGE_URL": url,
        "OPENLINEAGE_PARENT_ID": PARENT,
        "REDIVIS_INGEST_ENDPOINT": "sandbox",
    }
    done = subprocess.run(
        [BINARY, command, str(folder / "manifest.yaml"), *args],
        env=env, capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "data").mkdir()
        (folder / "data/a.bin").write_bytes(b"a" * 5)
        (folder / "rows.csv").write_text("station,value\nx,1\ny,2.5\n")
        (folder / "taxa.csv").write_text("id\n1\n")
        (folder / "manifest.yaml").write_text(MANIFEST)
        run(folder, url)
        run(folder, url)
        (folder / "rows.csv").write_text("station,value\nx,wrong\n")
        run(folder, url, code=3)
        (folder / "rows.csv").write_text("station,value\nx,1\ny,2.5\n")
        run(folder, url, "release")
        run(folder, url, "run", "--deadline", "1ms", code=75)
    events = Server.events
    kinds = [event["eventType"] for event in events]
    for kind in ("START", "COMPLETE", "FAIL", "ABORT"):
        assert kind in kinds, f"no {kind} among {kinds}"
    seen = set()
    for event in events:
        validate(event["schemaURL"], event)
        for facet in facets(event):
            validate(facet["_schemaURL"], facet)
            seen.add(facet["_schemaURL"].rsplit("/", 1)[-1])
    # The validator must be able to refuse.
    broken = json.loads(json.dumps(events[0]))
    broken["run"]["runId"] = "no-uuid"
    try:
        validate(broken["schemaURL"], broken)
    except jsonschema.ValidationError:
        pass
    else:
        raise AssertionError("the validator takes what is wrong")
    print(f"lineage: {len(events)} events of 5 runs and {len(seen)} kinds of facets are valid")


if __name__ == "__main__":
    main()
