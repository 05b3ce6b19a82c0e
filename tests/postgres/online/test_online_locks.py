"""migrate --online beside sessions that are in its way, and in whose way it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cutting import Connection, Done, Hook, Statement, quick_look, run_here, wait_until
from llamactl.online import rounds
from llamactl.table import indexes
from servers import private_server

Cli = Callable[..., subprocess.CompletedProcess[str]]

ROWS = 4000
MAKE = """INSERT INTO "LlamaLog" ("operation", "category", "status", "retry_count", "job_id", "parent_job_id",
  "created_at", "metadata")
SELECT 'x', 'CREATED', 'SUCCESS', i, 'j' || i,
  CASE WHEN i %% 10 > 0 THEN 'j' || i - i %% 10 END, '2026-01-01', to_jsonb(repeat('x', 200))
FROM generate_series(1000, 999 + %s) AS i"""
WRONG = """SELECT count(*) FROM "LlamaLog"
WHERE "root_job_id" IS DISTINCT FROM 'j' || "retry_count" - "retry_count" % 10"""


@pytest.fixture(autouse=True)
def many(request: pytest.FixtureRequest) -> None:
    """Rows on more pages than a batch takes, but for the tests with a server of their own."""
    if "connection" in request.fixturenames:
        make_many(request.getfixturevalue("connection"))


def make_many(connection: Connection, rows: int = ROWS) -> None:
    connection.execute(MAKE, [rows])
    connection.execute('VACUUM ANALYZE "LlamaLog"')


def wrong(connection: Connection) -> int:
    row = connection.execute(WRONG.encode()).fetchone()
    assert row
    count: int = row[0]
    return count


def run(dsn: str, *arguments: str, before: Hook | None = None, after: Hook | None = None) -> Done:
    command = ("migrate", "--online", "--yes", "--format", "json", "--dsn", dsn, *arguments)
    return run_here(*command, before=before, after=after)


def document(done: Done, code: int = 0) -> Any:
    assert done.code == code, done.err
    return json.loads(done.out)


def once(pattern: str, action: Callable[[], object], number: int = 1) -> Hook:
    """A hook: the action, at the statement of this number, from 1, that the pattern is found in."""
    seen = 0

    def hook(statement: Statement) -> None:
        nonlocal seen
        if re.search(pattern, statement.text):
            seen += 1
            if seen == number:
                action()

    return hook


BATCH = r"(?s)pg_temp.pending.*UPDATE \""


@contextmanager
def other(dsn: str, **settings: Any) -> Iterator[Connection]:
    """Another session, not in autocommit."""
    with closing(psycopg.connect(dsn, application_name="somebody", **settings)) as connection:
        yield connection


@contextmanager
def meanwhile(action: Callable[[], object]) -> Iterator[None]:
    """Runs the action in a thread; what it raises is raised at the end."""
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            action()
        except BaseException as exc:
            raised.append(exc)

    thread = threading.Thread(target=guarded)
    thread.start()
    yield
    thread.join(30)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


# --- the table is held while its rows are read ------------------------------------------------------------

TAKE = 'LOCK "LlamaLog" IN ACCESS EXCLUSIVE MODE'


@pytest.mark.parametrize(
    ("reads", "number"),
    [("LEVEL REPEATABLE READ", 1), ("counted.known, counted.fresh", 1)],
    ids=["first round", "last round"],
)
def test_a_table_that_is_held_for_a_moment_when_it_is_read(
    reads: str, number: int, database: str, connection: Connection
) -> None:
    """By whoever needs it for himself. It is tried again, and told who it is."""
    with other(database) as holder:
        taken = once(reads, lambda: holder.execute(TAKE), number)

        def let_go(statement: Statement) -> None:
            if "prepared.gid" in statement.text:  # it was looked who is in the way
                holder.rollback()

        done = run(database, "--lock-timeout", "50ms", before=taken, after=let_go)
    document(done)
    assert wrong(connection) == 0
    assert re.search(
        r"attempt 1 of 6\); blocked by: pid \d+ \w+ \(somebody\): .* holds AccessExclusiveLock", done.err
    )


@pytest.mark.parametrize("command", ["migrate --online --dry-run", "migrate --dry-run", "verify", "stats"])
def test_who_holds_the_table_is_named_to_who_only_reads(command: str, database: str) -> None:
    assert run(database).code == 0
    with other(database) as holder:
        taken = once("LEVEL REPEATABLE READ", lambda: holder.execute(TAKE))
        done = run_here(*command.split(), "--lock-timeout", "50ms", "--dsn", database, before=taken)
    assert done.code == 3
    assert re.search(r"a lock on .*: pid \d+ \w+ \(somebody\): .* holds AccessExclusiveLock", done.err)


def test_a_vacuum_that_takes_longer_than_the_lock_timeout(database: str, connection: Connection) -> None:
    """It is waited for, as by the building of an index: all else of the migration is done."""
    waits = "SELECT FROM pg_locks WHERE NOT granted AND mode = 'ShareUpdateExclusiveLock'"
    with other(database) as vacuum:
        held = once(r'ANALYZE "', lambda: vacuum.execute(TAKE.replace("ACCESS", "SHARE UPDATE")))

        def let_go() -> None:
            wait_until(connection, waits)
            time.sleep(0.2)
            vacuum.rollback()

        with meanwhile(let_go):
            done = run(database, "--lock-timeout", "50ms", "--retries", "0", before=held)
    document(done)
    assert wrong(connection) == 0


# --- the table is rewritten, or looked at, meanwhile -----------------------------------------------------


@pytest.mark.parametrize("batch", [1, 12])
def test_vacuum_full_in_the_middle(batch: int, database: str, connection: Connection) -> None:
    """Rows move to other pages, of another file."""
    connection.execute("""DELETE FROM "LlamaLog" WHERE "retry_count" BETWEEN 1500 AND 2999""")
    before = connection.execute("""SELECT pg_relation_filenode('"LlamaLog"')""").fetchone()
    done = run(database, before=once(BATCH, lambda: connection.execute('VACUUM FULL "LlamaLog"'), batch))
    document(done)
    assert "Another session rewrote the table" in done.err
    assert connection.execute("""SELECT pg_relation_filenode('"LlamaLog"')""").fetchone() != before
    assert wrong(connection) == 0


COPIED = """COPY "LlamaLog"
("operation", "category", "status", "retry_count", "job_id", "parent_job_id", "created_at") FROM STDIN"""
TURNED = 'CREATE INDEX turned ON "LlamaLog" (("retry_count" * 7919 % 10007))'
MOVES = {
    "CLUSTER": [TURNED, 'CLUSTER "LlamaLog" USING turned'],
    "VACUUM FULL": ['DELETE FROM "LlamaLog" WHERE "retry_count" % 3 = 0', 'VACUUM FULL "LlamaLog"'],
}


@pytest.mark.parametrize("batch", [2, 20])
@pytest.mark.parametrize("how", MOVES)
def test_rows_that_move_and_keep_their_xmin(
    how: str, batch: int, database: str, connection: Connection
) -> None:
    """A table that was loaded at once: in each place there is another row then, with the same xmin."""
    connection.execute('TRUNCATE "LlamaLog"')
    with connection.cursor().copy(COPIED) as copy:
        for i in range(1000, 1000 + ROWS):
            parent = f"j{i - i % 10}" if i % 10 else None
            copy.write_row(["x", "CREATED", "SUCCESS", i, f"j{i}", parent, "2026-01-01"])

    def move() -> None:
        for statement in MOVES[how]:
            connection.execute(statement.encode())

    done = run(database, before=once(BATCH, move, batch))
    document(done)
    assert wrong(connection) == 0
    assert "Another session rewrote the table" in done.err


def test_rewrites_again_and_again(database: str, connection: Connection) -> None:
    """More often in a row than a row is tried: none of them is taken for a trigger."""
    connection.execute("SET session_replication_role = replica")  # else the guard fills what is updated
    connection.execute("""DELETE FROM "LlamaLog" WHERE "retry_count" BETWEEN 1500 AND 2999""")
    rewritten = 0

    def rewrite(statement: Statement) -> None:
        nonlocal rewritten
        if "min(page) AS first" in statement.text and not statement.inside and rewritten < 8:
            rewritten += 1
            connection.execute(
                """UPDATE "LlamaLog" SET "retry_count" = "retry_count" WHERE ctid < '(40,0)'"""
            )
            connection.execute('VACUUM FULL "LlamaLog"')

    done = run(database, "--retries", "1", before=rewrite)
    document(done)
    assert rewritten == 8
    assert "trigger" not in done.err
    assert wrong(connection) == 0


def test_rewrites_without_an_end(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "MOST_REWRITES", 2)
    connection.execute("SET session_replication_role = replica")

    def rewrite(statement: Statement) -> None:
        if "min(page) AS first" in statement.text and not statement.inside:
            connection.execute(
                """UPDATE "LlamaLog" SET "retry_count" = "retry_count" WHERE ctid < '(40,0)'"""
            )
            connection.execute('VACUUM FULL "LlamaLog"')

    found = document(run(database, before=rewrite), code=3)["error"]
    assert found["code"] == "busy"
    assert "rewrote the table 2 times in a row" in found["message"]
    assert "trigger" not in found["hint"]


def test_a_tablespace_moves_no_row(database: str, connection: Connection) -> None:
    name = f"llamactl_test_{os.getpid()}"
    connection.execute("SET allow_in_place_tablespaces = on")
    connection.execute(f"CREATE TABLESPACE {name} LOCATION ''".encode())
    moved = 0

    def move(statement: Statement) -> None:
        nonlocal moved
        if "min(page) AS first" in statement.text and not statement.inside and moved < 7:
            moved += 1
            place = name if moved % 2 else "pg_default"
            connection.execute(f'ALTER TABLE "LlamaLog" SET TABLESPACE {place}'.encode())

    done = run(database, "--retries", "1", before=move)
    document(done)
    connection.execute('ALTER TABLE "LlamaLog" SET TABLESPACE pg_default')
    connection.execute(f"DROP TABLESPACE {name}".encode())
    assert moved > 1
    assert "rewritten" not in done.err
    assert wrong(connection) == 0


def test_an_old_snapshot(
    database: str, connection: Connection, run_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is warned of, keeps the index waiting for as long as it lasts, and costs no row."""
    monkeypatch.setattr(rounds, "OLD_SNAPSHOT_SECONDS", 0)
    monkeypatch.setattr(indexes, "LONG_SECONDS", 0)
    with other(database) as reader:
        pid = reader.info.backend_pid

        def look() -> None:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            reader.execute('SELECT count(*) FROM "LlamaLog"')

        def let_go() -> None:
            waiting = (
                "SELECT FROM pg_stat_activity WHERE query ~ '^(--.*\\n)*CREATE INDEX CONCURRENTLY' "
                "AND wait_event = 'virtualxid' AND datname = current_database()"
            )
            with psycopg.connect(database, autocommit=True) as watcher:
                wait_until(watcher, waiting)
            told = json.loads(run_cli("status", "--format", "json", "--dsn", database).stdout)["run"]
            held = reader.execute('SELECT count(*) FROM "LlamaLog"').fetchone()
            reader.rollback()
            assert held == (ROWS,)
            assert (told["state"], told["step"]) == ("waiting", "create_index")
            assert [blocker["pid"] for blocker in told["blocked_by"]] == [pid]

        with meanwhile(let_go):
            done = run(database, before=once("SET rows_done", look))
    document(done)
    assert re.search(rf"Old snapshots prevent the reuse of space.*pid {pid} ", done.err)
    assert re.search(rf"Waiting for these transactions to end: .*pid {pid} ", done.err)
    assert wrong(connection) == 0


# --- locks -----------------------------------------------------------------------------------------------


def test_an_idle_transaction_holds_the_table(database: str, connection: Connection) -> None:
    with other(database) as idle:
        pid = idle.info.backend_pid
        idle.execute('SELECT count(*) FROM "LlamaLog"')
        done = run(database, "--retries", "1", "--lock-timeout", "200ms")
        found = document(done, code=3)["error"]
    assert found["code"] == "lock"
    assert "(2 attempts)" in found["message"]
    assert re.search(
        rf"pid {pid} \w+ \(somebody\): idle in transaction, in a transaction for .*s, "
        'holds AccessShareLock: SELECT count.*"LlamaLog"',
        found["message"],
    )
    assert "rerun the same command to continue" in found["message"]
    assert "attempt 1 of 2" in done.err
    document(run(database))
    assert wrong(connection) == 0


LOCK_ROWS = """SELECT FROM "LlamaLog" WHERE "retry_count" BETWEEN 1200 AND 1204 FOR UPDATE"""


def test_an_idle_transaction_holds_rows(database: str, connection: Connection) -> None:
    """All others are filled; then it is named."""
    with other(database) as idle:
        pid = idle.info.backend_pid
        done = run(database, "--retries", "1", before=once(BATCH, lambda: idle.execute(LOCK_ROWS)))
        found = document(done, code=3)["error"]
    assert found["code"] == "lock"
    assert re.search(rf"5 rows locked by other sessions: pid {pid} .*FOR UPDATE", found["message"])
    assert wrong(connection) == 5
    document(run(database))
    assert wrong(connection) == 0


def test_rows_that_are_locked_for_a_while(database: str, connection: Connection, run_cli: Cli) -> None:
    """They are skipped, then waited for; the reason is shown."""
    with other(database) as idle:

        def let_go() -> None:
            with psycopg.connect(database, autocommit=True) as watcher:
                wait_until(watcher, "SELECT WHERE to_regclass('llamactl.run') IS NOT NULL")
                wait_until(watcher, "SELECT FROM llamactl.run WHERE waits_for LIKE '5 locked rows: %%'")
            # Between two attempts it works.
            for _ in range(5):
                told = json.loads(run_cli("status", "--format", "json", "--dsn", database).stdout)["run"]
                if told["state"] == "waiting":
                    break
            idle.rollback()
            assert told["state"] == "waiting"
            assert f"pid {idle.info.backend_pid} " in told["waits_for"]

        with meanwhile(let_go):
            done = run(database, before=once(BATCH, lambda: idle.execute(LOCK_ROWS)))
    document(done)
    assert wrong(connection) == 0
    assert connection.execute("SELECT waits_for FROM llamactl.run").fetchall() == [(None,)]


def test_batches_give_way_to_who_waits_for_the_table(database: str, connection: Connection) -> None:
    waiting = """SELECT FROM pg_locks WHERE NOT granted AND relation = '"LlamaLog"'::regclass"""
    written = "SELECT rows_done FROM llamactl.run"
    with (
        other(database) as reader,
        other(database) as locker,
        psycopg.connect(database, autocommit=True) as watcher,
    ):
        reader.execute("SELECT 1")
        reader.rollback()

        def lock() -> None:
            locker.execute('LOCK TABLE "LlamaLog"')
            locker.rollback()

        locking = threading.Thread(target=lock)

        def queue_up() -> None:
            reader.execute('SELECT FROM "LlamaLog" LIMIT 1')
            locking.start()
            wait_until(watcher, waiting)

        def let_go() -> None:
            wait_until(watcher, "SELECT WHERE to_regclass('llamactl.run') IS NOT NULL")
            wait_until(
                watcher,
                "SELECT FROM llamactl.run WHERE waits_for ~ '^sessions that are waiting for the table'",
            )
            reason = watcher.execute("SELECT waits_for FROM llamactl.run").fetchone()
            before = watcher.execute(written).fetchone()
            time.sleep(0.5)
            assert watcher.execute(written).fetchone() == before
            reader.rollback()
            assert reason
            assert f"pid {locker.info.backend_pid} " in reason[0]

        with meanwhile(let_go):
            done = run(database, after=once(BATCH, queue_up, 3))
        locking.join(10)
    document(done)
    assert wrong(connection) == 0


@pytest.mark.parametrize("command", [["migrate", "--online"], ["migrate"], ["repair"]], ids=" ".join)
def test_a_second_run(command: list[str], database: str, connection: Connection, run_cli: Cli) -> None:
    refused = []

    def second() -> None:
        refused.append(run_cli(*command, "--yes", "--format", "json", "--dsn", database))

    document(run(database, before=once(BATCH, second)))
    assert refused[0].returncode == 3
    found = json.loads(refused[0].stdout)["error"]
    assert found["code"] == "busy"
    assert "Another llamactl run is working on the table: pid " in found["message"]
    assert "(llamactl migrate: fill)" in found["message"]
    assert wrong(connection) == 0


# --- indexes ---------------------------------------------------------------------------------------------

INDEXES = """SELECT relname, indisvalid, pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class ON oid = indexrelid
WHERE indrelid = '"LlamaLog"'::regclass AND pg_get_indexdef(indexrelid) ~ 'root_job_id' ORDER BY 1"""


def leave_an_index(connection: Connection, name: str, column: str = "root_job_id") -> None:
    """An INVALID one, as a build leaves it that was cut."""
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    connection.execute(f'CREATE INDEX "{name}" ON "LlamaLog" ("{column}")'.encode())
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [f'"{name}"']
    )


def test_an_invalid_index_left_behind(database: str, connection: Connection) -> None:
    leave_an_index(connection, "LlamaLog_root_job_id_idx")
    found = document(run(database))
    assert "drop_index" in [step["name"] for step in found["steps"]]
    ((name, valid, _),) = connection.execute(INDEXES.encode()).fetchall()
    assert (name, valid) == ("LlamaLog_root_job_id_idx", True)
    assert wrong(connection) == 0


def test_an_invalid_index_of_another_name(database: str, connection: Connection) -> None:
    """It would be maintained at each row that is filled; but it is not ours to drop."""
    leave_an_index(connection, "mine")
    look = quick_look(connection)
    found = document(run(database), code=2)["error"]
    assert "An INVALID index blocks the migration: public.mine; nothing was changed" in found["message"]
    assert "DROP INDEX CONCURRENTLY public.mine" in found["hint"]
    assert quick_look(connection) == look


def test_an_index_of_the_users_on_the_root(database: str, connection: Connection) -> None:
    """It serves; none is built beside it."""
    leave_an_index(connection, "mine")
    connection.execute("REINDEX INDEX mine")
    assert "create_index" in document(run(database))["skipped"]
    ((name, valid, _),) = connection.execute(INDEXES.encode()).fetchall()
    assert (name, valid) == ("mine", True)
    assert wrong(connection) == 0


def test_a_users_index_stays_the_users_when_its_rebuilding_is_cut(
    database: str, connection: Connection
) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    connection.execute('CREATE INDEX "LlamaLog_root_job_id_idx" ON "LlamaLog" ("root_job_id")')

    def cut(statement: Statement) -> None:
        if 'CREATE INDEX CONCURRENTLY "LlamaLog_root' in statement.text:
            connection.execute("SELECT pg_terminate_backend(%s)", [statement.pid])

    assert run(database, before=cut).code == 3
    comment = "SELECT obj_description(to_regclass('\"LlamaLog_root_job_id_idx\"'), 'pg_class'), " + (
        "to_regclass('\"LlamaLog_root_job_id_idx\"') IS NULL"
    )
    assert connection.execute(comment).fetchall() == [(None, True)]
    assert run(database).code == 0
    assert connection.execute(comment).fetchall() == [(None, False)]


@pytest.mark.parametrize("valid", [True, False])
def test_an_index_of_our_name_on_another_column(valid: bool, database: str, connection: Connection) -> None:
    leave_an_index(connection, "LlamaLog_root_job_id_idx", "job_id")
    if valid:
        connection.execute('REINDEX INDEX "LlamaLog_root_job_id_idx"')
    look = quick_look(connection)
    found = document(run(database), code=2)["error"]
    assert found["code"] == "config"
    assert "LlamaLog_root_job_id_idx" in found["message"]
    assert "nothing was changed" in found["message"]
    assert quick_look(connection) == look


# --- what else writes to the table -----------------------------------------------------------------------


@pytest.mark.slow
def test_autovacuum_at_work() -> None:
    """It yields to the steps that alter the table, and does not matter to the others."""
    eager = {
        "autovacuum": "on",
        "autovacuum_naptime": "1s",
        "autovacuum_vacuum_threshold": "1",
        "autovacuum_vacuum_scale_factor": "0",
        "autovacuum_vacuum_cost_delay": "100ms",
        "autovacuum_vacuum_cost_limit": "1",
    }
    with private_server(**eager) as server:
        dsn = server.conninfo(server.create(server.template))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(MAKE, [2 * ROWS])
            connection.execute("""DELETE FROM "LlamaLog" WHERE "retry_count" % 2 = 1""")
            at_work = """SELECT FROM pg_stat_progress_vacuum WHERE relid = '"LlamaLog"'::regclass"""
            wait_until(connection, at_work)
            document(run(dsn))
            assert wrong(connection) == 0
            wait_until(connection, at_work)


TRIGGER = """CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;
CREATE TRIGGER meddle BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION meddle()"""


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("RETURN NULL;", ROWS),
        ("IF NEW.retry_count < 1005 THEN RETURN NULL; END IF; RETURN NEW;", 5),
        ("NEW.root_job_id := NULL; RETURN NEW;", ROWS),
    ],
    ids=["all", "some", "taken back"],
)
def test_a_trigger_that_suppresses_the_writes(
    body: str, left: int, database: str, connection: Connection
) -> None:
    connection.execute(TRIGGER.format(body).encode())
    found = document(run(database, "--retries", "1"), code=1)
    assert found["unfilled"] == left
    assert any("not have the root that was written" in note and "LL109" in note for note in found["notes"])
    assert wrong(connection) == left
    connection.execute('DROP TRIGGER meddle ON "LlamaLog"')
    document(run(database))
    assert wrong(connection) == 0


def test_a_trigger_that_rewrites_the_root(database: str, connection: Connection) -> None:
    """As any value that is there, it is not overwritten; repair meets the same."""
    connection.execute(TRIGGER.format("NEW.root_job_id := 'theirs'; RETURN NEW;").encode())
    found = document(run(database), code=1)
    assert found["unfilled"] == ROWS
    assert any("LL109" in note and "--overwrite" in note for note in found["notes"])
    correct = ("repair", "--yes", "--overwrite", "--format", "json", "--retries", "1", "--dsn", database)
    assert document(run_here(*correct), code=1)["unfilled"] == ROWS
    connection.execute('DROP TRIGGER meddle ON "LlamaLog"')
    assert document(run_here(*correct))["written"] == ROWS
    assert wrong(connection) == 0


def test_a_check_of_the_users_that_rows_violate(database: str, connection: Connection) -> None:
    """Not valid for old rows, it refuses each update of them, which is found out before anything changes."""
    connection.execute('ALTER TABLE "LlamaLog" ADD CONSTRAINT theirs CHECK ("retry_count" <> 4321) NOT VALID')
    found = document(run(database), code=2)["error"]
    assert found["code"] == "config"
    assert "theirs" in found["message"]
    assert "nothing was changed" in found["message"]
    connection.execute('ALTER TABLE "LlamaLog" DROP CONSTRAINT theirs')
    document(run(database))
    assert wrong(connection) == 0


def test_a_self_parent_that_comes_after_the_decision(database: str, connection: Connection) -> None:
    """The CHECK was to be added; the row comes before the guard could refuse it."""

    def come() -> None:
        connection.execute(
            'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id") '
            "VALUES ('x', 'CREATED', 'SUCCESS', 'self', 'self')"
        )

    found = document(run(database, before=once("ADD COLUMN", come)))
    assert any("CHECK against self-parents is not added" in note for note in found["notes"])
    assert not connection.execute(
        """SELECT FROM pg_constraint WHERE contype = 'c' AND conrelid = '"LlamaLog"'::regclass"""
    ).fetchall()
    with pytest.raises(psycopg.errors.CheckViolation):  # the guard's
        come()


# --- a pooler --------------------------------------------------------------------------------------------


def test_a_setting_that_the_pooler_does_not_take(pooled: str) -> None:
    dsn = make_conninfo(pooled, options="-c statement_timeout=5s")
    error = document(run_here("verify", "--format", "json", "--dsn", dsn), code=2)["error"]
    assert "unsupported startup parameter" in error["message"]
    assert error["hint"].startswith("The pooler does not support it: delete `options=...`")
