"""What a person sees of a timeline, pinned in tests/golden/timeline_*."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamactl.model import OutputFormat, Subject, SubjectKind, Timeline, TimelineRow
from llamactl.render import lines
from llamactl.render.console import Screen
from llamactl.render.flow import columns
from reports import ASCII, COLOURS, LONG, NASTY, PIPE, TERMINAL, same_as_golden

UUID = "00000000-0000-4000-8000-00000000000a"
CURSOR = "AL_FxlsiMjAyNS0wNi0wMVQwNjo0MToyOS40IixmYWxzZSwiZGRmNzU3NDYtNDc4YS00NWUzLTg4NzctZmQ4NzZkMWJlYTQ5Il0"

ROW = TimelineRow(
    id="1",
    operation="track:created:enrichment",
    category="CREATED",
    status="SUCCESS",
    entity_type="TRACK",
    entity_id=UUID,
    duration_ms=1200,
    error_message=None,
    created_at="2025-06-01T10:00:00.25",
    job_id="track-create-04",
    parent_job_id="enrich-03",
    root_job_id="album-create-01",
    origin_unknown=False,
    entity_name="Locomotion",
    album_id=None,
    album_name=None,
    artist_id=None,
    artist_name=None,
    track_id=UUID,
    track_name="Locomotion",
)
UNTOLD = replace(ROW, root_job_id=None, origin_unknown=True)

# Every mark and sign, and what is absent.
TIMELINE = Timeline(
    of=Subject(SubjectKind.ALBUM, UUID, "Blue Train"),
    created_at="2025-06-01T10:00:00",
    first_linked_at="2025-06-02T11:30:00.123",
    total=1523,
    orphans=2,
    failed=3,
    rows=(
        replace(UNTOLD, job_id=None, parent_job_id=None, operation="album:imported", entity_name=None),
        replace(
            ROW, job_id="album-create-01", operation="album:created", entity_type="ALBUM", duration_ms=147_400
        ),
        ROW,
        replace(
            ROW,
            operation="track:failed:enrichment",
            category="FAILED",
            status="FAILED",
            entity_id=None,
            entity_name=None,
            error_message="503 from musicbrainz after 3 tries\nretry-after: never; " + "x" * 100,
        ),
        replace(UNTOLD, job_id="loop-05", status="PARTIAL_SUCCESS", created_at=None, duration_ms=None),
        replace(
            ROW,
            operation=None,
            category=None,
            status=None,
            entity_type=None,
            entity_id=None,
            entity_name=None,
        ),
        replace(ROW, operation=NASTY, job_id=NASTY, entity_name=NASTY, status="ODD"),
        replace(ROW, operation="o" * 100, job_id=LONG, entity_name="仕事 " * 40, status="SKIPPED"),
    ),
    omitted={"--no-orphans": 1, "--category": 12, "--since": 2, "--until": 1, "--after": 999, "--limit": 500},
    next_cursor=CURSOR,
)
ROOT = Timeline(Subject(SubjectKind.ROOT, LONG), None, None, 3, 0, 0, (), {"--category": 3})


def text(timeline: Timeline, screen: Screen) -> list[str]:
    return "".join(lines(timeline, "timeline", OutputFormat.TEXT, screen)).splitlines()


@pytest.mark.parametrize(
    ("name", "screen"),
    [
        ("pipe", PIPE),
        ("ascii", ASCII),
        ("60", replace(TERMINAL, width=60)),
        ("80", TERMINAL),
        ("120", replace(TERMINAL, width=120)),
        ("80_ascii", replace(TERMINAL, unicode=False)),
        ("colours", replace(COLOURS, width=160)),
    ],
)
def test_looks_as_pinned(name: str, screen: Screen) -> None:
    same_as_golden(f"timeline_{name}.txt", lines(TIMELINE, "timeline", OutputFormat.TEXT, screen))


def test_the_document() -> None:
    same_as_golden("timeline.json", lines(TIMELINE, "timeline", OutputFormat.JSON, PIPE))
    document = json.loads("".join(lines(ROOT, "timeline", OutputFormat.JSON, ASCII)))
    assert (document["rows"], document["omitted"], document["of"]["kind"]) == ([], {"--category": 3}, "root")


def test_one_without_rows() -> None:
    assert text(ROOT, PIPE) == [
        f"root {LONG}",
        "  3 rows, none failed; creation not logged",
        "... 3 more without --category",
    ]


@pytest.mark.parametrize("screen", [PIPE, ASCII, TERMINAL])
def test_nothing_from_the_database_steers_the_terminal(screen: Screen) -> None:
    found = "".join(lines(TIMELINE, "timeline", OutputFormat.TEXT, screen))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", found)
    assert "[bold]e[/bold]" in found


def test_off_a_terminal_a_row_is_a_line_and_nothing_is_cut() -> None:
    found = text(TIMELINE, PIPE)
    assert len(found) == 2 + len(TIMELINE.rows) + 1 + 6 + 6  # head, rows, an error, omissions, legend
    assert any("x" * 100 in line for line in found)
    assert sum(line.endswith(LONG) for line in found) == 1
    assert text(TIMELINE, ASCII) != found
    assert all(line.isascii() for line in text(TIMELINE, ASCII))


some_text = st.none() | st.text(max_size=80)


@given(
    width=st.integers(40, 200),
    rows=st.lists(
        st.builds(
            replace,
            st.just(ROW),
            operation=some_text,
            category=some_text,
            status=some_text | st.sampled_from(["FAILED", "SKIPPED"]),
            entity_type=some_text,
            entity_id=some_text,
            entity_name=some_text,
            error_message=some_text,
            created_at=some_text,
            job_id=some_text,
            root_job_id=some_text,
            duration_ms=st.none() | st.integers(-5, 2**62),
        ),
        max_size=5,
    ),
)
def test_no_line_is_wider_than_the_terminal(width: int, rows: list[TimelineRow]) -> None:
    found = text(replace(TIMELINE, rows=rows), replace(TERMINAL, width=width))
    assert [line for line in found if columns(line) > width and line != CURSOR] == []
