"""SIGINT, SIGTERM and SIGHUP end the program alike, at any moment: with exit code 130 and one line.

1. While the program loads, and while it writes what it has come to, a signal is put off: install().
2. In between it raises KeyboardInterrupt, upon which psycopg cancels the server's statement: active(). It is
   put off inside an import, which could swallow it or be left half done, and during a COMMIT: shield().
3. Within a second of the first, a signal is the same one: a terminal and a parent process both send it on. A
   later one gets through to a COMMIT; where the first one is put off otherwise, it ends the process.
4. Once everything is written, it ends the process on the spot: last_words().
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXIT_CODE = 130
_SAME_SECONDS = 1.0
_AGAIN_SECONDS = 0.02
"""How soon a signal is looked at again that was put off inside an import."""


class Interrupts:
    """The one instance below is the process's."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        """The handlers that were there; empty where ours are not."""
        self._active = self._shielded = self._pending = self._told = self._over = False
        self._first = float("-inf")
        """When the last signal came that was not one sent twice."""
        self._unraisable: Callable[[Any], object] = sys.unraisablehook

    def install(self) -> None:
        """Puts signals off until active(). For a process that is ours alone."""
        # The first to be registered is the last to run: then nothing of ours is left to answer.
        atexit.register(lambda: [signal.signal(number, signal.SIG_IGN) for number in self._before])
        self._take()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Signals raise KeyboardInterrupt inside; one that was put off does so at once."""
        if self._active or threading.current_thread() is not threading.main_thread():
            yield
            return
        ours_before = bool(self._before)
        try:
            self._take()
            self._active = True
            self._raise_pending()
            yield
        finally:
            self._active = False
            if not ours_before:
                self._give_back()

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Puts the first signal off until the end; a later one gets through."""
        self._shielded, self._pending = True, False
        try:
            yield
        finally:
            self._shielded = False
        self._raise_pending()

    def last_words(self, code: int) -> int:
        """The process is about to end with this code. Returns the one that it is to end with."""
        if self._pending:
            self._say()
            code = _EXIT_CODE
        self._over = True
        return code

    def _take(self) -> None:
        if self._before:
            return
        # An ignored signal stays ignored: nohup, and a shell's background job.
        self._before = {
            number: handler
            for number in NUMBERS
            if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
        }
        self._before[signal.SIGALRM] = signal.getsignal(signal.SIGALRM)
        for number in self._before:
            signal.signal(number, self._handle)
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._swallowed

    def _give_back(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._pending = self._told = False
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._unraisable
        self._first = float("-inf")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        later = False
        if number != signal.SIGALRM:
            passed = time.monotonic() - self._first
            if passed < _SAME_SECONDS:
                return
            later = passed != float("inf")
            self._first = time.monotonic()
        importing = _importing(frame)
        if self._over or (later and (not self._active or (importing and self._pending))):
            self._end()
        if not self._active or importing or (self._shielded and not (later and self._pending)):
            self._put_off(for_now=self._active and importing)
        else:
            self._raise()

    def _put_off(self, *, for_now: bool) -> None:
        self._pending = True
        if for_now:
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)

    def _raise_pending(self) -> None:
        if self._pending:
            self._raise()

    def _raise(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._pending, self._told = False, True
        raise KeyboardInterrupt

    def _end(self) -> NoReturn:
        """On the spot: nothing that is done cleans up here."""
        if not self._told:
            self._say()
        os._exit(_EXIT_CODE)

    def _swallowed(self, what: Any) -> None:
        """Where an exception cannot go anywhere, as in __del__, another attempt follows."""
        if issubclass(what.exc_type, KeyboardInterrupt):
            self._put_off(for_now=True)
        else:
            self._unraisable(what)

    def _say(self) -> None:
        self._told = True
        os.write(2, b"error: Interrupted\n")


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


INTERRUPTS = Interrupts()
