"""migrate --online gives what the other roads give, to the row; what it shows, leaves, and refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cutting import Connection, Done, Hook, Statement, dump, quick_look, run_here
from faults import FILLED, TOTAL, expected_roots, faulty_rows
from graphs import flatten, small_tables
from llamactl.model import CheckPolicy, ErrorCode
from llamactl.online.run import OnlineOptions, migrate_online
from llamactl.sqlfiles.names import Names
from oracle import ALL_OPTIONS, Options, Row, ask
from roads import BARE, LOGS, Case, Log, copies, make_case
from servers import Server
from sessions import refused, session, settings_for

Insert = Callable[[Any], None]
Tool = Callable[[str], Path]

FIT = [log for log in (*LOGS, BARE) if log.label != "char"]
"""Those that can have a guard."""

ROOTS = 'SELECT "id"::text, "root_job_id" FROM "LlamaLog"'
WRITES = "pruned AS MATERIALIZED"
"""Stands in the statement of a batch."""


def migrate(dsn: str, *arguments: str, before: Hook | None = None, after: Hook | None = None) -> Done:
    command = ("migrate", "--dsn", dsn, "--format", "json", *arguments)
    return run_here(*command, before=before, after=after)


def online(dsn: str, *arguments: str, before: Hook | None = None, after: Hook | None = None) -> Done:
    return migrate(dsn, "--online", "--yes", *arguments, before=before, after=after)


def document(done: Done, code: int = 0) -> Any:
    assert done.code == code, done.err
    return json.loads(done.out)


def fills(statement: Statement) -> bool:
    return WRITES in statement.text


def at_batch(number: int, action: Hook) -> Hook:
    """A hook for the batch of this number, from 1."""
    seen = 0

    def hook(statement: Statement) -> None:
        nonlocal seen
        seen += fills(statement)
        if fills(statement) and seen == number:
            action(statement)

    return hook


def old(*rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Rows that no grace covers."""
    names = ("job_id", "parent_job_id", "is_root_job")
    return [{"created_at": "2026-01-01", **dict(zip(names, row, strict=False))} for row in rows]


@pytest.fixture
def faulty(insert: Insert) -> None:
    insert([{**row, "created_at": "2026-01-01"} for row in faulty_rows()])


# --- the same, to the row ----------------------------------------------------------------------------------


@pytest.fixture
def same(pg_tool: Tool) -> Callable[..., None]:
    """A function: online, at once and after a cut, gives what one transaction gives, for a seed."""

    def check(server: Server, log: Log, seed: int, options: Options, filled: bool, graphs: int = 15) -> None:
        def schema(dsn: str) -> list[str]:
            """But for what is ours, and the mark on an index, which a cut run cannot tell from the user's."""
            lines = dump(pg_tool("pg_dump"), dsn, "-s", "-N", "llamactl").splitlines()
            return [line for line in lines if line and not re.match("(-- Name: |COMMENT ON )INDEX|--$", line)]

        with copies(server) as copy:
            origin = copy(server.template)
            case = make_case(server.conninfo(origin), log, seed, options, filled, graphs)
            steps = foretold(case, server.conninfo(origin))
            whole, undisturbed, cut = (server.conninfo(copy(origin)) for _ in range(3))
            assert document(migrate(whole, "--yes", *case.flags))["counts"] == case.counts
            carried_out(case, undisturbed, steps)
            cut_and_resumed(case, cut, batch=1 + seed % 8)
            assert schema(undisturbed) == schema(cut) == schema(whole)

    return check


def foretold(case: Case, dsn: str) -> list[str]:
    """Both dry runs give the oracle's counts. Returns the names of the online steps."""
    assert document(migrate(dsn, "--dry-run", *case.flags))["counts"] == case.counts
    found = document(migrate(dsn, "--online", "--dry-run", "--no-guard", *case.flags))
    assert found["counts"] == case.counts
    return [step["name"] for step in found["steps"]]


def committed(case: Case, found: Any) -> None:
    """The counts of a run are those of the dry run: of the table before anything was written."""
    assert found["counts"] == case.counts
    assert (found["unfilled"], found["uncleared"]) == (0, 0)


def carried_out(case: Case, dsn: str, steps: list[str]) -> None:
    found = document(online(dsn, "--no-guard", *case.flags))
    committed(case, found)
    assert [step["name"] for step in found["steps"]] == steps
    case.holds(dsn)
    case.verified(dsn)


def cut_and_resumed(case: Case, dsn: str, batch: int) -> None:
    cut = online(dsn, "--no-guard", *case.flags, before=at_batch(batch, lambda s: s.connection.close()))
    assert cut.code == 3, cut.err
    assert "rerun the same command" in cut.errors[0]
    found = document(online(dsn, "--no-guard", *case.flags))
    # Rows that the interrupted run wrote are there already.
    found["counts"]["already_set"] = case.counts["already_set"]
    committed(case, found)
    case.holds(dsn)
    case.verified(dsn)


QUICK = ("default", "odd", "bare")


@pytest.mark.parametrize(
    "log",
    [pytest.param(log, marks=[] if log.label in QUICK else pytest.mark.slow) for log in FIT],
    ids=lambda log: log.label,
)
def test_online_gives_what_one_transaction_gives(same: Callable[..., None], server: Server, log: Log) -> None:
    """Each of the four options at least once; the long test has them all."""
    number = FIT.index(log)
    same(server, log, 40 + number, ALL_OPTIONS[number % 4], filled=number % 2 == 1)


def test_ids_that_the_guard_cannot_compare(server: Server) -> None:
    char = next(log for log in LOGS if log.label == "char")
    with copies(server) as copy:
        dsn = server.conninfo(copy(server.template))
        case = make_case(dsn, char, 1, Options(), filled=False, graphs=3)
        for arguments in (["--dry-run"], ["--yes"]):
            found = document(migrate(dsn, "--online", *arguments, *case.flags), code=2)
            assert "The guard cannot be installed on" in found["error"]["message"]
            assert "nothing was changed" in found["error"]["message"]


def test_online_on_every_version(each_server: Server) -> None:
    odd = next(log for log in LOGS if log.label == "odd")
    with copies(each_server) as copy:
        dsn = each_server.conninfo(copy(each_server.template))
        case = make_case(dsn, odd, 5, Options(), filled=True, graphs=10)
        steps = foretold(case, dsn)
        carried_out(case, dsn, steps)


@pytest.mark.slow
@pytest.mark.parametrize("options", ALL_OPTIONS, ids=str)
@pytest.mark.parametrize("log", FIT[:2], ids=lambda log: log.label)
def test_online_gives_what_one_transaction_gives_many_times(
    same: Callable[..., None], server: Server, log: Log, options: Options
) -> None:
    same(server, log, 300, options, filled=True, graphs=60)


@pytest.mark.slow
@hypothesis_settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(tables=st.lists(small_tables(), min_size=40, max_size=60), options=st.sampled_from(ALL_OPTIONS))
def test_any_small_tables(server: Server, tables: list[list[Row]], options: Options) -> None:
    log = replace(LOGS[1], label="small")
    rows = [log.held(row, True) for row in flatten(tables)]
    with copies(server) as copy:
        dsn = server.conninfo(copy(server.template))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute('DROP TABLE "LlamaLog"')
            log.create(connection)
            log.fill(connection, rows, True)
        case = Case(log, rows, options, ask(rows, options))
        carried_out(case, dsn, foretold(case, dsn))


@pytest.mark.usefixtures("faulty")
def test_rows_that_come_between_any_two_statements(
    database: str, connection: Connection, new_job: Callable[[int], None]
) -> None:
    """A child before its parent, the parent after it, a child of one that is there, a root; one flagged."""
    sent = 0

    def write(statement: Statement) -> None:
        nonlocal sent
        # Not while we may hold a lock that this session would wait for.
        if not statement.inside or fills(statement):
            sent += 1
            new_job(sent)

    assert online(database, "--grace", "0s", before=write).code == 0
    assert sent > 50
    done = run_here("repair", "--yes", "--overwrite", "--grace", "0s", "--dsn", database)
    assert done.code == 0, done.err
    assert differing(connection) == {}
    assert not flagged_with_a_parent(connection)


@pytest.fixture
def new_job(database: str, connection: Connection) -> Callable[[int], None]:
    statement = (
        'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id", "is_root_job")'
        " VALUES ('x', 'CREATED', 'SUCCESS', %s, %s, %s)"
    )

    def write(number: int) -> None:
        rows = [
            (f"n{number}", "b", False),
            (f"n{number}-child", f"n{number + 1}-late", False),
            (f"n{number}-late", f"n{number - 1}", False),
            (f"n{number}-root", None, False),
            (f"n{number}-flagged", "c", True),
        ]
        for row in rows:
            connection.execute(statement, row)
        connection.execute(
            """UPDATE "LlamaLog" SET "parent_job_id" = 'a' WHERE "job_id" = %s""", [f"n{number - 3}"]
        )

    return write


def differing(connection: Connection) -> dict[str, Any]:
    """Row id -> what it should hold, and holds; of the rows where these differ."""
    columns = '"id"::text, "job_id", "parent_job_id", "is_root_job", "root_job_id"'
    rows = [Row(*row) for row in connection.execute(f'SELECT {columns} FROM "LlamaLog"'.encode())]
    roots = ask(rows).roots
    return {row.id: (roots[row.id], row.root_job_id) for row in rows if roots[row.id] != row.root_job_id}


def flagged_with_a_parent(connection: Connection) -> list[Any]:
    return connection.execute(
        """SELECT "job_id" FROM "LlamaLog"
        WHERE "is_root_job" AND btrim("job_id") <> '' AND btrim("parent_job_id") <> ''"""
    ).fetchall()


# --- what is shown and left --------------------------------------------------------------------------------

KEYS = {
    *("schema_version", "command", "dry_run", "counts", "steps", "skipped", "notes", "unmet"),
    *("unfilled", "uncleared"),
}
PLANNED, RAN = KEYS | {"blocked_estimate_seconds"}, KEYS | {"blocked_seconds"}
STEPS = [
    *("claim", "resolve", "create_state", "add_column", "add_label", "create_job_index", "create_guard"),
    *("clear_parents", "fill", "last_pass", "create_index"),
]


@pytest.mark.usefixtures("faulty")
def test_a_dry_run_shows_each_step_and_touches_nothing(
    database: str, connection: Connection, pg_tool: Tool
) -> None:
    before, look = dump(pg_tool("pg_dump"), database), quick_look(connection)
    with psycopg.connect(database) as writer:
        # Nothing that is read waits for a writer, and no writer for it.
        writer.execute("""UPDATE "LlamaLog" SET "reason" = 'x'""")
        found = document(migrate(database, "--online", "--dry-run"))
        writer.rollback()
    assert dump(pg_tool("pg_dump"), database) == before
    assert quick_look(connection) == look
    assert found.keys() == PLANNED
    assert found["dry_run"] is True
    assert [step["name"] for step in found["steps"]] == [*STEPS, "analyze"]
    for step in found["steps"]:
        assert step.keys() == {"name", "sql", "lock", "blocks", "estimate_seconds"}
        assert step["sql"]
    blocking = {step["name"]: step["blocks"] for step in found["steps"] if step["blocks"] != "none"}
    assert blocking == {"add_column": "all", "create_guard": "writes"}


@pytest.mark.usefixtures("faulty")
def test_what_a_run_shows_and_leaves(database: str, connection: Connection) -> None:
    found = document(online(database))
    assert found.keys() == RAN
    assert [step["name"] for step in found["steps"]] == [*STEPS, "analyze"]
    assert all(step.keys() == {"name", "sql", "lock", "blocks", "seconds"} for step in found["steps"])
    assert any("guard stays" in note for note in found["notes"])
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()
    assert left_by_the_guard(connection) == (True, True, True)
    invalid = connection.execute("SELECT FROM pg_index WHERE NOT indisvalid").fetchall()
    assert not invalid
    runs = connection.execute(
        "SELECT command, ended_at IS NOT NULL, rows_done, rows_total, waits_for FROM llamactl.run"
    ).fetchall()
    assert runs == [("migrate", True, FILLED + 1, FILLED + 1, None)]


def left_by_the_guard(connection: Connection) -> tuple[bool, bool, bool]:
    """Trigger, function, index on the job."""
    row = connection.execute(
        """SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'zz_llamactl_guard'),
                  EXISTS (SELECT FROM pg_proc WHERE pronamespace = to_regnamespace('llamactl')),
                  EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                          WHERE indrelid = '"LlamaLog"'::regclass AND attname = 'job_id')"""
    ).fetchone()
    assert row
    return row[0], row[1], row[2]


@pytest.mark.usefixtures("faulty")
def test_no_guard_leaves_neither_trigger_nor_function_nor_index(
    database: str, connection: Connection
) -> None:
    guarded = []

    def look(statement: Statement) -> None:
        if fills(statement):
            guarded.append(left_by_the_guard(connection))

    found = document(online(database, "--no-guard", before=look))
    assert set(guarded) == {(True, True, True)}
    assert left_by_the_guard(connection) == (False, False, False)
    assert not any("guard" in note for note in found["notes"])
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("enabled", [True, False])
def test_a_guard_that_somebody_has_disabled(enabled: bool, database: str, connection: Connection) -> None:
    """It is left as it is; nobody is told that it would work."""
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    run_here("guard", "install", "--yes", "--dsn", database)
    if not enabled:
        connection.execute('ALTER TABLE "LlamaLog" DISABLE TRIGGER USER')
    notes = " ".join(document(online(database))["notes"])
    assert ("trigger is disabled" in notes) is not enabled
    assert ("llamactl guard remove" in notes) is enabled


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("flag", ["--guard", "--no-guard"])
def test_again_on_a_migrated_table_does_nothing(flag: str, database: str, pg_tool: Tool) -> None:
    document(online(database, flag))
    before = dump(pg_tool("pg_dump"), database)
    found = document(online(database, flag))
    assert (found["steps"], found["counts"]["already_set"]) == ([], FILLED)
    assert {"fill", "create_index", "last_pass"} <= set(found["skipped"])
    assert dump(pg_tool("pg_dump"), database) == before


@pytest.mark.usefixtures("faulty")
def test_a_table_that_one_transaction_migrated_gets_the_guard(database: str, connection: Connection) -> None:
    document(migrate(database, "--yes"))
    found = document(online(database))
    assert "create_guard" in [step["name"] for step in found["steps"]]
    assert "fill" in found["skipped"]
    assert left_by_the_guard(connection) == (True, True, True)
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()


@pytest.mark.parametrize(
    "expected", [["--expect-filled", str(FILLED + 1)], ["--expect-orphans", "0"]], ids=" ".join
)
@pytest.mark.parametrize("dry", [["--dry-run"], []], ids=["dry", "run"])
@pytest.mark.usefixtures("faulty")
def test_unmet_expectations_change_nothing(
    expected: list[str], dry: list[str], database: str, connection: Connection, pg_tool: Tool
) -> None:
    before, look = dump(pg_tool("pg_dump"), database, "-s"), quick_look(connection)
    found = document(online(database, *expected, *dry), code=1)
    assert len(found["unmet"]) == 1
    assert found["counts"]["filled"] == FILLED
    assert dump(pg_tool("pg_dump"), database, "-s") == before
    assert quick_look(connection) == look


@pytest.mark.usefixtures("faulty")
def test_met_expectations(database: str) -> None:
    expected = ["--expect-filled", str(FILLED), "--expect-orphans", str(TOTAL - FILLED)]
    assert document(online(database, *expected))["unmet"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--guard"], "require --online"),
        (["--no-guard"], "require --online"),
        (["--grace", "1m"], "require --online"),
        (["--online", "--grace", "soon"], "--grace"),
    ],
    ids=" ".join,
)
def test_usage_errors(arguments: list[str], said: str, database: str, connection: Connection) -> None:
    look = quick_look(connection)
    done = migrate(database, "--yes", *arguments)
    found = document(done, code=2)
    assert found["error"]["code"] == "usage"
    assert said in found["error"]["message"] + found["error"]["hint"]
    assert quick_look(connection) == look


def test_without_yes_off_a_terminal(database: str, connection: Connection) -> None:
    look = quick_look(connection)
    assert document(migrate(database, "--online"), code=2)["error"]["code"] == "usage"
    assert quick_look(connection) == look


# --- the grace ---------------------------------------------------------------------------------------------

AGES = {
    "old": "now() - interval '20 minutes'",
    "young": "now() - interval '1 minute'",
    "future": "now() + interval '1 day'",
    "unknown": "NULL",
}


@pytest.fixture
def aged(connection: Connection) -> None:
    """Of each age a child of a parent that is not in the log, a grandchild, and a root."""
    connection.execute('ALTER TABLE "LlamaLog" ALTER "created_at" DROP NOT NULL')
    connection.execute("SET timezone = 'UTC'")
    for age, created in AGES.items():
        for job, parent in ((age, "gone"), (f"{age}-below", age), (f"{age}-root", None)):
            connection.execute(
                'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id", '
                f"\"created_at\") VALUES ('x', 'CREATED', 'SUCCESS', %s, %s, {created})".encode(),
                [job, parent],
            )


ALL_AGED = dict.fromkeys(AGES, "gone") | {f"{age}-below": "gone" for age in AGES}
ALL_AGED |= {f"{age}-root": f"{age}-root" for age in AGES}
BY_JOB = 'SELECT "job_id", "root_job_id" FROM "LlamaLog"'


@pytest.mark.usefixtures("aged")
def test_young_rows_whose_chain_leaves_the_log_are_left_alone(database: str, connection: Connection) -> None:
    found = document(online(database))
    assert dict(connection.execute(BY_JOB).fetchall()) == ALL_AGED | {"young": None, "young-below": None}
    assert any(note.startswith("2 rows whose chain leaves the log") for note in found["notes"])
    again = document(run_here("repair", "--yes", "--format", "json", "--dsn", database))
    assert (again["written"], again["waiting"]) == (0, 2)
    later = document(run_here("repair", "--yes", "--format", "json", "--grace", "30s", "--dsn", database))
    assert (later["written"], later["waiting"]) == (2, 0)
    assert dict(connection.execute(BY_JOB).fetchall()) == ALL_AGED


@pytest.mark.usefixtures("aged")
def test_no_grace(database: str, connection: Connection) -> None:
    document(online(database, "--grace", "0s"))
    assert dict(connection.execute(BY_JOB).fetchall()) == ALL_AGED


@pytest.mark.usefixtures("aged")
def test_dangling_null_leaves_no_row_to_wait_for(database: str, connection: Connection) -> None:
    found = document(online(database, "--dangling", "null"))
    expected = {job: None if root == "gone" else root for job, root in ALL_AGED.items()}
    assert dict(connection.execute(BY_JOB).fetchall()) == expected
    assert not any("chain leaves the log" in note for note in found["notes"])


def test_a_table_without_a_time_is_filled_to_the_last_row(database: str, connection: Connection) -> None:
    """Nobody can tell how old a row is there: so a row that is locked is waited for as an old one is."""
    connection.execute('ALTER TABLE "LlamaLog" DROP "created_at"')
    names = Names()
    assert names.columns["created_at"] == "created_at"
    connection.execute(
        'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id") '
        "VALUES ('x', 'CREATED', 'SUCCESS', 'a', NULL), ('x', 'CREATED', 'SUCCESS', 'b', 'a')"
    )
    with psycopg.connect(database) as other:

        def lock(_: Statement) -> None:
            other.execute("""SELECT FROM "LlamaLog" WHERE "job_id" = 'b' FOR UPDATE""")

        done = online(database, "--retries", "0", before=at_batch(1, lock))
        assert document(done, code=3)["error"]["code"] == "lock"
        other.rollback()
    document(online(database))
    assert dict(connection.execute(BY_JOB).fetchall()) == {"a": "a", "b": "a"}


def test_it_asks_with_the_size_of_a_table_that_was_never_analysed(database: str, insert: Insert) -> None:
    insert(old(*((f"job-{number}", None) for number in range(400))))
    asked: list[str] = []

    def decline(question: str) -> bool:
        asked.append(question)
        return False

    options = OnlineOptions(CheckPolicy.AUTO, 0, None, None, keep_guard=True, grace_ms=0)
    with refused(ErrorCode.INTERRUPTED, "declined"), session(database) as opened:
        migrate_online(
            opened,
            settings_for(database),
            options,
            confirm=decline,
            note=print,
            progress=print,
        )
    (rows,) = re.findall(r"about ([\d,]+) rows\?", asked[0])
    assert 100 < int(rows) < 1600


# --- what others set, and put into the search path ---------------------------------------------------------


def test_a_function_of_the_users_that_fits_better_is_not_called(
    database: str, connection: Connection, insert: Insert
) -> None:
    """Whoever may create in a schema of the path would have it run with the rights of who migrates."""
    connection.execute("""CREATE FUNCTION public.format(text, bigint) RETURNS text LANGUAGE plpgsql AS
        'BEGIN RAISE EXCEPTION ''called as %'', current_user; END'""")
    insert(old(("root", None), ("child", "root"), ("flagged", "root", True)))
    document(online(database))
    assert dict(connection.execute(BY_JOB).fetchall()) == {
        "root": "root",
        "child": "root",
        "flagged": "flagged",
    }


@pytest.mark.parametrize("setting", ["enable_tidscan", "enable_nestloop", "enable_hashjoin"])
def test_a_planner_that_is_told_off_is_not_told_off_for_batches(
    setting: str, database: str, connection: Connection, insert: Insert
) -> None:
    """By role or database. Without a scan of the pages alone each row of a batch would read the table."""
    insert(old(("root", None), ("child", "root")))
    connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET {setting} = off'.encode())
    found: list[Any] = []

    def look(statement: Statement) -> None:
        with statement.connection.cursor() as cursor:
            found.append(cursor.execute(f"SHOW {setting}".encode()).fetchone())

    document(online(database, before=at_batch(1, look)))
    assert found == [("on",)]


def test_batches_are_read_committed(database: str, connection: Connection, insert: Insert) -> None:
    """Whatever the database's default is: otherwise a row that others changed would be an error."""
    insert(old(("root", None), ("child", "root")))
    name = connection.info.dbname
    connection.execute(
        f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'".encode()
    )
    found: list[Any] = []

    def look(statement: Statement) -> None:
        with statement.connection.cursor() as cursor:
            found.append(cursor.execute(b"SHOW transaction_isolation").fetchone())

    document(online(database, before=at_batch(1, look)))
    assert found == [("read committed",)]
