"""What a person sees of a tree, pinned in tests/golden/tree_*."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamactl.model import LogRow, Mark, MarkKind, Node, Omission, OutputFormat, Tree
from llamactl.render import lines
from llamactl.render.console import Screen
from llamactl.render.guides import Guides
from llamactl.render.tree.text import INDENTED
from reports import ASCII, COLOURS, LONG, NASTY, NASTY_SHOWN, PIPE, TERMINAL, same_as_golden

UUID = "00000000-0000-4000-8000-00000000000a"


def row(operation: str | None = "track:created", **values: object) -> LogRow:
    plain = LogRow("1", operation, "CREATED", "SUCCESS", "TRACK", UUID, 1200, None, "2025-06-01T10:00:00")
    return replace(plain, **values)  # type-checked by the dataclass's own tests


def in_preorder(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes, each told whether more follows on its level."""
    found = []
    for at, node in enumerate(nodes):
        rest = nodes[at + 1 :]
        ends = next((n for n, other in enumerate(rest) if other.depth < node.depth), len(rest))
        above = next((other for other in reversed(nodes[:at]) if other.depth < node.depth), None)
        more = any(other.depth == node.depth for other in rest[:ends])
        found.append(replace(node, followed=more or bool(above and above.omitted)))
    return tuple(found)


FAILED = row(
    "track:failed:enrichment",
    category="FAILED",
    status="FAILED",
    duration_ms=30_000,
    created_at="2025-06-01T10:00:20.5",
    error_message="503 from musicbrainz after 3 tries\nretry-after: never; " + "x" * 100,
)

# Every mark, sign and kind of node.
TREE = Tree(
    root_job_id="album-create-01",
    jobs=612,
    logs=640,
    depth=4,
    failed=3,
    first_failure=FAILED,
    omitted={"--depth": 2, "--limit": 489, "--only": 11},
    began_at="2025-06-01T10:00:00",
    ended_at="2025-06-01T10:02:27.400000",
    nodes=in_preorder(
        (
            Node(
                "album-create-01",
                None,
                0,
                (),
                (row("album:created", entity_type="ALBUM", duration_ms=147_400),),
            ),
            Node(
                "artist-create-02",
                "album-create-01",
                1,
                (Mark(MarkKind.ALSO_UNDER, "enrich-03"), Mark(MarkKind.ORIGIN_UNKNOWN)),
                (row("artist:created", status="PARTIAL_SUCCESS"), row("artist:linked", category="LINKED")),
            ),
            Node(
                "enrich-03",
                "album-create-01",
                1,
                (Mark(MarkKind.ASKED),),
                (row("enrichment", duration_ms=None),) * 3,
                (
                    Omission("--limit", 482, 484, 500, "track:created", {"CREATED": 480, "LINKED": 2}, 2),
                    Omission("--limit", 5, 5, 21, None, {}, 5),
                ),
            ),
            Node(
                "track-create-04",
                "enrich-03",
                2,
                (Mark(MarkKind.CYCLE, "enrich-03"),),
                (row(), FAILED, FAILED),
            ),
            Node("requeue-05", "track-create-04", 3, (), (row("requeue", status="SKIPPED", entity_id=None),)),
            Node(None, "track-create-04", 3, (), (row(None, status="NO_DATA_AVAILABLE", entity_type=None),)),
            Node(
                "gone-06",
                "enrich-03",
                2,
                (Mark(MarkKind.PARENT_NOT_LOGGED, "gone-06"),),
                (),
                (Omission("--depth", 2, 2, 3),),
            ),
            Node(NASTY, "album-create-01", 1, (), (row(NASTY, status="ODD", category=None, duration_ms=0),)),
            Node(LONG, "album-create-01", 1, (), (row("o" * 100, created_at="2025-06-01T10:02:00"),)),
        )
    ),
)


def text(tree: Tree, screen: Screen) -> list[str]:
    return "".join(lines(tree, "tree", OutputFormat.TEXT, screen)).splitlines()


@pytest.mark.parametrize(
    ("name", "screen"),
    [
        ("unicode", PIPE),
        ("ascii", ASCII),
        *((f"terminal_{width}", replace(TERMINAL, width=width)) for width in (60, 80, 120)),
        *(
            (f"terminal_{width}_ascii", replace(TERMINAL, width=width, unicode=False))
            for width in (60, 80, 120)
        ),
        ("colours", replace(COLOURS, width=120)),
    ],
)
def test_looks_as_pinned(name: str, screen: Screen) -> None:
    same_as_golden(f"tree_{name}.txt", lines(TREE, "tree", OutputFormat.TEXT, screen))


def test_ascii_is_ascii() -> None:
    assert all(line.isascii() for line in text(TREE, ASCII))


@pytest.mark.parametrize("screen", [PIPE, ASCII, TERMINAL])
def test_nothing_from_the_database_steers_the_terminal(screen: Screen) -> None:
    found = "".join(lines(TREE, "tree", OutputFormat.TEXT, screen))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", found)
    assert "[bold]e[/bold]" in found
    assert NASTY_SHOWN.split("d")[0].encode("ascii", "backslashreplace").decode() in found


@pytest.mark.parametrize(
    "screen", [PIPE, ASCII, *(replace(TERMINAL, width=width) for width in (40, 80, 200))]
)
def test_every_id_is_whole_and_last(screen: Screen) -> None:
    found = text(TREE, screen)
    for node in TREE.nodes:
        if node.job_id is not None and len(node.job_id) < screen.width and node.job_id != NASTY:
            assert len([line for line in found if re.search(rf"(^| ){node.job_id}$", line)]) == 1


def test_an_id_wider_than_the_terminal_goes_on_below() -> None:
    found = text(TREE, replace(TERMINAL, width=40))
    at = found.index(LONG[:40])
    assert "".join(found[at : at + 3]).startswith(LONG)


def test_the_rows_of_one_job_in_one_line() -> None:
    node = Node("j", None, 0, (), (row(), row("other"), row("another", status="FAILED", entity_id="2")))
    [line, *_] = text(Tree("j", 1, 3, (node,)), PIPE)
    assert line == "✘ track:created +2 others x3  CREATED  TRACK -  1.2s  j"


def test_columns_that_the_table_does_not_have_take_no_room() -> None:
    bare = LogRow("1", None, None, None, None, None, None, None, None)
    assert text(Tree("j", 1, 1, (Node("j", None, 0, (), (bare,)),)), ASCII)[0] == "- -  j"


def test_a_job_without_a_root_says_so() -> None:
    assert text(Tree(None, 1, 1, (Node("j", None, 0, (), (row(),)),)), PIPE)[1] == (
        "  1 job, 1 row, depth 0, no root, none failed"
    )
    assert text(Tree("r", 1, 1, (Node("j", None, 0, (), (row(),)),)), PIPE)[1] == (
        "  1 job, 1 row, depth 0, root r, none failed"
    )


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0ms"),
        (999, "999ms"),
        (1000, "1.0s"),
        (59_949, "59.9s"),
        (59_950, "1m00s"),
        (147_400, "2m27s"),
        (3_599_500, "1h00m"),
        (11_100_000, "3h05m"),
        (-5, "-5ms"),
    ],
)
def test_durations(milliseconds: int, shown: str) -> None:
    node = Node("j", None, 0, (), (row(duration_ms=milliseconds),))
    assert text(Tree("j", 1, 1, (node,)), PIPE)[0].endswith(f"  {shown}  j")


def chain(length: int) -> Tree:
    nodes = tuple(Node(f"job-{n}", f"job-{n - 1}" if n else None, n, (), (row(),)) for n in range(length))
    return Tree("job-0", length, length, nodes, depth=length - 1)


@pytest.mark.slow
@pytest.mark.parametrize("screen", [PIPE, TERMINAL])
def test_a_chain_of_100_000_jobs_has_lines_of_bounded_length(screen: Screen) -> None:
    begun = perf_counter()
    found = text(chain(100_000), screen)
    assert perf_counter() - begun < 60
    assert len([line for line in found if re.search(r"  job-\d+$", line)]) == 100_000
    assert max(map(len, found)) < 300
    last = next(line for line in found if line.endswith("  job-99999"))
    assert "⋯99999 └── ✔" in last


def test_below_the_cap_the_depth_is_a_number() -> None:
    found = text(chain(60), PIPE)
    assert found[INDENTED + 1].startswith(" " * 4 * (INDENTED - 1) + "└── ✔")
    assert found[INDENTED + 2].startswith(" " * 4 * (INDENTED - 1) + f"⋯{INDENTED + 1} └── ✔")


def test_10_000_siblings() -> None:
    nodes = [
        Node("r", None, 0, (), (row(),)),
        *(Node(str(n), "r", 1, (), (row(),), (), n < 9_999) for n in range(10_000)),
    ]
    found = text(Tree("r", 10_001, 10_001, tuple(nodes), depth=1), PIPE)
    assert [line[:4] for line in found[2:]] == ["├── "] * 9_999 + ["└── "]


# --- guides ---------------------------------------------------------------------------------------------

depths_in_preorder = st.lists(st.integers(1, 9), max_size=30).map(
    lambda steps: [0, *(depth for depth in capped(steps))]
)


def capped(steps: list[int]) -> list[int]:
    """Depths that go down one level at a time."""
    depths, last = [], 0
    for step in steps:
        last = min(step, last + 1)
        depths.append(last)
    return depths


@given(depths_in_preorder, st.integers(1, 6))
def test_guides_show_the_tree_again(depths: list[int], cap: int) -> None:
    guides = Guides(branch="+---", last="`---", bar="|   ", deeper="~")
    nodes = in_preorder([Node(None, None, depth, (), ()) for depth in depths])
    found = [(lead, below) for _, lead, below in guides.of([(n.depth, n.followed, n) for n in nodes], cap)]
    for at, (depth, (lead, below)) in enumerate(zip(depths, found, strict=True)):
        assert len(lead) == len(below) == guides.width(depth, cap)
        assert (f"~{depth} " in lead) == (depth > cap)
        rest = depths[at + 1 :]
        ends = next((n for n, other in enumerate(rest) if other < depth), len(rest))
        followed = depth in rest[:ends]
        if depth:
            assert lead.endswith(guides.branch if followed else guides.last)
            assert below.endswith(guides.bar if followed else guides.blank)
        for level in range(1, min(depth, cap)):
            until = next((n for n, other in enumerate(rest) if other < level), len(rest))
            assert lead[4 * level - 4 : 4 * level] == (guides.bar if level in rest[:until] else guides.blank)


@pytest.mark.parametrize("width", [40, 61])
def test_far_down_no_line_is_longer_than_the_terminal(width: int) -> None:
    nodes = [*chain(30_000).nodes]
    nodes[-3:] = [replace(node, job_id="x" * 200, logs=(FAILED,) * 12) for node in nodes[-3:]]
    found = text(Tree("job-0", 30_000, 30_000, nodes, depth=29_999), replace(TERMINAL, width=width))
    assert max(map(len, found)) <= width
    assert any("⋯29999" in line for line in found)
