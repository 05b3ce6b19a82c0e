"""A published table: what its subscribers need is printed beforehand, and replication then goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from commands import call
from cutting import Connection, run_here, wait_until
from faults import expected_roots, faulty_rows
from llamactl.migrate.dry_run import MigrateOptions
from llamactl.migrate.run import migrate_table
from llamactl.model import CheckPolicy, ErrorCode
from llamactl.online.repair import RepairOptions, repair_roots
from llamactl.online.run import OnlineOptions, migrate_online
from llamactl.undo.run import undo_migration
from servers import Server, private_server
from sessions import refused, session, settings_for
from state_of_0_1 import CLEARED_PARENT, RUNS, SCHEMA

Insert = Callable[[str, Any], None]

ROWS = """SELECT to_jsonb(log) - 'root_job_id' FROM "LlamaLog" AS log ORDER BY id"""
ROOTS = 'SELECT id::text, root_job_id FROM "LlamaLog"'
FLAGGED = """INSERT INTO "LlamaLog" (operation, category, status, job_id, parent_job_id, is_root_job)
VALUES ('x', 'CREATED', 'SUCCESS', %s, 'a', true)"""
ROW = """INSERT INTO "LlamaLog" (operation, category, status, job_id, parent_job_id, created_at)
VALUES ('x', 'CREATED', 'SUCCESS', %s, %s, '2020-01-01')"""
LINKED = """INSERT INTO "LlamaLog" (operation, category, status, job_id, parent_job_id)
VALUES ('x', 'LINKED', 'SUCCESS', 'linked', 'a')"""
STATE = ["llamactl.run", "llamactl.step", "llamactl.cleared_parent"]


def warned(done: Any) -> str:
    """The DDL that was printed, which ends the line."""
    assert done.code in (0, 1), done.err
    lines = [line for line in done.err.splitlines() if "Published by" in line]
    assert len(lines) == 1, done.err
    return lines[0].partition("first: " if "first: " in lines[0] else "run on each of them: ")[2]


# The text ----------------------------------------------------------------------------------------------

KINDS = {
    "ALL TABLES": ["ADD COLUMN", "ADD VALUE", "CREATE SCHEMA", *STATE],
    'TABLE "LlamaLog"': ["ADD COLUMN", "ADD VALUE"],
    "TABLES IN SCHEMA public": ["ADD COLUMN", "ADD VALUE"],
    'TABLE "LlamaLog" (id, job_id)': ["ADD VALUE"],
    'TABLE "LlamaLog", TABLES IN SCHEMA llamactl': ["ADD COLUMN", "ADD VALUE", "CREATE SCHEMA", *STATE],
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed(kind: str, database: str, connection: Connection) -> None:
    if connection.info.server_version < 150000 and ("SCHEMA" in kind or "(" in kind):
        pytest.skip("a publication is of tables, or of all")
    if "llamactl" in kind:
        connection.execute("CREATE SCHEMA llamactl")
    connection.execute(f"CREATE PUBLICATION feed FOR {kind}".encode())
    printed = [
        run_here("migrate", "--dry-run", "--dsn", database).err,
        run_here("migrate", "--online", "--dry-run", "--dsn", database).err,
        run_here("preflight", "--fail-on", "never", "--dsn", database).out,
        run_here("sql", "--dsn", database).out,
        run_here("migrate", "--yes", "--dsn", database).err,
    ]
    for text in printed:
        assert "feed" in text
        shown = " ".join(text.split()).partition("-- One transaction")[0]
        for part in ("ADD COLUMN", "ADD VALUE", "CREATE SCHEMA", *STATE):
            statement = f"TABLE IF NOT EXISTS {part} (" if part in STATE else f"{part} IF NOT EXISTS"
            assert (statement in shown) == (part in KINDS[kind]), (part, text)


def test_nothing_is_printed_where_nothing_is_needed(database: str, connection: Connection) -> None:
    assert "Published" not in run_here("migrate", "--dry-run", "--dsn", database).err
    connection.execute('CREATE PUBLICATION feed FOR TABLE "LlamaLog"')
    assert call("migrate", database).code == 0
    for command in ("migrate --dry-run", "migrate", "migrate --online", "repair --dry-run", "repair"):
        assert "Published" not in call(command, database).err


def test_state_of_an_earlier_version_is_changed_on_the_subscriber_too(
    database: str, connection: Connection
) -> None:
    connection.execute("CREATE PUBLICATION feed FOR ALL TABLES")
    current = warned(call("migrate --dry-run", database))
    connection.execute(f"{SCHEMA}; {RUNS}; {CLEARED_PARENT}".encode())
    ddl = warned(call("migrate --dry-run", database))
    assert ddl.startswith(current)
    columns = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'llamactl'"
    for _ in range(2):
        connection.execute(ddl.encode())
    upgraded = sorted(connection.execute(columns).fetchall())
    connection.execute("DROP SCHEMA llamactl CASCADE")
    connection.execute(current.encode())
    assert sorted(connection.execute(columns).fetchall()) == upgraded


def test_the_prompts_say_it_too(database: str, connection: Connection, insert_into: Insert) -> None:
    insert_into(database, faulty_rows())
    connection.execute("CREATE PUBLICATION feed FOR ALL TABLES")
    for answer in ("ADD COLUMN IF NOT EXISTS", "CREATE TABLE IF NOT EXISTS llamactl.run"):
        options = MigrateOptions(CheckPolicy.AUTO, 1, None, None)
        assert answer in declined(database, migrate_table, options, dry_run=False)
        online = OnlineOptions(CheckPolicy.AUTO, 1, None, None, True, 0)
        assert answer in declined(database, migrate_online, online, progress=print)
    assert call("migrate", database).code == 0
    assert "DROP COLUMN" in declined(database, undo_migration, dry_run=False, retries=1)
    connection.execute("""UPDATE "LlamaLog" SET root_job_id = NULL WHERE job_id = 'b'""")
    asked = declined(database, repair_roots, RepairOptions(False, 0, 1), progress=print)
    assert "CREATE TABLE IF NOT EXISTS llamactl.run" in asked


def declined(dsn: str, run: Any, *arguments: Any, **options: Any) -> str:
    """What a person read who then declined."""
    read: list[str] = []

    def confirm(question: str) -> bool:
        assert "ubscribers" in question
        read.append(question)
        return False

    with session(dsn) as opened, refused(ErrorCode.INTERRUPTED):
        run(opened, settings_for(dsn), *arguments, confirm=confirm, note=read.append, **options)
    return "\n".join(read)


def test_nothing_is_written_that_nobody_needs(database: str, connection: Connection) -> None:
    connection.execute(ROW, ["a", None])
    connection.execute(ROW, ["b", "a"])
    state = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('llamactl') AND relkind = 'r'"
    assert call("migrate", database).code == 0
    assert connection.execute("SELECT FROM pg_namespace WHERE nspname = 'llamactl'").fetchall() == []
    for command in ("migrate", "repair", "migrate --online --no-guard"):
        assert call(command, database).code == 0
    assert connection.execute(state).fetchall() == []
    connection.execute(ROW, ["c", "b"])
    assert call("repair", database).code == 0
    assert sorted(connection.execute(state).fetchall()) == [("run",), ("step",)]
    connection.execute(FLAGGED, ["flagged"])
    assert call("repair", database).code == 0
    assert sorted(connection.execute(state).fetchall()) == [("cleared_parent",), ("run",), ("step",)]


# Real subscribers --------------------------------------------------------------------------------------


@dataclass
class Pair:
    """A publisher and its subscriber."""

    dsn: str
    publisher: Connection
    subscriber: Connection

    def subscribe(self, what: str) -> None:
        where = conninfo_to_dict(self.dsn)
        source = " ".join(f"{name}={where[name]}" for name in ("host", "port", "user", "dbname"))
        self.publisher.execute(f"CREATE PUBLICATION feed FOR {what}".encode())
        self.subscriber.execute(f"CREATE SUBSCRIPTION feed CONNECTION '{source}' PUBLICATION feed".encode())
        self.synchronised()

    def synchronised(self) -> None:
        unready = "SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r'"
        wait_until(self.subscriber, f"SELECT WHERE NOT EXISTS ({unready})")

    def refresh(self) -> None:
        self.subscriber.execute("ALTER SUBSCRIPTION feed REFRESH PUBLICATION")
        self.synchronised()

    def caught_up(self) -> None:
        """Waits until all that was written is applied, and compares the rows."""
        (written,) = self.publisher.execute("SELECT pg_current_wal_lsn()").fetchone() or ("",)
        applied = "SELECT FROM pg_stat_replication WHERE application_name = 'feed' AND replay_lsn >= %s"
        wait_until(self.publisher, applied, written)
        assert self.publisher.execute(ROWS).fetchall() == self.subscriber.execute(ROWS).fetchall()

    def same_roots(self) -> None:
        self.caught_up()
        here = dict(self.publisher.execute(ROOTS).fetchall())
        assert here == dict(self.subscriber.execute(ROOTS).fetchall())
        assert {row: here[row] for row in expected_roots()} == expected_roots()

    def stopped(self) -> None:
        failed = "SELECT FROM pg_stat_subscription_stats WHERE apply_error_count > 0"
        wait_until(self.subscriber, failed)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    settings = {"wal_level": "logical", "wal_retrieve_retry_interval": "200ms"}
    with private_server(**settings) as one, private_server(**settings) as other:
        yield one, other


@pytest.fixture
def pair(servers: tuple[Server, Server], insert_into: Insert) -> Iterator[Pair]:
    with pair_of(servers) as made:
        insert_into(made.dsn, faulty_rows())
        yield made


@contextmanager
def pair_of(servers: tuple[Server, Server]) -> Iterator[Pair]:
    one, other = servers
    names = one.create(one.template), other.create(other.template)
    dsns = one.conninfo(names[0]), other.conninfo(names[1])
    with (
        psycopg.connect(dsns[0], autocommit=True) as publisher,
        psycopg.connect(dsns[1], autocommit=True) as subscriber,
    ):
        yield Pair(dsns[0], publisher, subscriber)
        subscriber.execute("DROP SUBSCRIPTION IF EXISTS feed")
    one.drop(names[0])
    other.drop(names[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "what"),
    [("migrate --online", "ALL TABLES"), ("migrate", 'TABLE "LlamaLog"')],
)
def test_replication_goes_on_where_the_ddl_was_run(what: str, command: str, pair: Pair) -> None:
    pair.subscribe(what)
    for turn in range(2):  # the second one after an undo, with the state's tables subscribed as well
        ddl = warned(call(f"{command} --dry-run", pair.dsn))
        for _ in range(2):
            pair.subscriber.execute(ddl.encode())
        assert warned(call(command, pair.dsn)) == ddl
        pair.publisher.execute(LINKED)
        pair.publisher.execute(FLAGGED, [f"flagged {turn}"])
        pair.publisher.execute("""UPDATE "LlamaLog" SET root_job_id = NULL WHERE job_id = 'b'""")
        repaired = call("repair", pair.dsn)
        assert ("Published" in repaired.err) == (what == "ALL TABLES")
        pair.same_roots()
        pair.refresh()
        pair.caught_up()
        gone = warned(call("undo", pair.dsn))
        pair.caught_up()
        pair.subscriber.execute(gone.encode())
        pair.publisher.execute(FLAGGED, [f"afterwards {turn}"])
        pair.publisher.execute("""DELETE FROM "LlamaLog" WHERE category = 'LINKED'""")
        pair.caught_up()
        columns = pair.subscriber.execute('SELECT * FROM "LlamaLog"').description
        assert "root_job_id" not in [column.name for column in columns or []]
        assert pair.subscriber.execute("SELECT FROM pg_namespace WHERE nspname = 'llamactl'").fetchall() == []


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["ADD VALUE", "llamactl.cleared_parent ("])
def test_replication_stops_without_any_of_it_and_goes_on_with_it(missing: str, pair: Pair) -> None:
    """What is printed is needed, and a subscriber that got it too late loses nothing."""
    pair.subscribe("ALL TABLES")
    ddl = warned(call("migrate --dry-run", pair.dsn))
    statements = [f"{statement};" for statement in ddl.split(";") if statement.strip()]
    for statement in statements:
        if missing not in statement:
            pair.subscriber.execute(statement.encode())
    assert call("migrate", pair.dsn).code == 0
    pair.publisher.execute(LINKED)
    pair.stopped()
    pair.subscriber.execute(ddl.encode())
    pair.caught_up()
