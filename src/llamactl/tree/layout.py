"""Converts a placed graph to the nodes of a tree in preorder. It uses neither the database nor the screen.

All algorithms are iterative: a chain may be 100,000 jobs deep. Siblings are in the order of their first rows.
Nodes are created during the iteration, so that the first line of a tree does not wait for the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import overload

from llamactl.model import Mark, MarkKind, Node, Tree, UnknownStatus
from llamactl.model.words import plural
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
    """Returns the part of the tree of the root `top`, or of the requested job's subtree, that the view shows.

    `top_is_root` is False if the top is a dangling parent that is not filled in as a root. `logged`: the
    parents outside the tree that have rows. The counts are those of the whole tree, of the subtree, or of the
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
    """Returns the depth of the deepest node. Nodes are sorted by level, so the last one is the deepest."""
    return sum(1 for _ in climb(placed, whole[-1])) - sum(1 for _ in climb(placed, whole[0]))


def _misled(placed: Placement, top: str, view: View) -> Iterator[str]:
    """Yields a note if rows store the root of the tree but are not part of it."""
    if placed.misled and not view.up:
        jobs = plural(placed.misled, "job stores", "jobs store")
        its, they = ("its", "it is") if placed.misled == 1 else ("their", "they are")
        yield (
            f"{jobs} the root {top}, but {its} parents lead elsewhere, so {they} not part of this tree: "
            "llamactl verify lists such rows, llamactl repair --overwrite corrects them"
        )


def _hidden(graph: Graph, placed: Placement, view: View, cuts: Cuts, asked: int) -> Iterator[str]:
    """Yields a note if the requested job is not among the nodes."""
    if cuts.kept is not None and not cuts.kept[asked]:
        yield f"{view.asked} is not shown: it neither matches --only {view.only} nor is above a match"
    elif cuts.omitted and not _shown(placed, cuts, asked):
        depth = sum(1 for _ in climb(placed, asked)) - 1
        yield (
            f"{view.asked} is not shown: --depth {depth} includes it, --up shows the path to it, "
            "and --subtree starts at it"
        )


def _shown(placed: Placement, cuts: Cuts, node: int) -> bool:
    """Returns whether the node and all its ancestors are kept."""
    way = [*climb(placed, node)]
    return all(child in cuts.children.of(above) for child, above in pairwise(way))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Nodes(Sequence[Node]):
    """The nodes of a tree in preorder, each created when it is accessed."""

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
        """Goes to the first child if there is one, else to the next sibling, else to that of the nearest
        ancestor.

        The siblings of the first node do not belong to its tree.
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
        marks: tuple[Mark, ...] = ()
        if not depth or node == self.asked or node in self.marks.of:  # most nodes have none
            more = [Mark(MarkKind.ASKED)] if node == self.asked else []
            if not depth and under >= 0 and not graph.logged(under):
                more.append(Mark(MarkKind.PARENT_NOT_LOGGED, graph.ids[under]))
            marks = self.marks.at(node, *more)
        return Node(
            graph.ids[node],
            graph.ids[under] if under >= 0 else None,
            depth,
            marks,
            graph.rows(node),
            self.cuts.omitted.get(node, ()),
            followed,
        )
