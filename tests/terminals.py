"""The program on a terminal, a pseudo one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence


def on_a_terminal(
    env: Mapping[str, str], words: Sequence[str], answer: str = "", width: int = 80
) -> tuple[int, str]:
    """Runs llamactl on a terminal, and answers when it asks. Returns the code and what was shown."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "llamactl", *words],
        env={"TERM": "xterm-256color", **env},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: controlling_terminal(terminal),
    )
    os.close(terminal)
    shown = b""
    while chunk := read_some(main):
        shown += chunk
        if answer and b"[y/N]" in shown:
            os.write(main, answer.encode())
            answer = ""
    os.close(main)
    return process.wait(timeout=60), shown.decode()


def controlling_terminal(terminal: int) -> None:
    """So that Ctrl-C becomes a signal."""
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def read_some(terminal: int) -> bytes:
    assert select.select([terminal], [], [], 60)[0], "it waits for something"
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux: the other end is closed
        return b""
