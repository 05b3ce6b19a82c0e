"""From a placed graph to the nodes of a tree in preorder. Knows no database and no screen.

Iterative throughout: a chain may be 100,000 jobs deep. Siblings stand in the order of their first rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llamactl.model import Mark, MarkKind, Node, Omission, Tree
from llamactl.tree.graph import Graph, Key, Placement
from llamactl.tree.marks import Marks

Children = Mapping[Key, Sequence[Key]]


@dataclass(frozen=True, slots=True)
class View:
    """What of the tree is to be shown."""

    asked: str
    subtree: bool = False
    """Only what is below the job that was asked for."""
    depth: int | None = None
    """Levels below the first node."""
    limit: int | None = None
    """Children of one node."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is left of a node's children, and what is not."""

    kept: Sequence[Key]
    omission: Omission


def lay_out(graph: Graph, placed: Placement, marks: Marks, view: View, notes: Sequence[str] = ()) -> Tree:
    """The tree, as far as the view goes; its counts are those of the whole."""
    children = _children(graph, placed)
    start = view.asked if view.subtree else placed.top
    preorder = list(_walk(children, start))
    inside = {key for key, _ in preorder}
    failures = [(key, log) for key, log in graph.failures if key in inside]
    cuts = _cuts(graph, placed, view, children, preorder)
    omitted = {
        flag: sum(cut.omission.nodes for cut in cuts.values() if cut.omission.flag == flag)
        for flag in sorted({cut.omission.flag for cut in cuts.values()})
    }
    return Tree(
        root_job_id=placed.top if view.asked in marks.rooted else None,
        jobs=sum(isinstance(key, str) for key in inside),
        logs=sum(len(graph.logs.get(key, ())) if isinstance(key, str) else 1 for key in inside),
        nodes=tuple(_nodes(graph, placed, marks, view, children, cuts, start)),
        notes=(*notes, *_hidden(view, children, cuts, preorder)),
        omitted=omitted,
        depth=max(depth for _, depth in preorder),
        failed=len({key for key, _ in failures}),
        first_failure=failures[0][1] if failures else None,
    )


def _children(graph: Graph, placed: Placement) -> Children:
    """Each node's children, the oldest first."""
    children: dict[Key, list[Key]] = {}
    for key in graph.order:
        under = _above(graph, placed, key)
        if under is not None:
            children.setdefault(under, []).append(key)
    return children


def _above(graph: Graph, placed: Placement, key: Key) -> str | None:
    """What a node stands under; None for the top, and for what is no part of the tree."""
    if isinstance(key, str):
        return placed.under.get(key)
    row = graph.loose[key]
    if row.parent in placed.under:
        return row.parent
    return placed.top if row.of_root else None


def _walk(
    children: Children, start: Key, cuts: Mapping[Key, _Cut] | None = None
) -> Iterator[tuple[Key, int]]:
    """Each node from `start` down that is not cut, with its depth, in preorder.

    A cut that is made at a node while the walk is there counts.
    """
    stack: list[tuple[Key, int]] = [(start, 0)]
    while stack:
        key, depth = stack.pop()
        yield key, depth
        below = cuts[key].kept if cuts and key in cuts else children.get(key, ())
        stack += [(child, depth + 1) for child in reversed(below)]


def _cuts(
    graph: Graph, placed: Placement, view: View, children: Children, preorder: Sequence[tuple[Key, int]]
) -> Mapping[Key, _Cut]:
    """Where --depth and --limit cut. The way to the job that was asked for takes one of the --limit."""
    if view.depth is None and view.limit is None:
        return {}
    size: dict[Key, int] = {key: 1 for key, _ in preorder}
    deepest = dict(preorder)
    for key, depth in reversed(preorder):
        under = _above(graph, placed, key)
        if under is not None and depth:
            size[under] += size[key]
            deepest[under] = max(deepest[under], deepest[key])
    way = _way(placed, view.asked)
    cuts: dict[Key, _Cut] = {}
    for key, depth in _walk(children, preorder[0][0], cuts):
        below = children.get(key, ())
        if view.depth is not None and depth >= view.depth:
            kept, flag, shown_by = below[:0], "--depth", deepest[key]
        elif view.limit is not None:
            kept, flag, shown_by = _first(below, view.limit, way.get(key)), "--limit", len(below)
        else:
            continue
        if len(kept) < len(below):
            nodes = sum(size[child] for child in below) - sum(size[child] for child in kept)
            cuts[key] = _Cut(kept, Omission(flag, len(below) - len(kept), nodes, shown_by))
    return cuts


def _way(placed: Placement, job: str) -> Mapping[Key, str]:
    """The way from the top to a job: each job on it -> the next one."""
    way: dict[Key, str] = {}
    above = placed.under[job]
    while above is not None:
        way[above] = job
        job, above = above, placed.under[above]
    return way


def _first(below: Sequence[Key], limit: int, wanted: str | None) -> Sequence[Key]:
    kept = below[:limit]
    if kept and wanted is not None and wanted not in kept:
        return [*kept[:-1], wanted]
    return kept


def _hidden(
    view: View, children: Children, cuts: Mapping[Key, _Cut], preorder: Sequence[tuple[Key, int]]
) -> Iterator[str]:
    """Says so when the job that was asked for is not among the nodes."""
    if cuts and all(key != view.asked for key, _ in _walk(children, preorder[0][0], cuts)):
        depth = dict(preorder)[view.asked]
        yield f"{view.asked} is not shown: --depth {depth} reaches it, and --subtree starts from it"


def _nodes(
    graph: Graph,
    placed: Placement,
    marks: Marks,
    view: View,
    children: Children,
    cuts: Mapping[Key, _Cut],
    start: Key,
) -> Iterator[Node]:
    for key, depth in _walk(children, start, cuts):
        under = _above(graph, placed, key)
        omitted = (cuts[key].omission,) if key in cuts else ()
        if isinstance(key, int):
            yield Node(None, under, depth, marks.at(key), (graph.loose[key].log,), omitted)
            continue
        more = [Mark(MarkKind.ASKED)] if key == view.asked else []
        if key == start and under is not None and under not in graph.logs:
            more.append(Mark(MarkKind.PARENT_NOT_LOGGED, under))
        yield Node(key, under, depth, marks.at(key, *more), tuple(graph.logs.get(key, ())), omitted)
