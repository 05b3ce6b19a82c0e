"""Leaves out parts of a tree: by --only, --up, --depth and --limit, or to make it fit.

This module uses neither the database nor the screen. --depth and --limit never leave out a failed job and its
ancestors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise

from llamactl.model import Omission
from llamactl.tree.graph import NONE, Graph
from llamactl.tree.placement import Children, Placement

FAILED = "failed"
"""A value of --only, instead of a kind."""
LIMITS = (20, 10, 5, 2, 1)
"""The limits that are tried in turn to make a tree fit."""
LINES = 500
"""The maximum number of nodes in a tree that is made to fit, not counting failures."""


@dataclass(frozen=True, slots=True)
class View:
    """The part of the tree to show."""

    asked: str
    subtree: bool = False
    """Only the requested job, and everything below it by any parent."""
    depth: int | None = None
    """The number of levels below the first node."""
    limit: int | None = None
    """The number of siblings of one kind, and of kinds."""
    only: str | None = None
    """FAILED, an operation or a category: only these nodes and their ancestors."""
    up: bool = False
    """Only the requested job and its ancestors."""
    fold: bool = False
    """Choose limit and depth, if they are not given, so that the tree fits in LINES."""


@dataclass(slots=True)
class Cuts:
    """The nodes that are kept and those that are left out."""

    children: Children
    """The children of the nodes that are kept."""
    omitted: dict[int, tuple[Omission, ...]] = field(default_factory=dict)
    """Node -> what --depth and --limit leave out directly below it."""
    filtered: int = 0
    """The number of nodes that --only leaves out."""
    kept: bytearray | None = None
    """Node -> whether --only keeps it; None without --only."""

    def totals(self) -> dict[str, int]:
        """Returns the number of nodes that each flag leaves out."""
        totals = Counter[str]()
        for omission in (one for many in self.omitted.values() for one in many):
            totals[omission.flag] += omission.nodes
        if self.filtered:
            totals["--only"] = self.filtered
        return dict(sorted(totals.items()))


def cut(graph: Graph, placed: Placement, view: View, start: int, whole: Sequence[int]) -> Cuts:
    """Returns the part of the tree that the view shows.

    `whole`: all nodes from `start` down, parents first.
    """
    if view.up:
        way = [*climb(placed, graph.node(view.asked))]
        return Cuts(Children.link(placed.under, way[::-1]))
    cuts = Cuts(placed.children)
    if view.only is not None:
        cuts.kept = _with_above(graph, placed, filter(_matches(graph, view.only), whole))
        cuts.kept[start] = True
        cuts.filtered = len(whole)
        whole = [node for node in whole if cuts.kept[node]]
        cuts.filtered -= len(whole)
        cuts.children = Children.link(placed.under, [node for node in graph.order if cuts.kept[node]])
    if view.fold or view.depth is not None or view.limit is not None:
        _Cutter(graph, placed, view, start, whole, cuts).run()
    return cuts


def climb(placed: Placement, node: int) -> Iterator[int]:
    """Yields the node and its ancestors, up to the top."""
    while node >= 0:
        yield node
        node = placed.under[node]


def _matches(graph: Graph, only: str) -> Callable[[int], bool]:
    if only == FAILED:
        failed = {node for node, _ in graph.failures}
        return failed.__contains__
    return lambda node: any(only in (row.operation, row.category) for row in graph.rows(node))


def _with_above(graph: Graph, placed: Placement, nodes: Iterable[int]) -> bytearray:
    """Returns for each node whether it is one of `nodes`, or an ancestor of one by any parent, drawn or
    not."""
    found = bytearray(len(graph.ids))
    waiting = [*nodes]
    while waiting:
        node = waiting.pop()
        if found[node]:
            continue
        found[node] = True
        above = {placed.under[node], *graph.named(node)}
        waiting += [parent for parent in above if parent >= 0 and placed.holds(parent)]
    return found


Kind = tuple[str | None, str | None]
"""Operation and category."""


class _Cutter:
    """Applies --depth and --limit.

    1. Compute the size and the deepest level of what is below each node, from the lowest up.
    2. From the first node down, group the children of each kept node by kind, in the order of their first
       members. Of each of the first `limit` kinds, `limit` children are kept, including those that must be
       kept; of the other kinds, and below `depth` levels, only those that must be kept.
    3. Record what is left out by operation; the children that are kept become the node's children.
    """

    def __init__(
        self, graph: Graph, placed: Placement, view: View, start: int, whole: Sequence[int], cuts: Cuts
    ) -> None:
        self._graph, self._start, self._cuts = graph, start, cuts
        self._view = view
        size = len(graph.ids)
        failed = (node for node, _ in graph.failures if placed.holds(node))
        self._failed = _with_above(graph, placed, failed)
        self._way = _with_above(graph, placed, [graph.node(view.asked)])
        self._size, self._deepest = _measure(placed, whole, size)
        self._groups: dict[int, list[list[int]]] = {}

    def run(self) -> None:
        view = self._view
        if view.fold and view.limit is None:
            view = self._fitted()
        if view.depth is None and view.limit is None:
            return
        old = self._cuts.children
        new = Children([*old.first], [*old.next])
        level, at = [self._start], 0
        while level:
            below: list[int] = []
            for node in level:
                kept, omitted = self._cut(node, at, view)
                if omitted:
                    self._cuts.omitted[node] = omitted
                    _relink(new, node, kept)
                below += kept
            level, at = below, at + 1
        self._cuts.children = new

    def _fitted(self) -> View:
        """Returns the view with the largest limit that makes the tree fit, or else also with a depth that
        does."""
        view = self._view
        for limit in LIMITS:
            view = replace(self._view, limit=limit)
            levels = [*self._levels(view)]
            if sum(levels) <= LINES:
                return view
        if view.depth is not None:
            return view
        return replace(view, depth=len(levels) - 2)

    def _levels(self, view: View) -> Iterator[int]:
        """Yields how many nodes of each level are kept, not counting failures; stops once there are too
        many."""
        level, at, total = [self._start], 0, 0
        while level and total <= LINES:
            count = sum(1 for node in level if not self._failed[node])
            total += count
            yield count
            level = [child for node in level for child in self._cut(node, at, view)[0]]
            at += 1

    def _cut(self, node: int, level: int, view: View) -> tuple[list[int], tuple[Omission, ...]]:
        """Returns the children that are kept, and what is left out."""
        children = [*self._cuts.children.of(node)]
        if view.depth is not None and level >= view.depth:
            left = [child for child in children if self._failed[child]]
            out = [child for child in children if not self._failed[child]]
            return left, (self._too_deep(out),) if out else ()
        if view.limit is None or len(children) <= view.limit:
            return children, ()
        return self._too_many(node, children, view.limit)

    def _too_deep(self, out: Sequence[int]) -> Omission:
        nodes = sum(self._size[child] for child in out)
        return Omission("--depth", len(out), nodes, max(self._deepest[child] for child in out))

    def _too_many(
        self, node: int, children: Sequence[int], limit: int
    ) -> tuple[list[int], tuple[Omission, ...]]:
        groups = self._groups.get(node)
        if groups is None:
            groups = self._groups[node] = self._by_kind(children)
        out: dict[tuple[bool, str | None], list[list[int]]] = {}
        shown_by = Counter[tuple[bool, str | None]]()
        gone: set[int] = set()
        for place, group in enumerate(groups):
            few = place < limit
            left_out = self._beyond(group, limit if few else 0)
            if left_out:
                key = few, self._kind(group[0])[0] if few else None
                out.setdefault(key, []).append(left_out)
                shown_by[key] = max(shown_by[key], len(group), 0 if few else len(groups))
                gone.update(left_out)
        left = [child for child in children if child not in gone]
        return left, tuple(self._omission(key[1], many, shown_by[key]) for key, many in out.items())

    def _by_kind(self, children: Iterable[int]) -> list[list[int]]:
        groups: dict[Kind, list[int]] = {}
        for child in children:
            groups.setdefault(self._kind(child), []).append(child)
        return [*groups.values()]

    def _kind(self, node: int) -> Kind:
        row = self._graph.first_rows[node]
        return (row.operation, row.category) if row else (None, None)

    def _beyond(self, group: Sequence[int], limit: int) -> list[int]:
        """Returns the children of a kind that are left out."""
        if len(group) <= limit:
            return []
        free = [child for child in group if not self._failed[child] and not self._way[child]]
        return free[max(limit - (len(group) - len(free)), 0) :]

    def _omission(self, operation: str | None, groups: Sequence[Sequence[int]], shown_by: int) -> Omission:
        out = [child for group in groups for child in group]
        categories = Counter[str]()
        for group in groups:
            category = self._kind(group[0])[1]
            if category:
                categories[category] += len(group)
        nodes = sum(self._size[child] for child in out)
        return Omission("--limit", len(out), nodes, shown_by, operation, dict(categories), len(groups))


def _measure(placed: Placement, whole: Sequence[int], size: int) -> tuple[list[int], list[int]]:
    """Returns for each node the number of nodes from it down, and the deepest level among them."""
    sizes, levels = [1] * size, [0] * size
    under = placed.under
    for node in islice(whole, 1, None):
        levels[node] = levels[under[node]] + 1
    for node in reversed(whole[1:]):
        above = under[node]
        sizes[above] += sizes[node]
        levels[above] = max(levels[above], levels[node])
    return sizes, levels


def _relink(children: Children, node: int, kept: Sequence[int]) -> None:
    """Replaces the node's children."""
    children.first[node] = kept[0] if kept else NONE
    for child, following in pairwise([*kept, NONE]):
        children.next[child] = following
