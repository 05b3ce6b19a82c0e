"""How the buffer gets into the table: what is asked of the server, and what follows. No I/O."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from llamactl.logger import _encoding as encoding
from llamactl.logger import _rules as rules
from llamactl.logger._buffer import Buffer, Row, Warnings
from llamactl.logger._calls import Call, Statement, Steps, ask, insert_query, said, statement
from llamactl.logger._failures import Concern, concern, server_refused
from llamactl.logger._fitting import Draft, Fitting
from llamactl.logger._roots import Roots
from llamactl.logger._rules import EntityLike, Ids
from llamactl.logger._shape import Shape, look
from llamactl.model.words import plural
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names

_BATCH_BYTES = 4 << 20
_LOOK_AGAIN_SECONDS = 5.0
"""How long a column or an enum value that a migration added can go unnoticed."""
_PROBES = 8
"""If this many single rows fail alike and none is accepted, the statement is at fault, not the rows."""
_SLOW_SECONDS = 1.0
"""A part that fails after this time is not split and retried at once: each part would wait as long."""


@dataclass(slots=True)
class _Attempt:
    """What is known about one batch so far."""

    drafts: deque[Draft]
    size: int
    """The number of rows of the next part."""
    accepted: bool = False
    """The server accepted some rows."""
    spread: bool = False
    """The first rows are samples of the whole batch."""
    open: list[tuple[Draft, psycopg.Error]] = field(default_factory=list)
    """Single rows that failed, because of their contents or as any row would."""

    def take(self) -> list[Draft]:
        return [self.drafts.popleft() for _ in range(min(self.size, len(self.drafts)))]

    def sample(self, part: Sequence[Draft]) -> None:
        """Puts back a part that failed: first some single rows from all over it."""
        step = max(1.0, (len(part) - 1) / (_PROBES - 1))
        chosen = dict.fromkeys(min(round(step * nth), len(part) - 1) for nth in range(_PROBES))
        rest = [draft for nth, draft in enumerate(part) if nth not in chosen]
        self.drafts.extendleft(reversed([*(part[nth] for nth in chosen), *rest]))
        self.spread, self.size = True, 1


class Writer:
    """What a writer knows of the table and of roots, and its steps. One caller at a time."""

    def __init__(self, names: Names, buffer: Buffer, warn: Warnings) -> None:
        self._names, self._buffer, self._warn = names, buffer, warn
        self._roots, self._fitting = Roots(names, warn), Fitting(names.columns, warn)
        self._shape: Shape | None = None
        self._looked = 0.0
        self._most_rows = buffer.batch_rows
        buffer.adopt(self)

    def batch(self) -> Steps[None]:
        """Writes the oldest rows. Raises psycopg.Error where the server does not take all of them now."""
        rows = self._buffer.batch(self, self._most_rows, _BATCH_BYTES)
        if not rows:
            return
        try:
            shape = yield from self._look()
            yield from self._roots.find(rows, shape)
            yield from self._insert(rows, shape)
        except Exception:
            self._shape = None  # the table may be another now
            raise
        self._most_rows = min(self._most_rows * 2, self._buffer.batch_rows)

    def committing(self, rows: Sequence[Row]) -> None:
        """Is called before COMMIT. Raises SupersededError where the rows were given up."""
        self._buffer.committing(self, rows)

    def creator(self, entity: EntityLike) -> Steps[Ids | None]:
        """Returns the ids of the job that created an entity, None where the log does not say."""
        shape = yield from self._look()
        given = {"entity_type": entity[0], "entity_id": None if entity[1] is None else str(entity[1])}
        values = {
            name: text and text.translate(encoding.unencodable(text, shape.codec))
            for name, text in given.items()
        }
        found = yield from ask("logger/creator", self._names, values)
        return rules.place(*found[0]) if found else None

    def _look(self) -> Steps[Shape]:
        """Returns the table's shape, looked at again every few seconds: a migration may have changed it."""
        if self._shape is None or time.monotonic() > self._looked + _LOOK_AGAIN_SECONDS:
            self._shape = yield from look(self._names)
            self._looked = time.monotonic()
        return self._shape

    # --- one batch ------------------------------------------------------------------------------------------

    def _insert(self, rows: Sequence[Row], shape: Shape) -> Steps[None]:
        """Writes the rows, and counts what became of each. Raises the error where some must wait.

        1. All in one statement. Where the connection is lost, or it fails only after a while, all wait.
        2. Where it fails otherwise, the server does not say for which row: so half of the rows, down to a
           single one; after each part that is taken, twice as many.
        3. A single row is changed so that it fits, once for each complaint, or else is refused.
        4. An error that need not be the row's own is the statement's where no row is taken, and a few from
           all over the batch fail alike: then all wait. Where others are taken, it is the row's.
        """
        if rows[0].in_doubt and not (shape.keyed and shape.skips):
            rows = yield from self._without_present(rows, shape)
        attempt = _Attempt(deque(self._fitting.draft(row, shape) for row in rows), len(rows))
        while attempt.drafts:
            part = attempt.take()
            begun = time.monotonic()
            error = yield from self._store(part, shape)
            if error is None:
                attempt.accepted, attempt.size = True, attempt.size * 2
                continue
            about = concern(error)
            slow = about is Concern.MOMENT and time.monotonic() > begun + _SLOW_SECONDS
            if slow and len(part) == 1:
                self._buffer.put_apart(self, part[0].row)
            if slow or about is Concern.CONNECTION:
                self._most_rows = max(1, len(part) // 8)  # fewer may get through, as under a slow trigger
                raise error
            yield from self._isolate(part, error, attempt, shape)
        yield from self._conclude(attempt, shape)

    def _isolate(
        self, part: Sequence[Draft], error: psycopg.Error, attempt: _Attempt, shape: Shape
    ) -> Steps[None]:
        """Puts back a part that failed, as smaller ones; or settles a single row."""
        if len(part) > 1:
            if concern(error) is Concern.ROW or attempt.accepted or attempt.spread:
                attempt.drafts.extendleft(reversed(part))
                attempt.size = len(part) // 2
            else:
                attempt.sample(part)
            return
        attempt.size = 1
        if draft := self._fitting.mended(part[0], error, shape):
            attempt.drafts.appendleft(draft)
        elif concern(error) is Concern.ROW:
            yield from self._refuse(part[0].row, error, shape)
        else:
            attempt.open.append((part[0], error))
            states = {other.sqlstate for _, other in attempt.open}
            if not attempt.accepted and len(attempt.open) >= _PROBES and len(states) == 1:
                self._most_rows = self._buffer.batch_rows  # so that some other row may come to be tried
                raise error

    def _conclude(self, attempt: _Attempt, shape: Shape) -> Steps[None]:
        """Decides about the single rows whose error need not be their own, now that all have been tried."""
        waiting: psycopg.Error | None = None
        for draft, error in attempt.open:
            if not attempt.accepted and not draft.row.apart:
                self._most_rows = self._buffer.batch_rows
                raise error
            if concern(error) is Concern.MOMENT:
                self._buffer.put_apart(self, draft.row)
                waiting = error
            else:
                yield from self._refuse(draft.row, error, shape)
        if waiting:
            raise waiting

    def _store(self, part: Sequence[Draft], shape: Shape) -> Steps[psycopg.Error | None]:
        """Writes some rows in one transaction and counts them; returns the error where it fails."""
        rows = [draft.row for draft in part]
        were_in_doubt = rows[0].in_doubt
        entries = f"[{','.join(draft.text for draft in part)}]"
        query = insert_query(self._names, shape.absent, shape.skips)
        call = Call(
            statement(query, {"entries": entries}),
            rows,
            self._check(entries) if shape.readable else None,
            always_check=shape.ruled,
        )
        try:
            answer = yield call
        except psycopg.Error as error:
            if server_refused(error):
                for row in rows:
                    row.in_doubt = were_in_doubt
            return error
        self._settle(part, answer.written, answer.present, were_in_doubt, shape)
        return None

    def _check(self, entries: str) -> Statement:
        return statement(load_query("logger/present", self._names), {"entries": entries})

    # --- what became of the rows ----------------------------------------------------------------------------

    def _settle(
        self,
        part: Sequence[Draft],
        inserted: int,
        present: Sequence[int] | None,
        were_in_doubt: bool,
        shape: Shape,
    ) -> None:
        """Counts the rows of a part that was committed, of which the server says that it wrote so many."""
        rows = [draft.row for draft in part]
        mended = sum(1 for draft in part if draft.mends)
        left = max(0, len(rows) - inserted)
        shared = sum(1 for row in rows if were_in_doubt or shape.ruled or not row.own)
        if present is None and left <= shared and shape.keyed and not shape.others:
            present = range(1, len(rows) + 1)  # nothing but a row's own id keeps it out
        if present is None:
            unknown = min(left, shared)
            became = {"written": len(rows) - left, "unknown": unknown, "refused": left - unknown}
        else:
            there = [rows[position - 1] for position in present]
            distinct = len({row.key for row in there})
            written = distinct if shape.ruled else max(inserted, distinct if were_in_doubt else 0)
            became = {"written": written, "existing": max(0, len(there) - written)}
            became["refused"] = len(rows) - sum(became.values())
            for row in set(rows) - set(there):
                row.job._logged = False  # so that its next child opens it
        self._buffer.done(self, rows, **became, mended=mended)
        if kept_out := became["refused"] or became.get("unknown"):
            reason = ", ".join(shape.others[:3]) or "an object on the table"
            count = f"{kept_out} of {plural(len(rows), 'row was', 'rows were')} not written"
            self._warn("kept out", f"{count}, presumably because of {reason}")

    def _refuse(self, row: Row, error: psycopg.Error, shape: Shape) -> Steps[None]:
        """Counts a row that the server takes in no shape; but it may be in the table from before."""
        became = "refused"
        if row.in_doubt or not row.own:
            became = "unknown" if row.in_doubt else "refused"
            if shape.readable:
                present = yield from self._present([row])
                became = ("written" if row.in_doubt else "existing") if present else "refused"
        self._buffer.done(self, [row], **{became: 1})
        if became == "refused":
            row.job._logged = False  # so that its next child opens it
            self._warn("refused", f"{row.job.operation}: a row was rejected: {said(error)}")

    def _without_present(self, rows: Sequence[Row], shape: Shape) -> Steps[Sequence[Row]]:
        """Returns the rows in doubt that are not in the table: others, sent again, would be there twice."""
        if not shape.readable:
            self._buffer.done(self, rows, unknown=len(rows))
            what = f"whether {plural(len(rows), 'row was', 'rows were')} written"
            self._warn("doubt", f"It is unknown {what}: the connection was lost during COMMIT")
            return []
        there = yield from self._present(rows)
        self._buffer.done(self, there, written=len(there))
        return [row for row in rows if row not in there]

    def _present(self, rows: Sequence[Row]) -> Steps[list[Row]]:
        """Returns those of the rows that are in the table."""
        answer = yield Call(self._check(f"[{','.join(row.text for row in rows)}]"))
        return [rows[position - 1] for (position,) in answer.rows]
