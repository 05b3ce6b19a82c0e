"""Batches: a statement over the pages that hold rows to be written, in transactions of about 100 ms.

1. Take the next pages of the task (window.sql), as many as the last batches say come to the time.
2. Give way while a session waits for a lock on the table.
3. Run the statement, once a pass, each in a transaction with its checkpoint.
4. A lock not got, or a deadlock: halve the pages, wait, again.
5. The rows are elsewhere by now (VACUUM FULL came between): stop; whoever called works out the places anew.
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
"""A writer that waits for a row waits for about one batch."""
FIRST_PAGES, MOST_PAGES = 16, 1 << 20
FILES = {
    "fill": ("online/fill",),
    "clear": (
        *("online/choose_flagged", "online/clear_parents"),
        *("migrate/settle_constraints", "online/judge_cleared", "online/save_cleared"),
    ),
}
"""Of a task: the last one's row count is that of the rows that were written."""
PASSES = {"fill": 12, "clear": 1}
"""So that the next pass finds the room that the last one left on the page, and updates in place. As many as a
page has rows would be best; more cost little."""
FEW_ROWS_A_PAGE = 2
"""Fewer than this leave the room that there is."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every part of a run needs."""

    table: Table
    run: Run
    retries: int
    note: Note
    progress: Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Pending:
    """What pending.sql returns."""

    fill_rows: int
    bare_rows: int
    """Those of them that hold no root."""
    fill_pages: int
    clear_rows: int
    old_rows: int
    """Of all, those that must be written before the run may end."""
    old_left: int
    """These, and those of them that are not tried again."""
    retried: int
    """Of all, those that were tried before."""
    lost: int
    """Rows that do not hold the root that was written to them, whether they are tried again or not."""
    altered: int
    """Those of them that hold another root."""
    bare_vain: int
    """Those of them that hold no root and are not tried again."""
    unfilled: int
    """Where rows are lost, all that lack their root: a run may end before it has tried each."""
    uncleared: int
    """The same, of parents."""
    tried: int
    """Rows that the session has tried to fill and has noted."""
    filenode: int
    """The file that the pages are of."""

    @property
    def rows(self) -> int:
        """To be written."""
        return self.fill_rows + self.clear_rows

    @property
    def dense(self) -> bool:
        """So many rows a page are written that each pass must make room for the next."""
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
    """What a task's batches came to."""

    rows: int
    """That were written."""
    rewritten: bool
    """The table has another file by now."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    waiting: bool


@dataclass(slots=True)
class _Size:
    """How many pages a batch takes."""

    pages: int = FIRST_PAGES

    def halve(self) -> None:
        self.pages = max(self.pages // 2, 1)

    def adapt(self, seconds: float) -> None:
        factor = min(max(BATCH_SECONDS / max(seconds, 1e-6), 0.5), 2.0)
        self.pages = min(max(round(self.pages * factor), 1), MOST_PAGES)


def write_batches(work: Work, task: str, pending: Pending, values: Mapping[str, object]) -> Done:
    """Runs the task's statement over its pages.

    Raises LlamactlError (lock) that names who is in the way, once the retries are used up.
    """
    # A crash that takes the last batches back loses nothing: what is done is told by the rows themselves, and
    # the commits of the steps that follow make all of it last.
    with work.table.session.settings(synchronous_commit="off"):
        return _all_windows(work, task, pending, values)


def _all_windows(work: Work, task: str, pending: Pending, values: Mapping[str, object]) -> Done:
    files = [load_query(path, work.table.names) for path in FILES[task]]
    page, size, written, filenode = 0, _Size(), 0, pending.filenode
    while (window := _next_window(work, task, page)).first is not None:
        if window.filenode != filenode:
            if _moved(work, task, window.last or window.first):
                work.note(
                    "The table was rewritten meanwhile (VACUUM FULL, CLUSTER): beginning at its first page"
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
    """Whether the rows of the last pages are elsewhere, of a table that has another file."""
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
    """One transaction. Returns the number of rows that it wrote."""

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
    """Waits while a session waits for a lock on the table: a batch would keep it waiting."""
    query = load_query("online/waiting", work.table.names)
    wait_seconds = 0.02
    while work.table.session.row(query, _Waiting, relation=work.table.relation.oid).waiting:
        if wait_seconds > 0.1:
            others = blocking_sessions(work.table.session, work.table.relation.oid)
            work.run.wait_for(f"sessions that wait for the table: {listed(others)}")
        time.sleep(wait_seconds)
        wait_seconds = min(wait_seconds * 2, 1.0)
