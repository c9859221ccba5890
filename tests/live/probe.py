"""Asks the platform the questions, runs the program against it, prints both as
tables and as JSON, and deletes what it made."""

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time

import api as client
import questions
import scenarios
from world import World


class Screen:
    """Prints, and never the token."""

    def __init__(self, token):
        self.token = token

    def clean(self, text):
        return text.replace(self.token, "***")

    def note(self, text):
        print(self.clean(f"  {text}"), file=sys.stderr, flush=True)

    def table(self, head, rows):
        cells = [head, *[[self.clean(str(cell)) for cell in row] for row in rows]]
        widths = [max(len(row[at]) for row in cells) for at in range(len(head) - 1)]
        for row in cells:
            lead = "  ".join(cell.ljust(width) for cell, width in zip(row, widths))
            print(f"{lead}  {row[-1][:160]}")
        print()


def ask(world, screen):
    """All findings; a part that cannot go on is said and left."""
    findings, broken = [], []
    for part in questions.PARTS:
        screen.note(f"asking: {part.__name__.replace('_', ' ')}")
        try:
            for key, question, answer, detail in part(world):
                findings.append(
                    {
                        "key": key,
                        "question": question,
                        "settled": answer is not None,
                        "answer": answer,
                        "detail": detail,
                    }
                )
        except Exception as why:  # the next part may still be answered
            broken.append({"part": part.__name__, "why": f"{type(why).__name__}: {why}"})
    return findings, broken


def stop(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="tests/live/run", description=__doc__)
    parser.add_argument("binary", help="the program")
    parser.add_argument("--out", default="live-findings.json", help="where the JSON goes")
    parser.add_argument("--only", choices=["questions", "scenarios"], help="a half of it")
    args = parser.parse_args()
    token, endpoint, dataset = client.from_environment()
    screen = Screen(token)
    signal.signal(signal.SIGTERM, stop)
    started = time.time()
    try:
        api = client.Api(token, endpoint)
    except client.Stop as why:
        sys.exit(f"error: {screen.clean(str(why))}")
    prefix = f"ri_live_{secrets.token_hex(4)}"
    world = World(api, dataset, prefix, screen.note)
    findings, broken, ends, stopped = [], [], [], None
    try:
        world.open()
        screen.note(f"tables in `{dataset}` begin with `{prefix}` and are deleted at the end")
        if args.only != "scenarios":
            findings, broken = ask(world, screen)
        if args.only != "questions":
            with tempfile.TemporaryDirectory() as folder:
                program = scenarios.Program(args.binary, folder, api, world)
                ends = scenarios.run_all(program, screen.note)
    except client.Stop as why:
        stopped = str(why)
    except KeyboardInterrupt:
        stopped = "it was interrupted"
    finally:
        screen.note("deleting the tables")
        left = world.close()
    version = subprocess.run([args.binary, "--version"], capture_output=True, text=True)
    report = {
        "format_version": 1,
        "program": version.stdout.strip(),
        "endpoint": endpoint,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "calls": api.calls,
        "findings": findings,
        "parts_that_broke": broken,
        "scenarios": [
            {"name": name, "end": end, "seen": seen, "seconds": seconds}
            for name, end, seen, seconds in ends
        ],
        "tables_left": left,
        "stopped": stopped,
    }
    with open(args.out, "w") as out:
        out.write(screen.clean(json.dumps(report, indent=2)) + "\n")
    show(report, screen)
    print(f"{len(findings)} questions asked, findings in {os.path.abspath(args.out)}")
    failed = any(one["end"] == "FAIL" for one in report["scenarios"])
    sys.exit(1 if failed or broken or left or stopped else 0)


def show(report, screen):
    settled = [one for one in report["findings"] if one["settled"]]
    if settled:
        print(f"\nSettled: {len(settled)}\n")
        rows = [(one["key"], one["answer"], one["question"]) for one in settled]
        screen.table(["KEY", "ANSWER", "QUESTION"], rows)
    others = [one for one in report["findings"] if not one["settled"]]
    if others:
        print(f"Not settled: {len(others)}\n")
        rows = [(one["key"], one["question"], one["detail"].get("why", "")) for one in others]
        screen.table(["KEY", "QUESTION", "WHY"], rows)
    if report["scenarios"]:
        print("Scenarios\n")
        rows = [
            (one["end"], f"{one['seconds']} s", one["name"], one["seen"])
            for one in report["scenarios"]
        ]
        screen.table(["END", "TOOK", "SCENARIO", "SEEN"], rows)
    for one in report["parts_that_broke"]:
        print(screen.clean(f"BROKEN  {one['part']}: {one['why']}"))
    if report["tables_left"]:
        print(f"LEFT BEHIND, delete by hand: {', '.join(report['tables_left'])}")
    if report["stopped"]:
        print(screen.clean(f"STOPPED  {report['stopped']}"))


main()
