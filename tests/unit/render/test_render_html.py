"""The HTML file: what is in it, and that nothing of the data gets out of its place."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamactl.model import Mark, MarkKind, Node, Timeline, Tree, WholeRow
from llamactl.render import html, safe
from llamactl.render.html import rows as whole_rows
from report_data import (
    EVIL,
    MADE,
    SMALL,
    TIMELINE,
    evil,
    failure,
    large,
    pieces,
    row,
    timeline_row,
    tree,
    whole,
)

PAGE = Path(html.__file__).parent


class Read(HTMLParser):
    """What an HTML parser makes of a file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.style = self.title = self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data
        elif self._within == "style":
            self.style += data
        elif self._within == "title":
            self.title += data

    def blocks(self, name: str) -> list[Any]:
        """The data of this id or class."""
        return [
            json.loads(text) for given, text in self.scripts if name in (given.get("id"), given.get("class"))
        ]

    def lines(self) -> list[Any]:
        return [*chain.from_iterable(self.blocks("nodes"))]

    def policy(self) -> str:
        (found,) = [
            given["content"] for tag, given in self.elements if tag == "meta" and "http-equiv" in given
        ]
        return str(found)


def read(report: Tree | Timeline, rows: object = whole) -> Read:
    text = "".join(pieces(report, rows))
    assert text.isascii()
    return Read(text)


def source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("report", [SMALL, TIMELINE], ids=["tree", "timeline"])
def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(report: Tree | Timeline) -> None:
    found = read(report)
    (script,) = [text for given, text in found.scripts if given.get("type") != "application/json"]
    assert found.policy().split("; ") == [
        "default-src 'none'",
        f"script-src {source(script)}",
        f"style-src {source(found.style)}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    for tag, attributes in found.elements:
        assert not {"style", "src", "href"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag


def test_the_page_reaches_for_nothing_and_reads_no_markup() -> None:
    fetching = r"https?:|//\w+\.|url\(|@import"
    markup = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function"
    for name in ("report.html", "report.css", "report.js"):
        text = (PAGE / name).read_text(encoding="ascii")
        assert re.findall(f"{fetching}|{markup}", text) == []


def nasty(text: str) -> list[Tree | Timeline]:
    """Reports that hold the text wherever one can."""
    bad = failure("x", error=text)
    bad = replace(bad, operation=text, category=text, status=text, entity_type=text, entity_id=text)
    failed = replace(bad, status="FAILED")
    marks = (Mark(MarkKind.ALSO_UNDER, text),)
    nodes = [Node(text or "x", None, 0, marks, (failed,)), Node("y", text, 1, (), (bad,))]
    values = {
        name: getattr(failed, name) for name in ("operation", "category", "entity_type", "error_message")
    }
    rows = (timeline_row(text, 0, entity_name=text, **values), timeline_row("x", 1, created_at=text))
    subject = replace(TIMELINE.of, id=text, name=text)
    return [tree(nodes, notes=(text,)), replace(TIMELINE, of=subject, rows=rows, notes=(text,))]


def assert_kept(text: str, rows: object = whole) -> None:
    for report in nasty(text):
        found, plain = read(report, rows), read(TIMELINE)
        assert [tag for tag, _ in found.elements] == [tag for tag, _ in plain.elements]
        assert {given.get("type") for given, _ in found.scripts[:-1]} == {"application/json"}
        first = found.lines()[0]
        assert safe.visible(text)[:300] in first[3]  # its operation
        (tail,) = found.blocks("tail")
        assert safe.visible(text) in tail["notes"]


@pytest.mark.parametrize("text", EVIL)
def test_nothing_from_the_database_leaves_its_place(text: str) -> None:
    assert_kept(text, evil)


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(codec=None), min_size=1).filter(str.strip))
def test_any_text_stays_in_its_place(text: str) -> None:
    assert_kept(text)


def test_details_keep_their_line_breaks_and_show_the_rest() -> None:
    (block,) = read(SMALL, evil).blocks("rows")
    assert len(block["columns"]) == len(EVIL)
    values = block["rows"]["0"]
    assert [value if isinstance(value, str) else value["text"] for value in values] == [
        safe.visible_lines(text) for text in EVIL
    ]


def test_each_job_and_each_row_is_there_once() -> None:
    found = read(SMALL)
    jobs = [line[2] for line in found.lines() if line[1] == 0]
    assert jobs == [node.job_id or "(no job id, row row-8)" for node in SMALL.nodes]
    (block,) = found.blocks("rows")
    logs = [log.id for node in SMALL.nodes for log in node.logs]
    assert [block["rows"][str(number)][0] for number in range(len(logs))] == logs
    assert sum(line[4] for line in found.lines() if line[1] == 0) == SMALL.logs


def test_what_the_flags_left_out_is_said_in_its_place() -> None:
    assert next(line for line in read(SMALL).lines() if line[1] == 1)[3].startswith("... 480 more")
    assert read(TIMELINE).lines()[-1][3] == "... 6 more with --after cursor"


def test_what_is_cut_is_counted() -> None:
    (tail,) = read(SMALL).blocks("tail")
    assert tail["notes"] == [
        f"Of {SMALL.logs} long values only the beginning is in the file: "
        f"{SMALL.logs * (5_000_000 - 10):,} characters are not",
        MADE,
    ]
    (line, *_) = read(tree([Node("j", None, 0, (), (row("j", operation="o" * 1000),))])).lines()
    assert line[3] == "o" * 300 + "\u2026 700 more characters"


def test_what_there_is_no_room_for_is_counted_and_failures_come_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(whole_rows, "ROOM", 1_000_000)
    monkeypatch.setattr(whole_rows, "FOR_FAILURES", 400_000)
    asked: list[str] = []

    def reading(ids: list[str]) -> Any:
        asked.extend(ids)
        return whole(ids)

    report = large(5_000)
    text = "".join(pieces(report, reading))
    found = Read(text)
    kept = [number for block in found.blocks("rows") for number in block["rows"]]
    assert len(kept) == len(set(kept)) < len(asked) < len(kept) + 200  # what has no room is not read
    assert sum(len(block) for block in re.findall(r'class="rows">.*', text)) < 650_000
    assert found.blocks("tail")[0]["notes"][0].startswith(
        f"The details of {5_000 - len(kept):,} rows are not"
    )
    failed = {str(number) for number, node in enumerate(report.nodes) if node.logs[0].failed}
    assert failed <= set(kept)


def test_times_are_told_from_the_first_on() -> None:
    found = read(SMALL)
    (head,) = found.blocks("head")
    assert head["span_ms"] == 100_000
    assert head["ticks"] == [[0, "0ms"], [0.25, "25.0s"], [0.5, "50.0s"], [0.75, "1m15s"], [1, "1m40s"]]
    assert [line[9:11] for line in found.lines()][:3] == [[0, 100_000], [1000, 2200], [2000, 47_200]]
    assert found.blocks("tail")[0]["firstFailure"] == 7  # behind what --limit left out


def test_without_times_there_is_no_waterfall() -> None:
    bare = replace(row("j"), created_at=None, duration_ms=None)
    (head,) = read(tree([Node("j", None, 0, (), (bare,))])).blocks("head")
    assert (head["span_ms"], head["ticks"]) == (None, [])
    odd = replace(row("j"), created_at="infinity", duration_ms=10**30)
    assert read(tree([Node("j", None, 0, (), (odd,))])).lines()[0][9:11] == [None, None]


def test_a_value_is_json_where_the_column_is() -> None:
    (block,) = read(SMALL).blocks("rows")
    metadata = block["rows"]["0"][2]
    assert metadata["json"] is True
    assert '"n": 90071992547409931' in metadata["text"]


def test_a_timeline_without_rows() -> None:
    found = read(replace(TIMELINE, rows=(), omitted={"--category": 9}))
    assert len(found.lines()) == 1
    assert found.blocks("rows") == []


def test_rows_that_are_gone_leave_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(ids: list[str]) -> list[WholeRow]:
        return []

    (block,) = read(SMALL, none).blocks("rows")
    assert block == {"columns": [], "rows": {}}
