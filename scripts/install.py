"""Installs with pip into the environment of this Python, and shows how far it is.

    .venv/bin/python scripts/install.py --editable '.[demo]'

On a terminal one line shows what pip is doing, and for how long already. Elsewhere a line is printed after 5,
10, 20 seconds and so on. All that pip prints appears only if it fails.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

_STAGES = ("Collecting", "Downloading", "Processing", "Building", "Installing", "Preparing", "Obtaining")
"""The words that begin those lines of pip's that tell what takes time."""


def main(arguments: Sequence[str]) -> int:
    """Installs what the arguments name; returns pip's exit code."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off"]
    began, log = time.monotonic(), []
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        assert pip.stdout
        threading.Thread(target=_read, args=[pip.stdout, lines], daemon=True).start()
        show: _Line | _Lines = _Line() if _live() else _Lines()
        stage = "Starting pip"
        while True:
            try:
                line = lines.get(timeout=0.5)
                if line is None:
                    break
                log.append(line)
                if line.strip().startswith(_STAGES):
                    stage = line.strip().partition(" (from ")[0]
            except queue.Empty:
                pass
            show.draw(time.monotonic() - began, stage)
        show.clear()
    if pip.returncode:
        sys.stderr.writelines(log)
    else:
        print(f"Installed in {time.monotonic() - began:.0f} s")
    return pip.returncode


def _live() -> bool:
    """Whether a line can be written over: on a terminal that is not the log of a CI job."""
    plain = os.environ.get("TERM") == "dumb" or os.environ.get("CI", "") not in ("", "false", "0")
    return sys.stdout.isatty() and not plain


def _read(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


class _Line:
    """One line of a terminal, which is overwritten."""

    def draw(self, seconds: float, stage: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{f'{seconds:4.0f} s  {stage}'[:width]}", end="", flush=True)

    def clear(self) -> None:
        print("\r\x1b[K", end="", flush=True)


class _Lines:
    """A line after 5 s, 10 s, 20 s and so on."""

    def __init__(self) -> None:
        self._next = 5.0

    def draw(self, seconds: float, stage: str) -> None:
        if seconds >= self._next:
            self._next *= 2
            print(f"{seconds:4.0f} s  {stage}", flush=True)

    def clear(self) -> None:
        pass


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
