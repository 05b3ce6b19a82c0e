"""Indexes that are built beside the application: what is kept or refused, and what a cut build leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from cutting import wait_until
from guarding import Connection, make_many, with_column
from llamactl.db.session import Session
from llamactl.model import Changed, ErrorCode, LlamactlError
from llamactl.sqlfiles.load import Query
from llamactl.table import catalog, indexes
from llamactl.table.table import Table
from roles import new_role
from sessions import refused, session, settings_for

INDEX = "LlamaLog_job_id_parent_job_id_idx"
COLUMNS = ["job_id", "parent_job_id"]
PATH = "guard/create_job_index"
WANTED = f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("job_id", "parent_job_id")'
INVALIDATE = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass"
BUILDING = "SELECT FROM pg_stat_activity WHERE query ~ 'INDEX CONCURRENTLY' AND wait_event_type = 'Lock'"


class Log:
    """A session of llamactl's on a log, and what it notes."""

    def __init__(self, table: Table) -> None:
        self.table, self.session, self.relation = table, table.session, table.relation
        self.noted: list[str] = []

    def build(self) -> bool:
        return indexes.build_index(self.table, PATH, INDEX, COLUMNS, self.noted.append)

    def look(self) -> indexes.IndexState:
        return indexes.read_index_state(self.table, INDEX, COLUMNS)


@contextmanager
def opened_on(dsn: str) -> Iterator[Log]:
    with session(dsn, lock_timeout_ms=300) as opened:
        yield Log(Table.open(opened, settings_for(dsn)))


@pytest.fixture
def log(connection: Connection, database: str) -> Iterator[Log]:
    make_rows(connection)
    with opened_on(database) as log:
        yield log


def make_rows(connection: Connection) -> None:
    with_column(connection)
    make_many(connection, 1000, "'j' || i", "'p'")


def invalid(connection: Connection) -> None:
    """What a build leaves that was cut."""
    connection.execute(WANTED.encode())
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [f'"{INDEX}"']
    )


@contextmanager
def others(dsn: str, statement: str) -> Iterator[Connection]:
    """Another session in a transaction."""
    with psycopg.connect(dsn, application_name="somebody") as other:
        other.execute(statement.encode())
        yield other


WRITING = 'LOCK TABLE "LlamaLog" IN ROW EXCLUSIVE MODE'


@contextmanager
def somebody_builds(dsn: str, statement: str) -> Iterator[int]:
    """Another session builds, and waits for a writer; yields its pid."""
    with others(dsn, WRITING) as writer, psycopg.connect(dsn, autocommit=True) as builder:
        run = threading.Thread(target=builder.execute, args=(statement.encode(),))
        run.start()
        with psycopg.connect(dsn, autocommit=True) as watch:
            wait_until(watch, BUILDING)
        try:
            yield builder.info.backend_pid
        finally:
            writer.rollback()
            run.join()


def test_built_on_each_version(each_database: str) -> None:
    with psycopg.connect(each_database, autocommit=True) as connection:
        make_rows(connection)
        with opened_on(each_database) as log:
            assert log.look() == indexes.IndexState(None, False, False, False, None)
            assert log.build()
            found = log.look()
            assert (found.as_wanted, found.valid, found.ours) == (True, True, False)
            assert not log.build()
            connection.execute(INVALIDATE, [f'"{INDEX}"'])
            assert log.look().left_behind
            assert log.build()
            assert log.look().valid


def test_one_left_invalid_is_built_anew(log: Log, connection: Connection) -> None:
    invalid(connection)
    assert log.build()
    assert log.look().valid
    assert any("INVALID" in line for line in log.noted)


@pytest.mark.parametrize(
    "statement",
    [
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("parent_job_id")',
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("parent_job_id", "job_id")',
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("job_id", "parent_job_id", "id")',
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("job_id", "parent_job_id") INCLUDE ("id")',
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("job_id", "parent_job_id" DESC)',
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("job_id", "parent_job_id" text_pattern_ops)',
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("job_id", "parent_job_id" COLLATE "POSIX")',
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("job_id", lower("parent_job_id"))',
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("job_id", "parent_job_id") WHERE "job_id" IS NOT NULL',
        f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("job_id", "parent_job_id") WITH (fillfactor = 50)',
        f'CREATE UNIQUE INDEX "{INDEX}" ON "LlamaLog" ("job_id", "parent_job_id")',
        f'CREATE INDEX "{INDEX}" ON artists ("id", "name")',
        f'CREATE TABLE "{INDEX}" ()',
    ],
)
def test_something_else_of_its_name(log: Log, connection: Connection, statement: str) -> None:
    connection.execute(statement.encode())
    before = log.look().what
    with refused(ErrorCode.CONFIG, "The name of the index"):
        log.build()
    assert log.look().what == before is not None


def test_one_of_the_name_in_another_schema(log: Log, connection: Connection) -> None:
    connection.execute("CREATE SCHEMA other; CREATE TABLE other.t (a int)")
    connection.execute(f'CREATE INDEX "{INDEX}" ON other.t (a)'.encode())
    assert log.build()


def test_another_invalid_one_is_not_touched(log: Log, connection: Connection) -> None:
    connection.execute(f'CREATE INDEX "{INDEX}" ON "LlamaLog" ("parent_job_id")'.encode())
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [f'"{INDEX}"']
    )
    with refused(ErrorCode.CONFIG):
        log.build()


@pytest.mark.parametrize("role", ["superuser", "reader"])
def test_somebody_else_builds_it(log: Log, database: str, role: str) -> None:
    """Also where the role may not see what the other one does."""
    with somebody_builds(database, WANTED.replace("INDEX", "INDEX CONCURRENTLY", 1)) as pid:
        if role == "superuser":
            with refused(ErrorCode.BUSY, f"pid {pid} is building"):
                log.build()
        else:
            with new_role(database) as reader:
                reader.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
                with opened_on(reader.conninfo) as other, refused(ErrorCode.BUSY, f"pid {pid}"):
                    other.build()
        with refused(ErrorCode.BUSY, f"pid {pid} is building"):
            indexes.drop_index(log.table, "guard/drop_job_index", log.noted.append)
    assert log.look().valid
    assert not log.build()


def test_time_outs_do_not_end_a_build(log: Log, connection: Connection, database: str) -> None:
    """The session's lock_timeout is far shorter than this wait; afterwards it is there again."""
    with others(database, WRITING) as writer:
        timer = threading.Timer(1.5, writer.rollback)
        timer.start()
        assert log.build()
        timer.join()
    begun = time.monotonic()
    with others(database, 'LOCK TABLE "LlamaLog"'), refused(ErrorCode.LOCK):
        catalog.locate(log.session, settings_for(database))
    assert 0.2 < time.monotonic() - begun < 1.4


def test_who_is_waited_for_is_named(log: Log, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "LONG_SECONDS", 0.5)
    with others(database, WRITING) as writer:
        time.sleep(0.6)
        timer = threading.Timer(0.5, writer.rollback)
        timer.start()
        assert log.build()
        timer.join()
        assert any(f"pid {writer.info.backend_pid}" in line for line in log.noted)


def cut(connection: Connection, function: str) -> None:
    """Ends llamactl's build while it waits."""
    ours = "SELECT pid FROM pg_stat_activity WHERE query ~ 'INDEX CONCURRENTLY' AND wait_event_type = 'Lock'"
    wait_until(connection, ours)
    connection.execute(f"SELECT {function}(pid) FROM ({ours}) AS ours".encode())


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_build_that_is_ended(
    log: Log, connection: Connection, database: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "_CLEARING", "5s")
    with others(database, WRITING) as writer:
        cutter = threading.Thread(target=cut, args=(connection, function))
        cutter.start()
        # Once it is cut, the writer ends, so that the index can be dropped.
        timer = threading.Timer(1.5, writer.rollback)
        timer.start()
        with refused(ErrorCode.CONNECTION) as error:
            log.build()
        cutter.join()
        timer.join()
    left = connection.execute("SELECT FROM pg_class WHERE relname = %s", [INDEX]).rowcount
    if function == "pg_cancel_backend":
        assert left == 0
        assert "was not created" in error.message
        assert log.build()
    else:
        assert left == 1
        assert "INVALID; the next run drops it" in error.message
        with opened_on(database) as again:
            assert again.build()


def test_what_cannot_be_cleared_is_told(
    log: Log, connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "_CLEARING", "200ms")
    with others(database, WRITING):
        cutter = threading.Thread(target=cut, args=(connection, "pg_cancel_backend"))
        cutter.start()
        with refused(ErrorCode.CONNECTION, "INVALID; the next run drops it"):
            log.build()
        cutter.join()
        assert log.look().left_behind
        assert log.session.changed is Changed.PARTLY
    assert log.build()


def test_ctrl_c(connection: Connection, database: str, cli_env: Mapping[str, str]) -> None:
    """In the middle of a build, which is then cleared away."""
    make_rows(connection)
    command = [sys.executable, "-m", "llamactl", "guard", "install", "--yes", "--dsn", database]
    with others(database, WRITING) as writer:
        process = subprocess.Popen(command, env=cli_env, stderr=subprocess.PIPE, text=True)
        wait_until(connection, BUILDING)
        process.send_signal(signal.SIGINT)
        wait_until(connection, BUILDING.replace("INDEX", "DROP INDEX"))
        writer.rollback()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "was not created" in said
    assert connection.execute("SELECT FROM pg_class WHERE relname = %s", [INDEX]).rowcount == 0


def test_a_deadlock_is_tried_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    run, asked = Session.autocommit_run, 0

    def deadlocked_once(self: Session, query: Query, **params: object) -> None:
        nonlocal asked
        asked += 1
        run(self, query, **params)
        if asked == 1:
            raise LlamactlError(ErrorCode.LOCK, "A deadlock") from psycopg.errors.DeadlockDetected()

    monkeypatch.setattr(Session, "autocommit_run", deadlocked_once)
    assert not log.build()
    assert any("attempt 1" in line for line in log.noted)


def test_dropped(log: Log, connection: Connection) -> None:
    log.build()
    for _ in range(2):
        indexes.drop_index(log.table, "guard/drop_job_index", log.noted.append)
    assert log.look().what is None


def test_behind_a_pooler(log: Log) -> None:
    settings = log.session._settings
    log.session._settings = replace(settings, dsn=replace(settings.dsn, pgbouncer=True))
    log.session.pooled = True
    with refused(ErrorCode.CONFIG, "pooler"):
        log.build()
    with refused(ErrorCode.CONFIG, "pooler"):
        indexes.drop_index(log.table, "guard/drop_job_index", log.noted.append)
