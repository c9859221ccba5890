"""Counting checks: each is told by what must be true."""

checks = []


class Failed(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)
    checks.append(what)


def same(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: got {str(got)[:900]!r}, wanted {str(wanted)[:900]!r}")
    checks.append(what)
