"""What is to be said of the jobs of a tree: their marks. Knows no database and no screen."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from llamactl.lineage import components
from llamactl.model import Mark, MarkKind
from llamactl.tree.graph import Graph, Key, Placement, rooted

_ORDER = list(MarkKind)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a whole tree."""

    of: Mapping[Key, Sequence[Mark]]
    """Only nodes that have some."""
    rooted: Container[str]
    """The jobs whose root is the top of the tree."""

    def at(self, key: Key, *more: Mark) -> tuple[Mark, ...]:
        """Those of one node, and more, in their order."""
        found = [*self.of.get(key, ()), *more]
        return tuple(sorted(found, key=lambda mark: _ORDER.index(mark.kind)))


def mark(graph: Graph, placed: Placement, *, top_is_root: bool, logged: Container[str]) -> Marks:
    """The marks of a placed graph.

    `top_is_root` is False where the top is a dangling parent that fills nothing. `logged` holds those parents
    outside the tree that have rows.
    """
    found: dict[Key, list[Mark]] = {}

    def say(key: Key, kind: MarkKind, id_: str | None = None) -> None:
        found.setdefault(key, []).append(Mark(kind, id_))

    def say_outside(key: Key, parent: str) -> None:
        say(key, MarkKind.ALSO_UNDER if parent in logged else MarkKind.PARENT_NOT_LOGGED, parent)

    known = rooted(graph, placed, top_is_root)
    cycle_of = _cycles(graph, placed, known)
    if placed.top not in graph.logs:
        say(placed.top, MarkKind.PARENT_NOT_LOGGED, placed.top)
    for job, under in placed.under.items():
        for parent in graph.parents.get(job, ()):
            if parent == under:
                continue
            if parent not in placed.under:
                say_outside(job, parent)
            elif job in cycle_of and cycle_of[job] == cycle_of.get(parent):
                say(parent, MarkKind.CYCLE, job)
            else:
                say(job, MarkKind.ALSO_UNDER, parent)
        if job not in known:
            say(job, MarkKind.ORIGIN_UNKNOWN)
    for key, row in enumerate(graph.loose):
        if row.parent is not None and row.parent not in placed.under:
            say_outside(key, row.parent)
        elif row.parent is not None and row.parent not in known:
            say(key, MarkKind.ORIGIN_UNKNOWN)
    return Marks(found, known)


def _cycles(graph: Graph, placed: Placement, known: Container[str]) -> dict[str, int]:
    """Each job that is in a cycle -> the number of its cycle."""
    jobs = [job for job in placed.under if job not in known]
    numbers = {job: number for number, job in enumerate(jobs, 1)}
    edges = [
        (number, numbers[parent])
        for job, number in numbers.items()
        for parent in graph.parents.get(job, ())
        if parent in numbers
    ]
    cycles = components([child for child, _ in edges], [parent for _, parent in edges])
    return {jobs[member - 1]: number for number, members in enumerate(cycles) for member in members}
