"""Runs a command and writes what it took to a file. A process of its own, since a
child's peak of memory begins with that of its parent.

spawn.py RESULT COMMAND [ARGUMENT ...]"""

import os
import sys
import time

result, *command = sys.argv[1:]
started = time.perf_counter()
pid = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - started
code = os.waitstatus_to_exitcode(status)
with open(result, "w") as out:
    out.write(f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss / 1024} {code}")
