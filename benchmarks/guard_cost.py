"""What the guard costs a writer: without it, with it, and with it where the application gives the root.

Rows as the log's, a child under each of many roots: one INSERT each, in one transaction, lest fsync hide
the difference; and one COPY of all. Medians of a few rounds, in turn, in milliseconds a row.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

Connection = psycopg.Connection[Any]

ROWS = 5_000
ROUNDS = 3
COLUMNS = (
    "id", "entity_type", "entity_id", "operation", "category", "sources", "status", "fields_enriched",
    "job_id", "parent_job_id", "is_root_job", "created_at", "root_job_id",
)  # fmt: skip
NEW_ROWS = """
SELECT gen_random_uuid(), 'TRACK', gen_random_uuid(), 'track:created:enrichment', 'CREATED',
       ARRAY['MUSICBRAINZ'], 'SUCCESS', ARRAY['title'], 'bench-' || %s || '-' || row_number() OVER (), job_id,
       false, now()::timestamp, NULL
FROM (SELECT job_id FROM "LlamaLog" WHERE parent_job_id IS NULL LIMIT %s) AS root
"""


def compare(conninfo: str) -> list[tuple[str, str]]:
    """Prints the table, and returns the medians.

    The database is one that was migrated online, with its guard.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        found: dict[str, dict[str, list[float]]] = {}
        for number in range(ROUNDS):
            for way in ("no guard", "guard", "guard, root given"):
                toggle = "DISABLE" if way == "no guard" else "ENABLE"
                connection.execute(f'ALTER TABLE "LlamaLog" {toggle} TRIGGER zz_llamactl_guard'.encode())
                for how, write in WRITERS.items():
                    rows = fresh(connection, f"{number}-{way}-{how}", given=way.endswith("given"))
                    found.setdefault(way, {}).setdefault(how, []).append(timed(connection, write, rows))
    table = Table(title=f"A row's insert, in ms ({ROWS:,} rows, median of {ROUNDS})")
    for head in ("", *WRITERS):
        table.add_column(head, justify="left" if not head else "right")
    medians = {way: {how: statistics.median(times[how]) for how in WRITERS} for way, times in found.items()}
    for way, times in medians.items():
        table.add_row(way, *(f"{times[how]:.4f}" for how in WRITERS))
    Console(width=100).print(table)
    told = {how: f"{medians['no guard'][how]:.2f} and {medians['guard'][how]:.2f} ms" for how in WRITERS}
    return [
        ("A row inserted without a root, without and with [the guard](guard.md)", told["INSERT"]),
        ("The same by COPY", told["COPY"]),
    ]


def fresh(connection: Connection, name: str, given: bool) -> list[tuple[Any, ...]]:
    """New children of roots that are logged; with `given`, their root too."""
    rows = connection.execute(NEW_ROWS.encode(), [name, ROWS]).fetchall()
    parent = COLUMNS.index("parent_job_id")
    return [(*row[:-1], row[parent] if given else None) for row in rows]


def timed(
    connection: Connection, write: Callable[[Connection, Iterable[Any]], None], rows: list[tuple[Any, ...]]
) -> float:
    """Milliseconds a row; what was written is rolled back."""
    with connection.transaction(force_rollback=True):
        begun = time.monotonic()
        write(connection, rows)
        seconds = time.monotonic() - begun
    return 1000 * seconds / len(rows)


def one_by_one(connection: Connection, rows: Iterable[Any]) -> None:
    values = ", ".join(["%s"] * len(COLUMNS))
    statement = f'INSERT INTO "LlamaLog" ({", ".join(COLUMNS)}) VALUES ({values})'.encode()
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute(statement, row, prepare=True)


def copy(connection: Connection, rows: Iterable[Any]) -> None:
    statement = f'COPY "LlamaLog" ({", ".join(COLUMNS)}) FROM STDIN'.encode()
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)


WRITERS: dict[str, Callable[[Connection, Iterable[Any]], None]] = {"INSERT": one_by_one, "COPY": copy}
