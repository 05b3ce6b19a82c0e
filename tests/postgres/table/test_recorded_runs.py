"""Whose run a recorded run is: a table's, whatever that is called by now, and not that of its successor."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import Connection, Statement, dated_rows, migrate_here, nothing_left, run_here
from state_of_0_1 import RUN, RUNS, SCHEMA
from undoing import ADD_COLUMN, ADD_INDEX, names_of, undo_here

INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename = 'LlamaLog' AND indexname LIKE '%root_job_id%'"


def seen(dsn: str, *arguments: str) -> Any:
    done = run_here("status", "--dsn", dsn, "--format", "json", *arguments)
    assert done.code == 0, done.err
    return json.loads(done.out)


def undone(dsn: str) -> Any:
    done = undo_here(dsn, "--format", "json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def create_anew(connection: Connection) -> None:
    """Drops the table, and makes one of the same name and shape."""
    connection.execute("""
        CREATE TABLE anew (LIKE "LlamaLog" INCLUDING DEFAULTS INCLUDING IDENTITY);
        ALTER TABLE anew ADD PRIMARY KEY ("id");
        DROP TABLE "LlamaLog";
        ALTER TABLE anew RENAME TO "LlamaLog";
    """)


def cut_before_its_index(dsn: str, connection: Connection) -> None:
    """An online run that had dropped the user's index, to build it anew."""

    def cut(statement: Statement) -> None:
        if 'CREATE INDEX CONCURRENTLY "LlamaLog_root' in statement.text:
            connection.execute("SELECT pg_terminate_backend(%s)", [statement.pid])

    assert migrate_here(dsn, "--online", before=cut).code == 3
    nothing_left(connection)


@pytest.fixture
def log(database: str, insert: Callable[[Any], None]) -> str:
    insert(dated_rows())
    return database


@pytest.fixture
def copy(
    database: str, new_database: Callable[..., str], pg_tool: Callable[[str], Path], psql: Path
) -> Callable[[], str]:
    """A function: dump the database and restore it into a new one, whose oids are others."""

    def made() -> str:
        dsn = new_database(empty=True)
        dumped = subprocess.run([pg_tool("pg_dump"), "-d", database], capture_output=True, check=True)
        command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", "-"]
        subprocess.run(command, input=dumped.stdout, capture_output=True, check=True)
        return dsn

    return made


# --- a table that is gone -----------------------------------------------------------------------------------


@pytest.mark.parametrize("own_column", [False, True])
def test_a_run_of_a_table_that_was_dropped(own_column: bool, log: str, connection: Connection) -> None:
    assert migrate_here(log, "--online").code == 0
    assert (seen(log)["run"]["state"], seen(log)["table"]["migrated"]) == ("done", True)
    create_anew(connection)
    if not own_column:
        connection.execute('ALTER TABLE "LlamaLog" DROP COLUMN "root_job_id"')
    found = seen(log)
    assert (found["run"], found["steps"], found["table"]["migrated"]) == (None, [], False)
    (note,) = found["notes"]
    assert note.startswith("Run 1 (migrate, began ")
    assert note.endswith("was on a former table of this name, which no longer exists")
    printed = run_here("status", "--dsn", log).out
    assert "no run" in printed
    assert "140" not in printed
    assert "not migrated" in printed
    # The new table's own runs are shown again.
    assert migrate_here(log, "--online").code == 0
    found = seen(log)
    assert (found["run"]["id"], found["table"]["migrated"], found["notes"]) == (2, True, [])


def test_a_table_that_was_dropped_by_name_only(log: str, connection: Connection) -> None:
    """It lives on under another name: the run stays with it."""
    assert migrate_here(log, "--online").code == 0
    connection.execute("""
        ALTER TABLE "LlamaLog" RENAME TO "old";
        CREATE TABLE "LlamaLog" (LIKE "old" INCLUDING ALL);
    """)
    assert (seen(log)["run"], seen(log)["notes"]) == (None, [])
    assert seen(log, "--table", "old")["run"]["state"] == "done"
    assert undone(log)["steps"]  # column, index and CHECK, copied with their comments
    assert seen(log, "--table", "old")["run"]["state"] == "done"
    assert undo_here(log, "--table", "old").code == 0
    assert connection.execute("SELECT to_regclass('llamactl.run')").fetchone() == (None,)


def test_an_interrupted_run_of_a_dropped_table_has_no_part_in_the_new_one(
    log: str, connection: Connection
) -> None:
    """The step at which it was interrupted would make undo build an index, and migrate give its mark away."""
    connection.execute(ADD_COLUMN)
    connection.execute(ADD_INDEX)
    cut_before_its_index(log, connection)
    connection.execute('DROP INDEX IF EXISTS "LlamaLog_root_job_id_idx"')
    create_anew(connection)
    document = undone(log)
    assert "create_index" not in names_of(document)
    assert connection.execute(INDEXES).fetchall() == []
    # What the dropped table's run recorded serves nobody, and keeps nothing.
    assert connection.execute("SELECT to_regclass('llamactl.run')").fetchone() == (None,)


def test_the_new_tables_index_is_llamactls(log: str, connection: Connection) -> None:
    connection.execute(ADD_COLUMN)
    connection.execute(ADD_INDEX)
    cut_before_its_index(log, connection)
    create_anew(connection)
    connection.execute("""INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id")
        VALUES ('x', 'FAILED', 'FAILED', 'a')""")
    assert migrate_here(log, "--online").code == 0
    marked = """SELECT obj_description('"LlamaLog_root_job_id_idx"'::regclass, 'pg_class')"""
    assert connection.execute(marked).fetchone() == ("Made by llamactl. [llamactl:index]",)
    undone(log)
    assert connection.execute(INDEXES).fetchall() == []


# --- a table that was renamed, or restored ------------------------------------------------------------------


def test_a_run_goes_with_its_table(log: str, connection: Connection) -> None:
    connection.execute(ADD_COLUMN)
    connection.execute(ADD_INDEX)
    cut_before_its_index(log, connection)
    connection.execute("""
        CREATE SCHEMA archive;
        ALTER TABLE "LlamaLog" SET SCHEMA archive;
        ALTER TABLE archive."LlamaLog" RENAME TO events;
    """)
    named = ("--schema", "archive", "--table", "events")
    assert seen(log, *named)["run"]["state"] == "cut"
    assert undo_here(log, *named).code == 0
    index = "SELECT indexname FROM pg_indexes WHERE tablename = 'events' AND indexname LIKE '%root_job_id%'"
    assert connection.execute(index).fetchall() == [("events_root_job_id_idx",)]


def test_an_interrupted_run_that_was_restored_goes_on(
    log: str, connection: Connection, copy: Callable[[], str]
) -> None:
    connection.execute(ADD_COLUMN)
    connection.execute(ADD_INDEX)
    cut_before_its_index(log, connection)
    dsn = copy()
    found = seen(dsn)
    assert (found["run"]["state"], found["table"]["migrated"]) == ("cut", False)
    assert any("recorded before this database was restored from a dump" in note for note in found["notes"])
    assert migrate_here(dsn, "--online").code == 0
    assert seen(dsn)["table"]["migrated"] is True
    with psycopg.connect(dsn, autocommit=True) as restored:
        marked = """SELECT obj_description('"LlamaLog_root_job_id_idx"'::regclass, 'pg_class')"""
        assert restored.execute(marked).fetchone() == (None,)  # it was the user's
        assert undone(dsn)["steps"]
        assert restored.execute(INDEXES).fetchall() == [("LlamaLog_root_job_id_idx",)]
        assert restored.execute("SELECT to_regnamespace('llamactl')").fetchone() == (None,)


# --- what 0.1 recorded --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", ["NULL", "clock_timestamp()"])
def test_runs_that_0_1_recorded(ended: str, log: str, connection: Connection) -> None:
    connection.execute((SCHEMA + RUNS + RUN.format(ended)).encode())
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'llamactl.run'::regclass AND attnum > 0"
    before = connection.execute(columns).fetchone()
    found = seen(log)
    assert (found["run"]["id"], found["run"]["state"]) == (1, "cut" if ended == "NULL" else "done")
    assert found["table"]["migrated"] is False  # whatever is recorded: the column is not there
    assert run_here("undo", "--dry-run", "--dsn", log).code == 0
    assert connection.execute(columns).fetchone() == before
    assert migrate_here(log, "--online").code == 0
    assert connection.execute(
        "SELECT id, table_oid = '\"LlamaLog\"'::regclass FROM llamactl.run ORDER BY id"
    ).fetchall() == [(1, True), (2, True)]
    left = """SELECT attname FROM pg_attribute WHERE attrelid = 'llamactl.run'::regclass AND NOT attisdropped
        AND attname IN ('client', 'relfilenode', 'page', 'seen_at')"""
    assert connection.execute(left).fetchall() == []
    create_anew(connection)
    assert seen(log)["run"] is None
    undone(log)
    assert connection.execute("SELECT to_regclass('llamactl.run')").fetchone() == (None,)


def test_the_other_migration_ends_what_0_1_left(log: str, connection: Connection) -> None:
    connection.execute((SCHEMA + RUNS + RUN.format("NULL")).encode())
    assert migrate_here(log).code == 0
    found = seen(log)
    assert (found["run"]["state"], found["table"]["migrated"]) == ("done", True)
