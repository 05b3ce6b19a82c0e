"""stats: the monitors of a log that is in use. Reads only.

1. One snapshot, which the server makes read-only once the temporary relations stand: how deep the chains are
   (lineage), how much there is (rows), which new rows lack their root.
2. The timeline query, timed on the largest roots: outside of that snapshot, as an application would send it.

Where no temporary table can be made, depth is unknown; the rest is told from the stored values.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

from llamactl import catalog, lineage, obstacles, queries
from llamactl.db import Session
from llamactl.locks import reading
from llamactl.model import ErrorCode, LlamactlError, Monitor, Note, Relation, StatsReport, TableInfo
from llamactl.names import Names
from llamactl.settings import Settings
from llamactl.wording import qualified

GROWTH_DAYS = 30
LARGEST = 5
"""Roots whose timeline is timed."""
RUNS = 3
MOST_BYTES = 100 * 2**20
"""About what one timeline may bring here: of a larger one only so much is read."""

NOT_MIGRATED = "the table is not migrated yet"
NO_TIMES = "the table has no created_at"


@dataclass(frozen=True, slots=True)
class Rows:
    """What rows.sql returns."""

    rows: int
    roots: int
    days: float | None
    recent_rows: int
    recent_roots: int
    largest_roots: tuple[str, ...]
    largest_rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Roots:
    """How many there are, and how many of them are new."""

    roots: int
    recent_roots: int


@dataclass(frozen=True, slots=True)
class Deep:
    """Of the jobs at or above the depth threshold (preflight/jobs.sql)."""

    subject: str
    number: int
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unrooted:
    rows: int
    sample: list[dict[str, Any]]


def run(session: Session, settings: Settings, *, note: Note) -> StatsReport:
    """Returns the monitors. `note` gets a line before what takes long.

    Raises LlamactlError as every command that reads the log does.
    """
    relation = catalog.locate(session, settings)
    catalog.refuse_unsupported(relation)
    obstacles.refuse_unreadable(relation)
    names = catalog.names_for(relation, settings)
    note(f"Reading every row of {names.quoted_table()}, in one snapshot")
    with reading(session, relation.oid, names.quoted_table()):
        unresolved = _unresolved(session, relation, names)
        with session.snapshot():
            if not unresolved:
                lineage.prepare(session, names)
            session.read_only()
            depth, roots = _unknown_depth(settings, unresolved), None
            if not unresolved:
                depth, roots = _resolved(session, names, settings)
            rows = session.row(queries.load("stats/rows", names), Rows, days=GROWTH_DAYS, largest=LARGEST)
            unrooted = _unrooted(session, relation, names, settings)
        if rows.largest_roots:
            note(f"Timing the timeline of its {len(rows.largest_roots)} largest roots")
        timeline = _timeline(session, relation, names, settings, rows)
    size = _size(relation, settings, rows, roots or _held(relation, rows))
    return StatsReport((depth, size, timeline, unrooted), _table(relation, rows))


def _unresolved(session: Session, relation: Relation, names: Names) -> str:
    """Why lineage cannot be computed here; empty where it can."""
    rights = obstacles.look(session, relation, names).rights
    if rights.standby:
        return "a standby has no temporary tables: ask the primary"
    if not rights.temporary:
        return f"{session.user} may make no temporary tables in {session.database}"
    return ""


def _resolved(session: Session, names: Names, settings: Settings) -> tuple[Monitor, Roots]:
    lineage.resolve(session, names, settings)
    counts, _ = lineage.counts(session, names)
    query = queries.load("preflight/jobs", names)
    told = session.rows(query, Deep, depth=settings.depth_alert, sample=settings.sample)
    deep = next((one for one in told if one.subject == "deep"), Deep("deep", 0, ()))
    roots = session.row(queries.load("stats/roots", names), Roots, days=GROWTH_DAYS)
    detail = {"jobs": deep.number, "sample": deep.sample, "depths": counts.depths}
    return _depth(settings, counts.max_depth, detail), roots


def _unknown_depth(settings: Settings, reason: str) -> Monitor:
    return _depth(settings, None, {"reason": reason})


def _depth(settings: Settings, value: int | None, detail: dict[str, Any]) -> Monitor:
    limit = settings.depth_alert
    ok = None if value is None else value < limit
    return Monitor("depth", "Deepest chain", ok, value, limit, "levels", detail)


def _held(relation: Relation, rows: Rows) -> Roots | None:
    """The roots that the rows hold; None before the migration."""
    return Roots(rows.roots, rows.recent_roots) if relation.root else None


def _size(relation: Relation, settings: Settings, rows: Rows, roots: Roots | None) -> Monitor:
    """The growth is what a row takes today, times the rows that come in a day, whatever is deleted."""
    limit = settings.table_bytes_alert
    a_day = None if rows.days is None else rows.recent_rows / rows.days
    growth = a_day * relation.bytes / rows.rows if a_day else 0
    detail = {
        "rows": rows.rows,
        "roots": roots.roots if roots else None,
        "rows_per_root": _ratio(rows.rows, roots),
        "bytes_per_root": _ratio(relation.bytes, roots),
        "days": _rounded(rows.days),
        "rows_per_day": _rounded(a_day),
        "roots_per_day": _rounded(roots.recent_roots / rows.days) if roots and rows.days else None,
        "bytes_per_day": None if a_day is None else round(growth),
        "days_until_threshold": _rounded(max(limit - relation.bytes, 0) / growth) if growth else None,
    }
    ok = relation.bytes <= limit
    return Monitor("size", "Table, indexes and TOAST", ok, relation.bytes, limit, "bytes", detail)


def _ratio(of: int, roots: Roots | None) -> float | None:
    return _rounded(of / roots.roots) if roots and roots.roots else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _timeline(session: Session, relation: Relation, names: Names, settings: Settings, rows: Rows) -> Monitor:
    """Needs SELECT on all columns: without it the timeline is unknown, and nothing else."""
    limit, value = settings.timeline_ms_alert, None
    detail: dict[str, Any] = {"reason": "no row holds a root" if relation.root else NOT_MIGRATED}
    try:
        if roots := _timed(session, relation, names, rows):
            value, detail = max(root["median_ms"] for root in roots), {"roots": roots}
    except LlamactlError as exc:
        if exc.code is not ErrorCode.PERMISSION:
            raise
        detail = {"reason": exc.message}
    ok = None if value is None else value <= limit
    return Monitor("timeline", "Slowest timeline of the largest roots", ok, value, limit, "ms", detail)


def _timed(session: Session, relation: Relation, names: Names, rows: Rows) -> list[dict[str, Any]]:
    most = max(MOST_BYTES * rows.rows // max(relation.bytes, 1), 1)
    return [
        {
            "root_job_id": root,
            "rows": count,
            "rows_read": min(count, most),
            "median_ms": _median_ms(session, names, root, most),
        }
        for root, count in zip(rows.largest_roots, rows.largest_rows, strict=True)
    ]


def _median_ms(session: Session, names: Names, root: str, most: int) -> float:
    """From sending the query until all its rows are here."""
    query = queries.load("stats/timeline", names)
    taken = []
    with session.snapshot():
        session.read_only()
        for _ in range(RUNS):
            begun = time.perf_counter()
            session.run(query, root=root, most=most)
            taken.append((time.perf_counter() - begun) * 1000)
    return round(statistics.median(taken), 2)


def _unrooted(session: Session, relation: Relation, names: Names, settings: Settings) -> Monitor:
    limit, value = settings.unrooted_rows_alert, None
    if relation.root is None or "created_at" not in relation.columns:
        detail: dict[str, Any] = {"reason": NOT_MIGRATED if relation.root is None else NO_TIMES}
    else:
        found = session.row(queries.load("stats/unrooted", names), Unrooted, sample=settings.sample)
        value, detail = found.rows, {"sample": found.sample}
    ok = None if value is None else value <= limit
    title = "Rows of the last day with a parent and no root"
    return Monitor("unrooted", title, ok, value, limit, "rows", detail)


def _table(relation: Relation, rows: Rows) -> TableInfo:
    return TableInfo(
        name=qualified(relation.schema, relation.name),
        rows=rows.rows,
        bytes=relation.bytes,
        index_bytes=relation.index_bytes,
        toast_bytes=relation.toast_bytes,
        server_version=relation.server_version,
    )
