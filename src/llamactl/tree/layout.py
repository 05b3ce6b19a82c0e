"""From a placed graph to the nodes of a tree in preorder. Knows no database and no screen.

Iterative throughout: a chain may be 100,000 jobs deep. Siblings stand in the order of their first rows. Nodes
are made while they are read, so that the first line of a tree does not wait for its last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import overload

from llamactl.model import Mark, MarkKind, Node, Tree, UnknownStatus
from llamactl.tree.cuts import Cuts, View, climb, cut
from llamactl.tree.graph import Graph
from llamactl.tree.marks import Marks, mark
from llamactl.tree.placement import Placement, among, place, place_below, rooted


def draw(
    graph: Graph,
    top: str,
    view: View,
    *,
    top_is_root: bool,
    logged: Collection[str] = frozenset(),
    notes: Sequence[str] = (),
) -> Tree:
    """Returns the tree of the root `top`, or the subtree of the requested job, as far as the view goes.

    `top_is_root` is False where the top is a dangling parent that fills nothing; `logged` contains those
    parents outside the tree that have rows. Counts are those of the whole tree, of the subtree, or of the
    chain (`up`).
    """
    placed = whole_tree = place(graph, top, logged)
    known = rooted(graph, placed, top_is_root)
    if view.subtree:
        placed = place_below(graph, view.asked, placed)
    marks = mark(graph, placed, root=top, known=known, logged=whole_tree.dropped.union(logged))
    asked = graph.node(view.asked)
    whole = [*climb(placed, asked)][::-1] if view.up else placed.nodes
    cuts = cut(graph, placed, view, placed.top, whole)
    omitted = cuts.totals()
    inside = among(whole, len(graph.ids))
    failures = [(node, log) for node, log in graph.failures if inside[node]]
    return Tree(
        root_job_id=top if marks.rooted[asked] else None,
        jobs=len(whole) - sum(inside[node] for node in graph.loose),
        logs=_count_rows(graph, placed.top, whole, inside),
        nodes=Nodes(graph, placed, marks, cuts, placed.top, asked, len(whole) - sum(omitted.values())),
        notes=(*notes, *_misled(whole_tree, top, view), *_hidden(graph, placed, view, cuts, asked)),
        omitted=omitted,
        depth=_depth(placed, whole),
        failed=len({node for node, _ in failures}),
        first_failure=failures[0][1] if failures else None,
        began_at=graph.began.isoformat() if graph.began else None,
        ended_at=graph.ended.isoformat() if graph.ended else None,
        unknown_status=UnknownStatus.of(Counter(status for node, status in graph.unknown if inside[node])),
    )


def _count_rows(graph: Graph, start: int, whole: Sequence[int], inside: bytearray) -> int:
    """The rows of the jobs: one of each, but for a top that is not logged, and what some have more."""
    more = sum(len(rows) for node, rows in graph.more_rows.items() if inside[node])
    return len(whole) - (not graph.logged(start)) + more


def _depth(placed: Placement, whole: Sequence[int]) -> int:
    """Of the deepest node. Those that come last are the deepest: the levels stand one after another."""
    return sum(1 for _ in climb(placed, whole[-1])) - sum(1 for _ in climb(placed, whole[0]))


def _misled(placed: Placement, top: str, view: View) -> Iterator[str]:
    """Says so when rows store the root of the tree and are no part of it."""
    if placed.misled and not view.up:
        jobs = "1 job stores" if placed.misled == 1 else f"{placed.misled:,} jobs store"
        yield (
            f"{jobs} the root {top}, but their parents lead elsewhere, so they are not part of this tree: "
            "llamactl verify shows such rows, llamactl repair --overwrite mends them"
        )


def _hidden(graph: Graph, placed: Placement, view: View, cuts: Cuts, asked: int) -> Iterator[str]:
    """Says so when the job that was asked for is not among the nodes."""
    if cuts.kept is not None and not cuts.kept[asked]:
        yield f"{view.asked} is not shown: it is not what --only {view.only} shows, nor above it"
    elif cuts.omitted and not _shown(placed, cuts, asked):
        depth = sum(1 for _ in climb(placed, asked)) - 1
        yield (
            f"{view.asked} is not shown: --depth {depth} reaches it, --up leads to it, "
            "and --subtree starts from it"
        )


def _shown(placed: Placement, cuts: Cuts, node: int) -> bool:
    """Whether the node and all above it are left."""
    way = [*climb(placed, node)]
    return all(child in cuts.children.of(above) for child, above in pairwise(way))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Nodes(Sequence[Node]):
    """The nodes of a tree in preorder. Each is made when it is asked for, the first ones first."""

    graph: Graph
    placed: Placement
    marks: Marks
    cuts: Cuts
    start: int
    asked: int
    length: int

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, at: int) -> Node: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Node]: ...
    def __getitem__(self, at: int | slice) -> Node | Sequence[Node]:
        if isinstance(at, slice):
            return tuple(self)[at]
        return next(islice(self, range(self.length)[at], None))

    def __iter__(self) -> Iterator[Node]:
        """1. Down to the first child where there is one; else on to the next sibling, or to the next one of
        the nearest node above that has one.
        2. The siblings of the first node are not its tree's.
        """
        first, following = self.cuts.children.first, self.cuts.children.next
        under, omitted = self.placed.under, self.cuts.omitted
        at = self.start
        above: list[int] = []
        while True:
            followed = bool(above) and (following[at] >= 0 or under[at] in omitted)
            yield self._node(at, len(above), followed)
            if first[at] >= 0:
                above.append(at)
                at = first[at]
                continue
            while above and following[at] < 0:
                at = above.pop()
            if not above:
                return
            at = following[at]

    def _node(self, node: int, depth: int, followed: bool) -> Node:
        graph = self.graph
        under = self.placed.above if node == self.placed.top else self.placed.under[node]
        more = [Mark(MarkKind.ASKED)] if node == self.asked else []
        if not depth and under >= 0 and not graph.logged(under):
            more.append(Mark(MarkKind.PARENT_NOT_LOGGED, graph.ids[under]))
        return Node(
            graph.ids[node],
            graph.ids[under] if under >= 0 else None,
            depth,
            self.marks.at(node, *more),
            graph.rows(node),
            self.cuts.omitted.get(node, ()),
            followed,
        )
