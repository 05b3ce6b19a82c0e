"""The rows of a tree as a graph. Knows no database.

Rows come oldest first, and that order decides: among several parents the one that was named first counts.
Nodes are numbers, and what is known of them stands in lists: a root may have a million jobs.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from llamactl.model import LogRow, known_status

NONE = -1
"""No node."""


class Entry(NamedTuple):
    """A row of the log; `parent` is None where the root flag disregards it."""

    job: str | None
    parent: str | None
    root: str | None
    """What the root column stores."""
    log: LogRow


@dataclass(slots=True)
class Graph:
    """Rows gathered by node: a job, or a single row without a job id."""

    numbers: dict[str, int] = field(default_factory=dict)
    """Every job that a row carries or names as its parent -> its node."""
    ids: list[str | None] = field(default_factory=list)
    """Node -> job id; None for a row without one."""
    parents: list[int] = field(default_factory=list)
    """Node -> the parent that is named first, or NONE."""
    other_parents: dict[int, dict[int, None]] = field(default_factory=dict)
    """Node -> the further ones, first named first; only nodes that have some."""
    first_rows: list[LogRow | None] = field(default_factory=list)
    """Node -> its oldest row; None where none carries the id."""
    more_rows: dict[int, list[LogRow]] = field(default_factory=dict)
    """Node -> the further ones, oldest first."""
    order: list[int] = field(default_factory=list)
    """The nodes that have rows, by their first one."""
    loose: list[int] = field(default_factory=list)
    """The nodes that are rows without a job id."""
    stored: list[str | None] = field(default_factory=list)
    """Node -> the first root that its rows store, or None."""
    other_stored: dict[int, dict[str, None]] = field(default_factory=dict)
    """Node -> the further ones; only nodes that have some."""
    failures: list[tuple[int, LogRow]] = field(default_factory=list)
    """Failed rows, oldest first."""
    unknown: list[tuple[int, str | None]] = field(default_factory=list)
    """Of each row that may have failed for all that is known: its node, and its status."""
    began: datetime | None = None
    """When the first row was created."""
    ended: datetime | None = None
    """When the last job ended, as far as durations tell."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Graph:
        """The graph of these rows, oldest first."""
        graph = cls()
        numbers, first_rows, parents = graph.numbers, graph.first_rows, graph.parents
        roots: dict[str, str] = {}
        for job, parent, root, log in entries:
            node = graph._loose() if job is None else numbers.get(job, NONE)
            if node == NONE:
                node = graph.node(job)
            if first_rows[node] is None:
                first_rows[node] = log
                graph.order.append(node)
            else:
                graph.more_rows.setdefault(node, []).append(log)
            if parent is not None:
                above = numbers.get(parent, NONE)
                if above == NONE:
                    above = graph.node(parent)
                if parents[node] == NONE:
                    parents[node] = above
                elif parents[node] != above:
                    graph.other_parents.setdefault(node, {})[above] = None
            if root is not None:
                graph._stores(node, roots.setdefault(root, root))
            if log.failed:
                graph.failures.append((node, log))
            elif known_status(log.status) is None:
                graph.unknown.append((node, log.status))
            graph._lasts(log)
        return graph

    def node(self, job: str | None) -> int:
        """The job's node, which is made where there is none yet."""
        node = self.numbers.setdefault(job, len(self.ids)) if job is not None else len(self.ids)
        if node == len(self.ids):
            self.ids.append(job)
            self.parents.append(NONE)
            self.first_rows.append(None)
            self.stored.append(None)
        return node

    def _loose(self) -> int:
        node = self.node(None)
        self.loose.append(node)
        return node

    def _stores(self, node: int, root: str) -> None:
        if self.stored[node] is None:
            self.stored[node] = root
        elif self.stored[node] != root:
            self.other_stored.setdefault(node, {})[root] = None

    def drop(self, nodes: Iterable[int]) -> None:
        """Forgets the rows of these nodes: they are then as jobs that other rows only name."""
        gone = set(nodes)
        for node in gone:
            self.first_rows[node] = self.stored[node] = None
            self.parents[node] = NONE
            self.more_rows.pop(node, None)
            self.other_parents.pop(node, None)
            self.other_stored.pop(node, None)
        self.order = [node for node in self.order if node not in gone]
        self.loose = [node for node in self.loose if node not in gone]
        self.failures = [(node, log) for node, log in self.failures if node not in gone]
        self.unknown = [(node, status) for node, status in self.unknown if node not in gone]
        self.began = self.ended = None
        began: list[datetime] = []
        for node in self.order:
            for log in self.rows(node):
                self._lasts(log)
                began += [log.began] if log.began else []
        self.began = min(began, default=None)

    def _lasts(self, log: LogRow) -> None:
        """Rows come in the order of their creation."""
        ended = log.ended
        if ended is None:
            return
        if self.ended is None:
            self.began, self.ended = log.began, ended
        elif ended > self.ended:
            self.ended = ended

    def named(self, node: int) -> Iterator[int]:
        """The parents that the node's rows name, first named first."""
        if self.parents[node] != NONE:
            yield self.parents[node]
            yield from self.other_parents.get(node, ())

    def rows(self, node: int) -> tuple[LogRow, ...]:
        """The node's rows, oldest first."""
        first = self.first_rows[node]
        if first is None:
            return ()
        more = self.more_rows.get(node)
        return (first, *more) if more else (first,)

    def logged(self, node: int) -> bool:
        """Whether the node has rows."""
        return self.first_rows[node] is not None

    def has_rows(self, job: str) -> bool:
        """Whether a row carries the id."""
        return job in self.numbers and self.logged(self.numbers[job])

    def parents_outside(self) -> set[str]:
        """The parents that are named and have no rows here."""
        return {job for job, node in self.numbers.items() if self.first_rows[node] is None}

    def roots(self, node: int) -> Iterator[str]:
        """The roots that the node's rows store."""
        first = self.stored[node]
        if first is not None:
            yield first
            yield from self.other_stored.get(node, ())

    def end(self, node: int) -> list[int]:
        """The node and those above it by the parents that are named first, up to where that ends.

        Empty where it runs in a circle.
        """
        way = dict.fromkeys([node])
        while self.parents[node] != NONE:
            node = self.parents[node]
            if node in way:
                return []
            way[node] = None
        return [*way]

    def detached(self, node: int, logged: Container[str] = frozenset()) -> str | None:
        """The one root that a node stores of whose parents none has rows; else None.

        `logged` contains those parents that have rows elsewhere.
        """
        if node in self.other_stored or self.parents[node] == NONE:
            return None
        if any(self.logged(parent) or self.ids[parent] in logged for parent in self.named(node)):
            return None
        return self.stored[node]

    def ages(self) -> dict[int, int]:
        """Node -> place by age, for the nodes that have rows."""
        return {node: place for place, node in enumerate(self.order)}


def topmost(graph: Graph, job: str) -> str:
    """The job at whose top `job` is shown: its root where it has one.

    `graph` holds all rows of the jobs above. Without a root:
    1. Follow the parent that was named first. Where that ends, it is the top.
    2. Where it runs in a circle, the top is the oldest end that other parents lead to.
    3. Where nothing above ends, it is the oldest job of the circle.
    """
    last = start = graph.node(job)
    followed = {start: 0}
    while graph.parents[last] != NONE:
        last = graph.parents[last]
        if last in followed:
            break
        followed[last] = len(followed)
    else:
        return graph.ids[last] or job
    circle = [node for node, place in followed.items() if place >= followed[last]]
    above = {start: None}
    queue = [start]
    for node in queue:
        fresh = [parent for parent in graph.named(node) if parent not in above]
        above.update(dict.fromkeys(fresh))
        queue += fresh
    ends = [node for node in queue if graph.parents[node] == NONE]
    ages = graph.ages()
    oldest = min(ends or circle, key=lambda node: (ages.get(node, NONE), graph.ids[node] or ""))
    return graph.ids[oldest] or job
