"""The two streams: stdout for data, stderr for the rest, and what each of them can show.

Does not import rich: notes and errors must not wait for it.
"""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from textwrap import wrap
from typing import TextIO

from llamactl.model import Changed, ErrorCode, LlamactlError
from llamactl.render import safe

# SGR codes; stdout has rich for this.
DIM, RED, BOLD = "2", "1;31", "1"
WORDS = partial(wrap, break_long_words=False, break_on_hyphens=False)
"""A job id is never wrapped."""


@dataclass(frozen=True, slots=True)
class Screen:
    """The capabilities of a stream."""

    terminal: bool = False
    """False: nothing is wrapped, coloured or truncated."""
    width: int = 80
    colour: bool = False
    unicode: bool = True
    """False: ASCII only."""


def screen_of(stream: TextIO | None, no_color: bool) -> Screen:
    """Returns the capabilities of `stream`; NO_COLOR counts if it is not empty (no-color.org)."""
    if stream is None:
        return Screen()
    terminal = is_terminal(stream)
    plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Screen(
        terminal=terminal,
        width=max(40, shutil.get_terminal_size().columns) if terminal else 80,
        colour=terminal and not plain,
        unicode=codecs.lookup(stream.encoding or "ascii").name.startswith("utf"),
    )


def is_terminal(stream: TextIO | None) -> bool:
    """Returns whether `stream` is a terminal; a closed or missing stream is not."""
    return stream is not None and not stream.closed and stream.isatty()


class Streams:
    """Writes data to stdout and notes to stderr; that their reader has gone is remembered, never raised.

    A note that nobody reads must not roll a migration back.
    """

    def __init__(self, no_color: bool = False) -> None:
        # A process started with `>&-` has no stdout.
        self._out: TextIO | None = sys.stdout
        self._err: TextIO | None = sys.stderr
        for stream in (self._out, self._err):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        self._no_color = no_color
        self.scrub: Callable[[str], str] = safe.without_passwords
        """Removes passwords from a text; more precise once they are known."""
        self.begun = False
        """Whether something was written to stdout."""
        self.changed: Changed | None = None
        """What the command has changed in the database; None before it tries to connect."""
        self.aside: Callable[[], AbstractContextManager[object]] = nullcontext
        """Clears the line on stderr, which may contain a progress bar, while something else is written."""

    def screen(self, ascii_only: bool = False) -> Screen:
        """The capabilities of stdout."""
        screen = screen_of(self._out, self._no_color)
        return replace(screen, unicode=screen.unicode and not ascii_only)

    def err_screen(self) -> Screen:
        """The capabilities of stderr."""
        return screen_of(self._err, self._no_color)

    @property
    def live(self) -> bool:
        """Whether a line on stderr can be overwritten: on a terminal, but not in a CI log."""
        plain = os.environ.get("TERM") == "dumb" or os.environ.get("CI", "") not in ("", "false", "0")
        return is_terminal(self._err) and not plain

    @property
    def unread(self) -> bool:
        """Whether stdout has no reader, or no longer has one."""
        return self._out is None

    def data(self, chunks: Iterable[str]) -> bool:
        """Writes to stdout until it is closed; returns whether it is still open.

        Raises LlamactlError where it takes no more.
        """
        out = self._out
        if out is None:
            return False
        try:
            if not write(out, self._noted(chunks)):
                self._out = None
        except OSError as exc:
            _silence(out)
            self._out = None
            message = f"Cannot write to stdout: {exc.strerror}"
            changed = self.changed or Changed.NOTHING
            raise LlamactlError(ErrorCode.CONNECTION, message, changed=changed) from exc
        return not self.unread

    def _noted(self, chunks: Iterable[str]) -> Iterator[str]:
        for chunk in chunks:
            self.begun = self.begun or bool(chunk)
            yield chunk

    def note(self, line: str) -> None:
        """Writes a line to stderr."""
        self._say("", line, DIM)

    def command_line(self, line: str) -> None:
        """Writes a command line to stderr, never wrapped: it can be pasted. Nothing where it is empty."""
        if line:
            self.diagnose(f"  {safe.visible(line)}\n")

    def fail(self, problem: LlamactlError) -> None:
        """Writes a failure to stderr, in one line, and its hint in another."""
        self._say("error: ", problem.message, RED)
        if problem.hint:
            self._say("hint:  ", problem.hint, BOLD)

    def _say(self, label: str, line: str, style: str) -> None:
        """Writes the styled label and the line; without a label, the line is styled.

        Wrapped on a terminal.
        """
        screen = screen_of(self._err, self._no_color)
        text = label + safe.visible(line)
        if screen.terminal:
            text = "\n".join(WORDS(text, screen.width - 1, subsequent_indent=" " * len(label)))
        if screen.colour:
            end = len(label) or len(text)
            text = f"\x1b[{style}m{text[:end]}\x1b[0m{text[end:]}"
        self.diagnose(text + "\n")

    def diagnose(self, text: str) -> None:
        """Writes `text` to stderr unchanged."""
        if self._err is None:
            return
        try:
            with self.aside():
                self._err.write(text)
                self._err.flush()
        except OSError:
            _silence(self._err)
            self._err = None


def write(stream: TextIO, chunks: Iterable[str]) -> bool:
    """Writes to the stream; returns whether its reader is still there. Raises OSError."""
    try:
        for chunk in chunks:
            stream.write(chunk)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
        return False
    return True


def _silence(stream: TextIO) -> None:
    """Redirects the stream to one that accepts everything, for the flush at the interpreter's exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)
