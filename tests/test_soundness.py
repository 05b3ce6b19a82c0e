"""When a rewrite, or an UPDATE, of the whole table is unsound: each line of the two files that tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from llamactl import catalog, soundness
from roles import new_role
from sessions import session, settings_for

Connection = psycopg.Connection[Any]
ROOT = 'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)'
REWRITE = 'ALTER TABLE "LlamaLog" ALTER root_job_id TYPE varchar(100) USING job_id::text'


def judge(conninfo: str, **values: Any) -> soundness.Judgement:
    settings = settings_for(conninfo, **values)
    with session(conninfo, **values) as opened:
        relation = catalog.locate(opened, settings)
        return soundness.judge(opened, catalog.names_for(relation, settings), relation)


@pytest.fixture
def root(connection: Connection) -> None:
    """The root column is there."""
    connection.execute(ROOT)


def test_an_ordinary_table(database: str, connection: Connection) -> None:
    sound = soundness.Judgement((), (), ())
    assert judge(database) == sound
    connection.execute(f"{ROOT} DEFAULT 'x'; CREATE INDEX ON \"LlamaLog\" (root_job_id)")
    assert judge(database) == sound
    assert sound.reasons == ()


# What the server itself refuses to rewrite -------------------------------------------------------------

FUNCTION = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'"

REFUSED_BY_THE_SERVER = {
    "column": (
        'CREATE TABLE copy (id int, log "LlamaLog")',
        "its row type is used by column log of copy",
    ),
    "array": (
        'CREATE TABLE copy (id int, logs "LlamaLog"[])',
        "its row type is used by column logs of copy",
    ),
    "composite": (
        'CREATE TYPE pair AS (a int, b "LlamaLog"); CREATE TABLE copy (p pair)',
        "its row type is used by column p of copy",
    ),
    "domain": (
        'CREATE DOMAIN wrapped AS "LlamaLog" CHECK (value IS NOT NULL); CREATE TABLE copy (d wrapped)',
        "its row type is used by column d of copy",
    ),
    "deep": (
        'CREATE TYPE pair AS (a int, b "LlamaLog"); CREATE DOMAIN dom AS pair; CREATE TABLE copy (d dom[])',
        "its row type is used by column d of copy",
    ),
    "view": (
        'CREATE VIEW seen AS SELECT root_job_id FROM "LlamaLog"',
        "rule _RETURN on view seen uses the root column",
    ),
    "materialized view": (
        'CREATE MATERIALIZED VIEW seen AS SELECT root_job_id FROM "LlamaLog"',
        "rule _RETURN on materialized view seen uses the root column",
    ),
    "rule": (
        'CREATE RULE seen AS ON INSERT TO "LlamaLog" DO ALSO SELECT new.root_job_id',
        'rule seen on table "LlamaLog" uses the root column',
    ),
    "trigger": (
        f'{FUNCTION}; CREATE TRIGGER seen BEFORE INSERT ON "LlamaLog" FOR EACH ROW'
        " WHEN (new.root_job_id IS NULL) EXECUTE FUNCTION f()",
        'trigger seen on table "LlamaLog" uses the root column',
    ),
    "policy": (
        'CREATE POLICY seen ON "LlamaLog" USING (root_job_id IS NULL)',
        'policy seen on table "LlamaLog" uses the root column',
    ),
    "generated": (
        'ALTER TABLE "LlamaLog" ADD seen boolean GENERATED ALWAYS AS (root_job_id IS NULL) STORED',
        'column seen of table "LlamaLog" uses the root column',
    ),
    "function": (
        'CREATE FUNCTION seen() RETURNS text BEGIN ATOMIC SELECT min(root_job_id) FROM "LlamaLog"; END',
        "function seen() uses the root column",
    ),
}


@pytest.mark.parametrize(("statement", "reason"), REFUSED_BY_THE_SERVER.values(), ids=REFUSED_BY_THE_SERVER)
@pytest.mark.usefixtures("root")
def test_what_the_server_would_not_rewrite(
    database: str, connection: Connection, statement: str, reason: str
) -> None:
    connection.execute(statement)
    assert judge(database) == soundness.Judgement((), (reason,), ())
    # Postgres 14 calls it a syntax error where a generated column is in the way.
    with pytest.raises((psycopg.errors.FeatureNotSupported, psycopg.errors.SyntaxError)):
        connection.execute(REWRITE)


REWRITTEN_BY_THE_SERVER = (
    'CREATE VIEW seen AS SELECT job_id FROM "LlamaLog"',
    "ALTER TABLE \"LlamaLog\" ALTER root_job_id SET DEFAULT 'x'",
    "ALTER TABLE \"LlamaLog\" ADD CHECK (root_job_id <> '')",
    'CREATE INDEX ON "LlamaLog" (root_job_id) WHERE root_job_id IS NOT NULL',
    'CREATE STATISTICS s ON job_id, root_job_id FROM "LlamaLog"',
    "CREATE FUNCTION takes(log \"LlamaLog\") RETURNS int LANGUAGE sql AS 'SELECT 1'",
    'CREATE TYPE pair AS (a int, b "LlamaLog")',
)


@pytest.mark.usefixtures("root")
def test_what_the_server_rewrites(database: str, connection: Connection) -> None:
    for statement in REWRITTEN_BY_THE_SERVER:
        connection.execute(statement)
    assert judge(database).against_rewrite == ()
    connection.execute(REWRITE)


@pytest.mark.usefixtures("root")
def test_a_publications_row_filter(database: str, connection: Connection) -> None:
    if connection.info.server_version < 150000:
        pytest.skip("a publication has no row filter")
    connection.execute('CREATE PUBLICATION p FOR TABLE "LlamaLog" WHERE (root_job_id IS NULL)')
    assert "publication of table" in judge(database).against_rewrite[0]


def test_a_typed_table(database: str, connection: Connection) -> None:
    connection.execute('DROP TABLE "LlamaLog"; CREATE TYPE log AS (id int, job_id text, parent_job_id text)')
    connection.execute("CREATE TABLE llama_logs OF log (PRIMARY KEY (id))")
    assert judge(database).against_both == ("it is a typed table, which takes no column of its own",)
    connection.execute("ALTER TYPE log ADD ATTRIBUTE root_job_id text CASCADE")
    judged = judge(database)
    assert (judged.against_both, judged.against_rewrite) == ((), ("it is a typed table",))


# What only this database's setup tells -----------------------------------------------------------------


def test_another_access_method(database: str, connection: Connection) -> None:
    connection.execute("CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler")
    connection.execute('CREATE TABLE llama_logs (LIKE "LlamaLog" INCLUDING ALL) USING heap2')
    assert judge(database, table="llama_logs").against_rewrite == ("its access method is heap2",)


@pytest.mark.usefixtures("root")
def test_an_event_trigger_on_rewrites(database: str, connection: Connection) -> None:
    connection.execute("CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
    connection.execute("CREATE EVENT TRIGGER watch ON table_rewrite EXECUTE FUNCTION f()")
    assert judge(database).against_rewrite == ("event trigger watch fires on a rewrite",)
    connection.execute("ALTER EVENT TRIGGER watch DISABLE")
    assert judge(database).against_rewrite == ()


def test_an_invalid_index(database: str, connection: Connection, insert: Any) -> None:
    insert([("a",), ("a",)])
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute('CREATE UNIQUE INDEX CONCURRENTLY once ON "LlamaLog" (job_id)')
    assert judge(database).against_rewrite == ("index once is invalid, and a rewrite would build it anew",)


def test_an_index_that_calls_a_function(each_database: str) -> None:
    with psycopg.connect(each_database, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION f(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)'"
        )
        connection.execute('CREATE INDEX lowered ON "LlamaLog" (f(job_id))')
        # A function of the server's own, or in C, is no reason.
        connection.execute('CREATE INDEX plain ON "LlamaLog" (upper(job_id))')
        pinned = connection.info.server_version >= 170000
        reason = "index lowered calls f(text), whose search path is not pinned"
        assert judge(each_database).against_rewrite == ((reason,) if pinned else ())
        connection.execute("ALTER FUNCTION f SET search_path = pg_catalog")
        assert judge(each_database).against_rewrite == ()


@pytest.mark.parametrize("what", ['TABLE "LlamaLog"', "ALL TABLES", "TABLES IN SCHEMA public"])
def test_publications(database: str, connection: Connection, what: str) -> None:
    if "SCHEMA" in what and connection.info.server_version < 150000:
        pytest.skip("a publication is of tables, or of all")
    connection.execute(f"CREATE PUBLICATION p FOR {what}")
    judged = judge(database)
    assert judged.against_rewrite == ("publication p carries it, and a rewrite is not replicated",)
    assert judged.against_both == ()


@pytest.mark.parametrize(
    ("identity", "works"), [("DEFAULT", True), ("FULL", True), ("NOTHING", False), ('USING INDEX "x"', True)]
)
def test_replica_identity(
    database: str, connection: Connection, insert: Any, identity: str, works: bool
) -> None:
    connection.execute(ROOT)
    insert([("a",)])
    connection.execute('CREATE UNIQUE INDEX x ON "LlamaLog" (id); CREATE PUBLICATION p FOR ALL TABLES')
    connection.execute(f'ALTER TABLE "LlamaLog" REPLICA IDENTITY {identity}')
    reason = "publication p carries updates, and the table has no replica identity"
    assert judge(database).against_both == (() if works else (reason,))
    update = 'UPDATE "LlamaLog" SET root_job_id = job_id'
    if works:
        connection.execute(update)
        return
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        connection.execute(update)
    connection.execute("ALTER PUBLICATION p SET (publish = 'insert')")
    connection.execute(update)
    assert judge(database).against_both == ()


def test_large_toast(database: str, connection: Connection) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ALTER reason SET STORAGE EXTERNAL')
    connection.execute("""
        INSERT INTO "LlamaLog" (operation, category, status, reason)
        SELECT '', 'CREATED', 'SUCCESS', repeat('x', 100000) FROM generate_series(1, 20)
    """)
    assert judge(database).against_rewrite[0].startswith("its TOAST, ")


# What speaks for a rewrite -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "fires"),
    [
        ("BEFORE UPDATE", True),
        ("AFTER INSERT OR UPDATE", True),
        ("BEFORE UPDATE OF parent_job_id", True),
        ("BEFORE UPDATE OF status", False),
        ("BEFORE INSERT OR DELETE", False),
    ],
)
def test_triggers(database: str, connection: Connection, event: str, fires: bool) -> None:
    connection.execute(
        f'{FUNCTION}; CREATE TRIGGER fires {event} ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION f()'
    )
    judged = judge(database)
    assert judged.for_rewrite == (("an UPDATE fires trigger fires",) if fires else ())
    assert judged.reasons == (("note: an UPDATE fires trigger fires",) if fires else ())
    assert judged.against_rewrite == ()
    connection.execute('ALTER TABLE "LlamaLog" DISABLE TRIGGER fires')
    assert judge(database).for_rewrite == ()


def test_rules(database: str, connection: Connection) -> None:
    connection.execute('CREATE RULE heard AS ON UPDATE TO "LlamaLog" DO ALSO NOTIFY changed')
    judged = judge(database)
    assert (judged.against_both, judged.for_rewrite) == ((), ("an UPDATE fires rule heard",))
    connection.execute('CREATE OR REPLACE RULE heard AS ON UPDATE TO "LlamaLog" DO INSTEAD NOTHING')
    assert judge(database).against_both == ("rule heard takes the place of UPDATE",)
    connection.execute('ALTER TABLE "LlamaLog" DISABLE RULE heard')
    assert judge(database) == soundness.Judgement((), (), ())


def test_checks_that_were_not_validated(database: str, connection: Connection) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD CONSTRAINT c CHECK (retry_count >= 0) NOT VALID')
    assert judge(database).for_rewrite == ("an UPDATE checks c, which is NOT VALID",)
    connection.execute('ALTER TABLE "LlamaLog" VALIDATE CONSTRAINT c')
    assert judge(database).for_rewrite == ()


# Other sessions ----------------------------------------------------------------------------------------


@contextmanager
def another(conninfo: str, *statements: str) -> Iterator[Connection]:
    """A session in a transaction."""
    with psycopg.connect(conninfo, autocommit=True, application_name="reports") as other:
        for statement in statements:
            other.execute(statement)
        yield other


REPEATABLE_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ"


def test_a_session_with_a_snapshot(database: str) -> None:
    with another(database, REPEATABLE_READ, "SELECT 1") as other:
        (reason,) = judge(database).against_rewrite
        pid, user = other.info.backend_pid, other.info.user
        assert reason == (
            f"pid {pid} {user} (reports), idle in transaction, in a transaction for 0 s: SELECT ?"
            " holds a snapshot, which would see the table empty"
        )
        other.execute("COMMIT")
        assert judge(database).against_rewrite == ()


def test_a_cursor_holds_a_snapshot(database: str) -> None:
    cursor = 'DECLARE c CURSOR FOR SELECT * FROM "LlamaLog"'
    with another(database, "BEGIN", cursor):
        assert "holds a snapshot" in judge(database).against_rewrite[0]


def test_sessions_without_a_snapshot(database: str, new_database: Any) -> None:
    elsewhere = new_database()
    with (
        another(database, "BEGIN", 'SELECT * FROM "LlamaLog"'),
        another(elsewhere, REPEATABLE_READ, "SELECT 1"),
    ):
        assert judge(database).against_rewrite == ()


def test_a_session_that_is_invisible(database: str) -> None:
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        with another(database) as other:
            hidden = f"pid {other.info.backend_pid} {other.info.user} (reports)"
            (reason,) = [r for r in judge(role.conninfo).against_rewrite if r.startswith(hidden)]
            assert reason.startswith(f"{hidden} is invisible to us")
            other.execute(REPEATABLE_READ)
            other.execute("SELECT 1")
            assert (
                f"{hidden} holds a snapshot, which would see the table empty"
                in judge(role.conninfo).against_rewrite
            )
            role.granted("GRANT pg_read_all_stats TO {}", database)
            other.execute("COMMIT")
            assert judge(role.conninfo).against_rewrite == ()


def holders(conninfo: str) -> list[str]:
    with session(conninfo) as opened:
        return [holder.sentence() for holder in soundness.snapshot_holders(opened)]


def test_a_snapshot_taken_since_the_first_look(database: str) -> None:
    # The server shows other sessions as they were at the transaction's first look, if it is let.
    with session(database) as opened, opened.transaction():
        assert soundness.snapshot_holders(opened) == []
        with another(database, REPEATABLE_READ, "SELECT 1"):
            assert len(soundness.snapshot_holders(opened)) == 1


def test_a_session_that_waits_with_a_snapshot(database: str, connection: Connection) -> None:
    with another(database, REPEATABLE_READ, "SELECT 1") as other, connection.transaction():
        connection.execute('LOCK TABLE "LlamaLog"')
        other.pgconn.send_query(b'SELECT count(*) FROM "LlamaLog"')
        assert f"pid {other.info.backend_pid} " in holders(database)[0]
        other.close()
