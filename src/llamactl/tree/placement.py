"""Gives each job in the graph of a tree its place.

It does not use the database; all algorithms are iterative.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from llamactl.tree.graph import NONE, Graph

OUTSIDE = -2
"""Instead of a parent: the node is not part of the tree."""


@dataclass(slots=True)
class Children:
    """Each node's children, the oldest first, as linked lists."""

    first: list[int]
    """Node -> its first child, or NONE."""
    next: list[int]
    """Node -> its next sibling, or NONE."""

    @classmethod
    def link(cls, under: Sequence[int], order: Sequence[int]) -> Children:
        """Links the nodes in `order`, each below the node that it is placed under."""
        first, following = [NONE] * len(under), [NONE] * len(under)
        for node in reversed(order):
            above = under[node]
            if above >= 0:
                following[node] = first[above]
                first[above] = node
        return cls(first, following)

    def of(self, node: int) -> Iterator[int]:
        """Yields the node's children."""
        child = self.first[node]
        while child >= 0:
            yield child
            child = self.next[child]

    def below(self, start: int) -> list[int]:
        """Returns the node and all nodes below it, each after the node that it is placed under."""
        first, following = self.first, self.next
        found = [start]
        for node in found:
            child = first[node]
            while child >= 0:
                found.append(child)
                child = following[child]
        return found


def among(nodes: Iterable[int], size: int) -> bytearray:
    """Returns for each node whether it is one of `nodes`."""
    found = bytearray(size)
    for node in nodes:
        found[node] = True
    return found


@dataclass(slots=True)
class Placement:
    """The place of each node."""

    top: int
    under: list[int]
    """Node -> the node that it is placed under; NONE for the top; OUTSIDE."""
    children: Children
    nodes: list[int]
    """The nodes that are in the tree, level by level from the top down."""
    adopted: set[int] = field(default_factory=set)
    """Nodes that are not reached by parent edges from the top, and are under it only by the root column."""
    misled: int = 0
    """Jobs, and rows without a job id, that store this root but whose parents lead elsewhere."""
    dropped: frozenset[str] = frozenset()
    """The jobs that were read but are not part of the tree."""
    above: int = NONE
    """The node that the top of a subtree is placed under in the whole tree."""

    def holds(self, node: int) -> bool:
        """Returns whether the node is in the tree."""
        return self.under[node] != OUTSIDE


def place(graph: Graph, job: str, logged: Container[str] = frozenset()) -> Placement:
    """Gives each node of the tree of the root `job` its only place.

    If rows in between were deleted, the root column places nodes: those that store this root, and none of
    whose parents is logged. `logged`: the parents that have rows outside the graph. Nodes that do not belong
    to the tree are dropped from the graph.
    """
    top = graph.node(job)
    detached: set[int] = set()
    if graph.parents[top] == NONE and len(graph.order) < len(graph.ids):
        alone = (node for node in graph.order if graph.detached(node, logged) == job)
        detached = {node for node in alone if top not in graph.named(node)}
    placed = _placed(graph, top, detached)
    strays = [node for node in graph.order if not placed.holds(node)]
    if strays:
        misled = sum(job in graph.roots(node) for node in strays)
        dropped = frozenset(id_ for id_ in map(graph.ids.__getitem__, strays) if id_ is not None)
        graph.drop(strays)
        # They must not decide where others stand.
        placed = _placed(graph, top, detached)
        placed.misled, placed.dropped = misled, dropped
    return placed


def place_below(graph: Graph, job: str, whole: Placement) -> Placement:
    """Gives each node that a walk down from `job` reaches its one place below it.

    `whole` is the tree that the job is a part of. There, a node with several parents may stand elsewhere.
    """
    node = graph.node(job)
    placed = _placed(graph, node, ())
    placed.above = whole.under[node]
    return placed


def _placed(graph: Graph, top: int, detached: Collection[int]) -> Placement:
    """Gives each node of the tree below `top` its one place.

    1. Under the first of its parents that is in the tree. Where each has one, all hang from the top.
    2. What does not, hangs from a circle of first parents: its oldest job with a parent in place goes under
       that one, and takes what hangs from it along; and so on.
    3. What is left then cannot be reached. The detached go under the top itself, the rest is no part of the
       tree.
    """
    under = _first_parents(graph, top)
    hanging = Children.link(under, graph.order)
    placed = Placement(top, under, hanging, hanging.below(top))
    if len(placed.nodes) < len(graph.order) + (not graph.logged(top)):
        _place_rest(graph, placed, detached)
        placed.children = Children.link(under, graph.order)
        placed.nodes = placed.children.below(top)
    return placed


def _first_parents(graph: Graph, top: int) -> list[int]:
    """Node -> the first of its parents that can be in the tree: the top, or another node that has rows."""
    under = list(graph.parents)
    for node, others in graph.other_parents.items():
        named = (under[node], *others)
        under[node] = next((p for p in named if p != node and (graph.logged(p) or p == top)), OUTSIDE)
    if len(graph.order) < len(under):
        for node, row in enumerate(graph.first_rows):
            if row is None:
                under[node] = OUTSIDE
    under[top] = NONE
    return under


def _place_rest(graph: Graph, placed: Placement, detached: Collection[int]) -> None:
    """Steps 2 and 3, for what does not hang from the top."""
    under, hanging = placed.under, placed.children
    inside = among(placed.nodes, len(under))
    rest = [node for node in graph.order if not inside[node]]
    jobs = [node for node in rest if graph.ids[node] is not None]
    ages = graph.ages()
    waiting: dict[int, list[int]] = {}
    for job in jobs:
        for parent in graph.named(job):
            waiting.setdefault(parent, []).append(job)
    ready: list[tuple[int, int]] = []

    def open_(parents: Iterable[int]) -> None:
        for parent in parents:
            for job in waiting.get(parent, ()):
                heappush(ready, (ages[job], job))

    def settle(node: int, parent: int) -> None:
        under[node] = parent
        open_(_spread(hanging, inside, node))

    open_(parent for parent in waiting if inside[parent])
    for orphan in [*(node for node in rest if node in detached), NONE]:
        while ready:
            _, job = heappop(ready)
            if not inside[job]:
                settle(job, next(parent for parent in graph.named(job) if inside[parent]))
        if orphan != NONE:
            placed.adopted.add(orphan)
            settle(orphan, placed.top)
    for node in rest:
        if not inside[node]:
            under[node] = OUTSIDE


def _spread(hanging: Children, inside: bytearray, start: int) -> Sequence[int]:
    """Takes in all that hangs from a node; returns it, the node first."""
    inside[start] = True
    found = [start]
    for node in found:
        for child in hanging.of(node):
            if not inside[child]:
                inside[child] = True
                found.append(child)
    return found


def rooted(graph: Graph, placed: Placement, top_is_root: bool) -> bytearray:
    """For each node of the tree whether its root is the top: each upward walk ends there.

    From the top down, a node follows when all its parents have. A parent outside the tree never does: no walk
    from it ends at the top.
    """
    first, following = placed.children.first, placed.children.next
    apart = graph.other_parents.keys() | placed.adopted
    if not apart and top_is_root and graph.parents[placed.top] == NONE:
        return bytearray(b"\1" * len(placed.under))  # nobody has a parent but the one that it stands under
    open_ = {node: 1 + len(others) for node, others in graph.other_parents.items()}
    below: dict[int, list[int]] = {}
    for node in open_.keys() - placed.adopted:
        for parent in graph.named(node):
            below.setdefault(parent, []).append(node)
    known = bytearray(len(placed.under))
    done = []
    if top_is_root and graph.parents[placed.top] == NONE:
        done = [*placed.adopted, placed.top]
    for node in done:
        known[node] = True
        child = first[node]
        while child >= 0:
            if child not in apart:
                done.append(child)
            child = following[child]
        for child in below.get(node, ()):
            open_[child] -= 1
            if not open_[child]:
                done.append(child)
    return known
