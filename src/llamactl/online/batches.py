"""Batches: a statement over the pages that contain rows to be written, in transactions of about 100 ms.

1. Take the next pages of the task (window.sql), as many as fit the time according to the last batches.
2. Run the statement once per pass, each in a transaction with its checkpoint. Every 100 ms, first yield while
   another session waits for a lock on the table.
3. After a lock timeout or a deadlock, halve the number of pages, wait, and retry.
4. If the table does not have the shape that it had when the rows were noted (shape.sql), because of VACUUM
   FULL, CLUSTER or other DDL, stop: the notes are not valid any more, and the caller makes new ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Self

from llamactl.model import LlamactlError, Note, Progress
from llamactl.online.record import Run
from llamactl.sqlfiles.load import load_query
from llamactl.table.locks import blocking_sessions, refuse_replaced, with_lock_retries
from llamactl.table.table import Table
from llamactl.wording import listed

BATCH_SECONDS = 0.1
"""The target duration of a batch; a writer that waits for a row waits for about one batch."""
LOOK_SECONDS = 0.1
"""How often to look whether other sessions wait for the table."""
FIRST_PAGES, MOST_PAGES = 16, 1 << 20
MOST_DENSE_PAGES = 1024
"""The same where many rows per page are written: more would not make them cheaper, but the passes slower."""
CLEARING = (
    *("online/choose_flagged", "online/clear_parents"),
    *("migrate/settle_constraints", "online/judge_cleared", "online/save_cleared"),
)
"""The files that clear parents; the row count of the last one is the number of parents cleared."""
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
    shape: tuple[str, ...]
    """The shape of the table to which the places belong (shape.sql)."""

    @property
    def rows(self) -> int:
        """The number of rows to write."""
        return self.fill_rows + self.clear_rows

    @property
    def parents_left(self) -> int:
        """The number of rows with a parent to clear, whether they are tried again or not."""
        return max(self.clear_rows, self.uncleared)

    @property
    def provable(self) -> bool:
        """Whether all that is to be written are rows to fill that were not tried before."""
        others = self.clear_rows + self.uncleared + self.retried + self.lost
        return self.fill_rows > 0 and not others and self.old_rows == self.old_left

    @classmethod
    def none(cls, tried: int, shape: tuple[str, ...]) -> Self:
        """Returns the result where nothing is left."""
        counts = {one.name: 0 for one in fields(cls) if one.name not in ("tried", "shape")}
        return cls(**counts, tried=tried, shape=shape)

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
    shape: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Filled:
    same: bool
    rows: int
    altered: int
    xid: str


@dataclass(slots=True)
class Done:
    """The result of a task's batches."""

    rows: int = 0
    """The number of rows written."""
    rewritten: bool = False
    """The table has changed, so that the noted places are not valid any more."""
    altered: int = 0
    """How many rows did not store what was written, because of a trigger."""
    xids: list[str] = field(default_factory=list)
    """The transactions that filled rows."""
    shape: tuple[str, ...] | None = None
    """The shape of the table during the batches."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    waiting: bool


@dataclass(slots=True)
class _Size:
    """The number of pages in a batch."""

    pages: int = FIRST_PAGES

    def halve(self) -> None:
        self.pages = max(self.pages // 2, 1)

    def adapt(self, seconds: float, most: int) -> None:
        factor = min(max(BATCH_SECONDS / max(seconds, 1e-6), 0.5), 2.0)
        self.pages = min(max(round(self.pages * factor), 1), most)


def write_batches(work: Work, task: str, pending: Pending, values: Mapping[str, object]) -> Done:
    """Runs the task's statements over its pages.

    Raises LlamactlError (lock), naming the blocking sessions, once the retries are used up.
    """
    # If a crash loses the last batches, nothing is lost: the rows themselves show what is done, and the
    # commits of the following steps make all of it durable.
    settings = {"synchronous_commit": "off", "default_transaction_isolation": "read committed"}
    if task == "fill" and not values["keyed"]:
        # Not beside triggers, to whose statements it would apply too.
        settings["plan_cache_mode"] = "force_generic_plan"
    with work.table.session.settings(**settings):
        return _Batches(work, task, pending, values).write()


@dataclass(slots=True)
class _Batches:
    """The batches of one task."""

    work: Work
    task: str
    pending: Pending
    values: Mapping[str, object]
    """Parameters that are the same for all batches."""
    size: _Size = field(default_factory=lambda: _Size())
    done: Done = field(default_factory=Done)
    looked: float = float("-inf")
    """When the last look for waiting sessions was."""

    def write(self) -> Done:
        page = 0
        while (window := self._next_window(page)).first is not None:
            if not self._is_same(window.shape):
                return self._rewritten()
            self.done.shape = window.shape
            begun = time.monotonic()
            for number in range(PASSES[self.task]):
                if not self._pass(window.first, number):
                    return self._rewritten()
            page = window.first + self.size.pages
            most = MOST_DENSE_PAGES if self.task == "fill" and self.pending.dense else MOST_PAGES
            self.size.adapt((time.monotonic() - begun) / PASSES[self.task], most)
        self.done.rewritten = not self._is_same(window.shape)
        return self.done

    def _next_window(self, page: int) -> _Window:
        query = load_query("online/window", self.work.table.names)
        relation = self.work.table.relation.oid
        return self.work.table.session.row(query, _Window, task=self.task, page=page, relation=relation)

    def _is_same(self, shape: Sequence[str] | None) -> bool:
        """Returns whether the places are valid. Until the first batch, steps of the run add to the shape."""
        if shape is None:  # the table was dropped
            return False
        return shape == self.done.shape if self.done.shape else set(self.pending.shape) <= set(shape)

    def _rewritten(self) -> Done:
        with self.work.table.session.transaction(temporary=True):
            refuse_replaced(self.work.table)
        self.work.note(
            "Another session rewrote the table (VACUUM FULL, CLUSTER) or altered it: reading its rows again"
        )
        self.done.rewritten = True
        return self.done

    def _pass(self, first: int, number: int) -> bool:
        """Runs one transaction, with retries. Returns False if the table has another shape."""
        work = self.work

        def attempt() -> _Filled:
            self._give_way()
            pages = {"first_page": first, "end_page": first + self.size.pages}
            try:
                return self._fill(pages, number) if self.task == "fill" else self._clear(pages)
            except LlamactlError:
                self.size.halve()
                raise

        wrote = with_lock_retries(
            work.table.session, [work.table.relation.oid], attempt, work.retries, work.note
        )
        self.done.rows += wrote.rows
        self.done.altered += wrote.altered
        if self.task == "fill" and wrote.rows:
            self.done.xids.append(wrote.xid)
        work.progress(work.run.advance(wrote.rows))
        return wrote.same

    def _fill(self, pages: Mapping[str, int], number: int) -> _Filled:
        table, run = self.work.table, self.work.run
        return table.session.batch(
            load_query("online/fill", table.names),
            _Filled,
            triggers=bool(self.values["keyed"]),
            **self.values,
            **pages,
            **{"pass": number, "prune": self.pending.dense and number > 0},
            relation=table.relation.oid,
            shape=self.done.shape,
            run=run.id,
            rows_per_second=run.rows_per_second,
        )

    def _clear(self, pages: Mapping[str, int]) -> _Filled:
        table, rows = self.work.table, 0
        with table.session.transaction():
            for query in (load_query(path, table.names) for path in CLEARING):
                wanted = {name for statement in query.statements for name in statement.parameters}
                given = {name: value for name, value in {**self.values, **pages}.items() if name in wanted}
                rows = table.session.run(query, **given)
            refuse_replaced(table)
            self.work.run.checkpoint(rows)
        return _Filled(same=True, rows=rows, altered=0, xid="")

    def _give_way(self) -> None:
        """Waits while another session waits for a lock on the table: a batch would delay it."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        table, wait_seconds = self.work.table, 0.02
        query = load_query("online/waiting", table.names)
        while table.session.row(query, _Waiting, relation=table.relation.oid).waiting:
            if wait_seconds > 0.1:
                others = blocking_sessions(table.session, table.relation.oid)
                self.work.run.wait_for(f"sessions that are waiting for the table: {listed(others)}")
            time.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, 1.0)
        self.looked = time.monotonic()
