"""The bulk rewrite: whoever would see the table empty stops it, and so does what the catalogs tell."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from cutting import (
    Connection,
    Done,
    Statement,
    dated_rows,
    dump,
    migrate_here,
    nothing_left,
    quick_look,
    run_here,
    wait_until,
)
from faults import TOTAL, expected_roots
from llamactl import projection
from roles import new_role
from servers import private_server

ROOTS = 'SELECT "id"::text, "root_job_id" FROM "LlamaLog"'
ADD_ROOT = 'ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100);'


@pytest.fixture
def faulty(insert: Callable[[Any], None]) -> None:
    insert(dated_rows())


@contextmanager
def another(dsn: str, *statements: str) -> Iterator[Connection]:
    """Another session, in no transaction but those that the statements begin."""
    with psycopg.connect(dsn, autocommit=True, application_name="somebody") as other:
        for statement in statements:
            other.execute(statement.encode())
        yield other


def rewrite(dsn: str, **hooks: Callable[[Statement], object]) -> Done:
    return migrate_here(dsn, "--strategy", "rewrite", **hooks)


def refused(done: Done, code: int, *said: str) -> None:
    """The run ended with the code, and one line that says it."""
    assert (done.code, len(done.errors), done.out) == (code, 1, ""), done.err
    for words in (*said, "nothing was changed"):
        assert words in done.errors[0]


def at_statement(words: str, action: Callable[[], object]) -> Callable[[Statement], object]:
    """A hook for the first statement in which the words are."""
    met: list[Statement] = []

    def hook(statement: Statement) -> None:
        if words in statement.text and not met:
            met.append(statement)
            action()

    return hook


# --- snapshots ---------------------------------------------------------------------------------------------

REPEATABLE_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ"


@pytest.mark.usefixtures("faulty")
def test_an_old_snapshot(database: str, connection: Connection) -> None:
    before = quick_look(connection)
    with another(database, REPEATABLE_READ, "SELECT 1") as other:
        done = rewrite(database)
        refused(done, 3, f"pid {other.info.backend_pid} ", "(somebody)", "holds a snapshot")
        assert quick_look(connection) == before
        assert other.execute('SELECT count(*) FROM "LlamaLog"').fetchall() == [(TOTAL,)]
    assert rewrite(database).code == 0


@pytest.mark.parametrize("moment", ["LOCK TABLE", "ALTER COLUMN"])
@pytest.mark.usefixtures("faulty")
def test_a_snapshot_taken_meanwhile(database: str, connection: Connection, moment: str) -> None:
    before = quick_look(connection)
    sent: list[str] = []
    with another(database, REPEATABLE_READ) as other:
        hook = at_statement(moment, lambda: other.execute("SELECT 1"))
        done = rewrite(database, before=hook, after=lambda one: sent.append(str(one)))
        refused(done, 3, f"pid {other.info.backend_pid} ")
        nothing_left_but(connection, other)
        assert quick_look(connection) == before
        assert other.execute('SELECT count(*) FROM "LlamaLog"').fetchall() == [(TOTAL,)]
    # What is known under the lock is said before the table is written.
    assert any("ALTER COLUMN" in text for text in sent) is (moment == "ALTER COLUMN")


def nothing_left_but(connection: Connection, other: Connection) -> None:
    other_pid = other.info.backend_pid
    assert (
        connection.execute(
            "SELECT FROM pg_locks WHERE relation = '\"LlamaLog\"'::regclass AND pid <> %s", [other_pid]
        ).fetchall()
        == []
    )


@pytest.mark.parametrize("moment", ["LOCK TABLE", "ALTER COLUMN"])
@pytest.mark.usefixtures("faulty")
def test_a_dump_that_starts_meanwhile(
    database: str, connection: Connection, pg_tool: Callable[[str], Path], moment: str
) -> None:
    """It waits for the table with its snapshot already taken, and must hold all rows."""
    before = quick_look(connection)
    with ExitStack() as stack:
        dumps: list[subprocess.Popen[str]] = []

        def start_dump() -> None:
            command = [pg_tool("pg_dump"), "-d", database, "--data-only"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            dumps.append(stack.enter_context(process))
            wait_until(connection, "SELECT FROM pg_locks WHERE NOT granted")

        refused(rewrite(database, after=at_statement(moment, start_dump)), 3, "pg_dump")
        out, _ = dumps[0].communicate(timeout=30)
    assert dumps[0].returncode == 0
    assert [row["id"] in out for row in dated_rows()] == [True] * TOTAL
    nothing_left(connection)
    assert quick_look(connection) == before


@pytest.mark.usefixtures("faulty")
def test_a_statement_that_waits_counts_too(database: str, connection: Connection) -> None:
    """Nothing tells the snapshot that lasts from a statement's own, so the careful answer is taken."""
    with another(database) as other:

        def read() -> None:
            other.pgconn.send_query(b'SELECT count(*) FROM "LlamaLog"')
            wait_until(connection, "SELECT FROM pg_locks WHERE NOT granted")

        refused(rewrite(database, before=at_statement("ALTER COLUMN", read)), 3, "(somebody)")
        other.close()
    nothing_left(connection)


@pytest.mark.usefixtures("faulty")
def test_open_transactions_without_a_snapshot(database: str) -> None:
    with another(database, "BEGIN", "UPDATE artists SET name = 'x'", "SELECT 1") as other:
        assert rewrite(database).code == 0
        assert dict(other.execute(ROOTS).fetchall()) == expected_roots()


@pytest.mark.usefixtures("faulty")
def test_sessions_that_the_role_may_not_see(database: str, connection: Connection) -> None:
    with new_role(database) as role, another(database) as other:
        role.granted("GRANT CREATE ON SCHEMA public TO {}", database)
        role.granted(f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {{}}", database)
        role.granted('ALTER TABLE "LlamaLog" OWNER TO {}', database)
        role.granted('ALTER TYPE "LlamaLogCategory" OWNER TO {}', database)
        before = quick_look(connection)
        hidden = f"pid {other.info.backend_pid} {other.info.user} (somebody) is invisible to us"
        refused(rewrite(role.conninfo), 3, hidden, "pg_read_all_stats")
        assert quick_look(connection) == before
        role.granted("GRANT pg_read_all_stats TO {}", database)
        assert rewrite(role.conninfo).code == 0
        assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()


# --- what the catalogs tell --------------------------------------------------------------------------------

UNSOUND = {
    "publication": ('CREATE PUBLICATION p FOR TABLE "LlamaLog"', "publication p carries it"),
    "row type": ('CREATE TABLE copy (log "LlamaLog")', "its row type is used by column log of copy"),
    "view": (f'{ADD_ROOT} CREATE VIEW seen AS SELECT "root_job_id" FROM "LlamaLog"', "on view seen uses"),
    "rule": (
        f'{ADD_ROOT} CREATE RULE seen AS ON INSERT TO "LlamaLog" DO ALSO SELECT new."root_job_id"',
        'rule seen on table "LlamaLog" uses',
    ),
    "trigger": (
        f"{ADD_ROOT} CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        'CREATE TRIGGER seen BEFORE INSERT ON "LlamaLog" FOR EACH ROW'
        ' WHEN (new."root_job_id" IS NULL) EXECUTE FUNCTION f()',
        'trigger seen on table "LlamaLog" uses',
    ),
    "policy": (
        f'{ADD_ROOT} CREATE POLICY seen ON "LlamaLog" USING ("root_job_id" IS NULL)',
        'policy seen on table "LlamaLog" uses',
    ),
    "generated column": (
        f'{ADD_ROOT} ALTER TABLE "LlamaLog" '
        'ADD seen boolean GENERATED ALWAYS AS ("root_job_id" IS NULL) STORED',
        'column seen of table "LlamaLog" uses',
    ),
    "invalid index": (
        'CREATE UNIQUE INDEX CONCURRENTLY once ON "LlamaLog" ("job_id")',
        "index once is invalid",
    ),
    "event trigger": (
        "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER watch ON table_rewrite EXECUTE FUNCTION f()",
        "event trigger watch fires on a rewrite",
    ),
    "index function": (
        "CREATE FUNCTION f(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)';"
        'CREATE INDEX lowered ON "LlamaLog" (f("job_id"))',
        "index lowered calls f(text)",
    ),
    "large TOAST": (
        'ALTER TABLE "LlamaLog" ALTER "reason" SET STORAGE EXTERNAL;'
        """UPDATE "LlamaLog" SET "reason" = repeat('x', 100000)""",
        "its TOAST, 2",
    ),
}
unsound = pytest.mark.parametrize(("statements", "reason"), UNSOUND.values(), ids=UNSOUND)


def make_unsound(connection: Connection, statements: str) -> None:
    """Skips the test where the server's version makes it sound."""
    if "lowered" in statements and connection.info.server_version < 170000:
        pytest.skip("before 17 a function of an index is called with the session's search path")
    with suppress(psycopg.errors.UniqueViolation):  # it leaves the index invalid
        connection.execute(statements.encode())


@unsound
@pytest.mark.usefixtures("faulty")
def test_refused_and_an_update_is_right(
    database: str, connection: Connection, pg_tool: Callable[[str], Path], statements: str, reason: str
) -> None:
    make_unsound(connection, statements)
    before = dump(pg_tool("pg_dump"), database)
    refused(rewrite(database), 2, reason)
    for arguments in ([], ["--strategy", "rewrite"]):
        planned = run_here("migrate", "--dry-run", "--format", "json", "--dsn", database, *arguments)
        strategy = json.loads(planned.out)["strategy"]
        assert (planned.code, strategy["rewrite_sound"]) == (0, False)
        assert any(reason in why for why in strategy["reasons"])
    assert dump(pg_tool("pg_dump"), database) == before
    assert migrate_here(database).code == 0
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()


@pytest.mark.slow
@unsound
def test_refused_on_every_version(
    each_database: str, insert_into: Callable[[str, Any], None], statements: str, reason: str
) -> None:
    insert_into(each_database, dated_rows())
    with psycopg.connect(each_database, autocommit=True) as connection:
        make_unsound(connection, statements)
        refused(rewrite(each_database), 2, reason)
        assert migrate_here(each_database).code == 0
        assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()


def test_a_typed_table(database: str, connection: Connection) -> None:
    connection.execute('DROP TABLE "LlamaLog"; CREATE TYPE log AS (id int, job_id text, parent_job_id text)')
    connection.execute("CREATE TABLE llama_logs OF log (PRIMARY KEY (id))")
    connection.execute("INSERT INTO llama_logs VALUES (1, 'a', 'b')")
    for strategy in ("update", "rewrite"):
        refused(migrate_here(database, "--strategy", strategy), 2, "typed table")
    connection.execute("ALTER TYPE log ADD ATTRIBUTE root_job_id text CASCADE")
    refused(rewrite(database), 2, "it is a typed table")
    assert migrate_here(database).code == 0
    assert connection.execute("SELECT root_job_id FROM llama_logs").fetchall() == [("b",)]


def test_a_logical_slot(insert_into: Callable[[str, Any], None]) -> None:
    with private_server(wal_level="logical") as server:
        dsn = server.conninfo(server.create(server.template))
        insert_into(dsn, dated_rows())
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_create_logical_replication_slot('reader', 'pgoutput')")
            before = quick_look(connection)
            refused(rewrite(dsn), 2, "logical slot reader reads this database")
            assert quick_look(connection) == before
            connection.execute("SELECT pg_drop_replication_slot('reader')")
        assert rewrite(dsn).code == 0


@pytest.mark.usefixtures("faulty")
def test_a_publication_made_after_the_first_look(database: str, connection: Connection) -> None:
    before = quick_look(connection)
    publish = at_statement("LOCK TABLE", lambda: connection.execute(UNSOUND["publication"][0]))
    refused(rewrite(database, before=publish), 2, "publication p carries it")
    assert quick_look(connection) == before


# --- afterwards --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("faulty")
def test_a_vacuum_follows(database: str, connection: Connection) -> None:
    done = migrate_here(database, "--strategy", "rewrite", "--format", "json")
    *_, last = json.loads(done.out)["steps"]
    assert (last["name"], last["blocks"]) == ("vacuum", "none")
    assert last["seconds"] > 0
    pages, visible = connection.execute(
        """SELECT relpages, relallvisible FROM pg_class WHERE oid = '"LlamaLog"'::regclass"""
    ).fetchall()[0]
    assert pages == visible > 0


@pytest.mark.usefixtures("faulty")
def test_a_vacuum_that_fails_leaves_the_migration(database: str, connection: Connection) -> None:
    cancel = sql.SQL("SELECT pg_terminate_backend({})")

    def terminate(statement: Statement) -> None:
        if statement.text.endswith('VACUUM "public"."LlamaLog"'):
            connection.execute(cancel.format(statement.pid))
            nothing_left(connection)

    done = rewrite(database, before=terminate)
    assert (done.code, done.errors) == (0, []), done.err
    assert "VACUUM did not run" in done.err
    assert 'VACUUM "public"."LlamaLog";' in done.err
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()
    again = json.loads(migrate_here(database, "--format", "json").out)
    assert again["steps"] == []


@pytest.mark.usefixtures("faulty")
def test_the_dry_run_says_what_a_rewrite_would_save(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = run_here("migrate", "--dry-run", "--dsn", database)
    assert "a rewrite would be sound here" in planned.out
    assert "would fill in about" not in planned.err
    monkeypatch.setattr(projection, "WORTH_TELLING_SECONDS", 0)
    assert "--strategy rewrite would fill in about" in run_here("migrate", "--dry-run", "--dsn", database).err
    with another(database, REPEATABLE_READ, "SELECT 1"):
        planned = run_here("migrate", "--dry-run", "--dsn", database)
    assert planned.code == 0
    assert "would fill in about" not in planned.err
    assert "holds a snapshot" in planned.out


@pytest.mark.parametrize("strategy", ["update", "rewrite"])
@pytest.mark.parametrize("flagged", [False, True])
def test_deferred_triggers(
    database: str, connection: Connection, insert: Callable[[Any], None], strategy: str, flagged: bool
) -> None:
    """What they hold back is fired before the table is altered, whichever UPDATE it came from."""
    insert([("a", None), ("b", "a", flagged), ("c", "b")])
    connection.execute("""
        CREATE TABLE heard (job text);
        CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN INSERT INTO heard VALUES (new.job_id); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER hear AFTER UPDATE ON "LlamaLog" DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION hear()
    """)
    assert migrate_here(database, "--strategy", strategy).code == 0
    heard = {job for (job,) in connection.execute("SELECT job FROM heard")}
    assert heard == ({"a", "b", "c"} if strategy == "update" else {"b"} if flagged else set())
    roots = connection.execute('SELECT "root_job_id" FROM "LlamaLog" ORDER BY "job_id"').fetchall()
    assert roots == [("a",), ("b" if flagged else "a",), ("b" if flagged else "a",)]
