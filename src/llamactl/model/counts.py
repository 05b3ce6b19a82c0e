"""Counts of rows by lineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FilledBy:
    """Rows with a root, by what the root is."""

    root: int
    """The root is the row's own job."""
    descendant: int
    """The root is an ancestor of the row's job. Includes rows without a job id."""


@dataclass(frozen=True, slots=True)
class OrphansBy:
    """Rows without a root, by reason; if several reasons apply, the first in this order counts."""

    untracked: int
    """No job id and no parent."""
    cyclic: int
    """A walk upwards through the parents never ends."""
    ambiguous: int
    """Walks upwards end at different jobs."""
    dangling: int
    """Their only root is a dangling parent, and the policy is `null`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of the log, counted by lineage. total = filled + orphans.

    In every report these are the counts from before the command wrote anything.
    """

    total: int
    filled: int
    """Rows that have a computed root, whether it is stored or not."""
    orphans: int
    """Rows that have no computed root."""
    filled_by: FilledBy
    orphans_by: OrphansBy
    dangling: int
    """Rows whose only root is a dangling parent, whatever the policy."""
    already_set: int
    """Rows whose stored root was the computed one before the command wrote anything."""
    conflicts: int
    """Rows whose stored root differed from the computed one, or that stored one where none is computed."""
    max_depth: int
    depths: Mapping[str, int]
    """Depth ("0" ... "19", "20+") -> number of logged jobs that are not cyclic."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A maximal set of jobs that can all reach each other along parent edges."""

    jobs: tuple[str, ...]
    """Sorted bytewise; at most as many as the sample size."""
    size: int
