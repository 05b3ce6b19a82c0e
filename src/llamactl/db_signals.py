"""SIGINT and SIGTERM end a run the same way; a COMMIT under way is let finish first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """While active, both raise KeyboardInterrupt, upon which psycopg cancels the server's statement."""

    def __init__(self) -> None:
        self._shielded = False
        self._pending = False

    @contextmanager
    def active(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # An ignored signal stays ignored (a shell's background job).
        old = {
            number: handler
            for number in (signal.SIGINT, signal.SIGTERM)
            if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
        }
        for number in old:
            signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Puts the first signal off until the end; a second one gets through."""
        self._shielded, self._pending = True, False
        try:
            yield
        finally:
            self._shielded = False
        if self._pending:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._shielded and not self._pending:
            self._pending = True
            return
        raise KeyboardInterrupt
