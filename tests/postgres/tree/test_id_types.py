"""tree and timeline where job_id, parent_job_id and root_job_id are of different types."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import psycopg
import pytest

from llamactl.model import LlamactlError, Subject, SubjectKind
from llamactl.timeline import read_timeline
from llamactl.timeline.filters import Filters
from llamactl.tree import read_tree
from llamactl.tree.cuts import View
from oracle import Options, Row, ask, edges
from sessions import session, settings_for

Connection = psycopg.Connection[Any]

INTEGERS = ("smallint", "integer", "bigint")
STRINGS = ("varchar(20)", "text", "char(10)")
UUIDS = ("uuid",)
# Job, parent. Parents may be too large for the job's type, or differ in the blanks at their end.
NUMBERED = [("1", None), ("2", "1"), ("3", "2"), (None, "3"), ("4", "32767"), ("5", "9"), ("6", "5")]
BIG = {"integer": "2147483647", "bigint": "9223372036854775807", "smallint": "-32768"}
NAMED = [("abc", None), ("b", "abc"), ("c", "b"), ("d", "abc   "), (None, "abc   "), (None, "b"), ("e", "d")]
UUID = "00000000-0000-0000-0000-00000000000"
GIVEN = [(UUID + "1", None), (UUID + "2", UUID + "1"), (None, UUID + "2"), (UUID + "3", UUID + "9")]


def rows_for(job: str, parent: str) -> list[tuple[str | None, str | None]]:
    if job in INTEGERS:
        return [*NUMBERED, ("7", BIG[parent]), ("8", "7"), (None, BIG[parent])]
    if job in UUIDS:
        return GIVEN
    return [*NAMED, ("abc   ", "b")] if "char(10)" not in (job,) else NAMED


MIXED = (
    ("integer", "bigint", "smallint"),
    ("bigint", "smallint", "integer"),
    ("varchar(20)", "char(10)", "text"),
    ("char(10)", "text", "varchar(20)"),
)
"""Job, parent and root of three types."""


def triples() -> list[tuple[str, str, str]]:
    """Every pair of types among the three columns."""
    found = [("uuid", "uuid", "uuid")]
    for types in (INTEGERS, STRINGS):
        for (one, job), (other, parent) in product(enumerate(types), repeat=2):
            found.append((job, parent, types[(one + other) % 3]))
    return found


def fill(connection: Connection, types: tuple[str, str, str], *, migrated: bool, indexes: bool) -> list[Row]:
    """Makes the table `log`, with the roots that its column can hold; returns the rows as they read back."""
    job, parent, root = types
    connection.execute("DROP TABLE IF EXISTS log")
    columns = f"id text PRIMARY KEY, job_id {job}, parent_job_id {parent}, album_id text"
    columns += f", root_job_id {root}" if migrated else ""
    connection.execute(f"CREATE TABLE log ({columns})".encode())
    for number, (own, above) in enumerate(rows_for(job, parent)):
        values = [str(number), own, above, "a"]
        psycopg.ClientCursor(connection).execute("INSERT INTO log VALUES (%s, %s, %s, %s)", values)
    held = connection.execute("SELECT id, job_id::text, parent_job_id::text FROM log ORDER BY id").fetchall()
    rows = [Row(*one) for one in held]
    if migrated:
        for id_, stored in ask(rows).roots.items():
            store(connection, id_, stored)
    if indexes:
        for column in ("job_id", "parent_job_id", *(["root_job_id"] if migrated else [])):
            connection.execute(f"CREATE INDEX ON log ({column})".encode())
    return rows


def store(connection: Connection, id_: str, root: str | None) -> None:
    try:
        psycopg.ClientCursor(connection).execute("UPDATE log SET root_job_id = %s WHERE id = %s", [root, id_])
        # char(n) drops the blanks at the end.
        undo = "UPDATE log SET root_job_id = NULL WHERE id = %s AND root_job_id::text <> %s"
        psycopg.ClientCursor(connection).execute(undo, [id_, root])
    except psycopg.errors.NumericValueOutOfRange:
        return


def check(dsn: str, rows: Sequence[Row]) -> None:
    answer, graph = ask(rows), edges(rows, Options())
    settings = settings_for(dsn, table="log")
    others = 0
    with session(dsn, table="log") as opened:
        for job in graph:
            [root] = answer.jobs[job].ends
            found = read_tree(opened, settings, View(job))
            logs = {log.id for node in found.nodes for log in node.logs}
            assert found.root_job_id == root
            assert logs == {id_ for id_, one in answer.roots.items() if one == root}
            for node in found.nodes:
                if node.job_id is not None and node.parent_job_id is not None:
                    assert graph.has_edge(node.job_id, node.parent_job_id)
            subject = Subject(SubjectKind.ROOT, job)
            if job == root:
                of_root = read_timeline(opened, settings, subject, Filters())
                assert {one.id for one in of_root.rows} == logs
                assert {one.root_job_id for one in of_root.rows} == {root}
            elif not others:
                others += 1
                with pytest.raises(LlamactlError, match="No row of the log has the root"):
                    read_timeline(opened, settings, subject, Filters())
        album = read_timeline(opened, settings, Subject(SubjectKind.ALBUM, "a"), Filters())
        assert {one.id: one.root_job_id for one in album.rows} == dict(answer.roots)


@pytest.mark.parametrize("types", MIXED, ids=", ".join)
def test_three_types(database: str, connection: Connection, types: tuple[str, str, str]) -> None:
    check(database, fill(connection, types, migrated=True, indexes=True))


@pytest.mark.slow
@pytest.mark.parametrize("indexes", [False, True], ids=["without indexes", "with indexes"])
def test_every_pair_of_types(database: str, connection: Connection, indexes: bool) -> None:
    """Each pair before the migration without indexes and after it with them, or the other way round."""
    for number, types in enumerate(triples()):
        migrated = (number + indexes) % 2 == 0
        rows = fill(connection, types, migrated=migrated, indexes=indexes)
        try:
            check(database, rows)
        except Exception as problem:
            problem.add_note(f"{types}, {migrated=}")
            raise
