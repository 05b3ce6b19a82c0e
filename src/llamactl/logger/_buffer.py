"""The bounded buffer between jobs and the writer, and counters for the fate of every row."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llamactl.logger._context import Job

_LOG = logging.getLogger("llamactl.logger")


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters for the fate of the rows that this process recorded.

    recorded = written + existing + rolled_back + overflowed + refused + abandoned + unknown + pending
    """

    recorded: int = 0
    written: int = 0
    """Written to the table by this process."""
    existing: int = 0
    """Not written, because the table has a row with the same id: an opening row of another process, or an id
    that was used twice."""
    rolled_back: int = 0
    """Dropped with the application's transaction."""
    overflowed: int = 0
    """Dropped because the buffer was full: the server was unreachable for too long, or is too slow."""
    refused: int = 0
    """Rejected by the table in any form, or could not be created."""
    abandoned: int = 0
    """Not written when the logger was closed."""
    unknown: int = 0
    """Dropped because the outcome of the application's transaction is unknown; or sent when the logger was
    closed, without a confirmation of the COMMIT."""
    pending: int = 0
    """Held until a commit, or waiting for the writer."""
    mended: int = 0
    """Changed to fit the table; also counted above."""
    failed_flushes: int = 0
    """Failed attempts to write, which are retried."""

    @property
    def lost(self) -> int:
        """The number of rows that should be in the table but never will be."""
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
    """The text contains the root, if there is one."""
    key: str
    """The row's id."""
    own: bool
    """The id was generated for this row, so no other row of the table can have it."""
    in_doubt: bool = False
    """A COMMIT was sent, and its outcome is not known."""
    apart: bool = False
    """The server rejected it when it accepted others: it is tried alone, after them."""


class SupersededError(Exception):
    """The writer's rows were given up, and must not be committed any more."""


class Buffer:
    """Rows on their way, within bounds: rows that are held until a commit count as well.

    One writer at a time takes rows out: the one that adopted the buffer last. Any thread may record.
    """

    def __init__(self, max_rows: int, max_bytes: int, batch_rows: int, wake: Callable[[], None]) -> None:
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self.batch_rows, self._wake = batch_rows, wake
        self.clear()

    def clear(self) -> None:
        """Forgets everything, the counters included: in a forked child the rows are its parent's to write."""
        self._lock = threading.Lock()
        self._ready: deque[Row] = deque()
        self._taken: dict[Row, None] = {}
        """The rows that the writer is working on, in order."""
        self._writer: object = None
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

    # --- for those who record -------------------------------------------------------------------------------

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

    def drop(self, rows: Sequence[Row], became: str) -> None:
        """Gives up rows that were held until a commit."""
        with self._lock:
            self._leave(rows, {became: len(rows)})

    def put(self, row: Row) -> None:
        """Hands a row, which has its place, to the writer."""
        self._ready.append(row)
        if len(self._ready) == self.batch_rows:
            self._wake()

    # --- for the writer -------------------------------------------------------------------------------------

    def adopt(self, writer: object) -> None:
        """Makes this the one writer that takes rows out."""
        with self._lock:
            self._writer = writer

    def batch(self, writer: object, most_rows: int, most_bytes: int) -> list[Row]:
        """Returns the oldest rows, at least one if there are any; they stay until done().

        Those in doubt come by themselves, first; those apart one by one, last. Raises SupersededError where
        the writer's rows were given up.
        """
        with self._lock:
            if writer is not self._writer:
                raise SupersededError
            while self._ready and len(self._taken) < self.batch_rows:
                self._taken[self._ready.popleft()] = None
            together = [row for row in self._taken if not row.apart]
            rows: list[Row] = []
            for row in together[:most_rows] or list(self._taken)[:1]:
                most_bytes -= row.size
                if rows and (most_bytes < 0 or row.in_doubt is not rows[0].in_doubt):
                    break
                rows.append(row)
            return rows

    def committing(self, writer: object, rows: Iterable[Row]) -> None:
        """Marks rows as in doubt: COMMIT is about to be sent. Raises SupersededError where it must not be."""
        with self._lock:
            if writer is not self._writer:
                raise SupersededError
            for row in rows:
                row.in_doubt = True

    def done(self, writer: object, rows: Sequence[Row], **became: int) -> None:
        """Takes out what batch() returned, and counts what became of it."""
        with self._lock:
            if writer is self._writer:
                for row in rows:
                    del self._taken[row]
                self._leave(rows, became)

    def put_apart(self, writer: object, row: Row) -> None:
        """Moves a row behind the others: it is tried by itself from now on."""
        with self._lock:
            if writer is self._writer:
                row.apart = True
                del self._taken[row]
                self._taken[row] = None

    def abandon(self) -> Mapping[str, int]:
        """Gives up what is left: no COMMIT of it is sent from now on. Returns the numbers of rows."""
        with self._lock:
            self._writer = None
            rows, self._taken = list(self._taken), {}
            while self._ready:  # the same deque for ever, since put() takes no lock
                rows.append(self._ready.popleft())
            unknown = sum(row.in_doubt for row in rows)
            became = {"abandoned": len(rows) - unknown, "unknown": unknown}
            self._leave(rows, became)
            return became

    @property
    def empty(self) -> bool:
        """Nothing waits for the writer."""
        return not self._ready and not self._taken

    def _leave(self, rows: Sequence[Row], became: Mapping[str, int]) -> None:
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
        printable = message.encode(errors="backslashreplace").decode()  # a handler may write UTF-8
        _LOG.warning("%s%s", printable, f" ({more} more like this since the last)" if more else "")
