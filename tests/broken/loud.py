"""What a rehearsal and the soak say of a broken program: cases with `loud`.

The sound program must be proved and lose nothing; each loud case must be reported
by both, with a non-zero exit and in words that name the damage.
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


def soak(stand, name, trials):
    """The same of some trials, always the same ones: not each has the fault that shows
    a break."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(stand.target)}
    done = subprocess.run(
        ["bash", "tests/scripts/soak.sh", str(stand.program(name)), str(trials), "1"],
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
    code, text = soak(stand, "", trials)
    expect(code == 0, f"the sound program loses nothing in {trials} trials", text)
    for case in cases:
        name, words = case["name"], case["loud"]["words"]
        code, text = rehearse(stand, name, case["loud"])
        expect(code == MISMATCH and words in text, f"rehearse, of {name}: exit {code}, `{words}`", text)
        code, text = soak(stand, name, trials)
        words = case["loud"]["soak"]
        expect(code != 0 and "trials failed" in text and words in text,
               f"the soak, of {name}: exit {code}, `{words}`", text)
    return missed
