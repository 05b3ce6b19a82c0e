"""repair: fills what is missing, corrects what disagrees where that is asked for, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from cutting import Connection, Done, Hook, dump, quick_look, run_here
from faults import FILLED, TOTAL, expected_roots, faulty_rows
from llamactl.online.repair import RepairOptions, repair_roots
from oracle import ALL_OPTIONS, Options, ask
from roads import BARE, LOGS, Case, Log, copies, make_case
from servers import Server
from sessions import session, settings_for

Insert = Callable[[Any], None]
Tool = Callable[[str], Path]

ALL_LOGS = [*LOGS, BARE]
ROOTS = 'SELECT "id"::text, "root_job_id" FROM "LlamaLog"'
KEYS = {
    *("schema_version", "command", "dry_run", "counts", "missing", "wrong", "disregarded"),
    *("waiting", "written", "cleared", "unfilled", "uncleared", "conflicts_left", "notes"),
}


def repair(dsn: str, *arguments: str, before: Hook | None = None) -> Done:
    return run_here("repair", "--yes", "--format", "json", "--dsn", dsn, *arguments, before=before)


def document(done: Done, code: int = 0) -> Any:
    assert done.code == code, done.err
    return json.loads(done.out)


@pytest.fixture
def faulty(insert: Insert, connection: Connection) -> None:
    """The log with every fault, and an empty root column."""
    insert([{**row, "created_at": "2026-01-01"} for row in faulty_rows()])
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')


# --- the same as a migration, to the row --------------------------------------------------------------------


def repaired(server: Server, log: Log, seed: int, options: Options, graphs: int = 15) -> None:
    """From an empty column, from one that is filled in part, and from one full of wrong values."""
    with copies(server) as copy:
        origin = copy(server.template)
        held = make_case(server.conninfo(origin), log, seed, options, True, graphs)
        from_partly_filled(held, server.conninfo(copy(origin)))
        dsns = [server.conninfo(copy(origin)) for _ in range(2)]
        rows = [replace(row, root_job_id=None) for row in held.rows]
        bare = Case(log, rows, options, ask(rows, options))
        from_empty(bare, dsns[0])
        from_wrong(bare, dsns[1])


def from_partly_filled(case: Case, dsn: str) -> None:
    foretold = document(repair(dsn, "--dry-run", *case.flags))
    assert foretold["counts"] == case.counts
    found = document(repair(dsn, *case.flags))
    assert (found["written"], found["cleared"]) == (foretold["missing"], len(case.cleared))
    assert found["counts"]["conflicts"] == case.counts["conflicts"]
    case.holds(dsn)


def from_empty(case: Case, dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            sql.SQL("UPDATE {} SET {} = NULL").format(case.log.table, case.log.column("root_job_id"))
        )
    found = document(repair(dsn, *case.flags))
    filled = case.counts["filled"]
    assert (found["missing"], found["written"], found["wrong"]) == (filled, filled, 0)
    assert found["counts"] == case.counts
    case.holds(dsn)


def from_wrong(case: Case, dsn: str) -> None:
    job, root = case.log.column("job_id"), case.log.column("root_job_id")
    with psycopg.connect(dsn) as connection:
        extremes = [
            sql.SQL("(SELECT {0} FROM {1} WHERE {0} IS NOT NULL ORDER BY 1 {2} LIMIT 1)").format(
                job, case.log.table, sql.SQL(order)
            )
            for order in ("ASC", "DESC")
        ]
        statement = sql.SQL("UPDATE {} SET {} = CASE hashtext({}::text) % 2 WHEN 0 THEN {} ELSE {} END")
        connection.execute(statement.format(case.log.table, root, case.log.column("id"), *extremes))
    before = document(repair(dsn, "--dry-run", "--overwrite", *case.flags))
    assert (before["missing"], before["wrong"]) == (0, before["counts"]["conflicts"])
    kept = document(repair(dsn, *case.flags))
    assert (kept["written"], kept["counts"]["conflicts"]) == (0, before["wrong"])
    found = document(repair(dsn, "--overwrite", *case.flags))
    assert (found["wrong"], found["written"]) == (before["wrong"], before["wrong"])
    assert found["counts"] == before["counts"]
    assert found["conflicts_left"] == 0
    case.holds(dsn)


QUICK = ("default", "char", "bare")


@pytest.mark.parametrize(
    "log",
    [pytest.param(log, marks=[] if log.label in QUICK else pytest.mark.slow) for log in ALL_LOGS],
    ids=lambda log: log.label,
)
def test_repair_gives_what_a_migration_gives(server: Server, log: Log) -> None:
    """Each of the four options at least once; the long test has them all."""
    number = ALL_LOGS.index(log)
    repaired(server, log, 60 + number, ALL_OPTIONS[(number + 1) % 4])


def test_repair_on_every_version(each_server: Server) -> None:
    repaired(each_server, ALL_LOGS[0], 8, Options(), graphs=10)


@pytest.mark.slow
@pytest.mark.parametrize("options", ALL_OPTIONS, ids=str)
@pytest.mark.parametrize("log", ALL_LOGS[:2], ids=lambda log: log.label)
def test_repair_gives_what_a_migration_gives_many_times(server: Server, log: Log, options: Options) -> None:
    repaired(server, log, 400, options, graphs=60)


# --- what is shown and left ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("faulty")
def test_a_dry_run_counts_and_touches_nothing(database: str, connection: Connection, pg_tool: Tool) -> None:
    before, look = dump(pg_tool("pg_dump"), database), quick_look(connection)
    found = document(repair(database, "--dry-run"))
    assert found.keys() == KEYS
    assert found["dry_run"] is True
    assert (found["missing"], found["wrong"], found["disregarded"], found["waiting"]) == (FILLED, 0, 1, 0)
    assert (found["written"], found["cleared"]) == (0, 0)
    assert found["counts"]["total"] == TOTAL
    assert dump(pg_tool("pg_dump"), database) == before
    assert quick_look(connection) == look


@pytest.mark.usefixtures("faulty")
def test_what_a_person_reads(database: str, connection: Connection) -> None:
    """The headline agrees with the rows: what would be written, what was, and what is left."""
    said = ["repair", "--yes", "--dsn", database]
    dry = run_here(*said, "--dry-run").out
    assert dry.startswith(
        f"Dry run: nothing was changed. {FILLED} rows would be filled, "
        "1 row would be cleared of the parent because of the root flag.\n"
    )
    assert run_here(*said).out.startswith(f"Repaired: {FILLED} rows written, 1 parent cleared.\n")
    assert run_here(*said).out.startswith("Nothing to repair.\n")
    assert run_here(*said, "--dry-run").out.startswith(
        "Dry run: nothing was changed. No row would be written.\n"
    )
    connection.execute("""UPDATE "LlamaLog" SET "root_job_id" = 'wrong' WHERE "job_id" = 'b'""")
    done = run_here(*said)
    assert done.out.startswith("Nothing written: 1 row has a root that differs from the computed one.\n")
    assert "--overwrite corrects them" in done.err
    dry = run_here(*said, "--dry-run", "--overwrite").out
    assert dry.startswith("Dry run: nothing was changed. 1 row would be corrected.\n")


@pytest.mark.usefixtures("faulty")
def test_what_a_repair_shows_and_leaves(database: str, connection: Connection) -> None:
    found = document(repair(database))
    assert found.keys() == KEYS | {"blocked_seconds"}
    assert (found["missing"], found["written"], found["cleared"]) == (FILLED, FILLED, 1)
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()
    runs = connection.execute(
        "SELECT command, ended_at IS NOT NULL, rows_done, rows_total FROM llamactl.run"
    ).fetchall()
    assert runs == [("repair", True, FILLED + 1, FILLED + 1)]
    # It fills; it does not migrate.
    beside = connection.execute(
        """SELECT FROM pg_indexes WHERE indexname = 'LlamaLog_root_job_id_idx'
        UNION ALL SELECT FROM pg_trigger WHERE NOT tgisinternal"""
    ).fetchall()
    assert not beside


@pytest.mark.usefixtures("faulty")
def test_again_does_nothing(database: str, pg_tool: Tool) -> None:
    document(repair(database))
    before = dump(pg_tool("pg_dump"), database)
    for arguments in ([], ["--overwrite"]):
        found = document(repair(database, *arguments))
        assert (found["missing"], found["wrong"], found["written"]) == (0, 0, 0)
    assert dump(pg_tool("pg_dump"), database) == before


@pytest.mark.usefixtures("faulty")
def test_values_where_none_is_true_go_only_by_overwrite(database: str, connection: Connection) -> None:
    connection.execute("""UPDATE "LlamaLog" SET "root_job_id" = 'wrong' WHERE "job_id" IN ('x', 'm', 'b')""")
    kept = document(repair(database))
    assert (kept["wrong"], kept["counts"]["conflicts"]) == (0, 4)
    assert any("--overwrite corrects them" in note for note in kept["notes"])
    found = document(repair(database, "--overwrite"))
    assert (found["wrong"], found["written"], found["counts"]["conflicts"]) == (4, 4, 4)
    assert found["conflicts_left"] == 0
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()


def test_a_blank_root_is_a_wrong_one(database: str, connection: Connection, insert: Insert) -> None:
    insert([("a", None), (None, None)])
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    connection.execute("""UPDATE "LlamaLog" SET "root_job_id" = '' """)
    assert document(repair(database))["written"] == 0
    assert document(repair(database, "--overwrite"))["written"] == 2
    assert set(connection.execute('SELECT "job_id", "root_job_id" FROM "LlamaLog"')) == {
        ("a", "a"),
        (None, None),
    }


def test_rows_whose_chain_leaves_the_log_wait_for_their_parent(
    database: str, connection: Connection, insert: Insert
) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    connection.execute("SET timezone = 'UTC'")
    insert([("child", "late"), ("below", "child"), ("other", None)])
    found = document(repair(database))
    assert (found["missing"], found["waiting"], found["written"]) == (1, 2, 1)
    assert any(
        "2 rows whose chain leaves the log are younger than --grace" in note for note in found["notes"]
    )
    insert([("late", "top"), ("top", None)])
    found = document(repair(database))
    assert (found["waiting"], found["written"]) == (0, 4)
    roots = dict(connection.execute('SELECT "job_id", "root_job_id" FROM "LlamaLog"').fetchall())
    assert roots == {"child": "top", "below": "top", "late": "top", "top": "top", "other": "other"}


def test_a_young_row_keeps_what_it_holds_too(database: str, connection: Connection, insert: Insert) -> None:
    """The application gave it a root that the log cannot tell yet."""
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    insert([("child", "late")])
    connection.execute(
        """UPDATE "LlamaLog" SET "root_job_id" = 'top', "created_at" = now() AT TIME ZONE 'UTC'"""
    )
    assert document(repair(database, "--overwrite"))["written"] == 0
    assert document(repair(database, "--overwrite", "--grace", "0s"))["written"] == 1


@pytest.mark.usefixtures("faulty")
def test_what_comes_while_a_person_thinks_is_seen(database: str, connection: Connection) -> None:
    """Nobody is kept out meanwhile, and the answer is to what is there then."""
    asked: list[str] = []

    def think(question: str) -> bool:
        asked.append(question)
        insert = """INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id")
            VALUES ('x', 'CREATED', 'SUCCESS', 'gone', 'a')"""
        connection.execute(insert.encode())
        assert document(repair(database, "--dry-run"))["missing"] == FILLED + 1
        return True

    with session(database) as opened:
        report = repair_roots(
            opened,
            settings_for(database),
            RepairOptions(overwrite=False, grace_ms=0, retries=0),
            confirm=think,
            note=lambda _: None,
            progress=lambda _: None,
        )
    assert len(asked) == 1
    assert f"fill {FILLED:,} rows" in asked[0]
    assert report.written == FILLED + 1
    below = connection.execute("""SELECT "root_job_id" FROM "LlamaLog" WHERE "job_id" IN ('gone', 'q')""")
    assert below.fetchall() == [("a",), ("a",)]


# --- refused ----------------------------------------------------------------------------------------------


def test_a_table_that_is_not_migrated(database: str, insert: Insert) -> None:
    insert(faulty_rows())
    for arguments in ([], ["--dry-run"]):
        found = document(repair(database, *arguments), code=2)
        assert "has no column root_job_id; nothing was changed" in found["error"]["message"]
        assert "llamactl migrate" in found["error"]["hint"]


@pytest.mark.usefixtures("faulty")
def test_without_yes_off_a_terminal(database: str, connection: Connection) -> None:
    look = quick_look(connection)
    found = document(run_here("repair", "--dsn", database, "--format", "json"), code=2)
    assert found["error"]["code"] == "usage"
    assert quick_look(connection) == look


@pytest.mark.usefixtures("faulty")
def test_a_second_one_is_refused(database: str, connection: Connection) -> None:
    look = quick_look(connection)
    with psycopg.connect(database, autocommit=True, application_name="llamactl repair") as other:
        claim = (
            """SELECT pg_advisory_lock(1819042145, ('"LlamaLog"'::regclass::oid::bigint - 2147483648)::int)"""
        )
        other.execute(claim)
        found = document(repair(database), code=3)
        assert found["error"]["code"] == "busy"
        assert f"pid {other.info.backend_pid}" in found["error"]["message"]
        # A dry run asks for nothing.
        assert document(repair(database, "--dry-run"))["missing"] == FILLED
    assert quick_look(connection) == look
