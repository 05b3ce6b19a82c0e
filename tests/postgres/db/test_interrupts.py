"""Ctrl-C and SIGTERM cancel what runs on the server; locks not got are tried for again."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from llamactl.db.session import Session
from llamactl.model import Changed, ErrorCode, ExitCode
from llamactl.table.locks import with_lock_retries
from sessions import (
    asleep,
    make_commit_slow,
    query,
    refused,
    session,
    sleeper,
    with_options,
)


def lock(opened: Session, text: str = "LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE") -> Callable[[], str]:
    def attempt() -> str:
        with opened.transaction():
            opened.run(query(text))
        return "done"

    return attempt


def oid_of(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute("SELECT %s::regclass::oid", [table]).fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("before", "outcome"),
    [("", "nothing was changed"), ("INSERT INTO public.t VALUES (1);", "changes committed so far remain")],
)
def test_a_signal_cancels_the_servers_statement(
    database: str, connection: psycopg.Connection[Any], number: signal.Signals, before: str, outcome: str
):
    connection.execute("CREATE TABLE t (n int)")
    inside = "INSERT INTO public.t VALUES (2); SELECT pg_sleep(60);"
    with sleeper(connection, database, inside, before) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (ExitCode.INTERRUPTED, f"Interrupted; {outcome}\n", "")
    asleep(connection, gone=True)
    assert connection.execute("SELECT n FROM t").fetchall() == ([(1,)] if before else [])


def test_a_killed_clients_statement_ends(database: str, connection: psycopg.Connection[Any]):
    with sleeper(connection, database, "SELECT pg_sleep(60);") as process:
        process.kill()
        asleep(connection, gone=True)


def test_a_signal_during_commit_waits_for_it(database: str, connection: psycopg.Connection[Any]):
    make_commit_slow(connection, 1)
    with sleeper(connection, database, "INSERT INTO public.t VALUES (1);") as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (ExitCode.INTERRUPTED, "")
    assert out == "Interrupted; changes committed so far remain\n"
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(1,)]


def test_signals_are_as_before_after_a_session(database: str):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with session(database):
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_lock_that_comes_free_is_got(
    database: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
):
    connection.execute("CREATE TABLE t ()")
    notes: list[str] = []
    with session(database, lock_timeout_ms=50) as opened, psycopg.connect(database) as blocker:
        blocker.execute("SELECT * FROM t")
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                blocker.rollback()

        monkeypatch.setattr(opened, "sleep", sleep)
        table, pid = oid_of(connection, "t"), blocker.info.backend_pid
        assert with_lock_retries(opened, [table], lock(opened), 5, notes.append) == "done"
    assert [0.25 * 2**n <= wait <= 0.75 * 2**n for n, wait in enumerate(waits)] == [True] * 3
    assert len(notes) == 3
    assert re.fullmatch(
        rf"Timed out waiting for a lock \(attempt 1 of 6\); blocked by: pid {pid} .* holds AccessShareLock: "
        r"SELECT \* FROM t; retrying in 0\.\d s",
        notes[0],
    )


def test_a_lock_that_does_not_come_free(
    database: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
):
    connection.execute("CREATE TABLE t ()")
    monkeypatch.setattr(Session, "sleep", lambda *_: None)
    notes: list[str] = []
    with (
        refused(ErrorCode.LOCK, "(3 attempts); blocked by: pid ") as error,
        session(database, lock_timeout_ms=50) as opened,
        psycopg.connect(database) as blocker,
    ):
        blocker.execute("SELECT * FROM t")
        with_lock_retries(opened, [oid_of(connection, "t")], lock(opened), 2, notes.append)
    assert len(notes) == 2
    assert error.changed is Changed.NOTHING
    assert "--lock-timeout" in error.hint


def test_a_deadlock_is_tried_again(database: str, connection: psycopg.Connection[Any]):
    connection.execute("CREATE TABLE t (); CREATE TABLE u ()")
    notes: list[str] = []
    met = threading.Barrier(2, timeout=10)

    def other() -> None:
        with psycopg.connect(database) as blocker:
            # Never the victim: its deadlock check comes too late.
            blocker.execute("SET deadlock_timeout = '60s'")
            blocker.execute("LOCK TABLE u")
            met.wait()
            blocker.execute("LOCK TABLE t")

    thread = threading.Thread(target=other)
    thread.start()
    with session(with_options(database, deadlock_timeout="10ms"), lock_timeout_ms=10_000) as opened:
        attempts: list[int] = []

        def attempt() -> str:
            attempts.append(1)
            with opened.transaction():
                opened.run(query("LOCK TABLE public.t"))
                if len(attempts) == 1:
                    met.wait()
                opened.run(query("LOCK TABLE public.u"))
            return "done"

        tables = [oid_of(connection, "t"), oid_of(connection, "u")]
        assert with_lock_retries(opened, tables, attempt, 3, notes.append) == "done"
    thread.join()
    assert len(attempts) == 2
    assert "Deadlock" in notes[0]
    assert "no session any more" in notes[0]


def test_other_errors_are_not_tried_again(database: str):
    with session(database) as opened, refused(ErrorCode.INTERNAL, "22012"):
        with_lock_retries(opened, [], lock(opened, "SELECT 1 / 0"), 5, pytest.fail)
