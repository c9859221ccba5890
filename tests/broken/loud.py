"""What a rehearsal and the soak say of a broken program: cases with `loud`.

The sound program must be proved and lose nothing. Each loud case must be reported by
a rehearsal under the faults that show it, and by the soak, whose dice may be helped:
with a non-zero exit, and in words that name the damage.
"""

import os
import subprocess
import tempfile

# A rehearsal's exit code when the remote differs from the sources.
MISMATCH = 5


def rehearse(stand, name, loud):
    """The exit code and the words of a rehearsal of one program."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as faults:
        faults.write(loud["faults"])
        faults.flush()
        done = subprocess.run(
            [stand.found["bin"], "rehearse", str(stand.tree / loud["manifest"]), "--faults", faults.name,
             "--program", str(stand.program(name))],
            cwd=stand.tree, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


def soak(stand, name, trials, more):
    """The same of some trials, each under `more` faults than its dice say."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(stand.target)}
    if more:
        environment["REDIVIS_INGEST_TEST_FAULTS"] = more
    done = subprocess.run(
        ["bash", "tests/scripts/soak.sh", str(stand.program(name)), str(trials)],
        cwd=stand.tree, env=environment, capture_output=True, text=True, timeout=1800)
    return done.returncode, done.stdout + done.stderr


def run(stand, cases, trials):
    """Prints what was reported; answers what was not."""
    missed = []

    def expect(is_right, what, text):
        print(f"{'reported ' if is_right else 'MISSED   '} {what}", flush=True)
        if not is_right:
            missed.append(what)
            print(text[-3000:])

    cases = [case for case in cases if "loud" in case]
    for case in cases:
        code, text = rehearse(stand, "", case["loud"])
        expect(code == 0, f"the sound program is proved under the faults of {case['name']}", text)
    for more in sorted({case["loud"].get("more", "") for case in cases}):
        code, text = soak(stand, "", trials, more)
        besides = f" under {more} besides" if more else ""
        expect(code == 0, f"the sound program loses nothing in {trials} trials{besides}", text)
    for case in cases:
        name, words = case["name"], case["loud"]["words"]
        code, text = rehearse(stand, name, case["loud"])
        expect(code == MISMATCH and words in text, f"rehearse, of {name}: exit {code}, `{words}`", text)
        if "soak" not in case["loud"]:
            continue
        words = case["loud"]["soak"]
        code, text = soak(stand, name, trials, case["loud"].get("more"))
        expect(code != 0 and "trials failed" in text and words in text,
               f"the soak, of {name}: exit {code}, `{words}`", text)
    return missed
