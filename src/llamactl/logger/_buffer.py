"""The bounded buffer between jobs and the writer, and what became of every row."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llamactl.logger._context import Job

_LOG = logging.getLogger("llamactl.logger")


@dataclass(frozen=True, slots=True)
class Counters:
    """What became of the rows that this process recorded.

    recorded = written + rolled_back + overflowed + refused + abandoned + pending
    """

    recorded: int = 0
    written: int = 0
    """In the table, acknowledged by the server."""
    rolled_back: int = 0
    """Dropped with the application's transaction."""
    overflowed: int = 0
    """Dropped since the buffer was full: the server was away for too long, or is too slow."""
    refused: int = 0
    """The server takes them in no shape, or they could not be made."""
    abandoned: int = 0
    """Not written when the logger was closed."""
    pending: int = 0
    """Held until a commit, or waiting for the writer."""
    mended: int = 0
    """Changed so that they fit; they count above as well."""
    failed_flushes: int = 0
    """Attempts to write that are made again."""

    @property
    def lost(self) -> int:
        """Rows that should be in the table and never will be."""
        return self.overflowed + self.refused + self.abandoned


@dataclass(slots=True, eq=False)
class Row:
    """A row on its way into the table."""

    text: str
    """A JSON object by the user's column names."""
    size: int
    """Bytes."""
    category: str
    job: Job
    rooted: bool
    """False where the text lacks the root."""
    mends: frozenset[str] = frozenset()
    """What was tried already, so that it fits."""


class Buffer:
    """Rows in their order. Bounded: what is held until a commit counts too."""

    def __init__(self, max_rows: int, max_bytes: int, batch_rows: int, wake: Callable[[], None]) -> None:
        self._max_rows, self._max_bytes, self._batch_rows = max_rows, max_bytes, batch_rows
        self._wake = wake
        self.clear()

    def clear(self) -> None:
        """Starts anew, counters and lock included: in a forked child the rows are its parent's to write."""
        self._lock = threading.Lock()
        self._ready: deque[Row] = deque()
        self._bytes = 0
        self._count = dict.fromkeys((field.name for field in fields(Counters)), 0)

    def counters(self) -> Counters:
        """Returns what became of the rows up to now."""
        with self._lock:
            return Counters(**self._count)

    def count(self, what: str, number: int = 1) -> None:
        """Adds to one of the counters."""
        with self._lock:
            self._count[what] += number

    def reserve(self, row: Row) -> bool:
        """Takes the place that a row needs. Without room the row is lost, and counted."""
        count = self._count
        with self._lock:
            count["recorded"] += 1
            if count["pending"] >= self._max_rows or self._bytes + row.size > self._max_bytes:
                count["overflowed"] += 1
                return False
            count["pending"] += 1
            self._bytes += row.size
            return True

    def refuse(self) -> None:
        """Counts a row that could not be made."""
        with self._lock:
            self._count["recorded"] += 1
            self._count["refused"] += 1

    def drop(self, rows: Sequence[Row]) -> None:
        """Gives up rows that were held: their transaction was rolled back."""
        self._leave(rows, {"rolled_back": len(rows)})

    def put(self, row: Row) -> None:
        """Hands a row, which has its place, to the writer."""
        self._ready.append(row)
        if len(self._ready) == self._batch_rows:
            self._wake()

    def batch(self, max_bytes: int) -> list[Row]:
        """Returns the oldest rows, at least one if there are any, without taking them out."""
        rows: list[Row] = []
        for row in islice(self._ready, self._batch_rows):
            max_bytes -= row.size
            if rows and max_bytes < 0:
                break
            rows.append(row)
        return rows

    def done(self, rows: Sequence[Row], **became: int) -> None:
        """Takes out what batch() returned, and counts what became of it."""
        for _ in rows:
            self._ready.popleft()
        self._leave(rows, became)

    def abandon(self) -> int:
        """Gives up what is left; returns how many rows."""
        rows = list(self._ready)
        self.done(rows, abandoned=len(rows))
        return len(rows)

    @property
    def empty(self) -> bool:
        """Nothing waits for the writer."""
        return not self._ready

    def _leave(self, rows: Sequence[Row], became: Mapping[str, int]) -> None:
        with self._lock:
            self._count["pending"] -= len(rows)
            self._bytes -= sum(row.size for row in rows)
            for what, number in became.items():
                self._count[what] += number


class Warnings:
    """Warnings of the log `llamactl.logger`: one of a kind a minute, with how many were kept back."""

    def __init__(self, every_seconds: float = 60.0) -> None:
        self._every = every_seconds
        self._next: dict[str, float] = {}
        self._kept_back: Counter[str] = Counter()

    def __call__(self, kind: str, message: str) -> None:
        now = time.monotonic()
        if now < self._next.get(kind, 0.0):
            self._kept_back[kind] += 1
            return
        self._next[kind] = now + self._every
        more = self._kept_back.pop(kind, 0)
        _LOG.warning("%s%s", message, f" ({more} more like this since the last)" if more else "")
