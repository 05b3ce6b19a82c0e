"""SIGINT, SIGTERM and SIGHUP all end the program at any moment, with exit code 130 and one line.

1. While the program loads, and while it writes its result, a signal is deferred: install().
2. In between, a signal raises KeyboardInterrupt, and psycopg cancels the statement on the server: active().
   It is deferred inside an import, which could swallow it or be left half done, and during a COMMIT:
   shield().
3. Signals within one second of the first count as the same one: a terminal and a parent process may both send
   it. A later signal interrupts even a COMMIT; if the first is deferred for another reason, the later one
   ends the process.
4. Once everything is written, a signal ends the process immediately: last_words().
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
"""The interval at which a signal that was deferred inside an import is tried again."""


class Interrupts:
    """The signal handling of the process; INTERRUPTS is its only instance."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        """The original handlers; empty while llamactl's are not installed."""
        self._active = self._shielded = self._pending = self._told = self._over = False
        self._first = float("-inf")
        """When the last signal arrived, not counting repetitions within a second."""
        self._unraisable: Callable[[Any], object] = sys.unraisablehook

    def install(self) -> None:
        """Defers signals until active(). Only for a process that runs nothing but llamactl."""
        # The first function registered runs last, when nothing is left that could handle a signal.
        atexit.register(lambda: [signal.signal(number, signal.SIG_IGN) for number in self._before])
        self._take()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Signals raise KeyboardInterrupt inside; a deferred one does so immediately."""
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
        """Defers the first signal until the end; a later one interrupts."""
        self._shielded, self._pending = True, False
        try:
            yield
        finally:
            self._shielded = False
        self._raise_pending()

    def last_words(self, code: int) -> int:
        """Takes the exit code the process is about to end with; returns the one it must end with."""
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
        """Ends the process immediately, without any cleanup."""
        if not self._told:
            self._say()
        os._exit(_EXIT_CODE)

    def _swallowed(self, what: Any) -> None:
        """Retries a KeyboardInterrupt that was raised where exceptions are ignored, such as in __del__."""
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
