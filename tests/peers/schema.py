"""Holds every example manifest against the JSON Schema, as an editor does.

schema.py SCHEMA MANIFESTS. Each example names its schema in its first lines, each is
valid, and one with a misspelt key is not.
"""

import json
import sys
from pathlib import Path

import jsonschema
import yaml

NAMED = "# yaml-language-server: $schema=redivis-ingest.schema.json"


class Loader(yaml.SafeLoader):
    """Days stay text, as they do for the program."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def fail(what):
    sys.exit(f"schema: {what}")


schema = json.loads(Path(sys.argv[1]).read_text())
folder = Path(sys.argv[2])
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
validator = kind(schema)
if json.loads((folder / "redivis-ingest.schema.json").read_text()) != schema:
    fail("manifests/redivis-ingest.schema.json is not what the program prints")
examples = sorted(folder.glob("*.yaml"))
for path in examples:
    text = path.read_text()
    if NAMED not in text.splitlines():
        fail(f"{path.name} does not name its schema")
    manifest = yaml.load(text, Loader)
    for error in validator.iter_errors(manifest):
        fail(f"{path.name}: {error.json_path}: {error.message}")
    manifest["jobs"][0]["tabel"] = "x"
    if validator.is_valid(manifest):
        fail(f"{path.name}: a key that does not exist is valid")
wrong = [path for path in sorted((folder / "invalid").glob("unknown-key.yaml"))]
for path in wrong:
    if validator.is_valid(yaml.load(path.read_text(), Loader)):
        fail(f"{path.name} is valid")
if len(examples) < 7 or not wrong:
    fail("the examples were not found")
print(f"schema: {len(examples)} examples are valid, and name the schema")
