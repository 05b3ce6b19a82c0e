"""A command in a process of its own, as a user runs it."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from llamactl.postgres.owner import OWNER


@dataclass(frozen=True, slots=True)
class Printed:
    """How a command ended, and what it wrote."""

    exit_code: int
    output: bytes
    messages: bytes
    """On stderr."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs commands in a directory, with these variables."""

    folder: Path
    environment: Mapping[str, str]

    def show(self, words: Sequence[str]) -> int:
        """Lets the command print by itself; returns its exit code."""
        process = self._start(words, None, None)
        return _wait(process)

    def capture(self, words: Sequence[str], *, terminal: bool) -> Printed:
        """Returns what the command prints; with `terminal` as it would on one of this one's size."""
        ours, theirs = pty.openpty() if terminal else os.pipe()
        with os.fdopen(ours, "rb", buffering=0) as reader, tempfile.TemporaryFile() as messages:
            try:
                if terminal:
                    size = shutil.get_terminal_size()
                    termios.tcsetwinsize(theirs, (size.lines, size.columns))
                process = self._start(words, theirs, messages)
            finally:
                os.close(theirs)
            try:
                output = b"".join(_pieces(reader.fileno()))
            except BaseException:
                _end(process)
                raise
            exit_code = _wait(process)
            messages.seek(0)
            return Printed(exit_code, output.replace(b"\r\n", b"\n"), messages.read())

    def _start(
        self, words: Sequence[str], stdout: int | None, stderr: IO[bytes] | None
    ) -> subprocess.Popen[bytes]:
        process = None
        try:
            with OWNER.held():
                process = subprocess.Popen(
                    [sys.executable, "-m", "llamactl", *words],
                    env=self.environment,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                )
        except BaseException:
            if process:
                _end(process)
            raise
        return process


def _pieces(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # Linux says so that nobody has the other end of a terminal open
            return
        if not piece:
            return
        yield piece


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Returns the exit code. An interruption ends the command too."""
    try:
        return process.wait()
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
