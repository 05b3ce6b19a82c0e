"""Shows on stderr the step that runs under a blocking lock: live on a terminal, otherwise one line per step.

A thread writes the live line, bypassing Python's streams: a terminal that accepts no more output (Ctrl-S, a
lost connection) must neither block a command that holds a lock nor roll it back.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from llamactl.model import Blocks, Held
from llamactl.render.console import Streams

REFRESH_SECONDS = 0.2
_CLEAR = "\r\x1b[K"


@contextmanager
def shown(streams: Streams) -> Iterator[Callable[[Held | None], None]]:
    """Yields a function that shows each step under a lock; pass None when the lock is released.

    It does not raise.
    """
    if not streams.live:
        yield lambda held: streams.note(_sentence(held, time.monotonic())) if held else None
        return
    line = _Line(streams)
    try:
        yield line.show
    finally:
        line.show(None)


def _sentence(held: Held, now: float, *, live: bool = False) -> str:
    """Returns how long the table has been blocked and, if `live`, how long the step has taken."""
    what = "writes to the table have" if held.blocks is Blocks.WRITES else "the table has"
    took = f", {now - held.step_since:.1f} s" if live else ""
    step = held.step.label if held.step else "Locked"
    return f"{step}{took}: {what} been blocked for {now - held.since:.1f} s"


class _Line:
    """A line on the terminal, drawn by a thread for as long as there is a step."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._descriptor = sys.stderr.fileno()
        self._held: Held | None = None
        self._changed = threading.Event()
        self._drawing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._beside = ExitStack()

    def show(self, held: Held | None) -> None:
        self._held = held
        self._changed.set()
        if held is None:
            self._stop()
        elif self._thread is None:
            self._start()

    def _start(self) -> None:
        # A progress bar in the line is cleared first.
        self._beside.enter_context(self._streams.aside())
        self._beside.callback(setattr, self._streams, "aside", self._streams.aside)
        self._streams.aside = self._aside
        self._thread = threading.Thread(target=self._draw, name="llamactl-line", daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        if self._thread is not None:
            self._thread.join(2 * REFRESH_SECONDS)  # if it takes longer, the terminal is blocked
            self._thread = None
        self._beside.pop_all().close()

    def _draw(self) -> None:
        while True:
            self._changed.clear()
            if (held := self._held) is None:
                break
            width = shutil.get_terminal_size().columns - 1
            with self._drawing:
                self._write(_CLEAR + _sentence(held, time.monotonic(), live=True)[:width])
            self._changed.wait(REFRESH_SECONDS)
        self._write(_CLEAR)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        with self._drawing:
            self._write(_CLEAR)
            yield

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal is gone
            os.write(self._descriptor, text.encode())
