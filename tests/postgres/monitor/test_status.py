"""status: what a run has recorded, what the server tells of its session, and that it answers at any time."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.types.string import StrDumper

from cutting import Done, Statement, migrate_here, run_here, wait_until
from llamactl.model import (
    Blocker,
    IndexBuild,
    OutputFormat,
    RunState,
    RunStatus,
    RunStep,
    StatusReport,
    TableStatus,
)
from llamactl.model.steps import StepName
from llamactl.monitor import status
from llamactl.render import lines
from llamactl.render.console import Screen
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from pages import CHECKOUT, every_block
from reports import COLOURS, NASTY, PIPE, TERMINAL, same_as_golden
from roles import new_role
from servers import private_server
from transcripts import on_terminal

PAGE = CHECKOUT / "docs" / "status.md"
UNCLAIMED = "SELECT WHERE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')"
Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]


class Run:
    """A run as `migrate --online` records it, on a connection of its own that holds the claim."""

    def __init__(self, dsn: str, command: str = "migrate") -> None:
        self.connection = psycopg.connect(dsn, autocommit=True, application_name=f"llamactl {command}")
        self.relation = self.connection.execute("""SELECT '"LlamaLog"'::regclass::oid""").fetchone()
        if not self.do("online/state_present")[0]:
            self.do("migrate/create_schema")
            self.do("online/create_state")
        while not self.do("online/claim", relation='"LlamaLog"')[0]:
            time.sleep(0.01)  # one that was closed just now
        self.begin(command)

    def begin(self, command: str) -> None:
        values = {"schema": "public", "table": "LlamaLog", "command": command, "client": "here:1"}
        values["relation"] = '"LlamaLog"'
        (self.id,) = self.do("online/begin_run", **values)

    def do(self, path: str, **values: Any) -> tuple[Any, ...]:
        """Runs a file of sql/; returns the first row that it gives, or nothing."""
        row: tuple[Any, ...] = ()
        with psycopg.RawCursor(self.connection) as cursor:
            cursor.adapters.register_dumper(str, StrDumper)
            for statement in load_query(path, Names()).statements:
                cursor.execute(statement.sql.encode(), [values[name] for name in statement.parameters])
                row = (cursor.fetchone() or ()) if cursor.description else ()
        return row

    def step(self, name: str) -> None:
        self.do("online/begin_step", run=self.id, name=name)

    def wrote(self, rows: int, total: int, rate: float) -> None:
        values = {"rows": rows, "total": total, "rows_per_second": rate, "relfilenode": 1, "page": 1}
        self.do("online/checkpoint", run=self.id, **values)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        self.connection.close()

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid


@pytest.fixture
def begin(database: str) -> Iterator[Callable[..., Run]]:
    """A function: begin a run."""
    begun: list[Run] = []

    def new(command: str = "migrate") -> Run:
        begun.append(Run(database, command))
        return begun[-1]

    yield new
    for run in begun:
        run.connection.close()


def seen(dsn: str, *arguments: str) -> dict[str, Any]:
    """The document, what is volatile in it included."""
    done = run_here("status", "--dsn", dsn, "--format", "json", *arguments)
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    assert (document["schema_version"], document["command"]) == (2, "status")
    return document


def text(dsn: str) -> Done:
    done = run_here("status", "--dsn", dsn)
    assert done.code == 0, done.err
    return done


def moment(iso: str) -> datetime:
    found = datetime.fromisoformat(iso)
    assert found.tzinfo
    return found


# --- what the run records -----------------------------------------------------------------------------------


def test_no_run(database: str) -> None:
    found = seen(database)
    assert (found["run"], found["steps"], found["notes"]) == (None, [], [])
    assert found["table"] == {"name": 'public."LlamaLog"', "migrated": False, "guard": False}
    assert text(database).out.splitlines() == ['public."LlamaLog"  not migrated, no guard', "", "no run"]


def test_after_the_other_migration(database: str, insert: Insert) -> None:
    insert([("a", None)])
    assert migrate_here(database).code == 0
    found = seen(database)
    assert (found["run"], found["table"]["migrated"]) == (None, True)


def test_a_run_at_work(database: str, begin: Callable[..., Run]) -> None:
    run = begin()
    run.step("add_column")
    run.step("fill")
    found = seen(database)["run"]
    assert (found["rows_done"], found["rows_total"], found["eta_seconds"]) == (0, None, None)
    run.wrote(1000, 10_000, 250.0)
    run.wrote(500, 10_000, 250.0)
    document = seen(database)
    found = document["run"]
    assert (found["id"], found["command"], found["state"], found["step"]) == (
        run.id,
        "migrate",
        "running",
        "fill",
    )
    assert (found["rows_done"], found["rows_total"], found["rows_per_second"]) == (1500, 10_000, 250)
    assert found["eta_seconds"] == 34
    assert (found["waits_for"], found["waits_since"], found["blocked_by"]) == (None, None, [])
    assert (found["index_build"], found["ended_at"]) == (None, None)
    first, second = document["steps"]
    assert (first["name"], second["name"], second["ended_at"]) == ("add_column", "fill", None)
    assert moment(found["began_at"]) <= moment(first["began_at"]) <= moment(first["ended_at"])
    assert found["step_since"] == second["began_at"]
    assert moment(second["began_at"]) <= moment(document["as_of"])
    assert document["notes"] == []
    lines = text(database).out.splitlines()
    assert re.match(rf"run {run.id}  migrate  running  began \d{{4}}-\S+, \d+ s ago$", lines[2])
    assert re.match(r"  step +Filling the root column for \d+ s$", lines[3])
    assert re.match(r"  rows +1,500 of 10,000 \(15.0%\), 250 a second, about 34 s left$", lines[4])


def test_a_run_that_waits(database: str, begin: Callable[..., Run]) -> None:
    run = begin()
    run.step("fill")
    run.do("online/wait", run=run.id, reason="sessions that are waiting for the table")
    found = seen(database)["run"]
    assert (found["state"], found["waits_for"]) == ("waiting", "sessions that are waiting for the table")
    assert moment(found["waits_since"]) >= moment(found["step_since"])
    assert re.search(
        r"^  waiting +for \d+ s: sessions that are waiting for the table$", text(database).out, re.MULTILINE
    )
    run.do("online/wait", run=run.id, reason=None)
    assert seen(database)["run"]["state"] == "running"


def test_a_run_that_is_done(database: str, connection: Connection, begin: Callable[..., Run]) -> None:
    run = begin()
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" text')
    run.step("fill")
    assert seen(database)["table"]["migrated"] is False  # half of it
    run.wrote(10, 10, 5.0)
    run.do("online/end_run", run=run.id)
    document = seen(database)
    found = document["run"]
    assert (found["state"], found["step"], found["eta_seconds"], found["waits_for"]) == (
        "done",
        None,
        None,
        None,
    )
    assert moment(found["ended_at"]) >= moment(found["began_at"])
    assert document["steps"][0]["ended_at"] is not None
    assert document["table"]["migrated"] is True
    assert ", took " in text(database).out


def test_a_run_that_was_cut(database: str, connection: Connection, begin: Callable[..., Run]) -> None:
    run = begin()
    run.step("fill")
    run.wrote(10, 100, 5.0)
    run.do("online/wait", run=run.id, reason="something")
    run.connection.close()
    wait_until(connection, UNCLAIMED)
    found = seen(database)["run"]
    assert (found["state"], found["step"], found["rows_done"]) == ("cut", "fill", 10)
    # What it recorded of the moment says nothing any more.
    assert (found["waits_for"], found["rows_per_second"], found["eta_seconds"]) == (None, None, None)
    done = text(database)
    assert "migrate  interrupted" in done.out
    assert f"Run {run.id} (migrate) was interrupted" in done.err
    assert "rerun the same command to continue" in done.err


def test_the_session_of_somebody_else_is_not_the_runs(
    database: str, connection: Connection, begin: Callable[..., Run]
) -> None:
    """A pid is given again: the session must hold the claim."""
    run = begin()
    connection.execute("UPDATE llamactl.run SET backend_pid = %s", [connection.info.backend_pid])
    document = seen(database)
    assert document["run"]["state"] == "cut"
    assert any(
        f"Another llamactl run is working on the table: pid {run.pid}" in note for note in document["notes"]
    )


def test_the_newest_run_is_shown(database: str, begin: Callable[..., Run]) -> None:
    first = begin()
    first.connection.close()
    second = begin()
    assert seen(database)["run"]["id"] == second.id
    assert seen(database)["notes"] == []  # it went on with what the first left
    second.do("online/end_run", run=second.id)
    assert seen(database)["notes"] == []


def test_a_cut_run_of_another_command_is_not_forgotten(database: str, begin: Callable[..., Run]) -> None:
    first = begin("repair")
    first.connection.close()
    second = begin()
    second.do("online/end_run", run=second.id)
    document = seen(database)
    assert (document["run"]["id"], document["run"]["state"]) == (second.id, "done")
    assert len(document["notes"]) == 1
    assert document["notes"][0].startswith(f"Run {first.id} (repair) was interrupted")


def test_runs_of_another_table(database: str, connection: Connection, begin: Callable[..., Run]) -> None:
    begin()
    connection.execute('CREATE TABLE other (LIKE "LlamaLog" INCLUDING ALL)')
    assert seen(database, "--table", "other")["run"] is None


def test_a_run_that_ends_while_it_is_looked_at(
    database: str, begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim is gone, and what it recorded was read before: that is no cut."""
    run = begin()
    look, looks = status._read_parts, []

    def ending(*given: Any) -> Any:
        found = look(*given)
        if not looks:
            run.do("online/end_run", run=run.id)
            run.connection.close()
            found = status._Parts((), found.table, found.runs, *[()] * 5)
        looks.append(found)
        return found

    monkeypatch.setattr(status, "_read_parts", ending)
    assert seen(database)["run"]["state"] == "done"
    assert len(looks) == 2


def test_the_guard(database: str, connection: Connection) -> None:
    connection.execute("""
        CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER zz_llamactl_guard BEFORE INSERT ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION nothing();
    """)
    assert seen(database)["table"]["guard"] is True
    assert text(database).out.startswith('public."LlamaLog"  not migrated, guarded\n')
    connection.execute('ALTER TABLE "LlamaLog" DISABLE TRIGGER zz_llamactl_guard')
    assert seen(database)["table"]["guard"] is False


# --- what the server tells ----------------------------------------------------------------------------------


ALTER = 'ALTER TABLE "LlamaLog" ADD "later" text'


@contextmanager
def working(run: Run, statement: str) -> Iterator[None]:
    """The run's session executes the statement, and waits for somebody; what fails in it is no matter."""

    def work() -> None:
        with suppress(psycopg.Error):
            run.connection.execute(statement.encode())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with psycopg.connect(run.connection.info.dsn, autocommit=True) as looking:
            wait_until(looking, "SELECT WHERE cardinality(pg_blocking_pids(%s)) > 0", run.pid)
        yield
    finally:
        run.connection.cancel_safe()
        thread.join(10)
        assert not thread.is_alive()


def test_it_answers_while_the_table_is_locked(database: str, begin: Callable[..., Run]) -> None:
    run = begin()
    run.step("add_column")
    with run.connection.transaction():
        run.connection.execute('LOCK TABLE "LlamaLog" IN ACCESS EXCLUSIVE MODE')
        assert seen(database, "--lock-timeout", "100ms")["run"]["state"] == "running"


def test_who_blocks_it(database: str, begin: Callable[..., Run]) -> None:
    run = begin()
    run.step("create_trigger")
    with psycopg.connect(database, application_name="web") as other:
        other.execute('SELECT FROM "LlamaLog"')
        with working(run, ALTER):
            found = seen(database)["run"]
            shown = text(database).out
        pid = other.info.backend_pid
    assert (found["state"], found["waits_for"]) == ("waiting", 'AccessExclusiveLock on public."LlamaLog"')
    assert moment(found["waits_since"]) >= moment(found["step_since"])
    (blocker,) = found["blocked_by"]
    assert (blocker["pid"], blocker["user"]) == (pid, "postgres")
    assert (blocker["state"], blocker["query"]) == ("idle in transaction", 'SELECT FROM "LlamaLog"')
    assert 0 <= blocker["transaction_seconds"] < 60
    assert blocker["sentence"].startswith(
        f"pid {pid} postgres (web): idle in transaction, in a transaction for "
    )
    assert ' holds AccessShareLock: SELECT FROM "LlamaLog"' in blocker["sentence"]
    assert re.search(rf"^  blocked by +pid {pid} postgres \(web\): idle in transaction,", shown, re.MULTILINE)


def test_a_prepared_transaction_blocks_it() -> None:
    with private_server(max_prepared_transactions="5") as server:
        database = server.conninfo(server.create(server.template))
        with psycopg.connect(database, autocommit=True) as other:
            for statement in ("BEGIN", 'SELECT FROM "LlamaLog"', "PREPARE TRANSACTION 'forgotten'"):
                other.execute(statement.encode())
        with Run(database) as run, working(run, ALTER):
            (blocker,) = seen(database)["run"]["blocked_by"]
    assert (blocker["pid"], blocker["state"]) == (None, "prepared transaction forgotten")
    assert blocker["sentence"].startswith("prepared transaction forgotten postgres: in a transaction for ")


def test_an_index_that_waits_for_an_old_transaction(
    each_database: str, insert_into: Callable[[str, Any], None]
) -> None:
    insert_into(each_database, [("a", None)])
    with Run(each_database) as run, psycopg.connect(each_database) as other:
        run.step("create_index")
        other.execute("""UPDATE "LlamaLog" SET "reason" = 'old'""")
        build = 'CREATE INDEX CONCURRENTLY "LlamaLog_job" ON "LlamaLog" ("job_id")'
        with working(run, build):
            found = seen(each_database)["run"]
            shown = text(each_database).out
        pid = other.info.backend_pid
    assert (found["state"], found["waits_for"]) == ("waiting", "transactions that began earlier")
    (blocker,) = found["blocked_by"]
    assert blocker["pid"] == pid
    assert "holds its transaction open: UPDATE" in blocker["sentence"]
    built = found["index_build"]
    assert set(built) == {
        "index_name",
        "phase",
        "blocks_done",
        "blocks_total",
        "lockers_done",
        "lockers_total",
    }
    assert (built["index_name"], built["phase"]) == ("LlamaLog_job", "waiting for writers before build")
    assert (built["lockers_done"], built["lockers_total"]) == (0, 1)
    listed = re.findall(
        r"^\| `run\.([\w.]+)(?:\[\]\.(\w+))?`", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    keys = {f"{first}.{second}".rstrip(".") for first, second in listed}
    assert keys == {
        *(found.keys() - {"blocked_by", "index_build"}),
        *(f"blocked_by.{key}" for key in blocker),
        *(f"index_build.{key}" for key in built),
    }
    line = r"^  index +LlamaLog_job waiting for writers before build, 0 of 1 transactions$"
    assert re.search(line, shown, re.MULTILINE)


def test_an_index_of_somebody_else_is_not_the_runs(database: str, begin: Callable[..., Run]) -> None:
    begin()
    builder = Run.__new__(Run)
    builder.connection = psycopg.connect(database, autocommit=True)
    with psycopg.connect(database) as other, builder.connection:
        other.execute(
            """INSERT INTO "LlamaLog" ("operation", "category", "status") VALUES ('x', 'FAILED', 'FAILED')"""
        )
        with working(builder, 'CREATE INDEX CONCURRENTLY ON "LlamaLog" ("job_id")'):
            found = seen(database)["run"]
    assert (found["state"], found["index_build"], found["blocked_by"]) == ("running", None, [])


# --- a session that records nothing -------------------------------------------------------------------------


def test_the_step_of_a_migration_in_one_transaction(database: str, insert: Insert) -> None:
    """While it keeps everybody out of the table."""
    insert([("a", None), ("b", "a"), ("c", "b", True)])
    found: dict[str, Any] = {}
    printed: list[str] = []
    watched = {
        "LOCK TABLE": "lock",
        "pg_temp.edge": "resolve",
        'SET "parent_job_id" = NULL': "clear_parents",
        'SET "root_job_id" =': "fill",
        'CREATE INDEX "LlamaLog': "create_index",
    }

    def look(statement: Statement) -> None:
        for part, step in watched.items():
            if part in statement.text and statement.inside and step not in found:
                found[step] = seen(database, "--lock-timeout", "100ms")
                printed.append(text(database).out)

    assert migrate_here(database, before=look).code == 0
    assert found.keys() == set(watched.values())
    for step, document in found.items():
        at_work = document["at_work"]
        assert (at_work["command"], at_work["step"], at_work["user"]) == ("migrate", step, "postgres")
        assert at_work["transaction_seconds"] >= 0
        assert (document["claimed"], document["run"], document["notes"]) == (True, None, [])
    for step, shown in zip(found, printed, strict=True):
        assert re.search(
            r"^migrate  running  pid \d+ postgres, in a transaction for \d+ s$", shown, re.MULTILINE
        )
        assert re.search(rf"^  step +{StepName(step).label}$", shown, re.MULTILINE)
        assert "no run" not in shown
    assert seen(database)["at_work"] is None


def test_before_an_online_run_is_recorded(database: str, insert: Insert) -> None:
    insert([("a", None), ("b", "a")])
    found: list[Any] = []

    def look(statement: Statement) -> None:
        if "INSERT INTO pg_temp.edge" in statement.text and not found:
            found.append(seen(database))

    assert migrate_here(database, "--online", before=look).code == 0
    (document,) = found
    assert (document["run"], document["at_work"]["step"]) == (None, "resolve")


def test_while_undo_keeps_what_is_recorded_locked(database: str, insert: Insert) -> None:
    insert([("a", None)])
    assert migrate_here(database, "--online").code == 0
    found: list[Any] = []

    def look(statement: Statement) -> None:
        if "DROP COLUMN" in statement.text and not found:
            found.append(seen(database, "--lock-timeout", "100ms"))

    assert run_here("undo", "--yes", "--dsn", database, before=look).code == 0
    (document,) = found
    assert (document["run"], document["at_work"]["command"]) == (None, "undo")


def test_after_a_run_another_session(database: str, begin: Callable[..., Run]) -> None:
    first = begin()
    first.do("online/end_run", run=first.id)
    first.connection.close()
    second = begin("repair")
    second.connection.execute("DELETE FROM llamactl.run WHERE command = 'repair'")
    shown = text(database).out
    assert "migrate  done" in shown
    assert f"repair  running  pid {second.pid} postgres" in shown


# --- rights -------------------------------------------------------------------------------------------------


def test_a_role_without_rights_on_the_state(database: str, begin: Callable[..., Run]) -> None:
    with new_role(database) as role:
        assert seen(role.conninfo)["run"] is None
        run = begin()
        done = run_here("status", "--dsn", role.conninfo)
        assert (done.code, len(done.errors)) == (3, 1)
        assert "GRANT USAGE ON SCHEMA llamactl" in done.err.replace('"', "")
        (block,) = (block for block in every_block("sql") if block.argument == "oncall")
        *needed, optional = (line.replace("oncall;", "{}") for line in block.lines)
        for grant in needed:
            role.granted(grant, database)
        assert seen(role.conninfo)["run"]["state"] == "running"
        with psycopg.connect(database) as other:
            other.execute('SELECT FROM "LlamaLog"')
            with working(run, ALTER):
                (unknown,) = seen(role.conninfo)["run"]["blocked_by"]
                role.granted(optional, database)
                (known,) = seen(role.conninfo)["run"]["blocked_by"]
        assert (unknown["pid"], unknown["state"]) == (known["pid"], None)
        assert known["state"] == "idle in transaction"


def test_it_only_reads(database: str, begin: Callable[..., Run]) -> None:
    begin()
    said: set[Any] = set()

    def look(statement: Statement) -> None:
        if statement.inside and "llamactl.run" in statement.text:
            said.update(statement.connection.execute(b"SHOW transaction_read_only").fetchall())

    assert run_here("status", "--dsn", database, after=look).code == 0
    assert said == {("on",)}


# --- watching -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "POLL_SECONDS", 0.05)


def test_watching_with_json_is_a_usage_error(database: str) -> None:
    done = run_here("status", "--dsn", database, "--watch", "--format", "json")
    assert done.code == 2
    assert json.loads(done.out)["error"]["code"] == "usage"


def test_watching_nothing(database: str) -> None:
    done = run_here("status", "--dsn", database, "--watch")
    assert (done.code, len(done.out.splitlines())) == (0, 1)
    assert done.out.endswith("  no run\n")


def test_watching_off_a_terminal(
    database: str, begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line a change: what happens between two looks, in order; at first nothing, then each of these."""
    run = begin()
    run.step("fill")
    changes: Iterator[Callable[[], object]] = iter(
        [
            lambda: None,
            lambda: run.wrote(50, 100, 10.0),
            lambda: None,
            lambda: run.do("online/wait", run=run.id, reason="others"),
            lambda: run.step("verify"),
            lambda: run.do("online/end_run", run=run.id),
        ]
    )
    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=lambda _: next(changes)()))
    done = run_here("status", "--dsn", database, "--watch")
    assert done.code == 0, done.err
    lines = [line.partition("  ") for line in done.out.splitlines()]
    for stamp, _, _ in lines:
        moment(stamp)
    assert [line for *_, line in lines] == [
        "migrate running; Filling the root column",
        "migrate running; Filling the root column; 50 of 100 (50.0%), 10 a second, about 5 s left",
        "migrate waiting; Filling the root column; 50 of 100 (50.0%), 10 a second, about 5 s left; "
        "waiting for others",
        "migrate waiting; verify; 50 of 100 (50.0%), 10 a second, about 5 s left; waiting for others",
        "migrate done; 50 of 100 (50.0%)",
    ]


def test_watching_from_before_the_run_is_recorded(
    database: str, connection: Connection, begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run claims the table first, and works out what there is to do."""
    run = begin()
    values = connection.execute("DELETE FROM llamactl.run RETURNING backend_pid").fetchone()
    assert values == (run.pid,)
    assert text(database).out.splitlines()[-1] == f"migrate  running  pid {run.pid} postgres"
    changes: Iterator[Callable[[], object]] = iter([lambda: run.begin("migrate"), run.connection.close])

    def sleep(_: float) -> None:
        next(changes)()
        if run.connection.closed:
            wait_until(connection, UNCLAIMED)

    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=sleep))
    done = run_here("status", "--dsn", database, "--watch")
    assert (done.code, [line.partition("  ")[2] for line in done.out.splitlines()]) == (
        0,
        [
            "migrate running",
            "migrate interrupted",
        ],
    )


def test_watching_until_it_is_cut(
    database: str, connection: Connection, begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin()

    def cut(_: float) -> None:
        run.connection.close()
        wait_until(connection, UNCLAIMED)

    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=cut))
    done = run_here("status", "--dsn", database, "--watch")
    assert done.code == 0
    assert done.out.splitlines()[-1].endswith("  migrate interrupted")
    assert "rerun the same command to continue" in done.err


def command(database: str) -> list[str]:
    return [sys.executable, "-m", "llamactl", "status", "--watch", "--dsn", database]


def test_watching_on_a_terminal(
    database: str, begin: Callable[..., Run], cli_env: dict[str, str], tmp_path: Any
) -> None:
    run = begin()
    run.step("fill")
    run.wrote(5, 10, 1.0)

    def end() -> None:
        with psycopg.connect(database, autocommit=True) as looking:
            wait_until(looking, "SELECT FROM pg_stat_activity WHERE application_name = 'llamactl status'")
            wait_until(looking, "SELECT WHERE pg_sleep(1.5) IS NOT NULL")
        run.do("online/end_run", run=run.id)

    thread = threading.Thread(target=end)
    thread.start()
    try:
        printed = on_terminal(command(database), {**cli_env, "TERM": "xterm-256color"}, tmp_path)
    finally:
        thread.join()
    assert "5 of 10 (50.0%)" in printed
    assert "\x1b[1A\x1b[2K" in printed  # up a line, and clear it
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.rpartition("\x1b[2K")[2])
    assert "migrate  done" in last
    assert "running" not in last
    assert printed.count("\x1b[?25l") == printed.count("\x1b[?25h")  # the cursor is there again


def test_ctrl_c_ends_watching(
    database: str, connection: Connection, begin: Callable[..., Run], cli_env: dict[str, str]
) -> None:
    begin()
    process = subprocess.Popen(
        command(database), env=cli_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline().endswith("  migrate running\n")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "error: Interrupted"


def test_a_closed_pipe_ends_watching(
    database: str, begin: Callable[..., Run], cli_env: dict[str, str]
) -> None:
    run = begin()
    process = subprocess.Popen(command(database), env=cli_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline()
    process.stdout.close()
    run.step("fill")
    assert process.wait(10) == 0
    assert process.stderr
    assert b"error" not in process.stderr.read()
    process.stderr.close()


NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
WAITING = StatusReport(
    RunStatus(
        id=3,
        command="migrate",
        state=RunState.WAITING,
        step="create_index",
        step_since=NOW - timedelta(minutes=3),
        began_at=NOW - timedelta(minutes=40),
        ended_at=None,
        rows_done=1_234_567,
        rows_total=2_000_000,
        rows_per_second=8417.3,
        eta_seconds=90.9,
        waits_for="transactions that began earlier",
        waits_since=NOW - timedelta(seconds=12),
        blocked_by=(Blocker(7, "app", "active", 100.0, "x", f"pid 7 app: active, holds a lock: {NASTY}"),),
        index_build=IndexBuild(
            "LlamaLog_root_job_id_idx", "building index: scanning table", 1200, 40_000, 0, 0
        ),
    ),
    (
        RunStep("add_column", NOW - timedelta(minutes=40), NOW - timedelta(minutes=39, seconds=59)),
        RunStep("create_index", NOW - timedelta(minutes=3), None),
    ),
    TableStatus('public."LlamaLog"', False, True),
    True,
    NOW,
)


@pytest.mark.parametrize("screen", [pytest.param(TERMINAL, id="terminal"), pytest.param(PIPE, id="pipe")])
def test_how_it_looks(screen: Screen) -> None:
    kind = "terminal" if screen.terminal else "pipe"
    same_as_golden(f"status.{kind}.txt", lines(WAITING, "status", OutputFormat.TEXT, screen))


def test_what_the_database_holds_is_shown_and_not_obeyed() -> None:
    assert "\x1b[31m" not in "".join(lines(WAITING, "status", OutputFormat.TEXT, COLOURS))
