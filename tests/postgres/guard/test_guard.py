"""guard, from outside: install, remove and status, what they refuse, and what they leave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import dump, run_here, wait_until
from faults import faulty_rows
from guarding import Connection, guard, insert, make_many, unguarded, with_column
from llamactl.model import ErrorCode
from llamactl.table import catalog
from llamactl.table.guard_state import refuse_unguardable
from roles import Role, new_role
from sessions import refused, session, settings_for

Call = Callable[..., tuple[int, Any]]

INDEX = "LlamaLog_job_id_parent_job_id_idx"
WRITING = 'LOCK TABLE "LlamaLog" IN ROW EXCLUSIVE MODE'
TRIGGERS = "SELECT tgenabled FROM pg_trigger WHERE tgname = 'zz_llamactl_guard'"


@pytest.fixture
def log(connection: Connection) -> Connection:
    """An empty log with the root column."""
    with_column(connection)
    return connection


@pytest.fixture
def call(database: str) -> Call:
    """A function: `guard ACTION --format json ...` -> exit code and document."""

    def run(action: str, *arguments: str, dsn: str = database) -> tuple[int, Any]:
        done = run_here("guard", action, "--yes", "--format", "json", "--dsn", dsn, *arguments)
        return done.code, json.loads(done.out)

    return run


@contextmanager
def holding(dsn: str, statement: str) -> Iterator[Connection]:
    """Another session, in a transaction that has run the statement."""
    with psycopg.connect(dsn, application_name="somebody") as other:
        other.execute(statement.encode())
        yield other


def test_installed_shown_and_removed(
    log: Connection, call: Call, database: str, pg_tool: Callable[[str], Path]
) -> None:
    before = dump(pg_tool("pg_dump"), database)
    code, document = call("status")
    assert (code, document["installed"], document["index"]) == (1, False, None)
    assert document["self_parents_refused_by"] == "nothing"
    code, document = call("install")
    assert (code, document["changed"]) == (0, ["job index", "trigger"])
    shown = {key: document[key] for key in ("installed", "enabled", "trust_root_flag", "index")}
    assert shown == {"installed": True, "enabled": True, "trust_root_flag": True, "index": INDEX}
    code, document = call("status")
    assert (code, document["self_parents_refused_by"]) == (0, "guard")
    code, document = call("remove")
    assert (code, document["changed"]) == (0, ["trigger", "job index", "schema"])
    assert dump(pg_tool("pg_dump"), database) == before
    code, document = call("remove")
    assert (code, document["changed"]) == (0, [])


def test_again_takes_no_lock(log: Connection, call: Call, database: str) -> None:
    call("install")
    with holding(database, WRITING):
        code, document = call("install", "--retries", "0")
    assert (code, document["changed"]) == (0, [])


def test_other_trust_replaces_the_trigger(log: Connection, call: Call) -> None:
    call("install")
    insert(log, "a")
    assert insert(log, "b", "a", True) == "b"
    code, document = call("install", "--no-trust-root-flag")
    assert (code, document["changed"], document["trust_root_flag"]) == (0, ["trigger"], False)
    assert insert(log, "c", "a", True) == "a"
    assert log.execute(TRIGGERS.encode()).fetchall() == [("O",)]


def test_a_disabled_trigger_is_told(log: Connection, call: Call, database: str) -> None:
    call("install")
    log.execute('ALTER TABLE "LlamaLog" DISABLE TRIGGER zz_llamactl_guard')
    for action in ("status", "install"):
        code, document = call(action)
        assert (code, document["installed"], document["enabled"]) == (1, True, False)
        assert "disabled" in document["notes"][0]
        assert document["self_parents_refused_by"] == "nothing"
    assert "disabled" in run_here("guard", "status", "--dsn", database).out


def test_self_parents_refused_by_the_check_too(log: Connection, call: Call, database: str) -> None:
    assert run_here("migrate", "--yes", "--dsn", database).code == 0
    assert call("status")[1]["self_parents_refused_by"] == "check"
    assert call("install")[1]["self_parents_refused_by"] == "both"


def test_a_table_that_was_renamed(log: Connection, call: Call, database: str) -> None:
    call("install")
    log.execute('ALTER TABLE "LlamaLog" RENAME TO llama_logs')
    code, document = call("status")
    assert (code, document["installed"]) == (1, False)
    assert "renamed" in document["notes"][0]
    code, document = call("install")
    assert (code, document["changed"]) == (0, ["trigger"])
    functions = log.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'llamactl'::regnamespace")
    assert functions.fetchall() == [("llama_logs_guard",)]
    log.execute('ALTER TABLE llama_logs RENAME TO "LlamaLog"')
    assert call("remove")[1]["changed"] == ["trigger", "job index", "schema"]


def test_tables_of_one_name_have_functions_of_their_own(log: Connection, call: Call) -> None:
    log.execute('CREATE SCHEMA other; CREATE TABLE other."LlamaLog" (LIKE "LlamaLog" INCLUDING ALL)')
    for schema in ("public", "other"):
        assert call("install", "--schema", schema)[0] == 0
    assert call("remove", "--schema", "other")[1]["changed"] == ["trigger", "job index"]
    assert call("status", "--schema", "public")[0] == 0
    assert insert(log, "a") == "a"


def test_an_index_of_the_users_is_used_and_kept(log: Connection, call: Call) -> None:
    log.execute('CREATE INDEX mine ON "LlamaLog" ("job_id")')
    code, document = call("install")
    assert (code, document["index"], document["changed"]) == (0, "mine", ["trigger"])
    call("remove")
    assert log.execute("SELECT FROM pg_class WHERE relname = 'mine'").rowcount == 1


def test_a_dropped_index_is_told_and_built_again(log: Connection, call: Call) -> None:
    call("install")
    log.execute(f'DROP INDEX "{INDEX}"'.encode())
    code, document = call("status")
    assert (code, document["index"]) == (0, None)
    assert "No index" in document["notes"][0]
    assert call("install")[1]["changed"] == ["job index"]


def test_what_else_is_in_the_schema_stays(log: Connection, call: Call) -> None:
    call("install")
    log.execute("CREATE TABLE llamactl.kept ()")
    assert call("remove")[1]["changed"] == ["trigger", "job index"]
    assert log.execute("SELECT FROM pg_namespace WHERE nspname = 'llamactl'").rowcount == 1


# --- one that another version installed --------------------------------------------------------------------


@pytest.fixture
def old_guard(log: Connection, database: str) -> Connection:
    """A log under the guard of version 0.1, which trusted what rows held."""
    guard(database)
    log.execute((Path(__file__).parents[2] / "guard_0_1.sql").read_bytes())
    return log


def test_an_outdated_function_is_told_and_replaced(old_guard: Connection, call: Call, database: str) -> None:
    """status says so with code 1; install replaces the function, which takes no lock on the table."""
    make_many(old_guard, 71, "'c' || i", "'c' || nullif(i - 1, 0)", "'c1'")
    assert insert(old_guard, "new", "c71") == "c1"
    code, document = call("status")
    assert (code, document["installed"], document["enabled"], document["up_to_date"]) == (
        1,
        True,
        True,
        False,
    )
    assert "outdated" in document["notes"][0]
    assert "llamactl guard install" in document["notes"][0]
    assert "outdated" in run_here("guard", "status", "--dsn", database).out
    with holding(database, WRITING):
        code, document = call("install", "--retries", "0")
    assert (code, document["changed"], document["up_to_date"]) == (0, ["function"], True)
    assert "repair --overwrite" in document["notes"][0]
    assert insert(old_guard, "new", "c71") is None
    assert call("install")[1]["changed"] == []


def test_other_commands_tell_of_an_outdated_guard(old_guard: Connection, call: Call, database: str) -> None:
    """preflight and verify, each of which is silent once it was replaced."""
    preflight = ("preflight", "--format", "json", "--dsn", database)
    insert(old_guard, "a")
    findings = {one["id"]: one for one in json.loads(run_here(*preflight).out)["findings"]}
    assert findings["LL126"]["severity"] == "warning"
    assert findings["LL126"]["sample"] == ['llamactl."LlamaLog_guard"']
    assert "guard install" in findings["LL126"]["hint"]
    assert "outdated" in run_here("verify", "--dsn", database).err
    assert call("install")[0] == 0
    assert "LL126" not in run_here(*preflight).out
    assert "outdated" not in run_here("verify", "--dsn", database).err


@pytest.mark.parametrize("disabled", [False, True], ids=["enabled", "disabled"])
def test_migrate_online_replaces_an_outdated_guard(
    old_guard: Connection, call: Call, database: str, disabled: bool
) -> None:
    assert run_here("migrate", "--online", "--yes", "--dsn", database).code == 0
    old_guard.execute((Path(__file__).parents[2] / "guard_0_1.sql").read_bytes())
    if disabled:
        old_guard.execute('ALTER TABLE "LlamaLog" DISABLE TRIGGER zz_llamactl_guard')
    dry = run_here("migrate", "--online", "--dry-run", "--format", "json", "--dsn", database)
    step = {one["name"]: one for one in json.loads(dry.out)["steps"]}["create_guard"]
    assert ("CREATE OR REPLACE FUNCTION" in step["sql"], "outdated" in dry.err) == (True, True)
    assert ("TRIGGER zz_llamactl_guard" in step["sql"]) is disabled
    done = run_here("migrate", "--online", "--yes", "--dsn", database)
    assert (done.code, "outdated" in done.err) == (0, True)
    assert call("status")[1]["up_to_date"] is True
    assert "outdated" not in run_here("migrate", "--online", "--yes", "--dsn", database).err


@pytest.mark.parametrize("column", ["job_id", "parent_job_id", "is_root_job", "id"])
def test_a_guard_from_before_a_column_was_renamed(log: Connection, call: Call, column: str) -> None:
    call("install")
    log.execute(f'ALTER TABLE "LlamaLog" RENAME COLUMN {column} TO renamed'.encode())
    mapped = [] if column == "id" else ["--column", f"{column}=renamed"]
    code, document = call("status", *mapped)
    assert (code, document["installed"], document["up_to_date"]) == (1, True, False)
    assert call("install", *mapped)[1]["changed"] == ["function"]
    assert call("status", *mapped)[0] == 0


# --- what is refused --------------------------------------------------------------------------------------


def test_before_the_migration(call: Call, database: str) -> None:
    code, document = call("install")
    assert (code, document["error"]["code"]) == (2, "config")
    assert "migrate first" in document["error"]["hint"]
    assert call("status")[0] == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("job_id text, parent_job_id char(9), root_job_id text", "no index"),
        ('job_id text, parent_job_id text COLLATE "C", root_job_id text', "collations differ"),
        ("job_id text, parent_job_id text GENERATED ALWAYS AS ('a') STORED, root_job_id text", "generated"),
        (
            "job_id text, parent_job_id text, root_job_id text,"
            " is_root_job boolean GENERATED ALWAYS AS (job_id = 'a') STORED",
            "generated",
        ),
        ("job_id int GENERATED ALWAYS AS (id) STORED, parent_job_id int, root_job_id int", "generated"),
        ("job_id text, parent_job_id text, root_job_id varchar(9)", "type of the root column differs"),
        ("job_id text, parent_job_id integer, root_job_id text", "cannot be compared"),
    ],
)
def test_columns_that_cannot_have_it(
    new_database: Callable[..., str], call: Call, columns: str, said: str
) -> None:
    dsn = new_database(empty=True)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f'CREATE TABLE "LlamaLog" (id int PRIMARY KEY, {columns})'.encode())
        code, document = call("install", dsn=dsn)
        assert (code, document["error"]["code"]) == (2, "config")
        assert said in document["error"]["message"]
        assert "nothing was changed" in document["error"]["message"]
        assert not connection.execute("SELECT FROM pg_namespace WHERE nspname = 'llamactl'").rowcount


def test_a_type_that_takes_different_ids_for_equal(log: Connection, database: str) -> None:
    """citext, or a collation that is not deterministic: a server without either will do here."""
    with session(database) as opened:
        relation = catalog.locate(opened, settings_for(database))
    refuse_unguardable(relation)
    for ours in ("job_id", "parent_job_id"):
        column = replace(relation.columns[ours], bytewise=False)
        with refused(ErrorCode.CONFIG, "different ids as equal"):
            refuse_unguardable(replace(relation, columns={**relation.columns, ours: column}))


def test_a_job_id_that_is_an_identity(new_database: Callable[..., str], call: Call) -> None:
    dsn = new_database(empty=True)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE "LlamaLog" (job_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, '
            "parent_job_id int, root_job_id int)"
        )
        code, document = call("install", dsn=dsn)
        assert (code, document["index"]) == (0, "LlamaLog_pkey")
        given = [
            connection.execute(
                'INSERT INTO "LlamaLog" (parent_job_id) VALUES (%s) RETURNING root_job_id', [parent]
            ).fetchone()
            for parent in (None, 1, 2)
        ]
        assert given == [(1,), (1,), (1,)]


def test_a_view_is_refused(log: Connection, call: Call) -> None:
    log.execute('CREATE VIEW shown AS SELECT * FROM "LlamaLog"')
    code, document = call("install", "--table", "shown")
    assert (code, "view" in document["error"]["message"]) == (2, True)


def test_an_action_that_is_none(database: str) -> None:
    assert run_here("guard", "start", "--dsn", database).code == 2
    assert run_here("guard", "--dsn", database).code == 2


def test_it_asks_first(log: Connection, database: str) -> None:
    done = run_here("guard", "install", "--dsn", database)
    assert (done.code, "--yes" in done.err) == (2, True)
    assert not log.execute(TRIGGERS.encode()).rowcount


@pytest.fixture
def owner(log: Connection, database: str) -> Iterator[Role]:
    """The owner of the log, who may do nothing else."""
    log.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    with new_role(database) as role:
        role.granted('ALTER TABLE "LlamaLog" OWNER TO {}', database)
        role.granted("GRANT USAGE ON SCHEMA public TO {}", database)
        yield role


def test_rights(owner: Role, log: Connection, call: Call, database: str) -> None:
    """Each hint leads one step on."""
    schema = ("--schema", "public")
    code, document = call("install", *schema, dsn=owner.conninfo)
    assert (code, document["error"]["code"]) == (3, "permission")
    assert "GRANT CREATE ON SCHEMA public" in document["error"]["hint"]
    owner.granted("GRANT CREATE ON SCHEMA public TO {}", database)
    code, document = call("install", *schema, dsn=owner.conninfo)
    assert (code, document["error"]["code"]) == (3, "permission")
    assert log.execute("SELECT FROM pg_class WHERE relname = %s", [INDEX]).rowcount == 0
    log.execute(document["error"]["hint"].encode())
    assert call("install", *schema, dsn=owner.conninfo)[0] == 0
    assert call("status", *schema, dsn=owner.conninfo)[0] == 0
    assert call("remove", *schema, dsn=owner.conninfo)[1]["changed"] == ["trigger", "job index", "schema"]


def test_rights_in_a_schema_of_anothers(owner: Role, log: Connection, call: Call, database: str) -> None:
    log.execute("CREATE SCHEMA llamactl")
    owner.granted("GRANT CREATE ON SCHEMA public TO {}", database)
    code, document = call("install", "--schema", "public", dsn=owner.conninfo)
    assert (code, document["error"]["code"]) == (3, "permission")
    log.execute(document["error"]["hint"].encode())
    assert call("install", "--schema", "public", dsn=owner.conninfo)[0] == 0


def test_rights_of_a_reader(log: Connection, call: Call, database: str) -> None:
    guard(database)
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        assert call("status", dsn=role.conninfo)[0] == 0
        for action in ("install", "remove"):
            code, document = call(action, dsn=role.conninfo)
            assert (code, document["error"]["code"]) == (3, "permission")


# --- others at work ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "lock"),
    [("install", WRITING), ("remove", 'TABLE "LlamaLog"')],
)
def test_a_lock_that_is_not_got(log: Connection, database: str, action: str, lock: str) -> None:
    guard(database)
    if action == "install":
        log.execute('DROP TRIGGER zz_llamactl_guard ON "LlamaLog"')
    impatient = ("--yes", "--dsn", database, "--lock-timeout", "100ms", "--retries", "1")
    with holding(database, lock) as other:
        done = run_here("guard", action, *impatient)
        assert done.code == 3
        assert "attempt 1 of 2" in done.err
        assert f"pid {other.info.backend_pid}" in done.errors[0]
        assert "nothing was changed" in done.errors[0]
    assert log.execute(TRIGGERS.encode()).rowcount == (1 if action == "remove" else 0)
    # Somebody who lets go in time.
    with holding(database, lock) as other:
        timer = threading.Timer(0.5, other.rollback)
        timer.start()
        done = run_here(
            "guard", action, "--yes", "--dsn", database, "--lock-timeout", "100ms", "--retries", "9"
        )
        timer.join()
    assert done.code == 0


def test_one_run_at_a_time(log: Connection, call: Call, database: str) -> None:
    claim = (
        "SELECT pg_advisory_lock(1819042145, ('\"LlamaLog\"'::regclass::oid::bigint - 2147483648)::integer)"
    )
    with holding(database, claim) as other:
        code, document = call("install")
        assert (code, document["error"]["code"]) == (3, "busy")
        assert f"pid {other.info.backend_pid}" in document["error"]["message"]


# --- beside the other commands ----------------------------------------------------------------------------


def test_preflight_does_not_warn_of_it(log: Connection, database: str) -> None:
    guard(database)
    log.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    make_many(log, 1, "'a'")
    found = json.loads(run_here("preflight", "--format", "json", "--dsn", database).out)["findings"]
    assert "LL109" not in [finding["id"] for finding in found]
    # Another's trigger of that name is one like all others.
    log.execute('DROP TRIGGER zz_llamactl_guard ON "LlamaLog"')
    log.execute(
        'CREATE TRIGGER zz_llamactl_guard BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION f()'
    )
    found = json.loads(run_here("preflight", "--format", "json", "--dsn", database).out)["findings"]
    assert "LL109" in [finding["id"] for finding in found]


def test_migrate_on_a_guarded_log(
    log: Connection, database: str, insert_into: Callable[[str, Any], None]
) -> None:
    """What migrate writes is what it computed: its own writes are none of the guard's business."""
    guard(database)
    with unguarded(log):
        names = '"operation", "category", "status", "job_id", "parent_job_id", "is_root_job"'
        for row in faulty_rows():
            log.execute(
                f"INSERT INTO \"LlamaLog\" ({names}) VALUES ('x', 'CREATED', 'SUCCESS', %s, %s, %s)".encode(),
                [row["job_id"], row["parent_job_id"], row["is_root_job"]],
            )
    done = run_here("migrate", "--yes", "--dsn", database)
    assert done.code == 0, done.err
    assert run_here("verify", "--grace", "0", "--dsn", database).code == 0


def test_what_the_guard_filled_verifies(log: Connection, database: str) -> None:
    assert run_here("migrate", "--yes", "--dsn", database).code == 0
    guard(database)
    for job, parent in [("a", None), ("b", "a"), ("c", "b"), ("b", "a"), (None, "c")]:
        assert insert(log, job, parent) == "a"
    assert run_here("verify", "--grace", "0", "--dsn", database).code == 0


def test_an_insert_waits_for_no_build(log: Connection, database: str, run_cli: Callable[..., Any]) -> None:
    """The index is built beside the writers: one that is in the middle of it is not kept waiting."""
    make_many(log, 1000, "'j' || i")
    with holding(database, WRITING):
        run = threading.Thread(target=run_cli, args=("guard", "install", "--yes", "--dsn", database))
        run.start()
        wait_until(
            log, "SELECT FROM pg_stat_activity WHERE query ~ 'INDEX CONC' AND wait_event_type = 'Lock'"
        )
        log.execute("SET lock_timeout = '100ms'")
        insert(log, "written meanwhile")
    run.join()
    assert log.execute(TRIGGERS.encode()).rowcount == 1
