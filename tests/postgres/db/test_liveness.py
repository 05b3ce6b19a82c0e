"""A client that stops, or that the network loses, keeps nobody waiting: what it holds is let go in time."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from commands import CHAIN, COMMANDS, make_fill_slow, run_all
from cutting import Statement, run_here, wait_until
from llamactl.db.liveness import SERVER
from llamactl.model import ErrorCode
from proxy import proxied
from sessions import query, refused, session, with_options

Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]
Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]
LIMITS = tuple(SERVER)


def limits(connection: Connection) -> dict[str, int]:
    with psycopg.Cursor(connection) as cursor:
        cursor.execute("SELECT name, setting::integer FROM pg_settings WHERE name = ANY (%s)", [list(LIMITS)])
        return dict(cursor.fetchall())


def set_for_all(connection: Connection, **settings: str) -> None:
    """As a role's or a database's own settings: for the sessions that come."""
    for name, value in settings.items():
        statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
        connection.execute(
            statement.format(sql.Identifier(connection.info.dbname), sql.SQL(name), sql.Literal(value))
        )


# --- the limits --------------------------------------------------------------------------------------------


IN_TRANSACTION = {
    "none": ("0", 30_000),
    "longer": ("10min", 30_000),
    "as long": ("30s", 30_000),
    "shorter": ("7s", 7_000),
}


@pytest.mark.parametrize("case", IN_TRANSACTION)
def test_a_limit_of_the_users_is_only_ever_lowered(case: str, database: str, connection: Connection) -> None:
    theirs, wanted = IN_TRANSACTION[case]
    set_for_all(connection, idle_in_transaction_session_timeout=theirs, idle_session_timeout=theirs)
    with session(database) as opened:
        found = limits(opened._connection)
    assert found["idle_in_transaction_session_timeout"] == wanted
    assert found["idle_session_timeout"] == {"0": 60_000, "10min": 60_000}.get(theirs, wanted)


@pytest.mark.parametrize("case", COMMANDS)
def test_each_statement_runs_under_the_limits(
    case: str, insert: Insert, database: str, connection: Connection
) -> None:
    insert(CHAIN)
    seen = 0

    def look(statement: Statement) -> None:
        nonlocal seen
        if statement.inside:
            with psycopg.Cursor(statement.connection) as cursor:
                cursor.execute(
                    "SELECT current_setting('idle_in_transaction_session_timeout'),"
                    " current_setting('statement_timeout'), current_setting('client_min_messages')"
                )
                assert cursor.fetchone() == ("30s", "0", "error"), statement
            seen += 1

    assert {code for code, _ in run_all(database, connection, COMMANDS[case], before=look)} == {0}
    assert seen


# --- a client that stops -----------------------------------------------------------------------------------


def sleeping(connection: Connection) -> None:
    wait_until(
        connection,
        "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name LIKE 'llamactl%'"
        " AND datname = current_database()",
    )


def read(connection: Connection, table: str = '"LlamaLog"') -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row
    return int(row[0])


def stopped_while_it_fills(
    start_cli: Start, insert: Insert, database: str, connection: Connection, slow: float
) -> float:
    """Stops a migration whose UPDATE takes so long; returns how long the application's query then waited."""
    insert(CHAIN)
    make_fill_slow(connection, slow)
    with start_cli("migrate", "--yes", "--dsn", database) as process:
        sleeping(connection)
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert read(connection) == len(CHAIN)
        waited = time.monotonic() - began
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, ""), err
    errors = [line for line in err.splitlines() if line.startswith(("error: ", "hint: "))]
    assert "nothing was changed" in errors[0], err
    assert "rerun the command" in errors[1], err
    columns = "SELECT FROM pg_attribute WHERE attrelid = '\"LlamaLog\"'::regclass AND attname = 'root_job_id'"
    assert not connection.execute(columns.encode()).fetchall()
    return waited


def test_a_stopped_client_loses_its_lock_but_not_its_statement(
    start_cli: Start, insert: Insert, database: str, connection: Connection
) -> None:
    """The statement takes longer than the limit, and is not ended by it."""
    set_for_all(connection, idle_in_transaction_session_timeout="1s")
    assert stopped_while_it_fills(start_cli, insert, database, connection, slow=3) > 2.5


@pytest.mark.slow
def test_a_stopped_client_loses_its_lock_in_half_a_minute(
    start_cli: Start, insert: Insert, database: str, connection: Connection
) -> None:
    assert stopped_while_it_fills(start_cli, insert, database, connection, slow=1) > 25


def test_a_stopped_client_loses_its_claim(
    start_cli: Start, insert: Insert, database: str, connection: Connection
) -> None:
    """Between two batches, where it is idle outside a transaction."""
    set_for_all(connection, idle_session_timeout="3s", idle_in_transaction_session_timeout="3s")
    insert(CHAIN)
    make_fill_slow(connection, 2)
    online = ("migrate", "--online", "--yes", "--grace", "0s", "--dsn", database)
    with start_cli(*online) as process:
        sleeping(connection)
        process.send_signal(signal.SIGSTOP)
        done = run_here(*online)
        assert done.code == 3
        assert (
            "hint:  Rerun the command when it has finished, or terminate it: SELECT pg_terminate_backend("
            in done.err
        )
        wait_until(
            connection,
            "SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'llamactl%'"
            " AND datname = current_database())",
            seconds=60,
        )
        assert run_here(*online).code == 0
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert run_here("verify", "--dsn", database, "--grace", "0s").code == 0


def test_the_call_that_ends_another_run(
    start_cli: Start, insert: Insert, database: str, connection: Connection
) -> None:
    """As it is printed."""
    insert(CHAIN)
    make_fill_slow(connection, 600)
    with start_cli("migrate", "--yes", "--dsn", database) as process:
        sleeping(connection)
        done = run_here("migrate", "--yes", "--dsn", database)
        (hint,) = [line for line in done.err.splitlines() if line.startswith("hint: ")]
        connection.execute(hint.partition("or terminate it: ")[2].encode())
        assert process.wait(timeout=60) == 3
    connection.execute('DROP TRIGGER slow ON "LlamaLog"')
    assert run_here("migrate", "--yes", "--dsn", database).code == 0


def test_what_a_proxy_swallows(
    start_cli: Start, insert: Insert, database: str, connection: Connection
) -> None:
    """The client is alive and connected, and neither side hears of the other any more."""
    set_for_all(connection, idle_in_transaction_session_timeout="2s")
    insert(CHAIN)
    make_fill_slow(connection, 1)
    with proxied(database) as (dsn, proxy), start_cli("migrate", "--yes", "--dsn", dsn) as process:
        sleeping(connection)
        proxy.swallow()
        assert read(connection) == len(CHAIN)
        assert process.poll() is None


# --- a client that lives -----------------------------------------------------------------------------------


def test_a_person_may_think(insert: Insert, database: str) -> None:
    with session(with_options(database, idle_session_timeout="1s")) as opened:
        opened.ask(lambda _: time.sleep(3) or True, "?")
        assert opened.run(query("SELECT 1")) == 1


def test_a_reader_may_compute(database: str) -> None:
    with session(with_options(database, idle_in_transaction_session_timeout="1s")) as opened:
        with opened.snapshot():
            time.sleep(3)
            assert opened.run(query("SELECT 1")) == 1
        with opened.holding_snapshot():
            with opened.snapshot():
                opened.run(query("SELECT 1"))
            time.sleep(3)
            with opened.snapshot():
                assert opened.run(query("SELECT 1")) == 1


def test_a_run_may_wait(database: str) -> None:
    with session(with_options(database, idle_session_timeout="1s")) as opened:
        opened.sleep(3)
        assert opened.run(query("SELECT 1")) == 1


def test_who_changes_something_may_not(database: str, connection: Connection) -> None:
    """No sign of life is given under a lock: a client that writes to a stopped terminal is alive too."""
    connection.execute("CREATE TABLE t ()")
    with (
        refused(ErrorCode.CONNECTION, "nothing was changed"),
        session(with_options(database, idle_in_transaction_session_timeout="1s")) as opened,
        opened.transaction(),
    ):
        opened.run(query("LOCK TABLE public.t"))
        assert read(connection, "t") == 0
        opened.run(query("SELECT 1"))
