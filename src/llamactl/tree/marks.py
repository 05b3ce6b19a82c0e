"""The marks on the jobs of a tree. This module uses neither the database nor the screen."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from llamactl.lineage.components import strong_components
from llamactl.model import Mark, MarkKind
from llamactl.tree.graph import NONE, Graph
from llamactl.tree.placement import Placement

_ORDER = list(MarkKind)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a whole tree."""

    of: Mapping[int, Sequence[Mark]]
    """Only nodes that have marks."""
    rooted: bytearray
    """Node -> whether its root is the top of the tree."""

    def at(self, node: int, *more: Mark) -> tuple[Mark, ...]:
        """Returns the marks of a node together with `more`, in order."""
        found = self.of.get(node, ())
        if not found and not more:
            return ()
        return tuple(sorted([*found, *more], key=lambda mark: _ORDER.index(mark.kind)))


def mark(graph: Graph, placed: Placement, *, root: str, known: bytearray, logged: Container[str]) -> Marks:
    """Returns the marks of a placed graph.

    `root`: the top of the whole tree. `known`: node -> whether its root is that top (placement.rooted).
    `logged`: the parents outside the tree that have rows.
    """
    found: dict[int, list[Mark]] = {}

    def say(node: int, kind: MarkKind, other: int = NONE) -> None:
        found.setdefault(node, []).append(Mark(kind, graph.ids[other] if other != NONE else None))

    if not graph.logged(placed.top):
        say(placed.top, MarkKind.PARENT_NOT_LOGGED, placed.top)
    # Most nodes have no marks.
    unknown = [node for node in placed.nodes if not known[node]]
    several = [
        node for node in graph.other_parents.keys() | placed.adopted if placed.holds(node) and known[node]
    ]
    cycle_of = _cycles(graph, unknown)
    for node in sorted(several) + unknown:
        for parent in graph.named(node):
            if parent == (placed.above if node == placed.top else placed.under[node]):
                continue
            if not placed.holds(parent):
                outside = graph.logged(parent) or graph.ids[parent] in logged
                say(node, MarkKind.ALSO_UNDER if outside else MarkKind.PARENT_NOT_LOGGED, parent)
            elif node in cycle_of and cycle_of[node] == cycle_of.get(parent):
                say(parent, MarkKind.CYCLE, node)
            else:
                say(node, MarkKind.ALSO_UNDER, parent)
        if not known[node]:
            say(node, MarkKind.ORIGIN_UNKNOWN)
    if any(stored is not None for stored in graph.stored):
        for node in placed.nodes:
            if known[node] and graph.stored[node] in (root, None) and node not in graph.other_stored:
                continue
            for stored in graph.roots(node):
                if not known[node] or stored != root:
                    found.setdefault(node, []).append(Mark(MarkKind.STORED_ROOT_DIFFERS, stored))
    return Marks(found, known)


def _cycles(graph: Graph, unknown: Sequence[int]) -> dict[int, int]:
    """Returns the number of the cycle for each job that is in one."""
    jobs = [node for node in unknown if graph.ids[node] is not None]
    numbers = {job: number for number, job in enumerate(jobs, 1)}
    edges = [
        (number, numbers[parent])
        for job, number in numbers.items()
        for parent in graph.named(job)
        if parent in numbers
    ]
    cycles = strong_components([child for child, _ in edges], [parent for _, parent in edges])
    return {jobs[member - 1]: number for number, members in enumerate(cycles) for member in members}
