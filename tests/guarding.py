"""A log with a guard on it, for the tests of the guard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg

from cutting import run_here
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names

Connection = psycopg.Connection[Any]

INSERT = """
INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id", "is_root_job")
VALUES ('x', 'CREATED', 'SUCCESS', %s, %s, %s) RETURNING "root_job_id"
"""
MANY = """
INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id", "root_job_id")
SELECT 'x', 'CREATED', 'SUCCESS', {} FROM generate_series(1, {}) AS i
"""


def guard(dsn: str, *arguments: str) -> None:
    """Installs the guard on a log that has its root column."""
    done = run_here("guard", "install", "--yes", "--dsn", dsn, *arguments)
    assert done.code == 0, done.err


def with_column(connection: Connection, names: Names = Names()) -> None:
    """Adds the root column, and nothing else of the migration."""
    typed = replace(names, root_type="character varying(100)")
    for statement in load_query("migrate/add_column", typed).statements:
        connection.execute(statement.sql.encode())


def insert(
    connection: Connection, job: str | None, parent: str | None = None, flag: bool = False
) -> str | None:
    """Inserts a row as an application does that forgets the root; returns what it holds."""
    row = connection.execute(INSERT, [job, parent, flag]).fetchone()
    assert row
    root: str | None = row[0]
    return root


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """For rows as they were before there was a guard."""
    connection.execute("SET llamactl.filling = 'on'")
    yield
    connection.execute("RESET llamactl.filling")


def make_many(connection: Connection, count: int, job: str, parent: str = "NULL", root: str = "NULL") -> None:
    """Inserts rows that the guard does not see; what they hold is told by expressions over i."""
    with unguarded(connection):
        connection.execute(MANY.format(f"{job}, {parent}, {root}", count).encode())
        connection.execute('ANALYZE "LlamaLog"')
