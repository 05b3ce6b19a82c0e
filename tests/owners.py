"""Processes that own a private server, for the tests of what becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llamactl

SOURCE = str(Path(llamactl.__file__).parents[1])


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def owner_script(
    body: str, tmp: Path, python: str = sys.executable, before: str = "", **more: Any
) -> subprocess.Popen[str]:
    """A process that owns a server, prints its pid and directory, and does as `body` says."""
    script = (
        "import os, signal, sys, time\n"
        f"{before}"
        "from llamactl.postgres.server import PrivatePostgres\n"
        "server = PrivatePostgres().__enter__()\n"
        "print(server.postmaster_pid, server.directory, flush=True)\n"
    )
    return subprocess.Popen(
        [python, "-c", script + body],
        env={**os.environ, "TMPDIR": str(tmp), "PYTHONPATH": SOURCE},
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        **more,
    )


def first_line(process: subprocess.Popen[str]) -> tuple[int, Path]:
    assert process.stdout
    pid, directory = process.stdout.readline().split()
    return int(pid), Path(directory)


def finish(process: subprocess.Popen[str]) -> str:
    """Let it go on, and return the rest of what it printed."""
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        return process.stdout.read()


def processes_in(path: Path) -> list[str]:
    """The command lines of all processes that name a path below this one, or work there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            at = str((process / "cwd").readlink())
        except OSError:
            continue
        if f"{path}/" in f"{command} {at}/":
            found.append(command)
    return found
