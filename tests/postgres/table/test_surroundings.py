"""What attached.sql and snapshots.sql report: what stops the fill or comes with it, and who waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from llamactl.checks.blockers import inspect_table
from llamactl.table.sessions import snapshot_holders
from llamactl.table.table import Table
from roles import new_role
from sessions import session, settings_for

Connection = psycopg.Connection[Any]
ROOT = 'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)'
ALWAYS = {"job index", "parent index"}
"""The indexes of the test's own table."""


def attached(conninfo: str, **values: Any) -> dict[str, list[str]]:
    """Returns the names by subject, but for the indexes that are always there."""
    settings = settings_for(conninfo, **values)
    with session(conninfo, **values) as opened:
        around = inspect_table(Table.open(opened, settings))
    found: dict[str, list[str]] = {}
    for one in around.attached:
        if one.subject not in ALWAYS:
            found.setdefault(one.subject, []).append(one.name)
    return found


@pytest.fixture
def root(connection: Connection) -> None:
    """The root column is there."""
    connection.execute(ROOT)


def test_an_ordinary_table(database: str, connection: Connection) -> None:
    assert attached(database) == {}
    connection.execute(f"{ROOT} DEFAULT 'x'")
    assert attached(database) == {}


# What depends on the root column -----------------------------------------------------------------------

FUNCTION = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'"

DEPENDENTS = {
    "rule _RETURN on view public.seen": 'CREATE VIEW seen AS SELECT root_job_id FROM "LlamaLog"',
    "rule _RETURN on materialized view public.seen": (
        'CREATE MATERIALIZED VIEW seen AS SELECT root_job_id FROM "LlamaLog"'
    ),
    'rule seen on table public."LlamaLog"': (
        'CREATE RULE seen AS ON INSERT TO "LlamaLog" DO ALSO SELECT new.root_job_id'
    ),
    'trigger seen on table public."LlamaLog"': (
        f'{FUNCTION}; CREATE TRIGGER seen BEFORE INSERT ON "LlamaLog" FOR EACH ROW'
        " WHEN (new.root_job_id IS NULL) EXECUTE FUNCTION f()"
    ),
    'policy seen on table public."LlamaLog"': 'CREATE POLICY seen ON "LlamaLog" USING (root_job_id IS NULL)',
    'column seen of table public."LlamaLog"': (
        'ALTER TABLE "LlamaLog" ADD seen boolean GENERATED ALWAYS AS (root_job_id IS NULL) STORED'
    ),
    "function public.seen()": (
        'CREATE FUNCTION seen() RETURNS text BEGIN ATOMIC SELECT min(root_job_id) FROM "LlamaLog"; END'
    ),
}


@pytest.mark.parametrize(("name", "statement"), DEPENDENTS.items(), ids=DEPENDENTS)
@pytest.mark.usefixtures("root")
def test_dependents(database: str, connection: Connection, name: str, statement: str) -> None:
    connection.execute(statement.encode())
    assert attached(database)["dependent"] == [name]


@pytest.mark.usefixtures("root")
def test_what_is_no_dependent(database: str, connection: Connection) -> None:
    for statement in (
        'CREATE VIEW seen AS SELECT job_id FROM "LlamaLog"',
        "ALTER TABLE \"LlamaLog\" ALTER root_job_id SET DEFAULT 'x'",
        "ALTER TABLE \"LlamaLog\" ADD CHECK (root_job_id <> '')",
        'CREATE INDEX own ON "LlamaLog" (root_job_id) WHERE root_job_id IS NOT NULL',
        'CREATE STATISTICS s ON job_id, root_job_id FROM "LlamaLog"',
    ):
        connection.execute(statement.encode())
    assert attached(database) == {"root index": ["own"]}


@pytest.mark.usefixtures("root")
def test_a_publications_row_filter(database: str, connection: Connection) -> None:
    if connection.info.server_version < 150000:
        pytest.skip("a publication has no row filter")
    connection.execute('CREATE PUBLICATION p FOR TABLE "LlamaLog" WHERE (root_job_id IS NULL)')
    assert "publication of table" in attached(database)["dependent"][0]


# What stops the column or the fill ---------------------------------------------------------------------


def test_a_typed_table(database: str, connection: Connection) -> None:
    connection.execute('DROP TABLE "LlamaLog"; CREATE TYPE log AS (id int, job_id text, parent_job_id text)')
    connection.execute("CREATE TABLE llama_logs OF log (PRIMARY KEY (id))")
    assert attached(database) == {"typed table": ["llama_logs"]}
    connection.execute("ALTER TYPE log ADD ATTRIBUTE root_job_id text CASCADE")
    assert attached(database) == {}


@pytest.mark.parametrize(
    ("identity", "works"), [("DEFAULT", True), ("FULL", True), ("NOTHING", False), ('USING INDEX "x"', True)]
)
def test_replica_identity(
    database: str, connection: Connection, insert: Any, identity: str, works: bool
) -> None:
    connection.execute(ROOT)
    insert([("a",)])
    connection.execute('CREATE UNIQUE INDEX x ON "LlamaLog" (id); CREATE PUBLICATION p FOR ALL TABLES')
    connection.execute(f'ALTER TABLE "LlamaLog" REPLICA IDENTITY {identity}'.encode())
    assert attached(database).get("replica identity") == (None if works else ["p"])
    update = 'UPDATE "LlamaLog" SET root_job_id = job_id'
    if works:
        connection.execute(update)
        return
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        connection.execute(update)
    connection.execute("ALTER PUBLICATION p SET (publish = 'insert')")
    connection.execute(update)
    assert attached(database) == {"publication": ["p"], "state publication": ["p"]}


def test_rules(database: str, connection: Connection) -> None:
    connection.execute('CREATE RULE heard AS ON UPDATE TO "LlamaLog" DO ALSO NOTIFY changed')
    assert attached(database) == {"trigger": ["heard"], "accompanying rule": ["heard"]}
    connection.execute('CREATE OR REPLACE RULE heard AS ON UPDATE TO "LlamaLog" DO INSTEAD NOTHING')
    assert attached(database) == {"replacing rule": ["heard"]}
    connection.execute('ALTER TABLE "LlamaLog" DISABLE RULE heard')
    assert attached(database) == {}


# What goes with the fill -------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ['TABLE "LlamaLog"', "ALL TABLES", "TABLES IN SCHEMA public"])
def test_publications(database: str, connection: Connection, what: str) -> None:
    if "SCHEMA" in what and connection.info.server_version < 150000:
        pytest.skip("a publication is of tables, or of all")
    connection.execute(f"CREATE PUBLICATION p FOR {what}".encode())
    state = {"state publication": ["p"]} if what == "ALL TABLES" else {}
    assert attached(database) == {"publication": ["p"], **state}


@pytest.mark.parametrize(
    ("event", "fires"),
    [
        ("BEFORE UPDATE", True),
        ("AFTER INSERT OR UPDATE", True),
        ("BEFORE UPDATE OF parent_job_id", True),
        ("BEFORE UPDATE OF root_job_id", True),
        ("BEFORE UPDATE OF status", False),
        ("BEFORE INSERT OR DELETE", False),
    ],
)
@pytest.mark.usefixtures("root")
def test_triggers(database: str, connection: Connection, event: str, fires: bool) -> None:
    connection.execute(
        f'{FUNCTION}; CREATE TRIGGER fires {event} ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION f()'.encode()
    )
    assert attached(database).get("trigger") == (["fires"] if fires else None)
    connection.execute('ALTER TABLE "LlamaLog" DISABLE TRIGGER fires')
    assert "trigger" not in attached(database)


def test_checks_that_were_not_validated(database: str, connection: Connection) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD CONSTRAINT c CHECK (retry_count >= 0) NOT VALID')
    assert attached(database) == {"unvalidated check": ["c"]}
    connection.execute('ALTER TABLE "LlamaLog" VALIDATE CONSTRAINT c')
    assert attached(database) == {}


# Sessions with a snapshot ------------------------------------------------------------------------------


@contextmanager
def another(conninfo: str, *statements: str) -> Iterator[Connection]:
    """A session in a transaction."""
    with psycopg.connect(conninfo, autocommit=True, application_name="reports") as other:
        for statement in statements:
            other.execute(statement.encode())
        yield other


REPEATABLE_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ"


def holders(conninfo: str) -> list[str]:
    with session(conninfo) as opened:
        return [holder.sentence() for holder in snapshot_holders(opened)]


def test_a_session_with_a_snapshot(database: str) -> None:
    with another(database, REPEATABLE_READ, "SELECT 1") as other:
        pid, user = other.info.backend_pid, other.info.user
        assert holders(database) == [
            f"pid {pid} {user} (reports), idle in transaction, in a transaction for 0 s: SELECT ?"
        ]
        other.execute("COMMIT")
        assert holders(database) == []


def test_a_cursor_holds_a_snapshot(database: str) -> None:
    cursor = 'DECLARE c CURSOR FOR SELECT * FROM "LlamaLog"'
    with another(database, "BEGIN", cursor):
        assert len(holders(database)) == 1


def test_sessions_without_a_snapshot(database: str, new_database: Any) -> None:
    elsewhere = new_database()
    with (
        another(database, "BEGIN", 'SELECT * FROM "LlamaLog"'),
        another(elsewhere, REPEATABLE_READ, "SELECT 1"),
    ):
        assert holders(database) == []


def test_a_session_that_is_invisible(database: str) -> None:
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        with another(database) as other:
            assert holders(role.conninfo) == []
            other.execute(REPEATABLE_READ)
            other.execute("SELECT 1")
            assert holders(role.conninfo) == [f"pid {other.info.backend_pid} {other.info.user} (reports)"]


def test_a_snapshot_taken_since_the_first_look(database: str) -> None:
    # The server shows other sessions as they were at the transaction's first look, if it is let.
    with session(database) as opened, opened.transaction():
        assert snapshot_holders(opened) == []
        with another(database, REPEATABLE_READ, "SELECT 1"):
            assert len(snapshot_holders(opened)) == 1


def test_a_session_that_waits_with_a_snapshot(database: str, connection: Connection) -> None:
    with another(database, REPEATABLE_READ, "SELECT 1") as other, connection.transaction():
        connection.execute('LOCK TABLE "LlamaLog"')
        other.pgconn.send_query(b'SELECT count(*) FROM "LlamaLog"')
        assert f"pid {other.info.backend_pid} " in holders(database)[0]
        other.close()
