"""The two streams: stdout for data, stderr for the rest, and what each of them can show.

Does not import rich: notes and errors must not wait for it.
"""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TextIO

from llamactl.render import safe


@dataclass(frozen=True, slots=True)
class Screen:
    """What a stream can show."""

    terminal: bool = False
    """False: nothing is wrapped, coloured or cut."""
    width: int = 80
    colour: bool = False
    unicode: bool = True
    """False: ASCII only."""


def screen_of(stream: TextIO, env: Mapping[str, str], no_color: bool) -> Screen:
    """What `stream` can show; NO_COLOR counts when it is not empty (no-color.org)."""
    terminal = is_terminal(stream)
    return Screen(
        terminal=terminal,
        width=max(40, shutil.get_terminal_size().columns) if terminal else 80,
        colour=terminal and not no_color and not env.get("NO_COLOR") and env.get("TERM") != "dumb",
        unicode=codecs.lookup(stream.encoding or "ascii").name.startswith("utf"),
    )


def is_terminal(stream: TextIO | None) -> bool:
    """Whether `stream` is one; a closed or missing stream is none."""
    return stream is not None and not stream.closed and stream.isatty()


class Streams:
    """Writes data to stdout and notes to stderr; that their reader has gone is remembered, never raised.

    A note that nobody reads must not roll a migration back.
    """

    def __init__(self) -> None:
        # A process that was started with `>&-` has no stdout at all.
        self._out: TextIO | None = sys.stdout
        self._err: TextIO | None = sys.stderr
        for stream in (self._out, self._err):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    def screen(self, no_color: bool = False) -> Screen:
        """What stdout can show."""
        return Screen() if self._out is None else screen_of(self._out, os.environ, no_color)

    def data(self, chunks: Iterable[str]) -> None:
        """Writes to stdout, up to where it is closed. Raises OSError where it cannot take more (disk full)."""
        if self._out is None:
            return
        try:
            for chunk in chunks:
                self._out.write(chunk)
            self._out.flush()
        except BrokenPipeError:
            self._out = _silence(self._out)
        except OSError:
            self._out = _silence(self._out)
            raise

    def note(self, line: str) -> None:
        """Writes one line to stderr."""
        self.diagnose(safe.visible(line) + "\n")

    def diagnose(self, text: str) -> None:
        """Writes `text` to stderr as it is."""
        if self._err is None:
            return
        try:
            self._err.write(text)
            self._err.flush()
        except OSError:
            self._err = _silence(self._err)


def _silence(stream: TextIO) -> None:
    """Lets the flush at the interpreter's exit find a stream that takes everything."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)
