"""The common part of both loggers: applies the rules to jobs, transactions and the buffer."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Unpack

from llamactl.logger._buffer import Buffer, Counters, Row, Warnings
from llamactl.logger._calls import said
from llamactl.logger._context import Job, JobContext, current_job, inherited
from llamactl.logger._encoding import encode
from llamactl.logger._outlet import Outlet
from llamactl.logger._rules import (
    EntityLike,
    Id,
    Ids,
    JobValues,
    LoggerError,
    described,
    new_id,
    opening_values,
    place,
)
from llamactl.logger._scope import Fate, Held, hold, innermost
from llamactl.logger._target import Target
from llamactl.model import LlamactlError
from llamactl.model.words import plural
from llamactl.sqlfiles.names import Names

ASK_SECONDS = 5.0
"""How long for_entity() waits for an answer."""


class LoggerCore:
    """The part of a logger that never waits for the server."""

    def __init__(
        self, target: Target, names: Names, *, flush_seconds: float, batch_rows: int, bounds: tuple[int, int]
    ) -> None:
        self._process = os.getpid()
        """The process that the rows in the buffer belong to."""
        self._columns = dict(names.columns)
        self._warn = Warnings()
        self._buffer = Buffer(*bounds, batch_rows, lambda: self._outlet.wake())
        self._outlet = Outlet(target, names, self._buffer, self._warn, flush_seconds)
        _loggers.add(self)

    # --- jobs -----------------------------------------------------------------------------------------------

    def root(
        self, operation: str, entity: EntityLike, *, job_id: Id | None = None, **defaults: Unpack[JobValues]
    ) -> Job:
        """Returns a job without a parent. `defaults` are values for all its rows."""
        return self.job(operation, entity, job_id=new_id() if job_id is None else job_id, **defaults)

    def child(
        self, operation: str, entity: EntityLike, *, job_id: Id | None = None, **defaults: Unpack[JobValues]
    ) -> Job:
        """Returns a job below the current one, whose `with` block this thread or task is in.

        Without a current job it is a root, with a warning.
        """
        if current := current_job():
            return current.child(operation, entity, job_id=job_id, **defaults)
        self._warn("no job", f"{operation}: recorded outside of any job, so it is logged as a root")
        return self.root(operation, entity, job_id=job_id, **defaults)

    def job(
        self,
        operation: str,
        entity: EntityLike,
        *,
        job_id: Id,
        parent_job_id: Id | None = None,
        root_job_id: Id | None = None,
        **defaults: Unpack[JobValues],
    ) -> Job:
        """Returns a job whose ids are known, for example from another queue.

        If no root is given, the parent's is looked up in the log when the rows are written. Raises
        LoggerError (usage) for a blank job id, and for a job that would be its own parent.
        """
        return Job(self, place(job_id, parent_job_id, root_job_id), operation, entity, defaults=defaults)

    def resume(self, context: JobContext) -> Job:
        """Returns the job that `context` was taken from, on the other side of a queue.

        Raises LoggerError (usage) as job() does.
        """
        above: Job | None = None
        for outer in reversed(context.get("above", [])):
            above = self._resumed(outer, above)
        return self._resumed(context, above)

    def _resumed(self, context: JobContext, above: Job | None) -> Job:
        ids = place(context.get("job_id", ""), context.get("parent_job_id"), context.get("root_job_id"))
        entity = (context.get("entity_type", ""), context.get("entity_id"))
        defaults: JobValues = {}
        if "user_id" in context:
            defaults["user_id"] = context["user_id"]
        if "triggered_by" in context:
            defaults["triggered_by"] = context["triggered_by"]
        if "retry_count" in context:
            defaults["retry_count"] = context["retry_count"]
        operation, logged = context.get("operation", ""), context.get("logged", False)
        return Job(self, ids, operation, entity, parent=above, defaults=defaults, logged=logged)

    # --- rows -----------------------------------------------------------------------------------------------

    def _record(self, job: Job, entity: EntityLike, values: Mapping[str, Any], *, at_once: bool) -> None:
        """Accepts a row, and holds it until the commit of the block that this thread or task is in, if any.

        Never raises: errors are logged as warnings and counted.
        """
        try:
            row = self._row(job, entity, {**job._defaults, **values} if job._defaults else values)
        except Exception as error:
            self._buffer.refuse()
            self._warn("made", f"{job.operation}: a row could not be created: {error!r}")
            return
        if not self._reserve(row):
            return
        job._recorded = True
        held = None if at_once else innermost(self)
        if held:
            held.rows.append(row)
        else:
            self._release(row)
        self._outlet.start()

    def _settle(self, held: Held) -> None:
        """Releases what was held, passes it on to the block around it, or drops it."""
        if held.process != self._process or not held.rows:
            return
        if held.fate is not Fate.COMMITTED:
            self._buffer.drop(held.rows, held.fate.value)
            for row in held.rows:
                row.job._recorded = row.job._logged
            if held.fate is Fate.UNKNOWN:
                message = "it is unknown whether their transaction was committed"
                rows = plural(len(held.rows), "row was", "rows were")
                self._warn("unknown", f"{rows} dropped: {message}")
        elif outer := held.enclosing():
            outer.rows.extend(held.rows)
        else:
            for row in held.rows:
                self._release(row)
            self._outlet.start()

    def hold(self) -> AbstractContextManager[Held]:
        """A block whose rows are released at its end, and dropped if an exception leaves it.

        For transactions that are not ended by transaction(): enclose the commit in this block.
        """
        return hold(self)

    @property
    def counters(self) -> Counters:
        """Returns the counters of the rows so far."""
        return self._buffer.counters()

    def _row(self, job: Job, entity: EntityLike, values: Mapping[str, Any]) -> Row:
        root = job.root_job_id
        described_row = described(job._ids, root, job.operation, entity, values)
        text, mended = encode(described_row, self._columns)
        for what in mended:
            self._buffer.count("mended")
            self._warn(what, f"{job.operation}: {what}")
        key, own = str(described_row["id"]), "id" not in values
        return Row(text, len(text), described_row["category"], job, root is not None, key, own)

    def _reserve(self, row: Row) -> bool:
        if self._buffer.reserve(row):
            return True
        self._warn("full", "The buffer is full: rows are lost until the server accepts rows again")
        return False

    def _release(self, row: Row) -> None:
        """Hands a row to the writer, after the rows that its chain needs."""
        job = row.job
        if not job._logged:
            job._logged = self._open(job)
        self._buffer.put(row)

    def _open(self, job: Job) -> bool:
        """Hands over an opening row for each job above that has none; False where one found no room."""
        closed = [job]
        while (above := closed[-1]._parent) and not above._logged:
            closed.append(above)
        for above in reversed(closed[1:]):
            values = {**inherited(above._defaults), **opening_values(above.job_id, above._begun_at)}
            row = self._row(above, (above.entity.type, None), values)
            if not self._reserve(row):
                return False
            above._logged = above._recorded = True
            self._buffer.put(row)
        return True

    def _below_creator(
        self, operation: str, entity: EntityLike, found: Ids | Exception | None, defaults: JobValues
    ) -> Job:
        """Returns the job that starts later for an entity, below the job that created it; else a root."""
        if isinstance(found, Exception):
            reason = said(found) or f"no answer within {ASK_SECONDS:g} s"
            self._warn("creator", f"{operation}: the log could not be queried: {reason}")
            found = None
        if found is None:
            what = f"no CREATED row of {entity[0]} {entity[1]} was found, so it is logged as a root"
            self._warn("no creator", f"{operation}: {what}")
            return self.root(operation, entity, **defaults)
        return self.job(
            operation,
            entity,
            job_id=new_id(),
            parent_job_id=found.job_id,
            root_job_id=found.root_job_id,
            **defaults,
        )

    def _forked(self) -> None:
        """Starts over in a forked child. The parent writes what it has recorded."""
        self._process = os.getpid()
        self._buffer.clear()
        self._outlet.forked()


def names_of(schema: str, table: str, columns: Mapping[str, str] | None) -> Names:
    """Returns the names. Raises LoggerError (config) for those that cannot be."""
    try:
        return Names(schema=schema, table=table, columns=columns or {})
    except LlamactlError as error:
        raise LoggerError(error.code, error.message, error.hint) from None


_loggers: weakref.WeakSet[LoggerCore] = weakref.WeakSet()


def _after_fork() -> None:
    for logger in list(_loggers):
        logger._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
