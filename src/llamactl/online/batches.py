"""Batches: a statement over the pages that contain rows to be written, in transactions of about 100 ms.

1. Take the next pages of the task (window.sql), as many as fit the time according to the last batches.
2. Yield while another session waits for a lock on the table.
3. Run the statement once per pass, each in a transaction with its checkpoint.
4. After a lock timeout or a deadlock, halve the number of pages, wait, and retry.
5. If the rows have moved (because of VACUUM FULL), stop; the caller finds their new places.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from llamactl.model import LlamactlError, Note, Progress
from llamactl.online.record import Run
from llamactl.sqlfiles.load import Query, load_query
from llamactl.table.locks import blocking_sessions, refuse_replaced, with_lock_retries
from llamactl.table.table import Table
from llamactl.wording import listed

BATCH_SECONDS = 0.1
"""The target duration of a batch; a writer that waits for a row waits for about one batch."""
FIRST_PAGES, MOST_PAGES = 16, 1 << 20
FILES = {
    "fill": ("online/fill",),
    "clear": (
        *("online/choose_flagged", "online/clear_parents"),
        *("migrate/settle_constraints", "online/judge_cleared", "online/save_cleared"),
    ),
}
"""The files of a task; the row count of the last one is the number of rows written."""
PASSES = {"fill": 12, "clear": 1}
"""Each pass updates some rows of a page and leaves room on it, so that the updates of the next pass are HOT.
As many passes as a page has rows would be ideal; additional passes cost little."""
FEW_ROWS_A_PAGE = 2
"""With fewer rows per page, the existing room is enough."""


@dataclass(frozen=True, slots=True)
class Work:
    """The context of a run."""

    table: Table
    run: Run
    retries: int
    note: Note
    progress: Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Pending:
    """The result of pending.sql."""

    fill_rows: int
    bare_rows: int
    """How many rows of fill_rows have no root."""
    fill_pages: int
    clear_rows: int
    old_rows: int
    """How many of all rows must be written before the run may end."""
    old_left: int
    """old_rows, and those old rows that are not tried again."""
    retried: int
    """How many of all rows were tried before."""
    lost: int
    """Rows that do not have the root that was written, whether they are tried again or not."""
    altered: int
    """How many lost rows have a different root."""
    bare_vain: int
    """How many lost rows have no root and are not tried again."""
    unfilled: int
    """If rows are lost, all rows without their root: a run may end before it has tried each of them."""
    uncleared: int
    """Likewise, rows whose parent was to be cleared."""
    tried: int
    """Rows that the session has tried to fill and has recorded."""
    filenode: int
    """The filenode that the pages belong to."""

    @property
    def rows(self) -> int:
        """The number of rows to write."""
        return self.fill_rows + self.clear_rows

    @property
    def parents_left(self) -> int:
        """The number of rows with a parent to clear, whether they are tried again or not."""
        return max(self.clear_rows, self.uncleared)

    @property
    def dense(self) -> bool:
        """Whether so many rows per page are written that each pass must make room for the next."""
        return self.fill_rows >= FEW_ROWS_A_PAGE * self.fill_pages

    @property
    def any_rows(self) -> bool:
        return self.rows > 0


@dataclass(frozen=True, slots=True)
class _Window:
    first: int | None
    last: int | None
    filenode: int


@dataclass(frozen=True, slots=True)
class _Moved:
    moved: bool


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a task's batches."""

    rows: int
    """The number of rows written."""
    rewritten: bool
    """The table has been rewritten to another file."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    waiting: bool


@dataclass(slots=True)
class _Size:
    """The number of pages in a batch."""

    pages: int = FIRST_PAGES

    def halve(self) -> None:
        self.pages = max(self.pages // 2, 1)

    def adapt(self, seconds: float) -> None:
        factor = min(max(BATCH_SECONDS / max(seconds, 1e-6), 0.5), 2.0)
        self.pages = min(max(round(self.pages * factor), 1), MOST_PAGES)


def write_batches(work: Work, task: str, pending: Pending, values: Mapping[str, object]) -> Done:
    """Runs the task's statements over its pages.

    Raises LlamactlError (lock), naming the blocking sessions, once the retries are used up.
    """
    # If a crash loses the last batches, nothing is lost: the rows themselves show what is done, and the
    # commits of the following steps make all of it durable.
    with work.table.session.settings(synchronous_commit="off"):
        return _all_windows(work, task, pending, values)


def _all_windows(work: Work, task: str, pending: Pending, values: Mapping[str, object]) -> Done:
    files = [load_query(path, work.table.names) for path in FILES[task]]
    page, size, written, filenode = 0, _Size(), 0, pending.filenode
    while (window := _next_window(work, task, page)).first is not None:
        if window.filenode != filenode:
            if _moved(work, task, window.last or window.first):
                work.note(
                    "Another session rewrote the table (VACUUM FULL, CLUSTER): restarting at its first page"
                )
                return Done(written, True)
            filenode = window.filenode
        slowest = 0.0
        for number in range(PASSES[task]):
            _give_way(work)
            part = {
                **values,
                **({"pass": number, "prune": pending.dense and number > 0} if task == "fill" else {}),
            }
            begun = time.monotonic()
            written += _batch(work, files, window.first, size, part)
            slowest = max(slowest, time.monotonic() - begun)
        page = window.first + size.pages
        size.adapt(slowest)
    return Done(written, window.filenode != filenode)


def _moved(work: Work, task: str, last: int) -> bool:
    """Returns whether the rows of the last pages have moved, once the table has another file."""
    query = load_query("online/in_place", work.table.names)
    pages = {"first_page": max(last - FIRST_PAGES, 0), "end_page": last + 1}
    with work.table.session.transaction(temporary=True):
        return work.table.session.row(query, _Moved, task=task, **pages).moved


def _next_window(work: Work, task: str, page: int) -> _Window:
    query = load_query("online/window", work.table.names)
    return work.table.session.row(query, _Window, task=task, page=page, relation=work.table.relation.oid)


def _batch(
    work: Work,
    files: Sequence[Query],
    first: int,
    size: _Size,
    values: Mapping[str, object],
) -> int:
    """Runs one transaction. Returns the number of rows that it wrote."""

    def attempt() -> int:
        try:
            with work.table.session.transaction():
                given = {**values, "first_page": first, "end_page": first + size.pages}
                for query in files:
                    wanted = {name for statement in query.statements for name in statement.parameters}
                    part = {name: value for name, value in given.items() if name in wanted}
                    rows = work.table.session.run(query, **part)
                refuse_replaced(work.table)
                work.run.checkpoint(rows)
        except LlamactlError:
            size.halve()
            raise
        return rows

    rows = with_lock_retries(work.table.session, [work.table.relation.oid], attempt, work.retries, work.note)
    work.progress(work.run.advance(rows))
    return rows


def _give_way(work: Work) -> None:
    """Waits while another session waits for a lock on the table: a batch would delay it."""
    query = load_query("online/waiting", work.table.names)
    wait_seconds = 0.02
    while work.table.session.row(query, _Waiting, relation=work.table.relation.oid).waiting:
        if wait_seconds > 0.1:
            others = blocking_sessions(work.table.session, work.table.relation.oid)
            work.run.wait_for(f"sessions that are waiting for the table: {listed(others)}")
        time.sleep(wait_seconds)
        wait_seconds = min(wait_seconds * 2, 1.0)
