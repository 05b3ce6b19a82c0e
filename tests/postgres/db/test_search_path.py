"""The search path: pinned for llamactl's own statements, the role's own for the user's code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from cutting import Connection, run_here
from faults import expected_roots, faulty_rows
from llamactl.db.session import Session
from llamactl.model import ErrorCode, LlamactlError
from llamactl.table import catalog
from roles import Role, new_role
from servers import Server, private_server
from sessions import query, refused, session, settings_for, with_options

InsertInto = Callable[[str, Any], None]

PINNED = "pg_catalog, pg_temp"

# Each kind of code that a statement of llamactl's may run, by names that only the role's path resolves.
# What runs outside of that path fails, or is recorded with another one.
USERS_CODE = """
CREATE SCHEMA app;
CREATE TABLE app.seen (what text, path text);
CREATE FUNCTION app.see(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN INSERT INTO seen VALUES (what, current_setting('search_path')); END $$;
CREATE FUNCTION app.watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM see(TG_ARGV[0]); RETURN NEW; END $$;
CREATE TRIGGER statement BEFORE UPDATE ON "LlamaLog" EXECUTE FUNCTION app.watch('statement');
CREATE TRIGGER each_row BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION app.watch('row');
CREATE CONSTRAINT TRIGGER deferred AFTER UPDATE ON "LlamaLog" DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION app.watch('deferred');
CREATE FUNCTION app.helper(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;
CREATE FUNCTION app.holds(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN RETURN helper($1); END $$;
ALTER TABLE "LlamaLog" ADD CONSTRAINT holds CHECK (app.holds("job_id")),
  ADD "shown" boolean GENERATED ALWAYS AS (app.holds("operation")) STORED;
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM see(TG_TAG); END $$;
CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION app.on_ddl();
CREATE EVENT TRIGGER on_drop ON sql_drop EXECUTE FUNCTION app.on_ddl();
"""
# From Postgres 17 on, ANALYZE pins the path itself.
INDEX_FUNCTION = 'CREATE INDEX shown ON "LlamaLog" (app.holds("reason"))'


def set_path(connection: Connection, path: str) -> None:
    """As the database's own, for the sessions that follow."""
    connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET search_path = {path}'.encode())


def add_users_code(connection: Connection) -> None:
    connection.execute("SET search_path = public, app")
    connection.execute(USERS_CODE.encode())
    if connection.info.server_version < 170000:
        connection.execute(INDEX_FUNCTION.encode())
    set_path(connection, "public, app")


def take_seen(connection: Connection) -> dict[str, set[str]]:
    """What ran since it was last asked, and under which paths."""
    seen: dict[str, set[str]] = {}
    for what, path in connection.execute("DELETE FROM app.seen RETURNING what, path"):
        seen.setdefault(what, set()).add(path)
    return seen


@dataclass(frozen=True, slots=True)
class Shown:
    path: str


THEIRS = {"public, app, pg_temp"}
FIRED = {"statement", "row", "deferred"}
COMMANDS: dict[str, tuple[list[list[str]], set[str]]] = {
    "preflight": ([["preflight", "--fail-on", "never"]], set()),  # rolled back
    "migrate": (
        [["migrate", "--yes", "--check", "not-valid"]],
        {*FIRED, "ALTER TABLE", "CREATE INDEX", "ALTER TYPE", "COMMENT", "CREATE SCHEMA", "CREATE TABLE"},
    ),
    "online": (
        [["migrate", "--online", "--yes", "--check", "not-valid", "--grace", "0s"]],
        {*FIRED, "ALTER TABLE", "CREATE INDEX", "ALTER TYPE", "COMMENT", "CREATE SCHEMA", "CREATE TABLE"}
        | {"CREATE TRIGGER", "CREATE FUNCTION"},
    ),
    "repair": ([["repair", "--yes", "--overwrite"]], {*FIRED, "CREATE TABLE"}),
    "undo": ([["undo", "--yes"]], {*FIRED, "ALTER TABLE", "DROP TABLE", "DROP SCHEMA"}),
    "guard": (
        [["guard", "install", "--yes"], ["guard", "remove", "--yes"]],
        {"CREATE INDEX", "CREATE FUNCTION", "CREATE TRIGGER", "COMMENT", "DROP TRIGGER", "DROP FUNCTION"},
    ),
}


def prepare(name: str, connection: Connection, dsn: str) -> None:
    """What the command needs that comes before it."""
    if name in ("undo", "guard"):
        assert run_here("migrate", "--yes", "--dsn", dsn).code == 0
    if name == "repair":
        connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    connection.execute("DELETE FROM app.seen")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_users_code_sees_the_users_path(each_database: str, insert_into: InsertInto, name: str) -> None:
    insert_into(each_database, [{**row, "created_at": "2026-01-01"} for row in faulty_rows()])
    with psycopg.connect(each_database, autocommit=True) as connection:
        add_users_code(connection)
        prepare(name, connection, each_database)
        commands, expected = COMMANDS[name]
        for words in commands:
            done = run_here(*words, "--dsn", each_database)
            assert done.code == 0, done.err
        seen = take_seen(connection)
        assert expected - seen.keys() == set()
        assert {what: paths for what, paths in seen.items() if paths != THEIRS} == {}


def test_the_printed_script_runs_the_users_code_under_the_users_path(
    database: str, connection: Connection, insert_into: InsertInto, psql: Path
) -> None:
    insert_into(database, faulty_rows())
    add_users_code(connection)
    script = run_here("sql", "--dsn", database).out
    connection.execute("DELETE FROM app.seen")
    done = subprocess.run([psql, "-X", "-q", "-d", database, "-f", "-"], input=script, text=True, check=False)
    assert done.returncode == 0
    seen = take_seen(connection)
    assert {*FIRED, "ALTER TABLE"} - seen.keys() == set()
    assert {what: paths for what, paths in seen.items() if paths != THEIRS} == {}
    roots = connection.execute('SELECT "id"::text, "root_job_id" FROM "LlamaLog"').fetchall()
    assert dict(roots) == expected_roots()


# --- the session -------------------------------------------------------------------------------------------


@contextmanager
def logging_server() -> Iterator[Server]:
    with private_server(log_statement="all", log_min_messages="warning") as server:
        yield server


def statements_of(log: str) -> list[str]:
    return re.findall(r"LOG:  (?:statement|execute \S+): (.*)", log)


def test_the_path_is_pinned_before_anything_else() -> None:
    with logging_server() as server:
        dsn = server.conninfo(server.create(server.template))
        assert server.private
        before = len(server.private.log.read_text())
        assert run_here("preflight", "--fail-on", "never", "--dsn", dsn).code == 0
        sent = statements_of(server.private.log.read_text()[before:])
    assert sent[0] == "SHOW search_path"
    pinned = (f"BEGIN; SET LOCAL search_path = {PINNED}; ", f"SET search_path = {PINNED}; ")
    assert all(statement.startswith(pinned) for statement in sent[1:4])
    begun = [statement for statement in sent if statement.startswith("BEGIN")]
    assert len(begun) > 1
    assert all(f"; SET LOCAL search_path = {PINNED}" in statement for statement in begun)


@pytest.mark.parametrize("ends", ["committed", "rolled back"])
def test_a_path_that_a_trigger_leaves_behind_is_not_llamactls(
    database: str, connection: Connection, ends: str
) -> None:
    connection.execute("CREATE TABLE t (n int)")
    connection.execute(
        "CREATE FUNCTION stray() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM set_config('search_path', 'public', false); RETURN NEW; END $$"
    )
    connection.execute("CREATE TRIGGER stray BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION stray()")
    insert = query('INSERT INTO "public"."LlamaLog" SELECT NULL')
    assert insert.runs_users_code
    with session(database) as opened:
        connection.execute('DROP TABLE "LlamaLog"; ALTER TABLE t RENAME TO "LlamaLog"')
        try:
            with opened.transaction():
                opened.run(insert)
                assert shown(opened) == PINNED
                if ends != "committed":
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert shown(opened) == PINNED
        with opened.snapshot():
            assert shown(opened) == PINNED


def test_what_runs_outside_of_a_transaction_is_followed_by_the_pinned_path(database: str) -> None:
    with session(database) as opened:
        opened.autocommit_run(query("CREATE TABLE public.u (); SET SESSION work_mem = '5MB'"))
        assert shown(opened) == PINNED
        with pytest.raises(LlamactlError):
            opened.autocommit_run(query("CREATE TABLE public.u ()"))
        assert shown(opened) == PINNED


def shown(opened: Session) -> str:
    return opened.row(query("SELECT current_setting('search_path') AS path"), Shown).path


# --- a pooler ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
def test_through_a_pooler_the_path_is_pinned_in_transactions_only(
    pooled: str, connection: Connection, insert_into: InsertInto, database: str, told: bool
) -> None:
    insert_into(database, faulty_rows())
    add_users_code(connection)
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"  # has the database's former path
    )
    where = conninfo_to_dict(pooled)
    for words in (["preflight", "--fail-on", "never"], ["migrate", "--yes"], ["verify"], ["tree", "a"]):
        dsn = (
            "postgresql://{user}@{host}:{port}/{dbname}?pgbouncer=true".format_map(where) if told else pooled
        )
        assert run_here(*words, "--dsn", dsn).code in (0, 1)
        # The one connection that the pooler has to the server.
        with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as other:
            assert other.execute("SHOW search_path").fetchone() == ("public, app",)
    seen = take_seen(connection)
    assert {*FIRED, "ALTER TABLE"} - seen.keys() == set()
    assert {what: paths for what, paths in seen.items() if paths != THEIRS} == {}


# --- the table is found by the role's path -----------------------------------------------------------------


PATHS = {
    "with a space": ('"job logs"', "job logs"),
    "with a comma": ('public, "a, b"', "a, b"),
    "with a quote": ('"say ""hi""", public', 'say "hi"'),
    "folded": ("Archive", "archive"),
    "not folded": ('"Archive"', "Archive"),
    "the role": ('"$user"', None),
    "named like a variable": ('"$User"', "$User"),
}


@pytest.mark.parametrize("usable", [True, False])
@pytest.mark.parametrize("name", PATHS)
def test_the_table_is_found_in_a_schema_of_an_odd_name(
    database: str, connection: Connection, name: str, usable: bool
) -> None:
    with new_role(database) as role:
        path, schema = PATHS[name]
        place(connection, role, path, schema or role.name, usable)
        with session(role.conninfo) as opened:
            if usable:
                assert catalog.locate(opened, settings_for(database)).schema == (schema or role.name)
            else:
                with refused(ErrorCode.PERMISSION, "may not use schema"):
                    catalog.locate(opened, settings_for(database))


def place(connection: Connection, role: Role, path: str, schema: str, usable: bool) -> None:
    """Moves the log to a schema of the role's path."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    connection.execute(sql.SQL('ALTER TABLE "LlamaLog" SET SCHEMA {}').format(sql.Identifier(schema)))
    who = sql.Identifier(role.name)
    if usable:
        grant = "GRANT USAGE ON SCHEMA {0} TO {1}; GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO {1}"
        connection.execute(sql.SQL(grant).format(sql.Identifier(schema), who))
    connection.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(who, sql.SQL(path)))


def test_the_first_relation_of_the_name_is_taken(database: str, connection: Connection) -> None:
    connection.execute('CREATE SCHEMA first; CREATE TABLE first."LlamaLog" (LIKE "LlamaLog" INCLUDING ALL)')
    for path in ("first, public", "public, first"):
        with session(with_options(database, search_path=path.replace(" ", ""))) as opened:
            assert catalog.locate(opened, settings_for(database)).schema == path.split(",")[0]
    connection.execute('DROP TABLE first."LlamaLog"; CREATE SEQUENCE first."LlamaLog"')
    with (
        session(with_options(database, search_path="first,public")) as opened,
        refused(ErrorCode.CONFIG, "exists in the search path"),
    ):
        catalog.locate(opened, settings_for(database))
