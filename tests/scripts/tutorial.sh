#!/usr/bin/env bash
# Runs the commands of the README's "Try it" and then of docs/tutorial.md in an empty
# home, and compares what they print with the pages. A line with `…` in it stands for
# any lines, or for any rest of a line. A Python block that begins with the name of a
# file is saved under it.
#
# usage: tests/scripts/tutorial.sh PATH_TO_REDIVIS_INGEST [HOME_TO_MAKE_AND_KEEP]
set -euo pipefail

binary=$(realpath "${1:?usage: tutorial.sh PATH_TO_REDIVIS_INGEST}")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
home=${2:-$work/home}
mkdir "$work/bin" "$home"
ln -s "$binary" "$work/bin/redivis-ingest"

env -i HOME="$home" PATH="$work/bin:$PATH" LANG=C.UTF-8 \
    python3 - "$root" "$home" <<'PY'
import pathlib
import re
import shutil
import subprocess
import sys

root, home = map(pathlib.Path, sys.argv[1:])
readme = (root / "README.md").read_text(encoding="utf-8")
readme = readme.split("\n## Try it\n")[1].split("\n## ")[0]
# Here it is built already.
readme = readme.replace("cargo run --release -- ", "redivis-ingest ")
tutorial = (root / "docs" / "tutorial.md").read_text(encoding="utf-8")
shutil.copytree(root / "manifests", home / "manifests")


def steps():
    """Each command with the lines that the page shows below it."""
    blocks = re.findall(r"^```(console|python)\n(.*?)^```$", readme + tutorial, re.M | re.S)
    for kind, block in blocks:
        if kind == "python":
            path = home / block.split("\n")[0].removeprefix("# ")
            path.parent.mkdir(parents=True)
            path.write_text(block)
            continue
        if "REDIVIS_API_TOKEN" in block:
            continue
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *shown = part.splitlines()
            yield command, shown


def pattern(shown):
    lines = []
    for line in shown:
        if line == "…":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(re.escape(one) for one in line.split("…")) + "\n")
    return "".join(lines)


ran = compared = 0
python = home / "airflow" / "dags" / "survey.py"
for command, shown in steps():
    done = subprocess.run(
        ["bash", "-c", command], cwd=home, capture_output=True, text=True, timeout=300
    )
    if done.returncode != 0:
        sys.exit(f"$ {command}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
    ran += 1
    compared += len([line for line in shown if line != "…"])
    if not re.fullmatch(pattern(shown), done.stdout):
        sys.exit(f"$ {command}\nthe page says:\n" + "\n".join(shown) + f"\nit printed:\n{done.stdout}")
shutil.rmtree(home / "manifests")
compile(python.read_text(), python, "exec")
if ran < 14 or compared < 60:
    sys.exit(f"only {ran} commands and {compared} lines were found")
print(f"tutorial: {ran} commands ran, {compared} lines of output compared; 0 failures")
PY
