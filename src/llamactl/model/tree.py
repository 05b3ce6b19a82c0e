"""A tree of jobs, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

KNOWN_STATUSES = ("SUCCESS", "PARTIAL_SUCCESS", "FAILED", "NO_DATA_AVAILABLE", "SKIPPED")
"""What the words of the status column mean is known for these; case does not matter."""
FAILED = "FAILED"
"""Of the status, and of the category."""
_KNOWN = dict(zip(KNOWN_STATUSES, KNOWN_STATUSES, strict=True))


@lru_cache(maxsize=256)  # a log has few words, and a tree may have a million rows
def known_status(word: str | None) -> str | None:
    """The one of KNOWN_STATUSES that the word is; None where it is none of them."""
    if word is None or word in _KNOWN:
        return word
    # As upper() under the collation "C": of other letters none becomes one of these words.
    return _KNOWN.get(word.upper()) if word.isascii() else None


@dataclass(frozen=True, slots=True)
class UnknownStatus:
    """Rows that may have failed for all that is known: they have no status, or one that is not known."""

    rows: int = 0
    words: tuple[str, ...] = ()
    """Their statuses, the most common first."""

    @classmethod
    def of(cls, statuses: Mapping[str | None, int]) -> UnknownStatus:
        """From each status, with the number of its rows."""
        words = [word for word in statuses if word is not None]
        words.sort(key=lambda word: (-statuses[word], word))
        return cls(sum(statuses.values()), tuple(words))


ALL_KNOWN = UnknownStatus()


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the log, as a tree shows it. Absent columns are None."""

    id: str
    operation: str | None
    category: str | None
    status: str | None
    entity_type: str | None
    entity_id: str | None
    duration_ms: int | None
    error_message: str | None
    created_at: str | None
    """ISO 8601."""

    @property
    def failed(self) -> bool:
        return FAILED in (known_status(self.status), known_status(self.category))

    @property
    def began(self) -> datetime | None:
        """created_at; None where there is none, or Python has no such date (infinity, BC)."""
        if self.created_at is None:
            return None
        try:
            return datetime.fromisoformat(self.created_at)
        except ValueError:
            return None

    @property
    def ended(self) -> datetime | None:
        """duration_ms after it began, where that is known and can be."""
        began = self.began
        if began is None or self.duration_ms is None or self.duration_ms < 0:
            return began
        try:
            return began + timedelta(milliseconds=self.duration_ms)
        except OverflowError:
            return began


class MarkKind(StrEnum):
    """What a mark says of its node; `id` is the mark's job_id."""

    ASKED = "asked"
    """The requested job."""
    CYCLE = "cycle"
    """The job is a parent of `id` too: a cycle ends here."""
    PARENT_NOT_LOGGED = "parent_not_logged"
    """No row carries `id`: the job's own id, or a parent that it names."""
    ALSO_UNDER = "also_under"
    """The job names the parent `id` too."""
    ORIGIN_UNKNOWN = "origin_unknown"
    """The job has no root."""
    STORED_ROOT_DIFFERS = "stored_root_differs"
    """A row of the job stores the root `id`, which its parents do not lead to."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to be said of a node."""

    kind: MarkKind
    job_id: str | None = None
    """None where the kind needs none."""


@dataclass(frozen=True, slots=True)
class Omission:
    """What a flag leaves out directly below one node. A failed job and those above it are never left out."""

    flag: str
    """`--depth`, or `--limit`, which counts siblings of one kind."""
    children: int
    nodes: int
    """The children, and all that is below them."""
    shown_by: int
    """The least value of the flag that shows these."""
    operation: str | None = None
    """Of all the children, for `--limit`; None where they are of several kinds, or have none."""
    categories: Mapping[str, int] = field(default_factory=dict)
    """For `--limit`: category -> number of the children; those without one are not among them."""
    kinds: int = 1
    """For `--limit`: how many kinds (operation and category) the children are of."""


@dataclass(frozen=True, slots=True)
class Node:
    """A job in a tree; or a row without a job id, below the parent that it names."""

    job_id: str | None
    """None for a row without a job id: `logs` holds that row alone."""
    parent_job_id: str | None
    """The job that it stands under, shown or not; None for the topmost of the whole tree."""
    depth: int
    """Below the first node shown."""
    marks: tuple[Mark, ...]
    logs: tuple[LogRow, ...]
    """Oldest first; none where no row carries the job id."""
    omitted: tuple[Omission, ...] = ()
    followed: bool = False
    """A sibling stands after it, or an omission of siblings."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A root's jobs in preorder, each once; counts include what a flag left out."""

    root_job_id: str | None
    """None where the requested job has no root (cyclic, ambiguous)."""
    jobs: int
    logs: int
    nodes: Sequence[Node]
    """May be made while they are iterated over, each time anew: a root can have a million jobs."""
    notes: tuple[str, ...] = ()
    omitted: Mapping[str, int] = field(default_factory=dict)
    """What a flag left out: `--depth`, `--limit`, `--only` -> number of nodes."""
    depth: int = 0
    """Of the deepest node."""
    failed: int = 0
    """Nodes with a failed row."""
    first_failure: LogRow | None = None
    """The oldest failed row."""
    began_at: str | None = None
    """When the first row of the whole tree was created, ISO 8601."""
    ended_at: str | None = None
    """When the last job ended, as far as durations tell."""
    unknown_status: UnknownStatus = ALL_KNOWN
