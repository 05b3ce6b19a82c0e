"""From rows to lines: what is folded, filtered and fitted to the terminal, and that nothing is lost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich import cells

from llamactl.config.settings import Flags, load_settings
from llamactl.db.session import open_session
from llamactl.model import LogRow, Node, OutputFormat, Tree
from llamactl.render import lines, safe
from llamactl.render.console import Screen
from llamactl.tree import read_tree
from llamactl.tree.cuts import LINES, View
from llamactl.tree.graph import Entry, Graph, topmost
from llamactl.tree.layout import draw
from reports import same_as_golden
from terminals import on_a_terminal

CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")


def entry(job: str | None, parent: str | None = None, **values: Any) -> Entry:
    row = {
        "operation": "track:created",
        "category": "CREATED",
        "status": "SUCCESS",
        "entity_type": "TRACK",
        "entity_id": None,
        "duration_ms": 1200,
        "error_message": None,
        "created_at": None,
    }
    return Entry(job, parent, None, LogRow(values.pop("id", "1"), **(row | values)))


def failed(job: str, parent: str, **values: Any) -> Entry:
    error = {"status": "FAILED", "category": "FAILED", "error_message": "503 from musicbrainz after 3 tries"}
    return entry(job, parent, **(error | values))


def show(entries: Sequence[Entry], asked: str, **options: Any) -> Tree:
    graph = Graph.of(entries)
    return draw(graph, topmost(graph, asked), View(asked, **options), top_is_root=True)


def jobs(found: Tree) -> list[str | None]:
    return [node.job_id for node in found.nodes]


def written(found: Tree, screen: Screen) -> list[str]:
    return "".join(lines(found, "tree", OutputFormat.TEXT, screen)).splitlines()


# --- folding --------------------------------------------------------------------------------------------


def tracks(count: int, parent: str = "r", first: int = 0, **values: Any) -> list[Entry]:
    return [entry(f"t{n}", parent, **values) for n in range(first, first + count)]


def test_siblings_of_one_kind_are_folded_with_their_counts() -> None:
    linked = tracks(6, first=100, category="LINKED")
    others = [entry("a", "r", operation="artist:created"), entry("below", "t7")]
    found = show([entry("r"), *tracks(10), *linked, *others], "r", limit=4)
    [fold] = found.nodes[0].omitted
    assert jobs(found) == ["r", "t0", "t1", "t2", "t3", "t100", "t101", "t102", "t103", "a"]
    assert (fold.operation, fold.categories, fold.kinds) == ("track:created", {"CREATED": 6, "LINKED": 2}, 2)
    assert (fold.children, fold.nodes, fold.flag, fold.shown_by) == (8, 9, "--limit", 10)
    assert written(found, Screen())[-1] == (
        "└── ... 8 more track:created (6 CREATED, 2 LINKED) and 1 below them  --limit 10"
    )
    assert not show([entry("r"), *tracks(10), *linked, *others], "r", limit=10).omitted


def test_kinds_beyond_the_limit_are_folded_together() -> None:
    found = show([entry("r"), *(entry(f"j{n}", "r", operation=f"op-{n}") for n in range(9))], "r", limit=3)
    assert jobs(found) == ["r", "j0", "j1", "j2"]
    [fold] = found.nodes[0].omitted
    assert (fold.children, fold.kinds, fold.operation, fold.shown_by) == (6, 6, None, 9)


def test_a_failure_and_those_above_it_are_never_folded() -> None:
    rows = [entry("r"), *tracks(30), entry("mid", "t20"), failed("bad", "mid"), failed("t99", "r")]
    for options in ({"limit": 2}, {"depth": 0}, {"depth": 1, "limit": 1}, {"fold": True}):
        assert {"t20", "mid", "bad", "t99"} <= set(jobs(show(rows, "r", **options))), options


def test_a_failure_keeps_those_above_it_by_any_parent() -> None:
    rows = [entry("r"), entry("k", "r"), entry("j", "r"), entry("x", "j"), entry("x", "k"), failed("y", "x")]
    rows += tracks(30)
    for options in ({"only": "failed"}, {"limit": 1}, {"depth": 0}, {"fold": True, "limit": 1}):
        found = show(rows, "r", **options)
        assert {"r", "k", "j", "x", "y"} <= set(jobs(found)), options
        assert found.failed == 1


def test_a_tree_that_fits_is_not_folded() -> None:
    rows = [entry("r"), *tracks(20)]
    assert len(show(rows, "r", fold=True).nodes) == 21
    assert show([*rows, entry("t20", "r")], "r", fold=True).omitted == {"--limit": 1}
    assert len(show([*rows, entry("t20", "r")], "r").nodes) == 22


@pytest.mark.parametrize("branches", [1, 2, 3, 12])
def test_folding_bounds_any_tree(branches: int) -> None:
    rows = [entry("0"), *(entry(str(n), str((n - 1) // branches)) for n in range(1, 5000))]
    found = show(rows, "0", fold=True)
    assert len(found.nodes) <= LINES
    assert len(found.nodes) + sum(found.omitted.values()) == 5000
    asked = show(rows, "4999", fold=True)
    assert "4999" in jobs(asked) or any("4999 is not shown: --depth" in note for note in asked.notes)


def test_a_limit_that_was_asked_for_is_not_folded_further() -> None:
    rows = [entry("r"), *tracks(2000)]
    assert len(show(rows, "r", fold=True, limit=1500).nodes) == 1501


# --- filters --------------------------------------------------------------------------------------------

ALBUM = [
    entry("r", operation="album:created"),
    entry("a", "r", operation="artist:created"),
    entry("e", "r", operation="enrichment", category="ENRICHED"),
    *tracks(3, "e"),
    failed("x", "t1"),
]


@pytest.mark.parametrize(
    ("only", "left"),
    [
        ("failed", ["r", "e", "t1", "x"]),
        ("artist:created", ["r", "a"]),
        ("ENRICHED", ["r", "e"]),
        ("FAILED", ["r", "e", "t1", "x"]),
        ("nothing of the kind", ["r"]),
    ],
)
def test_only_keeps_what_is_above(only: str, left: list[str]) -> None:
    found = show(ALBUM, "r", only=only)
    assert jobs(found) == left
    assert found.omitted == {"--only": 7 - len(left)}
    assert (found.jobs, found.failed) == (7, 1)
    assert any(f"... {7 - len(left)} more without --only" in line for line in written(found, Screen()))


def test_a_job_that_only_leaves_out_is_noted() -> None:
    [note] = show(ALBUM, "a", only="failed").notes
    assert note.startswith("a is not shown: ")
    assert show(ALBUM, "t1", only="failed").notes == ()


def test_up_is_the_chain_to_the_root() -> None:
    found = show(ALBUM, "x", up=True)
    assert jobs(found) == ["r", "e", "t1", "x"]
    assert [node.depth for node in found.nodes] == [0, 1, 2, 3]
    assert (found.jobs, found.depth, found.failed, found.omitted) == (4, 3, 1, {})


# --- any forest, any view, any terminal -----------------------------------------------------------------

texts = st.text(max_size=12) | st.sampled_from(["track:created", "x" * 90, "\x1b[31m", "漢字" * 8, "\u202eb"])
ids = st.integers(0, 14).map(lambda n: f"job-{n}" + "\x07\u2028"[: n % 3] + "é漢"[: n % 2] + "9" * (9 * n))
kinds = st.sampled_from(["album:created", "track:created", "漢字:linked"])
moments = st.none() | st.integers(0, 59).map(lambda second: f"2025-06-01T10:00:{second:02}.25")


@st.composite
def any_rows(draw: st.DrawFn) -> list[Entry]:
    """Rows with every fault that a log has."""
    named = draw(st.lists(st.tuples(ids | st.none(), ids | st.none()), min_size=1, max_size=25))
    return [
        entry(
            job,
            parent,
            id=str(number),
            operation=draw(st.none() | kinds | texts),
            category=draw(st.sampled_from([None, "CREATED", "LINKED", "FAILED"])),
            status=draw(st.sampled_from([None, "SUCCESS", "FAILED", "SKIPPED", "odd"])),
            entity_id=draw(st.none() | texts),
            duration_ms=draw(st.none() | st.integers(-5, 10**7)),
            error_message=draw(st.none() | texts),
            created_at=draw(moments),
        )
        for number, (job, parent) in enumerate(named)
    ]


views = st.fixed_dictionaries(
    {},
    optional={
        "subtree": st.booleans(),
        "depth": st.integers(0, 3),
        "limit": st.integers(1, 3),
        "only": st.sampled_from(["failed", "track:created", "LINKED"]),
        "fold": st.booleans(),
    },
)
screens = st.builds(
    Screen, terminal=st.just(True), width=st.integers(40, 130), colour=st.booleans(), unicode=st.booleans()
)


def asked_of(rows: Sequence[Entry], data: st.DataObject) -> str | None:
    known = sorted({id_ for row in rows for id_ in (row.job, row.parent) if id_ is not None})
    return data.draw(st.sampled_from(known)) if known else None


def above(found: Tree) -> Mapping[str | None, str | None]:
    return {node.job_id: node.parent_job_id for node in found.nodes if node.job_id is not None}


@given(any_rows(), views, st.data())
@settings(deadline=None, max_examples=200)
def test_every_job_is_there_once_or_counted(
    rows: list[Entry], view: dict[str, Any], data: st.DataObject
) -> None:
    asked = asked_of(rows, data)
    if asked is None:
        return
    whole = show(rows, asked, subtree=view.get("subtree", False))
    found = show(rows, asked, **view)
    shown = [job for job in jobs(found) if job is not None]
    assert len(set(shown)) == len(shown)
    assert set(shown) <= set(jobs(whole))
    assert len(found.nodes) == len([*found.nodes]) == len(whole.nodes) - sum(found.omitted.values())
    by_flag: Counter[str] = Counter()
    for omission in (omission for node in found.nodes for omission in node.omitted):
        assert 0 < omission.children <= omission.nodes
        by_flag[omission.flag] += omission.nodes
    assert {flag: count for flag, count in found.omitted.items() if flag != "--only"} == dict(by_flag)
    assert (found.jobs, found.logs, found.depth) == (whole.jobs, whole.logs, whole.depth)
    if view.get("only") in (None, "failed"):
        must = [node.job_id for node in whole.nodes if any(log.failed for log in node.logs) and node.job_id]
        way = above(whole)
        for job in must:
            assert job in shown
            assert way[job] is None or way[job] in shown or job == jobs(whole)[0]
    check_followed([*found.nodes])


def check_followed(nodes: Sequence[Node]) -> None:
    for at, node in enumerate(nodes[1:], 1):
        rest = nodes[at + 1 :]
        level = list(islice((other for other in rest if other.depth <= node.depth), 1))
        parent = next(other for other in reversed(nodes[:at]) if other.depth < node.depth)
        assert node.followed == (bool(level and level[0].depth == node.depth) or bool(parent.omitted))


@given(any_rows(), st.data())
@settings(deadline=None)
def test_up_is_what_stands_above_in_the_whole_tree(rows: list[Entry], data: st.DataObject) -> None:
    asked = asked_of(rows, data)
    if asked is None:
        return
    way, job = above(show(rows, asked)), asked
    chain_up: list[str | None] = [asked]
    while (parent := way.get(job)) is not None:
        chain_up.append(parent)
        job = parent
    assert jobs(show(rows, asked, up=True)) == chain_up[::-1]


@given(any_rows(), views, screens, st.data())
@settings(deadline=None, max_examples=200)
def test_lines_fit_the_terminal_and_nothing_steers_it(
    rows: list[Entry], view: dict[str, Any], screen: Screen, data: st.DataObject
) -> None:
    asked = asked_of(rows, data)
    if asked is None:
        return
    found = show(rows, asked, **view)
    text = "".join(lines(found, "tree", OutputFormat.TEXT, screen))
    plain = re.sub(r"\x1b\[(0|1|2|31|33)m", "", text) if screen.colour else text
    assert not CONTROLS.search(plain)
    assert screen.unicode or plain.isascii()
    for line in plain.split("\n"):
        assert cells.cell_len(line) <= screen.width
    endings = Counter(line.rsplit(" ", 1)[-1] for line in plain.split("\n"))
    for job in jobs(found):
        shown = safe.visible(job or "")
        shown = shown if screen.unicode else shown.encode("ascii", "backslashreplace").decode()
        if job is None or " " in shown:
            continue
        if cells.cell_len(shown) <= screen.width:
            assert endings[shown], "an id stands last, and whole"
        else:
            assert shown in plain.replace("\n", "")


# --- what a person sees ---------------------------------------------------------------------------------


def an_album() -> Iterator[Entry]:
    """An album with many tracks, a failure far down among them, and a job that made several rows."""
    yield entry("album-create-01", operation="album:created", entity_type="ALBUM", **at(0, 4_000))
    yield entry("artist-create-02", "album-create-01", operation="artist:created", **at(2, 1_200))
    for second in (3, 40, 100):
        values = {"operation": "enrichment", "category": "ENRICHED", "entity_type": "ALBUM"}
        yield entry("enrich-03", "album-create-01", **values, **at(second, 47_000))
    for number in range(1, 41):
        category = "LINKED" if number % 8 == 0 else "CREATED"
        yield entry(f"track-create-{number:02}", "enrich-03", category=category, **at(3 + number, 900))
    yield failed("track-lookup-41", "track-create-37", operation="track:failed", **at(50, 30_000))


def at(second: int, duration_ms: int) -> dict[str, Any]:
    return {"created_at": f"2025-06-01T10:{second // 60:02}:{second % 60:02}", "duration_ms": duration_ms}


@pytest.mark.parametrize("unicode", [True, False], ids=["unicode", "ascii"])
@pytest.mark.parametrize("width", [60, 80, 120, None])
def test_looks_as_pinned(width: int | None, unicode: bool) -> None:
    screen = Screen(terminal=width is not None, width=width or 80, unicode=unicode)
    found = show([*an_album()], "enrich-03", fold=screen.terminal)
    name = f"tree_album_{width or 'pipe'}{'' if unicode else '_ascii'}.txt"
    same_as_golden(name, lines(found, "tree", OutputFormat.TEXT, screen))


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_real_terminal(
    width: int, database: str, insert: Callable[..., None], cli_env: dict[str, str]
) -> None:
    """Colour, folding, and the terminal's own width."""
    track = {"operation": "track:created", "parent_job_id": "root"}
    bad = {"status": "FAILED", "category": "FAILED", "error_message": "503 \x1b[2J", "operation": "t:failed"}
    rows: list[dict[str, Any]] = [{"job_id": "root", "operation": "album:created"}]
    rows += [{**track, "job_id": f"track-create-{n:032}"} for n in range(40)]
    rows += [{**track, **bad, "job_id": "bad", "parent_job_id": f"track-create-{35:032}"}]
    insert([{**row, "created_at": f"2025-06-01 10:00:{second:02}"} for second, row in enumerate(rows)])
    env = {name: value for name, value in cli_env.items() if name != "COLUMNS"}
    words = ["tree", "root", "--dsn", database]
    code, shown = on_a_terminal(env, words, width=width)
    assert code == 0
    assert "\x1b[31m✘ t:failed\x1b[0m" in shown
    assert "\x1b[31m503 \\x1b[2J\x1b[0m" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "... 20 more track:created (20 ENRICHED)  --limit 40" in plain
    assert "42 jobs, 42 rows, depth 2, 1 failed" in plain
    assert max(map(len, plain.splitlines())) <= width
    assert ("▕" in plain) == (width == 120)
    assert "\x1b" not in on_a_terminal({**env, "NO_COLOR": "1"}, words, width=width)[1]
    unfolded = on_a_terminal(env, [*words, "--limit", "40"], width=width)[1]
    assert unfolded.count("track:created") == 40


def test_up_reads_only_what_is_above(database: str, insert: Callable[..., None], tmp_path: Path) -> None:
    insert([("r", None), ("a", "r"), ("b", "a"), ("c", "b"), ("c", "other"), ("other", "r"), (None, "b")])
    loaded = load_settings(Flags(dsn=database), {}, tmp_path)
    with open_session(loaded, "tree") as session:
        for job in ("r", "b", "c"):
            whole, up = (read_tree(session, loaded, View(job, up=up)) for up in (False, True))
            assert jobs(up) == [*"rabc"[: "rabc".index(job) + 1]]
            marks = {node.job_id: node.marks for node in whole.nodes}
            assert all(marks[node.job_id] == node.marks for node in up.nodes)
            assert up.root_job_id == whole.root_job_id


# --- size -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timed
@pytest.mark.parametrize("shape", ["wide", "bushy", "deep"])
def test_a_million_jobs(shape: str) -> None:
    """The first line within 2 s of the last row, all of them within 30 s."""
    size = 1_000_000
    above = {"wide": lambda n: 0, "bushy": lambda n: (n - 1) // 9, "deep": lambda n: n - 1}[shape]
    row = entry("").log
    rows = (Entry(str(n), str(above(n)) if n else None, None, row) for n in range(size))
    graph = Graph.of(rows)
    begun = process_time()
    found = draw(graph, "0", View("0"), top_is_root=True)
    shown = lines(found, "tree", OutputFormat.TEXT, Screen())
    first = next(shown)
    assert process_time() - begun < 2
    assert sum(1 for _ in chain([first], shown)) == size + 1
    assert process_time() - begun < 30
