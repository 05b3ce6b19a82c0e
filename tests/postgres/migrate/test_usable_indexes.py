"""Indexes that migrate and undo build serve queries at once, even beside an older writing transaction."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import migrate_here, run_here

Connection = psycopg.Connection[Any]

ROWS = [(f"job {number}", f"job {number // 2}" if number else None) for number in range(200)]
FLAGGED = """UPDATE "LlamaLog" SET is_root_job = true WHERE parent_job_id IS NOT NULL AND job_id LIKE '%0'"""
UNKNOWN = "00000000-0000-0000-0000-000000000000"
ROOT_INDEX = "LlamaLog_root_job_id_idx"


@contextmanager
def older_writer(dsn: str) -> Iterator[None]:
    """Meanwhile another session has an open transaction with an xid; it does not touch the table."""
    with psycopg.connect(dsn) as other:
        other.execute("SELECT pg_current_xact_id()")
        yield


def used(dsn: str, condition: str) -> str:
    """The plan of a query in a new session, which prefers indexes."""
    with psycopg.connect(dsn, options="-c enable_seqscan=off -c enable_bitmapscan=off") as connection:
        query = f'EXPLAIN (COSTS OFF) SELECT * FROM "LlamaLog" WHERE {condition}'
        return "\n".join(line for (line,) in connection.execute(query.encode()))


def make_room(connection: Connection) -> None:
    """Makes room for HOT updates on each page."""
    connection.execute('ALTER TABLE "LlamaLog" SET (fillfactor = 40)')
    connection.execute('VACUUM FULL "LlamaLog"')


def no_parent_index(connection: Connection) -> None:
    connection.execute('DROP INDEX "LlamaLog_parent_job_id_idx"')


@pytest.mark.parametrize("flagged", [False, True], ids=["filled", "filled after parents were cleared"])
def test_the_root_index_serves_at_once(
    database: str, connection: Connection, insert: Callable[[Any], None], flagged: bool
) -> None:
    insert(ROWS)
    if flagged:
        no_parent_index(connection)
        connection.execute(FLAGGED.encode())
    make_room(connection)
    with older_writer(database):
        done = migrate_here(database)
        assert done.code == 0, done.err
        assert ROOT_INDEX in used(database, "root_job_id = 'job 0'")
    assert "do not use it" not in done.err
    left = "SELECT indexrelid::regclass FROM pg_index WHERE indpred IS NOT NULL OR indcheckxmin"
    assert not connection.execute(left).fetchall()


def test_an_index_that_is_built_again_serves_at_once(
    database: str, connection: Connection, insert: Callable[[Any], None]
) -> None:
    insert(ROWS)
    assert migrate_here(database).code == 0
    connection.execute('UPDATE "LlamaLog" SET root_job_id = NULL')
    make_room(connection)
    with older_writer(database):
        assert migrate_here(database).code == 0
        assert ROOT_INDEX in used(database, "root_job_id = 'job 0'")


CONDITIONS = {
    "entity_type_entity_id": "entity_type = 'ALBUM'",
    "status_created_at": "status = 'FAILED'",
    "category_created_at": "category = 'FAILED'",
    "parent_job_id": "parent_job_id = 'job 3'",
    "operation_created_at": "operation = 'y'",
    "is_root_job_created_at": "is_root_job AND created_at > '2025-01-01'",
    **{name: f"{name} = '{UNKNOWN}'" for name in ("artist_id", "album_id", "track_id", "user_id")},
    "root_job_id": "root_job_id = 'job 0'",
}


@pytest.mark.parametrize("keep", [(), ("--keep-indexes",)], ids=["rebuilt", "kept"])
def test_every_index_serves_at_once(
    each_database: str, insert_into: Callable[..., None], keep: tuple[str, ...]
) -> None:
    insert_into(
        each_database, [(f"job {number}", f"job {number // 2}" if number else None) for number in range(1100)]
    )
    with psycopg.connect(each_database, autocommit=True) as connection:
        make_room(connection)
    with older_writer(each_database):
        done = migrate_here(each_database, *keep)
        assert done.code == 0, done.err
        for name, condition in CONDITIONS.items():
            assert f'"LlamaLog_{name}_idx"' in used(each_database, condition)
    assert ("rebuild indexes" in done.out) != bool(keep)


def test_the_scripts_index_serves_at_once(
    database: str, connection: Connection, insert: Callable[[Any], None], psql: Path
) -> None:
    insert(ROWS)
    no_parent_index(connection)
    connection.execute(FLAGGED.encode())
    make_room(connection)
    script = run_here("sql", "--dsn", database).out
    with older_writer(database):
        done = subprocess.run([psql, "-X", "-d", database], input=script, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert ROOT_INDEX in used(database, "root_job_id = 'job 0'")


def test_the_applications_updates_are_reported(
    database: str, connection: Connection, insert: Callable[[Any], None]
) -> None:
    insert(ROWS)
    with older_writer(database):
        connection.execute("""UPDATE "LlamaLog" SET reason = 'x' WHERE job_id = 'job 199'""")
        done = migrate_here(database)
        assert done.code == 0, done.err
        assert ROOT_INDEX not in used(database, "root_job_id = 'job 0'")
    assert (
        f'queries do not use it until every transaction that is open now has ended: public."{ROOT_INDEX}"'
        in (" ".join(done.err.split()))
    )
    assert ROOT_INDEX in used(database, "root_job_id = 'job 0'")


@pytest.mark.parametrize("tags", ["", "WHEN TAG IN ('DROP INDEX')"], ids=["any", "DROP INDEX"])
def test_an_event_trigger_that_refuses_ddl_refuses_no_migration(
    database: str, connection: Connection, insert: Callable[[Any], None], tags: str
) -> None:
    insert(ROWS)
    connection.execute("""
        CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN IF tg_tag = 'DROP INDEX' THEN RAISE 'no'; END IF; END $$
    """)
    make_room(connection)
    connection.execute(f"CREATE EVENT TRIGGER refuse ON sql_drop {tags} EXECUTE FUNCTION refuse()".encode())
    with older_writer(database):
        done = migrate_here(database)
    assert done.code == 0, done.err
    assert f'has ended: public."{ROOT_INDEX}"' in " ".join(done.err.split())


def test_undo_builds_the_users_index_for_use_at_once(
    database: str, connection: Connection, insert: Callable[[Any], None]
) -> None:
    """An online run that was interrupted has dropped it; undo restores parents before it builds it again."""
    insert(ROWS)
    connection.execute('ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)')
    connection.execute(f'CREATE INDEX "{ROOT_INDEX}" ON "LlamaLog" (root_job_id)')
    connection.execute('CREATE INDEX ON "LlamaLog" (job_id)')  # serves the guard, without the parent
    no_parent_index(connection)
    connection.execute(FLAGGED.encode())

    def interrupt(statement: Any) -> None:
        if "CREATE INDEX CONCURRENTLY" in statement.text and "root_job_id" in statement.text:
            raise KeyboardInterrupt

    arguments = ("--online", "--yes", "--grace", "0s", "--dsn", database)
    assert run_here("migrate", *arguments, before=interrupt).code == 130
    make_room(connection)
    with older_writer(database):
        done = run_here("undo", "--yes", "--dsn", database)
        assert done.code == 0, done.err
        assert ROOT_INDEX in used(database, "root_job_id = 'job 0'")
