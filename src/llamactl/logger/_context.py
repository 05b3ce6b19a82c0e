"""A job: its place in the chain, what it writes, and what travels of it in a queue's payload."""

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
    """It has a row of its own, so that its children need not open it."""
    user_id: str
    """Where it is known; and so with the next."""
    triggered_by: str
    retry_count: int
    """Where the queue told it: the attempts before this one."""
    above: list[JobContext]
    """The jobs above it that have no row yet, the nearest first, so that the other side can open them."""


class Recorder(Protocol):
    """What a job needs of its logger."""

    def _record(self, job: Job, entity: EntityLike, values: Mapping[str, Any], *, at_once: bool) -> None:
        """Takes a row; never raises."""


@dataclass(frozen=True, slots=True)
class _Current:
    """The jobs that a thread or task is in, the innermost first."""

    job: Job
    outer: _Current | None


_current: ContextVar[_Current | None] = ContextVar("llamactl_job", default=None)


def current_job() -> Job | None:
    """Returns the job whose `with` block this thread or task is in."""
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
    """A unit of work, with rows of its own; LlamaLogger and Job.child() make them.

    As `with` or `async with` block it is the current job inside, and an exception that leaves the block is
    logged: one FAILED row, of the innermost job that it leaves, at once and whatever the transaction does.
    The exception goes on. What is no Exception (Ctrl-C, a cancelled task) is not logged.
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
        """The log holds a row of it, or will before any row that is recorded later."""
        self._recorded = logged
        """The same, were its transaction committed."""
        self._found_root: str | None = None
        """What was looked up in the log."""
        known = ids.root_job_id is not None or parent is None
        self._origin: Job = self if known or parent is None else parent._origin
        """The topmost job whose root this one shares, where no root was given."""
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
        """None as long as it is not known."""
        return self._ids.root_job_id or self._origin._ids.root_job_id or self._origin._found_root

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since this object was made: for duration_ms."""
        return round((time.monotonic() - self._begun) * 1000)

    @property
    def context(self) -> JobContext:
        """What resume() takes on the other side of a queue; JSON-able."""
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
        """Returns a job below this one. `defaults` are values of all its rows; the user is inherited, and
        what triggered it.

        Raises LoggerError (usage) where the job id is this job's own, or that of one above it.
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
        """Writes a row: of the job's entity where none is named, SUCCESS where no status is, and of the
        category that operation and status say where none is given. No method that writes a row raises.
        """
        self._log._record(self, entity or self.entity, values, at_once=False)

    def created(self, entity: EntityLike | None = None, **values: Unpack[RowValues]) -> None:
        """The entity is new."""
        values["category"] = Category.CREATED
        self.log(entity, **values)

    def linked(
        self, entity: EntityLike | None = None, *, to: EntityLike, **values: Unpack[RowValues]
    ) -> None:
        """The entity was there, and is associated with another one, `to`. It has no enriched fields."""
        values["metadata"] = linked_metadata(to, values.get("metadata"))
        values["category"], values["fields_enriched"] = Category.LINKED, ()
        self.log(entity, **values)

    def enriched(self, entity: EntityLike | None = None, **values: Unpack[RowValues]) -> None:
        """Fields of the entity were filled: `fields_enriched`."""
        values["category"] = Category.ENRICHED
        self.log(entity, **values)

    def corrected(self, entity: EntityLike | None = None, **values: Unpack[RowValues]) -> None:
        """Fields of the entity were put right."""
        values["category"] = Category.CORRECTED
        self.log(entity, **values)

    def cached(self, entity: EntityLike | None = None, **values: Unpack[RowValues]) -> None:
        """Something of the entity was stored nearer."""
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
        """It could not be done: with message, code, and the data that was attempted.

        The error is not logged again where it leaves a job's block.
        """
        self._fail(error, entity, failure(error, attempted, values), at_once=False)

    def missing(self, entity: EntityLike | None, message: str, **values: Unpack[RowValues]) -> None:
        """The sources have nothing for an entity that should be there: mostly one without an id."""
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
