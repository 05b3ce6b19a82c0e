"""stats: the monitors of a log in use. It only reads.

1. In one snapshot, which is read-only once the temporary relations exist: the number of rows, the depth of
   the chains of recent jobs, and the recent rows without their root. The last two count only what was written
   since a given time, so that an old fault does not raise an alert forever.
2. The timeline query is timed on the largest roots, outside that snapshot, as an application would send it.

If temporary tables cannot be created, the depth is unknown; the rest is computed from the stored values.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

from llamactl.checks.blockers import inspect_table
from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.lineage.resolve import count_roots_not_logged, count_rows, prepare_lineage, resolve_roots
from llamactl.model import Counts, ErrorCode, LlamactlError, Monitor, Note, Relation, StatsReport, TableInfo
from llamactl.model.words import plural
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.quoting import qualified
from llamactl.table.locks import reading
from llamactl.table.shape import refuse_unreadable
from llamactl.table.table import Table

GROWTH_DAYS = 30
LARGEST = 5
"""The number of roots whose timeline is timed."""
RUNS = 3
MOST_BYTES = 100 * 2**20
"""The approximate limit on the data that one timeline may return; only so much of a larger one is read."""

NOT_MIGRATED = "the table is not migrated yet"
NO_TIMES = "the table has no created_at column"


@dataclass(frozen=True, slots=True)
class Rows:
    """The result of rows.sql."""

    since: str
    rows: int
    roots: int
    days: float | None
    recent_rows: int
    recent_roots: int
    largest_roots: tuple[str, ...]
    largest_rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Roots:
    """The number of roots, and how many of them are recent."""

    roots: int
    recent_roots: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The result of recent.sql."""

    max_depth: int
    deep_jobs: int
    deep_sample: tuple[str, ...]
    missing_rows: int
    missing_sample: list[dict[str, Any]]
    cyclic_rows: int
    ambiguous_rows: int


@dataclass(frozen=True, slots=True)
class Unrooted:
    rows: int
    sample: list[dict[str, Any]]


def read_stats(session: Session, settings: Settings, *, since_ms: int, note: Note) -> StatsReport:
    """Returns the monitors. Depth and missing roots cover what was written in the last `since_ms`.

    `note` gets a line before long operations. Raises LlamactlError like every command that reads the log.
    """
    table = Table.open(session, settings)
    refuse_unreadable(table.relation)
    note(f"Reading every row of {table.shown} in one snapshot")
    with reading(session, table.relation.oid, table.shown):
        unresolved = _unresolved(table)
        with session.snapshot():
            if not unresolved:
                prepare_lineage(table)
            session.read_only()
            query = load_query("stats/rows", table.names)
            rows = session.row(query, Rows, days=GROWTH_DAYS, largest=LARGEST, since_seconds=since_ms / 1000)
            if unresolved:
                counts, depth, roots = None, _depth(settings, None, {"reason": unresolved}), None
                unrooted = _stored(table, rows.since)
            else:
                counts, depth, unrooted, roots = _resolved(table, rows.since)
            unlogged = count_roots_not_logged(table, counts) if table.relation.root else None
        if rows.largest_roots:
            note(f"Timing the timeline query on {plural(len(rows.largest_roots), 'large root')}")
        timeline = _timeline(table, rows)
    size = _size(table, rows, roots or _held(table.relation, rows))
    return StatsReport((depth, size, timeline, unrooted), _table(table.relation, rows), unlogged)


def _unresolved(table: Table) -> str:
    """Returns why lineage cannot be computed here; empty if it can."""
    rights = inspect_table(table).rights
    if rights.standby:
        return "temporary tables cannot be created on a standby: run it on the primary"
    if not rights.temporary:
        return f"{table.session.user} may not create temporary tables in {table.session.database}"
    return ""


def _resolved(table: Table, since: str) -> tuple[Counts, Monitor, Monitor, Roots]:
    """Returns the counts, the monitors that depend on lineage, and the number of roots."""
    resolve_roots(table)
    counts, _ = count_rows(table)
    roots = table.row("stats/roots", Roots, days=GROWTH_DAYS)
    # Without a created_at column every row counts as recent.
    moment = since if "created_at" in table.relation.columns else None
    recent = table.row(
        "stats/recent",
        Recent,
        since=moment,
        depth=table.settings.depth_alert,
        sample=table.settings.sample,
    )
    depth = {
        "since": moment,
        "jobs": recent.deep_jobs,
        "sample": recent.deep_sample,
        "deepest": counts.max_depth,
        "depths": counts.depths,
    }
    without = {"cyclic": recent.cyclic_rows, "ambiguous": recent.ambiguous_rows}
    detail = {"since": since, "sample": recent.missing_sample, "without_root": without}
    return (
        counts,
        _depth(table.settings, recent.max_depth, depth),
        _unrooted(table, recent.missing_rows, detail),
        roots,
    )


def _stored(table: Table, since: str) -> Monitor:
    """Counts the rows without a root by stored values only, which includes rows that correctly have none."""
    if table.relation.root is None or "created_at" not in table.relation.columns:
        return _unrooted(table, 0, {})
    query = load_query("stats/unrooted", table.names)
    found = table.session.row(query, Unrooted, since=since, sample=table.settings.sample)
    return _unrooted(table, found.rows, {"since": since, "sample": found.sample})


def _depth(settings: Settings, value: int | None, detail: dict[str, Any]) -> Monitor:
    limit = settings.depth_alert
    ok = None if value is None else value < limit
    title = "Deepest chain of recent jobs" if detail.get("since") else "Deepest chain"
    return Monitor("depth", title, ok, value, limit, "levels", detail)


def _held(relation: Relation, rows: Rows) -> Roots | None:
    """Returns the number of stored roots; None before the migration."""
    return Roots(rows.roots, rows.recent_roots) if relation.root else None


def _size(table: Table, rows: Rows, roots: Roots | None) -> Monitor:
    """The growth is today's size per row times the rows that are added per day, regardless of deletions."""
    limit = table.settings.table_bytes_alert
    a_day = None if rows.days is None else rows.recent_rows / rows.days
    growth = a_day * table.relation.bytes / rows.rows if a_day else 0
    detail = {
        "rows": rows.rows,
        "roots": roots.roots if roots else None,
        "rows_per_root": _ratio(rows.rows, roots),
        "bytes_per_root": _ratio(table.relation.bytes, roots),
        "days": _rounded(rows.days),
        "rows_per_day": _rounded(a_day),
        "roots_per_day": _rounded(roots.recent_roots / rows.days) if roots and rows.days else None,
        "bytes_per_day": None if a_day is None else round(growth),
        "days_until_threshold": _rounded(max(limit - table.relation.bytes, 0) / growth) if growth else None,
    }
    ok = table.relation.bytes <= limit
    return Monitor("size", "Table, indexes and TOAST", ok, table.relation.bytes, limit, "bytes", detail)


def _ratio(of: int, roots: Roots | None) -> float | None:
    return _rounded(of / roots.roots) if roots and roots.roots else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _timeline(table: Table, rows: Rows) -> Monitor:
    """Needs SELECT on all columns; without it only this monitor is unknown."""
    limit, value = table.settings.timeline_ms_alert, None
    detail: dict[str, Any] = {"reason": "no row has a root" if table.relation.root else NOT_MIGRATED}
    try:
        if roots := _timed(table, rows):
            value, detail = max(root["median_ms"] for root in roots), {"roots": roots}
    except LlamactlError as exc:
        if exc.code is not ErrorCode.PERMISSION:
            raise
        detail = {"reason": exc.message}
    ok = None if value is None else value <= limit
    return Monitor("timeline", "Slowest timeline of the largest roots", ok, value, limit, "ms", detail)


def _timed(table: Table, rows: Rows) -> list[dict[str, Any]]:
    most = max(MOST_BYTES * rows.rows // max(table.relation.bytes, 1), 1)
    return [
        {
            "root_job_id": root,
            "rows": count,
            "rows_read": min(count, most),
            "median_ms": _median_ms(table, root, most),
        }
        for root, count in zip(rows.largest_roots, rows.largest_rows, strict=True)
    ]


def _median_ms(table: Table, root: str, most: int) -> float:
    """Returns the time from sending the query until all its rows have arrived."""
    query = load_query("stats/timeline", table.names)
    taken = []
    with table.session.snapshot():
        table.session.read_only()
        for _ in range(RUNS):
            begun = time.perf_counter()
            table.session.run(query, root=root, most=most)
            taken.append((time.perf_counter() - begun) * 1000)
    return round(statistics.median(taken), 2)


def _unrooted(table: Table, rows: int, detail: dict[str, Any]) -> Monitor:
    limit, value = table.settings.unrooted_rows_alert, rows
    title = "Recent rows whose root is missing"
    if table.relation.root is None or "created_at" not in table.relation.columns:
        reason = NOT_MIGRATED if table.relation.root is None else NO_TIMES
        return Monitor("unrooted", title, None, None, limit, "rows", {"reason": reason})
    return Monitor("unrooted", title, value <= limit, value, limit, "rows", detail)


def _table(relation: Relation, rows: Rows) -> TableInfo:
    return TableInfo(
        name=qualified(relation.schema, relation.name),
        rows=rows.rows,
        bytes=relation.bytes,
        index_bytes=relation.index_bytes,
        toast_bytes=relation.toast_bytes,
        server_version=relation.server_version,
    )
