"""A job: its place in the chain, the rows that it writes, and its context in a queue's payload."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, takewhile
from types import TracebackType
from typing import Any, Protocol, Self, TypedDict, Unpack

from llamactl.logger._rules import (
    Category,
    Entity,
    EntityLike,
    Id,
    Ids,
    JobValues,
    LoggerError,
    RowValues,
    Status,
    failure,
    linked_metadata,
    new_id,
    place,
)
from llamactl.model import ErrorCode


class JobContext(TypedDict, total=False):
    """A job as JSON: for a queue's payload, taken up by resume() on the other side."""

    job_id: str
    parent_job_id: str | None
    root_job_id: str | None
    operation: str
    entity_type: str
    entity_id: str | None
    logged: bool
    """It has a row of its own, so its children do not write an opening row for it."""
    user_id: str
    """Present if it is known, like `triggered_by`."""
    triggered_by: str
    retry_count: int
    """The number of previous attempts, if the queue reports it."""
    above: list[JobContext]
    """The jobs above it that have no row yet, nearest first; the other side can write their opening rows."""


class Recorder(Protocol):
    """What a job needs from its logger."""

    def _record(self, job: Job, entity: EntityLike, values: Mapping[str, Any], *, at_once: bool) -> None:
        """Takes a row; never raises."""


@dataclass(frozen=True, slots=True)
class _Current:
    """The jobs that a thread or task is in, the innermost first."""

    job: Job
    outer: _Current | None


_current: ContextVar[_Current | None] = ContextVar("llamactl_job", default=None)


def current_job() -> Job | None:
    """Returns the job whose `with` block the current thread or task is in."""
    inside = _current.get()
    return inside.job if inside else None


def inherited(values: JobValues) -> JobValues:
    """Returns what of a job's values is its children's too: for whom it is done, and on whose behalf."""
    kept: JobValues = {}
    if "user_id" in values:
        kept["user_id"] = values["user_id"]
    if "triggered_by" in values:
        kept["triggered_by"] = values["triggered_by"]
    return kept


class Job:
    """A unit of work with its own rows. Create it with LlamaLogger or Job.child().

    In a `with` or `async with` block it is the current job, and an exception that leaves the block is logged:
    one FAILED row of the innermost job that it leaves, immediately and whatever happens to the transaction.
    The exception is raised again. Other BaseExceptions (Ctrl-C, a cancelled task) are not logged.
    """

    def __init__(
        self,
        log: Recorder,
        ids: Ids,
        operation: str,
        entity: EntityLike,
        *,
        parent: Job | None = None,
        defaults: JobValues | None = None,
        logged: bool = False,
    ) -> None:
        self._log = log
        self._ids = ids
        self.operation = operation
        self.entity = Entity(*entity)
        self._parent = parent
        self._defaults: JobValues = defaults or {}
        self._logged = logged
        """The log contains a row of it, or will before any row that is recorded later."""
        self._recorded = logged
        """The same, provided that its transaction commits."""
        self._found_root: str | None = None
        """The root that was found in the log."""
        known = ids.root_job_id is not None or parent is None
        self._origin: Job = self if known or parent is None else parent._origin
        """The topmost job whose root this one shares, if no root was given."""
        self._begun_at = datetime.now(UTC)
        self._begun = time.monotonic()

    @property
    def job_id(self) -> str:
        return self._ids.job_id

    @property
    def parent_job_id(self) -> str | None:
        return self._ids.parent_job_id

    @property
    def root_job_id(self) -> str | None:
        """None as long as the root is not known."""
        return self._ids.root_job_id or self._origin._ids.root_job_id or self._origin._found_root

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since this object was created, for duration_ms."""
        return round((time.monotonic() - self._begun) * 1000)

    @property
    def context(self) -> JobContext:
        """The context for resume() on the other side of a queue; can be converted to JSON."""
        context = self._described()
        unlogged = takewhile(lambda job: not job._recorded, islice(self._upward(), 1, None))
        if above := [job._described() for job in unlogged]:
            context["above"] = above
        return context

    def _described(self) -> JobContext:
        entity_type, entity_id = self.entity
        context: JobContext = {
            "job_id": self.job_id,
            "parent_job_id": self.parent_job_id,
            "root_job_id": self.root_job_id,
            "operation": self.operation,
            "entity_type": entity_type,
            "entity_id": None if entity_id is None else str(entity_id),
            "logged": self._recorded,
        }
        if "user_id" in self._defaults:
            context["user_id"] = str(self._defaults["user_id"])
        if "triggered_by" in self._defaults:
            context["triggered_by"] = self._defaults["triggered_by"]
        return context

    def child(
        self,
        operation: str,
        entity: EntityLike,
        *,
        job_id: Id | None = None,
        **defaults: Unpack[JobValues],
    ) -> Job:
        """Returns a job below this one. `defaults` are values for all its rows; the user and the trigger are
        inherited.

        Raises LoggerError (usage) if the job id is that of this job or of one of its ancestors.
        """
        if job_id is None:
            ids = Ids(new_id(), self.job_id, self.root_job_id)
        elif str(job_id) in {self.root_job_id, *(job.job_id for job in self._upward())}:
            raise LoggerError(
                ErrorCode.USAGE,
                f"Job {str(job_id)!r} cannot be its own ancestor",
                "Give the child a different job id, or none",
            )
        else:
            ids = place(job_id, self.job_id, self.root_job_id)
        if self._defaults:
            defaults = {**inherited(self._defaults), **defaults}
        return Job(self._log, ids, operation, entity, parent=self, defaults=defaults)

    def _upward(self) -> Iterator[Job]:
        """Yields the job and those above it that this process knows of."""
        job: Job | None = self
        while job:
            yield job
            job = job._parent

    # --- rows -----------------------------------------------------------------------------------------------

    def log(self, entity: EntityLike | None = None, **values: Unpack[RowValues]) -> None:
        """Writes a row. The defaults are the job's entity, the status SUCCESS, and the category that follows
        from operation and status. No method that writes a row raises an error.
        """
        self._log._record(self, entity or self.entity, values, at_once=False)

    def created(self, entity: EntityLike | None = None, **values: Unpack[RowValues]) -> None:
        """Logs that the entity was created."""
        values["category"] = Category.CREATED
        self.log(entity, **values)

    def linked(
        self, entity: EntityLike | None = None, *, to: EntityLike, **values: Unpack[RowValues]
    ) -> None:
        """Logs that an existing entity was associated with another one, `to`. It has no enriched fields."""
        values["metadata"] = linked_metadata(to, values.get("metadata"))
        values["category"], values["fields_enriched"] = Category.LINKED, ()
        self.log(entity, **values)

    def enriched(self, entity: EntityLike | None = None, **values: Unpack[RowValues]) -> None:
        """Logs that fields of the entity were filled: `fields_enriched`."""
        values["category"] = Category.ENRICHED
        self.log(entity, **values)

    def corrected(self, entity: EntityLike | None = None, **values: Unpack[RowValues]) -> None:
        """Logs that fields of the entity were corrected."""
        values["category"] = Category.CORRECTED
        self.log(entity, **values)

    def cached(self, entity: EntityLike | None = None, **values: Unpack[RowValues]) -> None:
        """Logs that data of the entity was cached."""
        values["category"] = Category.CACHED
        self.log(entity, **values)

    def failed(
        self,
        error: BaseException | str,
        entity: EntityLike | None = None,
        *,
        attempted: Mapping[str, Any] | None = None,
        **values: Unpack[RowValues],
    ) -> None:
        """Logs a failure, with message, code, and the attempted data.

        The error is not logged again if it leaves a job's block.
        """
        self._fail(error, entity, failure(error, attempted, values), at_once=False)

    def missing(self, entity: EntityLike | None, message: str, **values: Unpack[RowValues]) -> None:
        """Logs that the sources have no data for an expected entity, usually one without an id."""
        row: RowValues = {"category": Category.FAILED, "status": Status.NO_DATA_AVAILABLE, **values}
        row["error_message"] = message
        self.log(entity, **row)

    def _fail(
        self, error: BaseException | str, entity: EntityLike | None, values: RowValues, *, at_once: bool
    ) -> None:
        self._log._record(self, entity or self.entity, values, at_once=at_once)
        if isinstance(error, BaseException):
            with suppress(AttributeError, TypeError):
                setattr(error, _LOGGED, True)

    # --- the block ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        _current.set(_Current(self, _current.get()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inside = _current.get()
        if inside and inside.job is self:  # else the block was left elsewhere than it was entered
            _current.set(inside.outer)
        if isinstance(error, Exception) and not _is_logged(error):
            # Not with the transaction, which this very exception may roll back.
            self._fail(error, None, failure(error, None, {}), at_once=True)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


_LOGGED = "_llamactl_logged"


def _is_logged(error: BaseException | None) -> bool:
    """Whether it, or what it was raised from, is in the log already."""
    while error is not None and not getattr(error, _LOGGED, False):
        error = error.__cause__
    return error is not None
