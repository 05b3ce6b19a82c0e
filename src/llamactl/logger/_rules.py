"""The rules of the log: which row is written for an operation, and with which root. No I/O."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias, TypedDict
from uuid import NAMESPACE_OID, UUID, uuid5

from llamactl.model import ErrorCode, LlamactlError
from llamactl.model.ids import BLANKS

Id: TypeAlias = str | UUID | int


class LoggerError(LlamactlError):
    """Raised before anything is recorded: for an invalid job (code usage), or an invalid name or connection
    string (config). The methods that write rows never raise."""


class Category(StrEnum):
    """What was done to the entity."""

    CREATED = "CREATED"
    """It was created."""
    LINKED = "LINKED"
    """It existed, and was associated with another entity."""
    ENRICHED = "ENRICHED"
    """Fields of it were filled."""
    CORRECTED = "CORRECTED"
    """Fields of it were corrected."""
    CACHED = "CACHED"
    """Data of it was cached."""
    FAILED = "FAILED"
    """The operation failed."""


class Status(StrEnum):
    """How the operation ended."""

    SUCCESS = "SUCCESS"
    """It succeeded completely."""
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    """It succeeded partly."""
    FAILED = "FAILED"
    """It failed."""
    NO_DATA_AVAILABLE = "NO_DATA_AVAILABLE"
    """The sources have no data."""
    SKIPPED = "SKIPPED"
    """There was nothing to do."""


class Entity(NamedTuple):
    """The subject of a row; the id is None if the entity has none, or none yet."""

    type: str
    id: Id | None = None


EntityLike: TypeAlias = tuple[str, Id | None]
"""An Entity, or a plain tuple: ("ALBUM", album_id)."""


class JobValues(TypedDict, total=False):
    """The columns that all rows of a job may be given; its ids and the root flag follow from its place."""

    artist_id: Id
    album_id: Id
    track_id: Id
    category: str
    sources: Sequence[str]
    status: str
    reason: str
    fields_enriched: Sequence[str]
    data_quality_before: str
    data_quality_after: str
    error_message: str
    error_code: str
    retry_count: int
    duration_ms: float
    api_call_count: int
    metadata: Mapping[str, Any]
    triggered_by: str
    user_id: Id
    created_at: datetime


class RowValues(JobValues, total=False):
    """The columns that a row may be given."""

    id: Id
    """A row whose id is already in the log is not written again."""
    operation: str
    """Given if it differs from that of the job."""


class Ids(NamedTuple):
    """A job's place in the log."""

    job_id: str
    parent_job_id: str | None = None
    root_job_id: str | None = None
    """None if it is not known."""

    @property
    def is_root(self) -> bool:
        return self.parent_job_id is None


def infer_category(operation: str, status: str) -> Category:
    """Returns the category that the original application gives an operation and a status.

    A failure first, then what the operation's name says: cache, correction, enrich; else CREATED.
    """
    if status == Status.FAILED:
        return Category.FAILED
    name = operation.lower()
    for part, category in _BY_OPERATION:
        if part in name:
            return category
    return Category.CREATED


_BY_OPERATION = (
    ("cache", Category.CACHED),
    ("correction", Category.CORRECTED),
    ("enrich", Category.ENRICHED),
)


def place(job_id: Id, parent_job_id: Id | None = None, root_job_id: Id | None = None) -> Ids:
    """Returns the ids as the log holds them, as strings; a job without a parent is its own root.

    A root that is the job itself, where it has a parent, says nothing: it becomes None. Raises LoggerError
    (usage) for a blank job id, and for a job that would be its own parent.
    """
    job, parent, root = _present(job_id), _present(parent_job_id), _present(root_job_id)
    if job is None:
        raise LoggerError(ErrorCode.USAGE, f"A job id must not be blank: {job_id!r}")
    if job == parent:
        raise LoggerError(
            ErrorCode.USAGE, f"Job {job!r} cannot be its own parent", "Use a different job id, or none"
        )
    if parent is None:
        return Ids(job, None, job)
    return Ids(job, parent, None if root == job else root)


def _present(id_: Id | None) -> str | None:
    text = None if id_ is None else str(id_)
    if text and text != storable(text):
        raise LoggerError(ErrorCode.USAGE, f"A job id cannot contain NUL or lone surrogates: {text!r}")
    return text if text and text.strip(BLANKS) else None


def new_id() -> str:
    """Returns a UUID of version 7, of the nearest quarter of a microsecond.

    So ids sort in the order in which they are made, and lie close together in an index.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    time_digits, chance = f"{milliseconds:012x}", os.urandom(8).hex()
    variant = "89ab"[int(chance[0], 16) & 3]
    return f"{time_digits[:8]}-{time_digits[8:]}-7{fraction:03x}-{variant}{chance[1:4]}-{chance[4:]}"


def opening_id(job_id: str) -> str:
    """Returns the id of a job's opening row: the same wherever it is made, so that it is written once."""
    return str(uuid5(NAMESPACE_OID, f"llamactl.logger:{job_id}"))


def opening_values(job_id: str, begun: datetime) -> RowValues:
    """Returns what the opening row of a job says.

    It is written where a job's children are logged before the job itself, since without it the log would not
    tell their chain. It names no entity: that may not be committed yet, or never be.
    """
    return {
        "id": opening_id(job_id),
        "created_at": begun,
        "category": Category.ENRICHED,
        "status": Status.SKIPPED,
        "reason": "Opens the job: its children are logged before it",
    }


def linked_metadata(to: EntityLike, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns what a LINKED row says of the entity that it was linked to, in the original's words."""
    entity_type, entity_id = to
    other = None if entity_id is None else str(entity_id)
    return {"existingEntity": True, f"{entity_type.lower()}Id": other, **(metadata or {})}


def failure(error: BaseException | str, attempted: Mapping[str, Any] | None, values: RowValues) -> RowValues:
    """Returns what a FAILED row says: message, code (SQLSTATE or the exception's name), attempted data."""
    row: RowValues = {"category": Category.FAILED, "status": Status.FAILED, "error_message": str(error)}
    if isinstance(error, BaseException):
        row["error_message"] = str(error) or type(error).__name__
        row["error_code"] = getattr(error, "sqlstate", None) or type(error).__name__
    row.update(values)
    if attempted is not None:
        row["metadata"] = {"attemptedData": dict(attempted), **(values.get("metadata") or {})}
    return row


def described(
    ids: Ids, root: str | None, operation: str, entity: EntityLike, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a row by our column names, with what was given and what follows from it.

    The entity id is stored in entity_id and in the column of its type; an unknown root is omitted.
    """
    entity_type, entity_id = entity
    if entity_id is not None:
        entity_id = str(entity_id)
    row: dict[str, Any] = {**_DEFAULTS, "operation": operation, **values}
    row["entity_type"], row["entity_id"] = entity_type or None, entity_id
    if "id" not in row:
        row["id"] = new_id()
    if "created_at" not in row:
        row["created_at"] = datetime.now(UTC).isoformat()
    if row.get("category") is None:
        row["category"] = infer_category(row["operation"], row["status"])
    if entity_id is not None and (own := OWN_COLUMN.get(entity_type)):
        row[own] = entity_id
    row["job_id"], row["parent_job_id"], row["is_root_job"] = ids.job_id, ids.parent_job_id, ids.is_root
    if root is not None:
        row["root_job_id"] = root
    for name in ("sources", "fields_enriched"):
        row[name] = _listed(row[name])
    if isinstance(duration := row.get("duration_ms"), float):
        row["duration_ms"] = round(duration) if math.isfinite(duration) else None
    return row


_DEFAULTS: Mapping[str, Any] = {
    "status": Status.SUCCESS,
    "sources": (),
    "fields_enriched": (),
    "retry_count": 0,
    "api_call_count": 0,
}
OWN_COLUMN = {"ARTIST": "artist_id", "ALBUM": "album_id", "TRACK": "track_id"}


_SEQUENCES = (list, tuple)


def _listed(words: Any) -> Any:
    """One word is a list of one: a string would be no array."""
    if words is None or isinstance(words, _SEQUENCES):
        return words
    return [words] if isinstance(words, str) else list(words)


def storable(text: str) -> str:
    """Returns the text as Postgres can hold it: NUL and lone surrogates replaced."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
