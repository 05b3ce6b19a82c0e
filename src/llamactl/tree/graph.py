"""From the rows of a tree to the one place of each of its jobs. Knows no database; iterative throughout.

Rows come oldest first, and that order decides: among several parents the one that was named first counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from llamactl.model import LogRow

Key = str | int
"""A node: a job's id, or the number of a row without a job id."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the log; `parent` is None where the root flag disregards it."""

    job: str | None
    parent: str | None
    of_root: bool
    """The root column puts the row into this tree."""
    log: LogRow


@dataclass(slots=True)
class Graph:
    """Rows gathered by job."""

    logs: dict[str, list[LogRow]] = field(default_factory=dict)
    """In the order of the jobs' first rows."""
    parents: dict[str, dict[str, None]] = field(default_factory=dict)
    """Job -> the parents that its rows name, first named first; only jobs that have some."""
    loose: list[Entry] = field(default_factory=list)
    """The rows without a job id."""
    order: dict[Key, int] = field(default_factory=dict)
    """Every job and loose row -> its place by age."""
    of_root: set[str] = field(default_factory=set)
    """Jobs that the root column puts into this tree."""
    failures: list[tuple[Key, LogRow]] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Graph:
        """The graph of these rows, oldest first."""
        graph = cls()
        for entry in entries:
            key: Key = len(graph.loose) if entry.job is None else entry.job
            graph.order.setdefault(key, len(graph.order))
            if entry.log.failed:
                graph.failures.append((key, entry.log))
            if entry.job is None:
                graph.loose.append(entry)
                continue
            graph.logs.setdefault(entry.job, []).append(entry.log)
            if entry.parent is not None:
                graph.parents.setdefault(entry.job, {})[entry.parent] = None
            if entry.of_root:
                graph.of_root.add(entry.job)
        return graph

    def parents_outside(self) -> set[str]:
        """The parents that are named and have no rows here."""
        named = {parent for parents in self.parents.values() for parent in parents}
        named.update(row.parent for row in self.loose if row.parent is not None)
        return {parent for parent in named if parent not in self.logs}

    def age(self, job: str) -> tuple[int, str]:
        """What the older of two jobs has less of."""
        return self.order.get(job, -1), job


def topmost(graph: Graph, job: str) -> str:
    """The job at whose top `job` is shown: its root where it has one.

    `graph` holds all rows of the jobs above. Without a root:
    1. Follow the parent that was named first. Where that ends, it is the top.
    2. Where it runs in a circle, the top is the oldest end that other parents lead to.
    3. Where nothing above ends, it is the oldest job of the circle.
    """
    followed = {job: 0}
    last = job
    while named := graph.parents.get(last):
        last = next(iter(named))
        if last in followed:
            break
        followed[last] = len(followed)
    else:
        return last
    circle = [at for at, place in followed.items() if place >= followed[last]]
    above = {job: None}
    queue = [job]
    for at in queue:
        fresh = [parent for parent in graph.parents.get(at, ()) if parent not in above]
        above.update(dict.fromkeys(fresh))
        queue += fresh
    ends = [at for at in queue if not graph.parents.get(at)]
    return min(ends or circle, key=graph.age)


@dataclass(slots=True)
class Placement:
    """Where each job stands."""

    top: str
    under: dict[str, str | None]
    """Job -> the one that it stands under; None for the top. What is not in it is not in the tree."""
    adopted: set[str] = field(default_factory=set)
    """Jobs that no parent edge leads to from the top: the root column alone puts them under it."""


def place(graph: Graph, top: str) -> Placement:
    """Gives each job of the tree its one place.

    1. Under the first of its parents that is in the tree. Where each has one, all hang from the top.
    2. What does not, hangs from a circle of first parents: its oldest job with a parent in place goes under
       that one, and takes what hangs from it along; and so on.
    3. What is left then cannot be reached. What the root column puts here goes under the top itself, the rest
       is no part of the tree.
    """
    placed = Placement(top, {top: None})
    first = {
        job: next(
            (parent for parent in named if parent != job and (parent in graph.logs or parent == top)), None
        )
        for job, named in graph.parents.items()
    }
    hanging: dict[str, list[str]] = {}
    for job, parent in first.items():
        if parent is not None:
            hanging.setdefault(parent, []).append(job)
    _spread(placed, hanging, top)
    rest = [job for job in graph.logs if job not in placed.under]
    if rest:
        _place_rest(graph, placed, hanging, rest)
    return placed


def _spread(placed: Placement, hanging: Mapping[str, Sequence[str]], job: str) -> Iterable[str]:
    """Places all that hangs from a placed job; returns what was placed, the job with it."""
    done = [job]
    for parent in done:
        for child in hanging.get(parent, ()):
            if child not in placed.under:
                placed.under[child] = parent
                done.append(child)
    return done


def _place_rest(
    graph: Graph, placed: Placement, hanging: Mapping[str, Sequence[str]], rest: Sequence[str]
) -> None:
    waiting: dict[str, list[str]] = {}
    for job in rest:
        for parent in graph.parents.get(job, ()):
            waiting.setdefault(parent, []).append(job)
    ready: list[tuple[tuple[int, str], str]] = []

    def open_(parents: Iterable[str]) -> None:
        for parent in parents:
            for job in waiting.get(parent, ()):
                heappush(ready, (graph.age(job), job))

    open_(placed.under)
    # Those without a parent here come first: what hangs from them keeps its place.
    by_root = [job for job in rest if job in graph.of_root]
    by_root.sort(
        key=lambda job: (any(parent in graph.logs for parent in graph.parents.get(job, ())), graph.age(job))
    )
    for orphan in [*by_root, None]:
        while ready:
            _, job = heappop(ready)
            if job not in placed.under:
                placed.under[job] = next(p for p in graph.parents[job] if p in placed.under)
                open_(_spread(placed, hanging, job))
        if orphan is not None and orphan not in placed.under:
            placed.under[orphan] = placed.top
            placed.adopted.add(orphan)
            open_(_spread(placed, hanging, orphan))


def rooted(graph: Graph, placed: Placement, top_is_root: bool) -> set[str]:
    """The jobs whose root is the top: each upward walk ends there.

    From the top down, a job follows when all its parents have. A parent outside the tree never does: no walk
    from it ends at the top.
    """
    open_ = {job: len(named) for job, named in graph.parents.items() if job not in placed.adopted}
    below: dict[str, list[str]] = {}
    for job, named in graph.parents.items():
        for parent in named:
            below.setdefault(parent, []).append(job)
    done = [*placed.adopted]
    if top_is_root and placed.top not in open_:
        done.append(placed.top)
    for job in done:
        for child in below.get(job, ()):
            if child in open_:
                open_[child] -= 1
                if not open_[child]:
                    done.append(child)
    return set(done)
