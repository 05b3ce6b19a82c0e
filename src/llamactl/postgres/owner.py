"""The owner's process while its private server runs: signals clean up, and libpq's variables are removed.

1. libpq reads PGHOSTADDR, PGSERVICE, PGOPTIONS and the like beside every connection string, and a server's
   programs read PGDATA and others. A connection to the private server must depend on none of them, whoever
   opens it, so they are removed from the environment, and come back when the last server is closed.
2. SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does: once, since whoever sends more of them wants
   the same. Inside held() all three wait.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class OwnerProcess:
    """The only instance below is shared by all private servers of the process."""

    def __init__(self) -> None:
        self._servers = 0
        self._variables: dict[str, str] = {}
        self._handlers: dict[int, Any] = {}
        self._pid = 0
        self._held = 0
        self._waiting = self._ended = False

    def enter(self) -> None:
        """Adds a server. The first one removes the variables and installs the signal handlers."""
        self._servers += 1
        if self._servers > 1:
            return
        self._pid, self._waiting, self._ended = os.getpid(), False, False
        for name in [name for name in os.environ if name.startswith("PG")]:
            self._variables[name] = os.environ.pop(name)
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                # An ignored signal stays ignored: nohup, and a shell's background job.
                if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                    self._handlers[number] = handler
                    signal.signal(number, self._handle)

    def leave(self) -> None:
        """Removes a server. The last one restores variables and signal handlers."""
        self._servers -= 1
        if self._servers:
            return
        for name, value in self._variables.items():
            os.environ.setdefault(name, value)
        self._variables.clear()
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler)
        self._handlers.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Defers signals until the end; one that arrived meanwhile then raises KeyboardInterrupt."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self._waiting and not self._held:
            self._waiting = False
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        handler = self._handlers.get(number)
        if self._held:
            self._waiting = True
        elif callable(handler):
            handler(number, frame)
        elif os.getpid() != self._pid:  # a forked child, which owns no server
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not self._ended:
            self._ended = True
            raise KeyboardInterrupt


OWNER = OwnerProcess()
