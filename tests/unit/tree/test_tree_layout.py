"""From rows to nodes: every mark, every place, and what the flags leave out, without a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamactl.model import LogRow, Mark, MarkKind, Node, Tree
from llamactl.tree.cuts import View
from llamactl.tree.graph import Entry, Graph, topmost
from llamactl.tree.layout import draw

Row = tuple[str | None, str | None]
"""A job and the parent that it names."""


def log(id_: str, *, status: str = "SUCCESS") -> LogRow:
    return LogRow(id_, "op", "CREATED", status, None, None, None, None, None)


def tree(
    rows: Sequence[Row | Entry],
    asked: str,
    *,
    top: str | None = None,
    subtree: bool = False,
    depth: int | None = None,
    limit: int | None = None,
    logged: frozenset[str] = frozenset(),
    top_is_root: bool = True,
) -> Tree:
    """The tree of these rows, which come oldest first."""
    entries = [
        row if isinstance(row, Entry) else Entry(*row, None, log(str(number)))
        for number, row in enumerate(rows)
    ]
    graph = Graph.of(entries)
    view = View(asked, subtree, depth, limit)
    root = topmost(graph, asked) if top is None else top
    return draw(graph, root, view, top_is_root=top_is_root, logged=logged)


def shape(tree: Tree) -> list[str]:
    """Each node as an indented line, its marks in brackets."""
    return [
        "  " * node.depth + " ".join([node.job_id or "-", *map(words, node.marks)]) for node in tree.nodes
    ]


def words(mark: Mark) -> str:
    return f"[{mark.kind} {mark.job_id}]" if mark.job_id else f"[{mark.kind}]"


# --- places and marks -----------------------------------------------------------------------------------


def test_siblings_stand_in_the_order_of_their_first_rows() -> None:
    rows = [("r", None), ("b", "r"), ("a", "r"), ("b", "r"), ("c", "b")]
    assert shape(tree(rows, "a")) == ["r", "  b", "    c", "  a [asked]"]
    assert [node.parent_job_id for node in tree(rows, "a").nodes] == [None, "r", "b", "r"]


def test_a_job_under_two_parents_stands_under_the_one_named_first() -> None:
    rows = [("r", None), ("a", "r"), ("b", "r"), ("c", "b"), ("c", "a"), ("d", "c")]
    assert shape(tree(rows, "r")) == ["r [asked]", "  a", "  b", "    c [also_under a]", "      d"]
    assert tree(rows, "d").root_job_id == "r"


def test_a_parent_in_another_tree_makes_the_origin_unknown_from_there_down() -> None:
    rows = [("r", None), ("a", "r"), ("a", "s"), ("b", "a"), ("c", "r")]
    found = tree(rows, "b", top="r", logged=frozenset("s"))
    assert found.root_job_id is None
    assert shape(found) == [
        "r",
        "  a [also_under s] [origin_unknown]",
        "    b [asked] [origin_unknown]",
        "  c",
    ]


def test_a_parent_that_is_not_logged_is_a_node_without_rows() -> None:
    found = tree([("a", "gone"), ("b", "a")], "b")
    assert shape(found) == ["gone [parent_not_logged gone]", "  a", "    b [asked]"]
    assert found.root_job_id == "gone"
    assert (found.jobs, found.logs, found.nodes[0].logs) == (3, 2, ())
    below = tree([("a", "gone"), ("b", "a")], "a", subtree=True)
    assert shape(below) == ["a [asked] [parent_not_logged gone]", "  b"]
    assert below.nodes[0].parent_job_id == "gone"


def test_a_second_parent_that_is_not_logged_is_named() -> None:
    found = tree([("r", None), ("a", "r"), ("a", "gone")], "r")
    assert shape(found) == ["r [asked]", "  a [parent_not_logged gone] [origin_unknown]"]


def test_a_dangling_parent_that_fills_nothing_is_no_root() -> None:
    found = tree([("a", "gone")], "a", top_is_root=False)
    assert found.root_job_id is None
    assert shape(found) == [
        "gone [parent_not_logged gone] [origin_unknown]",
        "  a [asked] [origin_unknown]",
    ]


def test_a_cycle_shows_its_members_once() -> None:
    rows = [("b", "a"), ("c", "b"), ("a", "c"), ("d", "c")]
    for asked in "abc":
        found = tree(rows, asked)
        assert found.root_job_id is None
        assert [line.split()[0] for line in shape(found)] == ["b", "c", "a", "d"]
        assert [node.job_id for node in found.nodes if Mark(MarkKind.CYCLE, "b") in node.marks] == ["a"]
        assert all(Mark(MarkKind.ORIGIN_UNKNOWN) in node.marks for node in found.nodes)


def test_a_job_that_is_its_own_parent() -> None:
    assert shape(tree([("a", "a"), ("b", "a")], "b")) == [
        "a [cycle a] [origin_unknown]",
        "  b [asked] [origin_unknown]",
    ]


def test_a_cycle_with_a_way_out_hangs_from_where_it_leads() -> None:
    rows = [("r", None), ("a", "b"), ("b", "a"), ("b", "r")]
    expected = ["r", "  b [origin_unknown]", "    a [asked] [cycle b] [origin_unknown]"]
    assert shape(tree(rows, "a")) == expected


def test_two_siblings_that_are_each_others_parent() -> None:
    rows = [("r", None), ("a", "r"), ("b", "r"), ("a", "b"), ("b", "a")]
    assert shape(tree(rows, "r")) == [
        "r [asked]",
        "  a [cycle b] [origin_unknown]",
        "  b [cycle a] [origin_unknown]",
    ]


def test_a_row_without_a_job_id_is_a_node_of_its_own() -> None:
    found = tree([("r", None), (None, "r"), ("a", "r"), (None, "r"), (None, "elsewhere")], "r")
    assert shape(found) == ["r [asked]", "  -", "  a", "  -"]
    assert [node.logs[0].id for node in found.nodes] == ["0", "1", "2", "3"]
    assert (found.jobs, found.logs) == (2, 4)
    assert shape(tree([("a", "a"), (None, "a")], "a")) == [
        "a [asked] [cycle a] [origin_unknown]",
        "  - [origin_unknown]",
    ]


def test_the_root_column_counts_only_where_no_parent_is_logged() -> None:
    """The rows of `purged` were deleted after the migration; `s` is logged, in another tree."""
    rows = [
        Entry("r", None, "r", log("0")),
        Entry("a", "purged", "r", log("1")),
        Entry("b", "a", "r", log("2")),
        Entry(None, "s", "r", log("3")),
        Entry("stray", None, None, log("4")),
        Entry("own", None, "r", log("5")),
        Entry("below", "own", "r", log("6")),
        Entry(None, None, "r", log("7")),
        Entry("split", "purged", "r", log("8")),
        Entry("split", "purged", "t", log("9")),
        Entry("x", "y", "r", log("10")),
        Entry("y", "x", "r", log("11")),
    ]
    found = tree(rows, "b", top="r", logged=frozenset("s"))
    assert shape(found) == ["r", "  a [parent_not_logged purged]", "    b [asked]"]
    assert (found.root_job_id, found.logs, len(found.notes)) == ("r", 3, 1)
    assert found.notes[0].startswith("7 jobs store the root r, but their parents lead elsewhere")
    assert "repair --overwrite" in found.notes[0]


def test_a_stored_root_that_the_parents_contradict_is_marked() -> None:
    rows = [
        Entry("s", None, "s", log("0")),
        Entry("k", "s", "r", log("1")),
        Entry("k", "s", "q", log("2")),
        Entry("c", "k", "s", log("3")),
        Entry("m", "s", "s", log("4")),
        Entry("m", "t", None, log("5")),
    ]
    assert shape(tree(rows, "s", top="s", logged=frozenset("t"))) == [
        "s [asked]",
        "  k [stored_root_differs r] [stored_root_differs q]",
        "    c",
        "  m [also_under t] [origin_unknown] [stored_root_differs s]",
    ]


def test_what_is_no_part_of_the_tree_decides_nothing() -> None:
    """As before the migration, when `f` is not even read."""
    true = [("r", None), ("a", "r"), ("k", "c"), ("k", "a"), ("c", "r")]
    rows = [("f", None), ("r", None), ("a", "r"), ("k", "f"), ("k", "c"), ("k", "a"), ("c", "f"), ("c", "r")]
    stored = [Entry(job, parent, "r", log(str(number))) for number, (job, parent) in enumerate(rows)]
    found = tree(stored, "r", top="r")
    assert {node.job_id: node.parent_job_id for node in found.nodes} == {
        node.job_id: node.parent_job_id for node in tree(true, "r", top="r").nodes
    }


# --- the top of a job that has no root ------------------------------------------------------------------


def test_the_top_is_where_the_parents_named_first_lead() -> None:
    rows = [("c", "b"), ("c", "a"), ("a", None), ("b", None)]
    assert topmost(Graph.of([Entry(*row, None, log("")) for row in rows]), "c") == "b"


def test_the_top_of_a_circle_with_ways_out_is_the_oldest_end() -> None:
    rows = [("y", None), ("x", None), ("a", "b"), ("b", "a"), ("b", "x"), ("a", "y")]
    assert topmost(Graph.of([Entry(*row, None, log("")) for row in rows]), "a") == "y"


# --- counts, depth, limit -------------------------------------------------------------------------------

FAMILY: list[Row] = [("r", None), ("a", "r"), ("b", "r"), ("c", "r"), ("d", "c"), ("e", "d"), ("f", "b")]


def test_the_depth_flag_says_what_it_leaves_out() -> None:
    found = tree(FAMILY, "r", depth=1)
    assert [node.job_id for node in found.nodes] == ["r", "a", "b", "c"]
    cuts = [(n.job_id, o.flag, o.children, o.nodes, o.shown_by) for n in found.nodes for o in n.omitted]
    assert cuts == [("b", "--depth", 1, 1, 2), ("c", "--depth", 1, 2, 3)]
    assert (found.jobs, found.depth, found.omitted) == (7, 3, {"--depth": 3})
    assert tree(FAMILY, "r", depth=3).omitted == {}


def test_the_limit_flag_says_what_it_leaves_out() -> None:
    found = tree(FAMILY, "r", limit=2)
    assert [node.job_id for node in found.nodes] == ["r", "a", "b", "f"]
    assert [(o.flag, o.children, o.nodes, o.shown_by) for o in found.nodes[0].omitted] == [
        ("--limit", 1, 3, 3)
    ]
    assert found.omitted == {"--limit": 3}


def test_the_way_to_the_job_that_was_asked_for_is_kept_by_the_limit() -> None:
    assert [node.job_id for node in tree(FAMILY, "e", limit=1).nodes] == ["r", "c", "d", "e"]


def test_a_job_that_was_asked_for_and_is_too_deep_is_noted() -> None:
    assert tree(FAMILY, "e", depth=1).notes == (
        "e is not shown: --depth 3 includes it, --up shows the path to it, and --subtree starts at it",
    )
    assert tree(FAMILY, "d", depth=2).notes == ()


def test_a_subtree_counts_only_itself() -> None:
    found = tree(FAMILY, "c", subtree=True)
    assert shape(found) == ["c [asked]", "  d", "    e"]
    assert (found.root_job_id, found.jobs, found.logs, found.depth) == ("r", 3, 3, 2)


def test_failures_are_counted_by_job_and_the_oldest_is_told() -> None:
    rows = [Entry("r", None, None, log("0"))]
    rows += [Entry("a", "r", None, log(str(n), status="FAILED")) for n in (1, 2)]
    rows.append(Entry("b", "r", None, log("3", status="FAILED")))
    found = tree(rows, "r")
    assert (found.failed, found.first_failure and found.first_failure.id) == (2, "1")
    assert tree(rows, "b", subtree=True).first_failure == log("3", status="FAILED")
    assert tree(rows[:1], "r").first_failure is None


# --- size -----------------------------------------------------------------------------------------------


def test_a_chain_of_100_000_jobs() -> None:
    length = 100_000
    rows: list[Row] = [("0", None), *((str(n), str(n - 1)) for n in range(1, length))]
    found = tree(rows, str(length - 1))
    assert (found.jobs, found.depth, len(found.nodes)) == (length, length - 1, length)
    assert found.root_job_id == "0"
    assert len(tree(rows, "0", depth=10).nodes) == 11


def test_10_000_siblings() -> None:
    found = tree([("r", None), *((str(n), "r") for n in range(10_000))], "r", limit=10)
    assert found.nodes[0].omitted[0].children == 9_990


def test_a_cycle_of_50_000_jobs() -> None:
    size = 50_000
    rows = [(str(n), str((n + 1) % size)) for n in range(size)]
    found = tree(rows, "7")
    assert len(found.nodes) == size
    assert sum(mark.kind == MarkKind.CYCLE for node in found.nodes for mark in node.marks) == 1


# --- any graph ------------------------------------------------------------------------------------------

jobs = st.sampled_from("abcdefgh")
rows_of_any_kind = st.lists(
    st.tuples(st.none() | jobs, st.none() | st.sampled_from("abcdefghxy")), min_size=1, max_size=24
)


def known(rows: Sequence[Row]) -> list[str]:
    return sorted({id_ for row in rows for id_ in row if id_ is not None})


def below(rows: Sequence[Row], top: str) -> set[str]:
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(known(rows))
    graph.add_edges_from((parent, job) for job, parent in rows if job is not None and parent is not None)
    return {top, *nx.descendants(graph, top)}


def check_preorder(nodes: Sequence[Node]) -> None:
    """Each node stands right below its parent, as deep as it says."""
    path: list[str | None] = []
    for number, node in enumerate(nodes):
        assert node.depth <= len(path)
        del path[node.depth :]
        if number:
            assert node.parent_job_id == path[-1]
        path.append(node.job_id)
    assert [node.depth for node in nodes].count(0) == 1


@given(rows_of_any_kind, st.data())
def test_every_job_below_the_top_stands_there_once(rows: list[Row], data: st.DataObject) -> None:
    if not known(rows):
        return
    asked = data.draw(st.sampled_from(known(rows)))
    found = tree(rows, asked)
    check_preorder(found.nodes)
    shown = [node.job_id for node in found.nodes if node.job_id is not None]
    assert sorted(shown) == sorted(below(rows, shown[0]))
    assert asked in shown
    assert found.jobs == len(shown)
    expected = Counter(str(n) for n, (job, parent) in enumerate(rows) if (job or parent) in shown)
    assert Counter(row.id for node in found.nodes for row in node.logs) == expected
    assert found.logs == len(expected)


@given(rows_of_any_kind, st.data())
def test_every_parent_edge_is_a_place_or_a_mark(rows: list[Row], data: st.DataObject) -> None:
    if not known(rows):
        return
    found = tree(rows, data.draw(st.sampled_from(known(rows))))
    said = {(node.job_id, node.parent_job_id) for node in found.nodes[1:] if node.job_id}
    for node in found.nodes:
        for note in node.marks:
            if note.kind in (MarkKind.ALSO_UNDER, MarkKind.PARENT_NOT_LOGGED) and node.logs and node.job_id:
                said.add((node.job_id, note.job_id))
            if note.kind == MarkKind.CYCLE:
                said.add((note.job_id, node.job_id))
    shown = {node.job_id for node in found.nodes if node.job_id}
    assert said == {(job, parent) for job, parent in rows if job in shown and parent}


@given(rows_of_any_kind, st.data(), st.none() | st.integers(0, 4), st.none() | st.integers(0, 3))
def test_what_is_left_out_is_counted(
    rows: list[Row], data: st.DataObject, depth: int | None, limit: int | None
) -> None:
    if not known(rows):
        return
    asked = data.draw(st.sampled_from(known(rows)))
    subtree = data.draw(st.booleans())
    whole = tree(rows, asked, subtree=subtree)
    cut = tree(rows, asked, subtree=subtree, depth=depth, limit=limit)
    check_preorder(cut.nodes)
    assert len(cut.nodes) + sum(cut.omitted.values()) == len(whole.nodes)
    assert (cut.jobs, cut.logs, cut.depth, cut.root_job_id) == (
        whole.jobs,
        whole.logs,
        whole.depth,
        whole.root_job_id,
    )
    for node in cut.nodes:
        for omission in node.omitted:
            assert omission.nodes >= omission.children > 0
            flags = {"depth": depth, "limit": limit, omission.flag.removeprefix("--"): omission.shown_by}
            wider = tree(rows, asked, subtree=subtree, **flags)
            again = next(one for one in wider.nodes if one.job_id == node.job_id)
            assert all(other.flag != omission.flag for other in again.omitted)


DIAMOND: list[Row] = [("r", None), ("k", "r"), ("j", "r"), ("x", "j"), ("x", "k"), ("y", "x")]


def test_a_subtree_is_all_that_is_below_the_job_wherever_the_whole_tree_draws_it() -> None:
    assert [node.job_id for node in tree(DIAMOND, "r").nodes] == ["r", "k", "j", "x", "y"]
    below = tree(DIAMOND, "k", subtree=True)
    assert [(node.job_id, node.parent_job_id) for node in below.nodes] == [("k", "r"), ("x", "k"), ("y", "x")]
    assert (below.jobs, below.logs, below.root_job_id) == (3, 4, "r")
    assert [(mark.kind, mark.job_id) for mark in below.nodes[1].marks] == [(MarkKind.ALSO_UNDER, "j")]


@given(rows_of_any_kind, st.data())
def test_a_subtree_is_what_a_walk_down_reaches(rows: list[Row], data: st.DataObject) -> None:
    if not known(rows):
        return
    asked = data.draw(st.sampled_from(known(rows)))
    found = tree(rows, asked, subtree=True)
    check_preorder(found.nodes)
    shown = [node.job_id for node in found.nodes if node.job_id is not None]
    assert len(shown) == len(set(shown)) == found.jobs
    assert set(shown) == below(rows, asked)
    loose = sum(1 for job, parent in rows if job is None and parent in shown)
    assert len(found.nodes) == len(shown) + loose
    # Its jobs have the root that the whole tree gives them.
    unknown = Mark(MarkKind.ORIGIN_UNKNOWN)
    whole = {node.job_id: node for node in tree(rows, asked).nodes if node.job_id is not None}
    for job, node in ((node.job_id, node) for node in found.nodes if node.job_id is not None):
        assert (unknown in node.marks) == (unknown in whole[job].marks), node


@pytest.mark.parametrize("asked", ["r", "a", "b"])
def test_the_tree_is_the_same_whoever_is_asked_for(asked: str) -> None:
    rows = [("r", None), ("a", "r"), ("b", "a")]
    assert [node.job_id for node in tree(rows, asked).nodes] == ["r", "a", "b"]
