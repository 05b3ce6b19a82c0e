"""What the logger writes in a second, beside a loop of single INSERTs and a bare COPY of the same rows.

All columns are given, the log has its indexes and foreign keys, and each INSERT its own transaction, as in a
job that logs as it goes. The logger's time runs from the first call to the last row's commit; `us a row` is
what the job itself waits for, the writer's thread at work meanwhile. Medians of a few rounds, in turn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from rich.console import Console
from rich.table import Table

from llamactl.logger import LlamaLogger, RowValues

Connection = psycopg.Connection[Any]

ROWS = 20_000
SINGLE = 2_000
"""Rows of the loop, which is slow."""
ROUNDS = 3


def given(connection: Connection) -> RowValues:
    """A row's values, with entities that are there."""
    found: dict[str, UUID] = {}
    for column, table in (("artist_id", "artists"), ("album_id", "albums"), ("track_id", "tracks")):
        query = sql.SQL("INSERT INTO {} DEFAULT VALUES RETURNING id").format(sql.Identifier(table))
        ((found[column],),) = connection.execute(query).fetchall()
    return {
        "artist_id": found["artist_id"],
        "album_id": found["album_id"],
        "track_id": found["track_id"],
        "operation": "track:created:enrichment",
        "category": "CREATED",
        "sources": ["MUSICBRAINZ", "DISCOGS"],
        "status": "SUCCESS",
        "reason": "the release lists it",
        "fields_enriched": ["title", "trackNumber", "durationMs"],
        "data_quality_before": "LOW",
        "data_quality_after": "HIGH",
        "error_message": "none",
        "error_code": "NONE",
        "retry_count": 1,
        "duration_ms": 12,
        "api_call_count": 2,
        "metadata": {"trackNumber": 3, "discNumber": 1, "mbRecordingId": str(uuid4())},
        "triggered_by": "enrichment",
        "user_id": uuid4(),
    }


def columns_of(values: RowValues) -> list[str]:
    """Those that `rows` fills, in its order."""
    own = [
        "id",
        "entity_type",
        "entity_id",
        "job_id",
        "parent_job_id",
        "root_job_id",
        "is_root_job",
        "created_at",
    ]
    return [*own, *values]


def rows(values: RowValues, count: int) -> Iterator[list[Any]]:
    """What the logger writes, for the others."""
    held = [Jsonb(value) if name == "metadata" else value for name, value in values.items()]
    for _ in range(count):
        own = [uuid4(), "TRACK", values["track_id"], str(uuid4()), "bench", "bench", False, "2026-02-10"]
        yield own + held


def single_inserts(connection: Connection, values: RowValues) -> float:
    """Rows a second."""
    names = columns_of(values)
    statement = sql.SQL('INSERT INTO "LlamaLog" ({}) VALUES ({})').format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join([sql.Placeholder()] * len(names))
    )
    begun = time.perf_counter()
    for row in rows(values, SINGLE):
        connection.execute(statement, row)
    return SINGLE / (time.perf_counter() - begun)


def bare_copy(connection: Connection, values: RowValues) -> float:
    """Rows a second."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns_of(values)))
    begun = time.perf_counter()
    with connection.cursor().copy(sql.SQL('COPY "LlamaLog" ({}) FROM STDIN').format(names)) as copy:
        for row in rows(values, ROWS):
            copy.write_row(row)
    return ROWS / (time.perf_counter() - begun)


def logged(connection: Connection, values: RowValues) -> tuple[float, float]:
    """Rows a second, and microseconds a row on the job's own path."""
    with LlamaLogger(connection) as logger:
        root = logger.root("bench", ("ALBUM", values["album_id"]), job_id=f"bench {uuid4()}")
        root.created()
        logger.flush()
        begun = time.perf_counter()
        for _ in range(ROWS):
            root.child("track:create", ("TRACK", values["track_id"])).log(**values)
        recorded = time.perf_counter()
        if not logger.flush(120):
            raise SystemExit(f"the logger did not write all of it: {logger.counters}")
        return ROWS / (time.perf_counter() - begun), (recorded - begun) / ROWS * 1e6


def compare(conninfo: str) -> list[tuple[str, str]]:
    """Prints the table, and returns the medians. The database is one that was migrated."""
    found: dict[str, list[float]] = {"single INSERTs": [], "logger": [], "bare COPY": []}
    waits: list[float] = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        values = given(connection)
        for _ in range(ROUNDS):
            found["single INSERTs"].append(single_inserts(connection, values))
            speed, wait = logged(connection, values)
            found["logger"].append(speed)
            waits.append(wait)
            found["bare COPY"].append(bare_copy(connection, values))
    rates = {way: statistics.median(speeds) for way, speeds in found.items()}
    table = Table(title=f"Writing the log: {len(columns_of(values))} columns, medians of {ROUNDS}")
    for head in ("", "rows a second", "to the loop", "to the COPY", "us a row"):
        table.add_column(head, justify="left" if not head else "right")
    for way, rate in rates.items():
        waited = f"{statistics.median(waits):.0f}" if way == "logger" else f"{1e6 / rate:.0f}"
        loop, copy = rate / rates["single INSERTs"], rate / rates["bare COPY"]
        table.add_row(way, f"{rate:,.0f}", f"{loop:.1f}x", f"{copy:.2f}x", waited)
    Console(width=100).print(table)
    return [
        ("Rows per second that [the logger](logger.md) writes", f"{rates['logger']:,.0f}"),
        ("The same with a loop of single INSERTs", f"{rates['single INSERTs']:,.0f}"),
        ("The same with a bare COPY", f"{rates['bare COPY']:,.0f}"),
        (
            "How long the job itself waits for the logger, per row",
            f"{statistics.median(waits):.0f} microseconds",
        ),
    ]
