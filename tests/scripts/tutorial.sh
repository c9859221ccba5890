#!/usr/bin/env bash
# Runs the commands of docs/tutorial.md in an empty home, one shell from the first to
# the last, and compares what they print with the page. A line with `…` in it stands
# for any lines, or for any rest of a line.
#
# usage: tests/scripts/tutorial.sh PATH_TO_REDIVIS_INGEST
set -euo pipefail

binary=$(realpath "${1:?usage: tutorial.sh PATH_TO_REDIVIS_INGEST}")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/home"
ln -s "$binary" "$work/bin/redivis-ingest"

env -i HOME="$work/home" PATH="$work/bin:$PATH" LANG=C.UTF-8 \
    python3 - "$root/docs/tutorial.md" "$work/home" <<'PY'
import re
import subprocess
import sys

page, home = sys.argv[1:]
text = open(page, encoding="utf-8").read()
blocks = re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S)


def steps():
    """Each command with the lines that the page shows below it."""
    for block in blocks:
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
if ran < 10 or compared < 40:
    sys.exit(f"only {ran} commands and {compared} lines were found")
print(f"tutorial: {ran} commands ran, {compared} lines of output compared; 0 failures")
PY
