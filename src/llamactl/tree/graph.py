"""The rows of a tree as a graph. This module does not use the database.

Rows are added oldest first, and this order matters: of several parents, the first one counts. Nodes are
numbers, and their properties are kept in lists: a root may have a million jobs.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from llamactl.model import LogRow, known_status

NONE = -1
"""No node."""
_LONG = 10**12
"""Milliseconds. With a longer duration, the end of a row may be beyond the year 9999."""


class Entry(NamedTuple):
    """A row of the log; `parent` is None if it is ignored because of the root flag."""

    job: str | None
    parent: str | None
    root: str | None
    """The value of the root column."""
    log: LogRow


@dataclass(slots=True)
class Graph:
    """Rows grouped by node. A node is a job, or a single row without a job id."""

    numbers: dict[str, int] = field(default_factory=dict)
    """Every job that is the job or the parent of a row -> its node."""
    ids: list[str | None] = field(default_factory=list)
    """Node -> job id; None for a row without one."""
    parents: list[int] = field(default_factory=list)
    """Node -> its first parent, or NONE."""
    other_parents: dict[int, dict[int, None]] = field(default_factory=dict)
    """Node -> its other parents, in order; only nodes that have some."""
    first_rows: list[LogRow | None] = field(default_factory=list)
    """Node -> its oldest row; None if no row has the id."""
    more_rows: dict[int, list[LogRow]] = field(default_factory=dict)
    """Node -> its other rows, oldest first."""
    order: list[int] = field(default_factory=list)
    """The nodes that have rows, in the order of their first row."""
    loose: list[int] = field(default_factory=list)
    """The nodes that are rows without a job id."""
    stored: list[str | None] = field(default_factory=list)
    """Node -> the first root that its rows store, or None."""
    other_stored: dict[int, dict[str, None]] = field(default_factory=dict)
    """Node -> the other roots that its rows store; only nodes that have some."""
    failures: list[tuple[int, LogRow]] = field(default_factory=list)
    """Failed rows, oldest first."""
    unknown: list[tuple[int, str | None]] = field(default_factory=list)
    """The node and the status of each row of which it is unknown whether it failed."""
    began: datetime | None = None
    """The creation time of the first row."""
    ended: datetime | None = None
    """The time at which the last job ended, as far as durations are known."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Graph:
        """Returns the graph of the rows, which must be sorted oldest first."""
        graph = cls()
        numbers, first_rows, parents = graph.numbers, graph.first_rows, graph.parents
        roots: dict[str, str] = {}
        # Status and category, of few kinds, with which a row succeeded.
        succeeded: set[tuple[str | None, str | None]] = set()
        # Of the rows with the same duration, the last one ends last.
        latest: dict[int | None, LogRow] = {}
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
            if (log.status, log.category) not in succeeded and graph._succeeds(node, log):
                succeeded.add((log.status, log.category))
            if graph.ended is None or _unusual(log):
                graph._lasts(log)
            else:
                latest[log.duration_ms] = log
        for log in latest.values():
            graph._lasts(log)
        return graph

    def _succeeds(self, node: int, log: LogRow) -> bool:
        """Returns whether the row is known to have succeeded; otherwise records it."""
        if log.failed:
            self.failures.append((node, log))
        elif known_status(log.status) is None:
            self.unknown.append((node, log.status))
        else:
            return True
        return False

    def node(self, job: str | None) -> int:
        """Returns the job's node, which is created if it does not exist."""
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
        """Removes the rows of these nodes, which are then like jobs that are only parents of other rows."""
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
        """Updates began and ended. Rows must be passed in the order of their creation."""
        ended = log.ended
        if ended is None:
            return
        if self.ended is None:
            self.began, self.ended = log.began, ended
        elif ended > self.ended:
            self.ended = ended

    def named(self, node: int) -> Iterator[int]:
        """Yields the parents of the node's rows, the first one first."""
        if self.parents[node] != NONE:
            yield self.parents[node]
            yield from self.other_parents.get(node, ())

    def rows(self, node: int) -> tuple[LogRow, ...]:
        """Returns the node's rows, oldest first."""
        first = self.first_rows[node]
        if first is None:
            return ()
        more = self.more_rows.get(node)
        return (first, *more) if more else (first,)

    def logged(self, node: int) -> bool:
        """Whether the node has rows."""
        return self.first_rows[node] is not None

    def has_rows(self, job: str) -> bool:
        """Returns whether any row has the job id."""
        return job in self.numbers and self.logged(self.numbers[job])

    def parents_outside(self) -> set[str]:
        """Returns the parents that have no rows in this graph."""
        return {job for job, node in self.numbers.items() if self.first_rows[node] is None}

    def roots(self, node: int) -> Iterator[str]:
        """Yields the roots that the node's rows store."""
        first = self.stored[node]
        if first is not None:
            yield first
            yield from self.other_stored.get(node, ())

    def end(self, node: int) -> list[int]:
        """Returns the node and its ancestors along the first parents, up to the end.

        Returns an empty list if the path is a cycle.
        """
        way = dict.fromkeys([node])
        while self.parents[node] != NONE:
            node = self.parents[node]
            if node in way:
                return []
            way[node] = None
        return [*way]

    def detached(self, node: int, logged: Container[str] = frozenset()) -> str | None:
        """Returns the only root that the node stores, if it has parents and none of them has rows; else None.

        `logged`: the parents that have rows outside this graph.
        """
        if node in self.other_stored or self.parents[node] == NONE:
            return None
        if any(self.logged(parent) or self.ids[parent] in logged for parent in self.named(node)):
            return None
        return self.stored[node]

    def ages(self) -> dict[int, int]:
        """Returns the rank by age of each node that has rows."""
        return {node: place for place, node in enumerate(self.order)}


def _unusual(log: LogRow) -> bool:
    """Returns whether Python may be unable to represent when the row began or ended."""
    created, duration = log.created_at, log.duration_ms
    return (
        created is None
        or created[4:5] != "-"
        or created[-1] == "C"
        or (duration is not None and duration > _LONG)
    )


def topmost(graph: Graph, job: str) -> str:
    """Returns the top of the tree in which `job` is shown: its root, if it has one.

    `graph` must contain all rows of the jobs above. Without a root:
    1. Follow the first parents. If the path ends, its end is the top.
    2. If it is a cycle, the top is the oldest end that other parents lead to.
    3. If no path ends, the top is the oldest job of the cycle.
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
