"""What both loggers are: the rules applied to jobs, transactions and the buffer. No I/O."""

from __future__ import annotations

import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Unpack

from llamactl.logger._buffer import Buffer, Counters, Row, Warnings
from llamactl.logger._context import Job, JobContext, current_job, inherited
from llamactl.logger._encoding import encode
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
from llamactl.logger._scope import Held, holding, innermost
from llamactl.logger._writing import Writer
from llamactl.model import LlamactlError
from llamactl.names import Names


class LoggerCore(ABC):
    """The part of a logger that does no I/O."""

    def __init__(
        self,
        *,
        table: str,
        schema: str,
        columns: Mapping[str, str] | None,
        max_rows: int,
        max_bytes: int,
        batch_rows: int,
    ) -> None:
        try:
            names = Names(schema=schema, table=table, columns=columns or {})
        except LlamactlError as error:
            raise LoggerError(error.code, error.message, error.hint) from None
        self._process = os.getpid()
        """The process that the rows in the buffer belong to."""
        self._columns = dict(names.columns)
        self._warn = Warnings()
        self._buffer = Buffer(max_rows, max_bytes, batch_rows, self._wake)
        self._writer = Writer(names, self._buffer, self._warn)
        _loggers.add(self)

    # --- jobs -----------------------------------------------------------------------------------------------

    def root(
        self, operation: str, entity: EntityLike, *, job_id: Id | None = None, **defaults: Unpack[JobValues]
    ) -> Job:
        """Returns a job that nothing caused. `defaults` are the values of all its rows."""
        return self.job(operation, entity, job_id=new_id() if job_id is None else job_id, **defaults)

    def child(
        self, operation: str, entity: EntityLike, *, job_id: Id | None = None, **defaults: Unpack[JobValues]
    ) -> Job:
        """Returns a job below the current one: that whose `with` block this thread or task is in.

        Where there is none it is a root, with a warning.
        """
        if current := current_job():
            return current.child(operation, entity, job_id=job_id, **defaults)
        self._warn("no job", f"{operation}: a child outside of any job; it is logged as a root")
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
        """Returns a job whose ids are known, as from another queue.

        A root that is not given is its parent's, looked up in the log when its rows are written. Raises
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
        """Takes a row: holds it until the commit of the block that this thread or task is in, if any.

        Never raises: what goes wrong is a warning, and counted.
        """
        try:
            row = self._row(job, entity, {**job._defaults, **values} if job._defaults else values)
            if not self._reserve(row):
                return
            job._recorded = True
            held = None if at_once else innermost(self)
            if held:
                held.rows.append(row)
            else:
                self._release(row)
            self._start()
        except Exception as error:
            self._buffer.refuse()
            self._warn("made", f"{job.operation}: a row could not be made: {error!r}")

    def _settle(self, held: Held) -> None:
        """Releases what was held, passes it on to the block around it, or drops it."""
        if held.process != self._process:
            return
        if held.dropped:
            self._buffer.drop(held.rows)
            for row in held.rows:
                row.job._recorded = row.job._logged
        elif outer := held.enclosing():
            outer.rows.extend(held.rows)
        else:
            for row in held.rows:
                self._release(row)

    def hold(self) -> AbstractContextManager[Held]:
        """A block whose rows are released where it ends, and dropped where an exception leaves it.

        For transactions that something else than transaction() ends: let the block enclose the commit.
        """
        return holding(self)

    @property
    def counters(self) -> Counters:
        """What became of the rows up to now."""
        return self._buffer.counters()

    def _row(self, job: Job, entity: EntityLike, values: Mapping[str, Any]) -> Row:
        root = job.root_job_id
        described_row = described(job._ids, root, job.operation, entity, values)
        text, mended = encode(described_row, self._columns)
        for what in mended:
            self._buffer.count("mended")
            self._warn(what, f"{job.operation}: {what}")
        return Row(text, len(text), described_row["category"], job, root is not None)

    def _reserve(self, row: Row) -> bool:
        if self._buffer.reserve(row):
            return True
        self._warn("full", "The buffer is full: rows are lost until the server takes some again")
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

    def _found_creator(self, operation: str, entity: EntityLike, ids: Ids | None, defaults: JobValues) -> Job:
        """The job that starts later for an entity, below the job that created it."""
        if ids is None:
            self._warn("no creator", f"{operation}: no CREATED row of {entity[0]} {entity[1]}; a root")
            return self.root(operation, entity, **defaults)
        return self.job(
            operation,
            entity,
            job_id=new_id(),
            parent_job_id=ids.job_id,
            root_job_id=ids.root_job_id,
            **defaults,
        )

    def _cannot_ask(self, operation: str, error: Exception) -> None:
        self._warn("creator", f"{operation}: the log cannot be asked: {' '.join(str(error).split())}")

    # --- the writer -----------------------------------------------------------------------------------------

    @abstractmethod
    def _start(self) -> None:
        """Sees that there is a writer in this process."""

    @abstractmethod
    def _wake(self) -> None:
        """Tells the writer that there is a batch."""

    def _failed(self, error: Exception) -> None:
        self._buffer.count("failed_flushes")
        waiting = self._buffer.counters().pending
        self._warn("write", f"{waiting} rows wait, the log cannot be written: {' '.join(str(error).split())}")

    def _give_up(self) -> None:
        if lost := self._buffer.abandon():
            self._warn("abandoned", f"{lost} rows of the log are lost: they could not be written in time")

    def _forked(self) -> None:
        """Starts anew in a forked child. What the parent had recorded is the parent's to write."""
        self._process = os.getpid()
        self._buffer.clear()
        self._writer.forget()


_loggers: weakref.WeakSet[LoggerCore] = weakref.WeakSet()


def _after_fork() -> None:
    for logger in list(_loggers):
        logger._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
