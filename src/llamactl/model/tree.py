"""A tree of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

KNOWN_STATUSES = ("SUCCESS", "PARTIAL_SUCCESS", "FAILED", "NO_DATA_AVAILABLE", "SKIPPED")
"""The statuses whose meaning is known; case does not matter."""
FAILED = "FAILED"
"""As a status and as a category."""
_KNOWN = dict(zip(KNOWN_STATUSES, KNOWN_STATUSES, strict=True))


@lru_cache(maxsize=256)  # a log has few distinct statuses, but a tree may have a million rows
def known_status(word: str | None) -> str | None:
    """Returns the member of KNOWN_STATUSES that the word equals, ignoring case; None if there is none."""
    if word is None or word in _KNOWN:
        return word
    # Like upper() under the collation "C", which changes ASCII letters only.
    return _KNOWN.get(word.upper()) if word.isascii() else None


@dataclass(frozen=True, slots=True)
class UnknownStatus:
    """Rows of which it is unknown whether they failed: they have no status, or not a known one."""

    rows: int = 0
    words: tuple[str, ...] = ()
    """Their statuses, the most frequent first."""

    @classmethod
    def of(cls, statuses: Mapping[str | None, int]) -> UnknownStatus:
        """Creates it from a mapping of status -> number of rows."""
        words = [word for word in statuses if word is not None]
        words.sort(key=lambda word: (-statuses[word], word))
        return cls(sum(statuses.values()), tuple(words))


ALL_KNOWN = UnknownStatus()


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the log. Columns that do not exist are None."""

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
        """created_at; None if there is none or Python cannot represent it (infinity, BC)."""
        if self.created_at is None:
            return None
        try:
            return datetime.fromisoformat(self.created_at)
        except ValueError:
            return None

    @property
    def ended(self) -> datetime | None:
        """When the row began plus duration_ms, if that is known and representable."""
        began = self.began
        if began is None or self.duration_ms is None or self.duration_ms < 0:
            return began
        try:
            return began + timedelta(milliseconds=self.duration_ms)
        except OverflowError:
            return began


class MarkKind(StrEnum):
    """The meaning of a mark; `id` below is the mark's job_id."""

    ASKED = "asked"
    """The requested job."""
    CYCLE = "cycle"
    """The job is also a parent of `id`: a cycle closes here."""
    PARENT_NOT_LOGGED = "parent_not_logged"
    """No row has the job id `id`, which is the job's own id or one of its parents."""
    ALSO_UNDER = "also_under"
    """The job also has the parent `id`."""
    ORIGIN_UNKNOWN = "origin_unknown"
    """The job has no root."""
    STORED_ROOT_DIFFERS = "stored_root_differs"
    """A row of the job stores the root `id`, but its parents do not lead to that job."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A remark on a node."""

    kind: MarkKind
    job_id: str | None = None
    """None if the kind does not refer to a job."""


@dataclass(frozen=True, slots=True)
class Omission:
    """The children of a node that a flag leaves out. Failed jobs and their ancestors are never left out."""

    flag: str
    """`--depth`, or `--limit`, which counts siblings of the same kind."""
    children: int
    nodes: int
    """The children and all nodes below them."""
    shown_by: int
    """The smallest value of the flag that would show them."""
    operation: str | None = None
    """For `--limit`: the operation of all the children; None if they have several or none."""
    categories: Mapping[str, int] = field(default_factory=dict)
    """For `--limit`: category -> number of children; children without a category are not counted."""
    kinds: int = 1
    """For `--limit`: the number of distinct kinds (operation and category) among the children."""


@dataclass(frozen=True, slots=True)
class Node:
    """A job in a tree, or a row without a job id below its parent."""

    job_id: str | None
    """None for a row without a job id: `logs` contains only that row."""
    parent_job_id: str | None
    """The job under which the node is placed, shown or not; None for the top of the whole tree."""
    depth: int
    """The depth below the first node shown."""
    marks: tuple[Mark, ...]
    logs: tuple[LogRow, ...]
    """Oldest first; empty if no row has the job id."""
    omitted: tuple[Omission, ...] = ()
    followed: bool = False
    """Whether a sibling, or an omission of siblings, follows."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The jobs of a root in preorder, each once; the counts include what flags left out."""

    root_job_id: str | None
    """None if the requested job has no root (cyclic, ambiguous)."""
    jobs: int
    logs: int
    nodes: Sequence[Node]
    """May be computed during each iteration: a root can have a million jobs."""
    notes: tuple[str, ...] = ()
    omitted: Mapping[str, int] = field(default_factory=dict)
    """Flag (`--depth`, `--limit`, `--only`) -> number of nodes that it left out."""
    depth: int = 0
    """The depth of the deepest node."""
    failed: int = 0
    """The number of nodes with a failed row."""
    first_failure: LogRow | None = None
    """The oldest failed row."""
    began_at: str | None = None
    """The creation time of the first row in the whole tree, ISO 8601."""
    ended_at: str | None = None
    """The time at which the last job ended, as far as durations are known."""
    unknown_status: UnknownStatus = ALL_KNOWN
