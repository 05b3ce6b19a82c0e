"""Reports for the tests of the HTML file: small ones with all that can be in them, and large ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from llamactl.model import (
    LogRow,
    Mark,
    MarkKind,
    Node,
    Omission,
    Subject,
    SubjectKind,
    Timeline,
    TimelineRow,
    Tree,
    WholeRow,
)
from llamactl.render import html

BEGAN = datetime(2026, 2, 9, 10, 15)
MADE = "Made by the tests"
EVIL = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "</script><script>alert(3)</script>",
    "<!--<script>",
    "&lt;b&gt; &amp; ]]>",
    "a\x00b\x1b[31m\x7f\x85\u202e\u2028\u2029\ud800 {{script}} {{data}}\n",
]
"""What an operation, an error or metadata may hold."""


def row(job: str, at: float = 0, **values: object) -> LogRow:
    """A row that went well, `at` seconds after the first."""
    created = (BEGAN + timedelta(seconds=at)).isoformat()
    plain = LogRow(
        f"row-{job}", "track:created", "CREATED", "SUCCESS", "TRACK", f"e-{job}", 1200, None, created
    )
    return replace(plain, **values)


def failure(job: str, at: float = 0, error: str = "503 from musicbrainz after 3 tries") -> LogRow:
    return row(
        job,
        at,
        operation="track:failed",
        category="FAILED",
        status="FAILED",
        duration_ms=30_000,
        error_message=error,
    )


def tree(nodes: Sequence[Node], **values: object) -> Tree:
    """A tree of these nodes, with its counts."""
    logs = [log for node in nodes for log in node.logs]
    failures = [log for log in logs if log.failed]
    moments = [moment for log in logs for moment in (log.began, log.ended) if moment]
    whole = Tree(
        nodes[0].job_id,
        len(nodes),
        len(logs),
        tuple(nodes),
        depth=max(node.depth for node in nodes),
        failed=sum(any(log.failed for log in node.logs) for node in nodes),
        first_failure=min(failures, key=lambda log: log.created_at or "", default=None),
        began_at=min(moments).isoformat() if moments else None,
        ended_at=max(moments).isoformat() if moments else None,
    )
    return replace(whole, **values)


SMALL = tree(
    [
        Node("album-1", None, 0, (), (row("album-1", operation="album:created", duration_ms=100_000),)),
        Node(
            "artist-2",
            "album-1",
            1,
            (Mark(MarkKind.ORIGIN_UNKNOWN),),
            (row("artist-2", 1, status="SKIPPED"),),
        ),
        Node(
            "enrich-3",
            "album-1",
            1,
            (Mark(MarkKind.ASKED),),
            tuple(row(f"enrich-3.{n}", 2 + n) for n in range(45)),
        ),
        Node(
            "track-4",
            "enrich-3",
            2,
            (Mark(MarkKind.CYCLE, "enrich-3"),),
            (row("track-4", 3, category="LINKED"),),
        ),
        Node("track-5", "enrich-3", 2, (), (failure("track-5", 60),), (Omission("--limit", 480, 482, 500),)),
        Node("gone-6", "album-1", 1, (Mark(MarkKind.PARENT_NOT_LOGGED, "gone-6"),), ()),
        Node("track-7", "gone-6", 2, (), (failure("track-7", 50, "first of all"),)),
        Node(None, "gone-6", 2, (), (row("8", 9, operation=None, status=None, category=None),)),
    ]
)


def large(jobs: int) -> Tree:
    """Each job but the first has ten below it; one in a hundred failed."""
    nodes: list[Node] = []
    stack = [(0, 0)]
    while stack:
        number, depth = stack.pop()
        job = f"job-{number:07}"
        log = failure(job, number / 10) if number % 100 == 57 else row(job, number / 10)
        nodes.append(Node(job, f"job-{(number - 1) // 10:07}" if number else None, depth, (), (log,)))
        below = range(10 * number + 1, min(10 * number + 11, jobs))
        stack += [(child, depth + 1) for child in reversed(below)]
    return tree(nodes)


def timeline_row(job: str | None, at: float, **values: object) -> TimelineRow:
    plain = row(job or f"none-{at}", at)
    fields = {name: getattr(plain, name) for name in LogRow.__slots__}
    nothing = dict.fromkeys(
        ("album_id", "album_name", "artist_id", "artist_name", "track_id", "track_name", "parent_job_id")
    )
    more = {
        "job_id": job,
        "root_job_id": job and "album-1",
        "origin_unknown": job is None,
        "entity_name": "Lazy Bird",
    }
    return TimelineRow(**{**fields, **nothing, **more, **values})


TIMELINE = Timeline(
    of=Subject(SubjectKind.ALBUM, "e-1", "Blue Train"),
    created_at="2026-02-09T10:15:00",
    first_linked_at=None,
    total=9,
    orphans=1,
    failed=1,
    rows=(
        timeline_row("album-1", 0, operation="album:created"),
        timeline_row(None, 3600, operation="ENRICH", entity_name=None),
        timeline_row("track-2", 7200, status="FAILED", error_message="503"),
    ),
    omitted={"--limit": 6},
    next_cursor="cursor",
)


def whole(ids: Sequence[str]) -> Iterator[WholeRow]:
    """Their rows, each with values of every kind."""
    for id_ in ids:
        json = '{"album": {"title": "Blue Train", "n": 90071992547409931, "none": []}}'
        values = (id_, "first\nsecond", json, None, "x" * 10)
        sizes = (len(id_), 12, len(json), None, 5_000_000)
        names = ("id", "error_message", "metadata", "reason", "sources")
        yield WholeRow(id_, names, values, sizes, (False, False, True, False, False))


def evil(ids: Sequence[str]) -> Iterator[WholeRow]:
    """Their rows, with all that is evil in names and values."""
    for id_ in ids:
        names = tuple(f"{number} {text}" for number, text in enumerate(EVIL))
        sizes = tuple(map(len, EVIL))
        yield WholeRow(id_, names, tuple(EVIL), sizes, tuple(number % 2 == 0 for number in range(len(EVIL))))


def pieces(report: Tree | Timeline, read: object = whole) -> Iterable[str]:
    return html.File(report, read, MADE).pieces()


def written(report: Tree | Timeline, folder: Path, read: object = whole) -> Path:
    """The report's file."""
    file = folder / "report.html"
    with file.open("w", encoding="ascii") as stream:
        stream.writelines(pieces(report, read))
    return file
