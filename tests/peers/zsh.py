"""Types into a real zsh and prints what its completion makes of it.

zsh.py FOLDER-WITH-THE-COMPLETION. Completion of zsh needs a terminal.
"""

import os
import pty
import re
import select
import sys
import time

PATIENCE = 60


def read_until(terminal, text, found):
    end = time.monotonic() + PATIENCE
    while text not in found:
        if not select.select([terminal], [], [], end - time.monotonic())[0]:
            sys.exit(f"zsh: no {text!r} in {found!r}")
        found += os.read(terminal, 4096).decode(errors="replace")
    return found


def complete(folder, typed):
    """The line after a tab, as the shell itself shows it."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(PATH="/usr/bin:/bin", TERM="dumb", HOME=folder, ZDOTDIR=folder)
        os.execvp("zsh", ["zsh", "-f", "-i"])
    setup = (
        f"fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; PS1=; unsetopt zle_bracketed_paste;"
        " bindkey '^X' show-line; show-line() { print -r -- \"<<$BUFFER>>\"; zle kill-buffer };"
        " zle -N show-line; print rea''dy\n"
    )
    os.write(terminal, setup.encode())
    read_until(terminal, "ready\r\n", "")
    os.write(terminal, f"{typed}\t\x18".encode())
    shown = read_until(terminal, ">>\r\n", "")
    os.write(terminal, b"exit\n")
    os.close(terminal)
    os.waitpid(child, 0)
    return re.search(r"<<(.*)>>", shown)[1]


for typed in ("redivis-ingest run --lock", "redivis-ingest reh"):
    print(complete(sys.argv[1], typed).removeprefix("redivis-ingest ").strip())
