"""What lineage comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FilledBy:
    """Of the filled rows."""

    root: int
    """The row's root is its own job."""
    descendant: int
    """The row's root is an ancestor; rows without a job id too."""


@dataclass(frozen=True, slots=True)
class OrphansBy:
    """Why rows have no root; in this order where several reasons hold."""

    untracked: int
    """No job id and no parent."""
    cyclic: int
    """Some upward walk never ends."""
    ambiguous: int
    """Upward walks end at different jobs."""
    dangling: int
    """Their one root is a dangling parent, under the policy `null`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What lineage comes to, in rows of the log. total = filled + orphans.

    In every report they are those of the first look, before the command wrote anything.
    """

    total: int
    filled: int
    orphans: int
    filled_by: FilledBy
    orphans_by: OrphansBy
    dangling: int
    """Rows whose one root is a dangling parent, whatever the policy."""
    already_set: int
    """Rows that held their computed root before the command wrote anything."""
    conflicts: int
    """Rows that held another value than the computed one by then, or a value where none is computed."""
    max_depth: int
    depths: Mapping[str, int]
    """Depth ("0" ... "19", "20+") -> logged jobs that are not cyclic."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A largest set of jobs of which each can reach each other by parent edges."""

    jobs: tuple[str, ...]
    """Sorted byte by byte; at most as many as the sample."""
    size: int
