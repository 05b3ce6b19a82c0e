"""Poolers in each mode, and a standby: what works, and what those that do not work say."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from commands import AT_ONCE, call, make_fill_slow
from cutting import Connection, run_here, wait_until
from faults import expected_roots, faulty_rows
from llamactl.cli.main import CHANGING
from llamactl.db.pooler import LAST_QUERY, keeps_session
from llamactl.db.search_path import SearchPath
from poolers import pooler
from servers import Server
from standbys import standby_of

Insert = Callable[[str, Any], None]

OPERATING = (Path(__file__).parents[3] / "docs" / "operating.md").read_text()
MODES = ["session", "transaction", "statement"]
ORDER = ("migrate --online", "repair", "guard install", "guard remove", "undo", "migrate")
"""Of those that change something; the others come before and after."""

DRY = ("migrate", "migrate --online", "repair", "undo")
ON_A_STANDBY = ("tree", "timeline", "stats", "status", "preflight")
BEFORE = {"repair": "migrate", "guard remove": "guard install"}
"""What is done by a direct connection, so that it would have something to do."""


def rows_of_the_table() -> dict[str, list[str]]:
    """Command -> what the documentation says of each mode."""
    table = OPERATING.partition("<!-- poolers -->")[2].partition("\n\n")[0]
    found = {}
    for line in table.strip().splitlines()[2:]:
        commands, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found |= {command: cells for command in re.findall("`([a-z -]+)`", commands) if command != "job_id"}
    return found


def roots(connection: Connection) -> dict[str, str | None]:
    return {str(row): root for row, root in connection.execute('SELECT "id", "root_job_id" FROM "LlamaLog"')}


def test_the_table_names_every_command_that_connects() -> None:
    commands = run_here("--help").out
    documented = {command.split()[0] for command in rows_of_the_table()}
    assert documented == set(re.findall(r"^[│ ]+([a-z]+)  ", commands, re.MULTILINE)) - {"explain", "demo"}


@pytest.mark.parametrize(
    "mode", [pytest.param("session", marks=pytest.mark.slow), "transaction", "statement"]
)
def test_each_command_in_each_mode(
    mode: str, database: str, connection: Connection, insert_into: Insert, tmp_path: Path
) -> None:
    insert_into(database, faulty_rows())
    told = {command: cells[MODES.index(mode)] for command, cells in rows_of_the_table().items()}
    reading = [command for command in told if command not in ORDER]
    with pooler(database, tmp_path, mode, 2) as dsn:
        for command in [*ORDER, *reading]:
            if mode == "transaction" and command in BEFORE:
                assert call(BEFORE[command], database).code == 0
            done = call(command, dsn)
            works = told[command] == "yes"
            assert (done.code in (0, 1)) == works, (command, done.code, done.err)
            if not works:
                assert done.code == 2
                assert f"in {mode} mode" in done.errors[0]
                assert done.errors[0].endswith("; nothing was changed") == (command.split()[0] in CHANGING)
                assert "direct URL" in done.err
                assert "Building" not in done.err + done.out
        if mode == "transaction":
            dry_runs = [call(f"{command} --dry-run", dsn) for command in AT_ONCE]
            assert [done.code for done in dry_runs] == [2, 2]
    if mode != "statement":
        assert roots(connection) == expected_roots()


@pytest.mark.parametrize("pool", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_session_mode_is_as_good_as_a_direct_connection(
    pool: int, database: str, connection: Connection, insert_into: Insert, tmp_path: Path
) -> None:
    """With one connection in the pool the test for the mode has to wait for the second."""
    insert_into(database, faulty_rows())
    reset = "" if pool == 1 else "DISCARD ALL"
    with pooler(database, tmp_path, "session", pool, server_reset_query=reset) as dsn:
        assert call("migrate --online", dsn).code == 0
        assert roots(connection) == expected_roots()
        connection.execute('ALTER TABLE "LlamaLog" DISABLE TRIGGER USER')
        connection.execute('UPDATE "LlamaLog" SET "root_job_id" = NULL')
        assert call("repair", dsn).code == 0
        assert roots(connection) == expected_roots()
        assert call("guard remove", dsn).code == 0
        assert call("guard install", dsn).code == 0
        # Nothing of ours is left to the pooler's next client.
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as other:
            for name in ("search_path", "lock_timeout", "row_security", "llamactl.filling"):
                reset = connection.execute(f"SELECT current_setting('{name}', true)".encode()).fetchone()
                now = other.execute(f"SELECT current_setting('{name}', true)".encode()).fetchone()
                assert (now or ("",))[0] in ((reset or ("",))[0], "", None), name
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert connection.execute(held.encode()).fetchone() == (0,)


@pytest.mark.slow
def test_session_mode_keeps_the_claim_until_the_client_is_gone(
    database: str, connection: Connection, insert_into: Insert, tmp_path: Path
) -> None:
    insert_into(database, faulty_rows())
    make_fill_slow(connection, 3600)
    with pooler(database, tmp_path, "session", 3) as dsn:
        words = ["migrate", "--online", "--yes", "--grace", "0s", "--dsn", dsn]
        with subprocess.Popen([sys.executable, "-m", "llamactl", *words], stderr=subprocess.DEVNULL) as first:
            wait_until(connection, "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            second = call("migrate --online", dsn)
            assert second.code == 3
            assert "llamactl run is working on the table" in second.errors[0]
            first.kill()
        connection.execute('ALTER TABLE "LlamaLog" DISABLE TRIGGER slow')
        assert call("migrate --online", dsn).code == 0
    assert roots(connection) == expected_roots()


@pytest.mark.parametrize("settings", [{}, {"server_round_robin": 1}], ids=["last in, first out", "in turns"])
@pytest.mark.parametrize("pool", [1, 2, 5])
def test_transaction_mode_is_noticed_in_any_pool(
    settings: dict[str, int], pool: int, database: str, tmp_path: Path
) -> None:
    with pooler(database, tmp_path, "transaction", pool, **settings) as dsn:
        fill_pool(dsn, pool)
        for _ in range(5):
            with open_one(dsn) as ours:
                assert not keeps(ours, dsn)


@pytest.mark.parametrize(
    ("mode", "settings", "expected"),
    [
        ("session", {}, True),
        ("transaction", {}, None),
        ("transaction", {"server_reset_query_always": 1}, False),
        pytest.param("session", {"server_reset_query": ""}, None, marks=pytest.mark.slow),
    ],
)
def test_two_poolers_behind_a_load_balancer(
    mode: str, settings: dict[str, Any], expected: bool | None, database: str, tmp_path: Path
) -> None:
    """The second client comes to the other one, and never gets a process of the first one's pool."""
    (tmp_path / "other").mkdir()
    with (
        pooler(database, tmp_path, mode, 3, **settings) as dsn,
        pooler(database, tmp_path / "other", mode, 3, **settings) as other,
        open_one(dsn) as ours,
    ):
        assert keeps(ours, other) is expected


def test_a_reset_that_is_late(database: str, tmp_path: Path) -> None:
    """As after each transaction, where it was not seen before the second client had disconnected."""
    (tmp_path / "other").mkdir()
    late = iter(["COMMIT", "DISCARD ALL"])
    with (
        pooler(database, tmp_path, "transaction", 3) as dsn,
        pooler(database, tmp_path / "other", "transaction", 3, server_reset_query_always=1) as other,
        open_one(dsn) as ours,
    ):
        assert keeps_session(ours, lambda: open_one(other), lambda _: next(late)) is False


def test_transaction_mode_is_noticed_while_others_work(database: str, tmp_path: Path) -> None:
    over = threading.Event()

    def work(dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
            while not over.is_set():
                with connection.transaction():
                    connection.execute("SELECT pg_sleep(random() / 200)")

    with pooler(database, tmp_path, "transaction", 4) as dsn:
        workers = [threading.Thread(target=work, args=(dsn,)) for _ in range(6)]
        for worker in workers:
            worker.start()
        try:
            for _ in range(10):
                with open_one(dsn) as ours:
                    assert not keeps(ours, dsn)
        finally:
            over.set()
            for worker in workers:
                worker.join()


def test_session_mode_is_noticed_while_others_work(database: str, tmp_path: Path) -> None:
    with pooler(database, tmp_path, "session", 3) as dsn, open_one(dsn) as another:
        another.execute("SELECT 1")
        for _ in range(5):
            with open_one(dsn) as ours:
                assert keeps(ours, dsn)
                assert ours.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"query_wait_timeout": 1}, "query_wait_timeout"), ({"max_client_conn": 1}, "no more connections")],
    ids=str,
)
def test_a_second_connection_that_fails(
    settings: dict[str, int], reason: str, database: str, connection: Connection, tmp_path: Path
) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    with pooler(database, tmp_path, "session", 1, **settings) as dsn:
        done = call("repair", dsn)
        assert done.code == 3
        assert reason in done.errors[0]
        assert done.errors[0].endswith("nothing was changed")
        assert "direct URL" in done.err
        assert call("tree", dsn).code == 1  # which needs no second one


def test_a_url_that_says_transaction_mode(database: str, tmp_path: Path) -> None:
    with pooler(database, tmp_path, "session", 2) as dsn:
        where = conninfo_to_dict(dsn)
        url = "postgresql://{user}@{host}:{port}/{dbname}?pgbouncer=true".format_map(where)
        done = call("repair", url)
        assert done.code == 2
        assert "(the URL says pgbouncer=true)" in done.errors[0]
        assert "delete pgbouncer=true" in done.err


def test_the_guard_through_transaction_mode_with_an_index_of_the_users(
    database: str, connection: Connection, tmp_path: Path
) -> None:
    assert call("migrate", database).code == 0
    connection.execute('CREATE INDEX theirs ON "LlamaLog" ("job_id")')
    with pooler(database, tmp_path, "transaction", 2) as dsn:
        assert call("guard install", dsn).code == 0
        assert call("guard status", dsn).code == 0
        assert call("guard remove", dsn).code == 0


@pytest.mark.slow
def test_each_command_on_a_standby(own_server: Server, own_database: str, insert_into: Insert) -> None:
    migrated = own_server.conninfo(own_server.create(own_server.template))
    for database in (own_database, migrated):
        insert_into(database, faulty_rows())
    assert call("migrate", migrated).code == 0
    assert call("guard install", migrated).code == 0
    with standby_of(own_server) as standby:
        dry_runs = [f"{command} --dry-run" for command in DRY]
        for database, works, refused in (
            (own_database, ON_A_STANDBY, ["migrate", "migrate --online", *dry_runs[:2]]),
            (migrated, [*ON_A_STANDBY, "guard status"], [*ORDER, "verify", *dry_runs]),
        ):
            dsn = standby.conninfo(str(conninfo_to_dict(database)["dbname"]))
            for command in works:
                done = call(command, dsn)
                assert done.code in (0, 1), (command, done.err)
                assert not done.errors
            for command in refused:
                done = call(command, dsn)
                assert done.code == 3, (command, done.err)
                assert "is read-only" in done.errors[0]
                assert done.errors[0].endswith("; nothing was changed") == (command.split()[0] in CHANGING)
                assert "It is a standby: connect to the primary" in done.err


def keeps(ours: psycopg.Connection[Any], other: str) -> bool | None:
    path = SearchPath(ours)
    return keeps_session(ours, lambda: open_one(other), lambda pid: path.value(LAST_QUERY % pid))


def open_one(dsn: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dsn, autocommit=True, prepare_threshold=None)


def fill_pool(dsn: str, size: int) -> None:
    """So many transactions at once: as many connections to the server stay."""
    many = [open_one(dsn) for _ in range(size)]
    for one in many:
        one.execute("BEGIN")
        one.execute("SELECT 1")
    for one in many:
        one.execute("COMMIT")
        one.close()
