"""Finds the roots of jobs by their parents, like tree; stored roots only serve to find rows by index.

1. Read the trees of the stored roots. If the parents among these rows lead to a top, that is the root.
2. Walk up from the jobs whose root is still unknown. Everything above them is then known.
3. Walk down from the new roots: a job that is below one of them, and below nothing else, has it as its root.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from llamactl.model.ids import exact
from llamactl.tree.log import Link, Log


@dataclass(frozen=True, slots=True)
class Around:
    """The jobs that have the same root as one of the requested jobs, and how their rows are found."""

    roots: Mapping[str, str] = field(default_factory=dict)
    """Job -> root; without the jobs that have no root."""
    tops: Collection[str] = ()
    """The roots."""
    indexed: Collection[str] = ()
    """The roots whose rows are found by the root column."""
    further: Collection[str] = ()
    """The jobs in `roots` that have rows which store none of these."""
    apart: Collection[str] = ()
    """The jobs that have another root, or none, although their rows store one of these."""


def roots_around(
    log: Log, jobs: Collection[str], *, fill_dangling: bool, stored: Collection[str] = ()
) -> Around:
    """Returns all jobs that have the same root as one of `jobs`.

    `stored` contains the roots that rows of these jobs store.
    """
    seen = _Seen(log, fill_dangling)
    if stored:
        seen.read(log.tree_links(stored))
    found = seen.roots(jobs)
    unknown = [job for job in jobs if found.get(job) is None]
    known = {*stored}
    if unknown:
        if not log.thorough:
            log.thorough, known = True, set()
        seen.read(log.links(log.above(unknown)))
        found = seen.roots(jobs)
    fresh = {root for root in map(found.get, jobs) if root is not None} - known
    if fresh:
        seen.read(log.tree_links(fresh))
        found = seen.roots(jobs)
    tops = {root for root in map(found.get, jobs) if root is not None}
    return seen.around({job: root for job, root in found.items() if root in tops and root is not None}, tops)


def ends(parents: Mapping[str, Collection[str]], tops: Iterable[str]) -> dict[str, str | None]:
    """Returns for each job the one of `tops` at which all walks upwards from it end, or None."""
    found: dict[str, str | None] = {top: top for top in tops}
    for start in parents:
        way = [start] if start not in found else []
        while way:
            job = way[-1]
            named = parents.get(job, ())
            if job not in found:
                found[job] = None  # a walk that returns here never ends
                above = [parent for parent in named if parent not in found]
                if above:
                    way += above
                    continue
            way.pop()
            roots = {found[parent] for parent in named}
            found[job] = roots.pop() if len(roots) == 1 else None
    return found


class _Seen:
    """The parents of the jobs whose rows were read."""

    def __init__(self, log: Log, fill_dangling: bool) -> None:
        self._log, self._fill = log, fill_dangling
        self._ids: dict[str, str] = {}
        self._parents: dict[str, Sequence[str]] = {}
        self._stored: dict[str, str | None] = {}
        """Job -> the one root that its rows store; None if they store several."""
        self._unfilled: set[str] = set()
        """Jobs that have a row which stores no root."""
        self._loose: set[tuple[str, str | None]] = set()
        """The parents of rows without a job id, with the roots that these rows store."""

    def read(self, links: Iterable[Link]) -> None:
        """Adds rows, possibly repeatedly. All rows of a job must be added."""
        ids = self._ids
        for job, parent, root in links:
            if job is None:
                if parent is not None:
                    self._loose.add((parent, root))
                continue
            job = ids.setdefault(job, job)
            named = self._parents.setdefault(job, ())
            if parent is not None and parent not in named:
                self._parents[job] = (*named, ids.setdefault(parent, parent))
            if root is None:
                self._unfilled.add(job)
            elif self._stored.setdefault(job, ids.setdefault(root, root)) != root:
                self._stored[job] = None

    def roots(self, jobs: Collection[str]) -> dict[str, str | None]:
        """Returns the root of each job by the rows read so far; None if it has none."""
        parents = self._parents
        outside = {job for job in chain(jobs, *parents.values()) if job not in parents}
        unlogged = outside - self._log.logged(outside)
        tops = {job for job, named in parents.items() if not named} | (unlogged if self._fill else set())
        links = dict(self._detached(unlogged)) if unlogged and self._log.root else {}
        if not links:
            return ends(parents, tops)
        tops.update(root for (root,) in links.values() if self._fill or root in parents)
        return ends({**parents, **links}, tops)

    def around(self, roots: Mapping[str, str], tops: Collection[str]) -> Around:
        """Returns how the rows of these jobs are found."""
        column = self._log.root
        indexed = {top for top in tops if column is not None and exact(column, top) is not None}
        apart = {job for job in chain(self._parents, (job for job, _ in self._loose)) if job not in roots}
        if indexed and not self._log.thorough:
            return Around(roots, tops, indexed, (), apart)
        stored, unfilled = self._stored, self._unfilled
        further = {job for job in roots if job in unfilled or stored.get(job) not in indexed}
        further.update(job for job, root in self._loose if job in roots and root not in indexed)
        return Around(roots, tops, indexed, further, apart if indexed else ())

    def _detached(self, unlogged: Collection[str]) -> Iterable[tuple[str, tuple[str]]]:
        """Yields the jobs whose parents are all not logged, with their stored root, if that has no parent."""
        found = {
            job: root
            for job, root in self._stored.items()
            if root is not None
            and root not in self._parents[job]
            and self._parents[job]
            and all(parent in unlogged for parent in self._parents[job])
        }
        fresh = {root for root in found.values() if root not in self._parents}
        if fresh:
            self.read(self._log.links(self._log.above(fresh)))
        for job, root in found.items():
            if root != job and not self._parents.get(root):
                yield job, (root,)
