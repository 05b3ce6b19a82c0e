"""Sessions on a real server: their settings, rows, and transactions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from llamactl.config.settings import Settings
from llamactl.db import connect as db_connect
from llamactl.db import connection as db_connection
from llamactl.db.session import Session, open_session
from llamactl.model import ErrorCode
from sessions import (
    query,
    refused,
    session,
    settings_for,
    with_options,
)


@dataclass(frozen=True, slots=True)
class Pair:
    number: int
    words: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    value: str


SETTINGS = query("SELECT name, current_setting(name) AS value FROM unnest(:'names'::text[]) AS wanted(name)")


CHANGED = {
    "row_security": "off",
    "client_connection_check_interval": "1s",
    "lock_timeout": "2s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "30s",
    "idle_session_timeout": "1min",
    "default_transaction_read_only": "off",
    "jit": "off",
    "work_mem": "64MB",
    "hash_mem_multiplier": "2",
    "temp_buffers": "128MB",
    "application_name": "llamactl test",
}


def current(opened: Session, names: tuple[str, ...] = tuple(CHANGED)) -> dict[str, str]:
    return {row.name: row.value for row in opened.rows(SETTINGS, Setting, names=names)}


def test_a_sessions_settings(database: str):
    with session(database) as opened:
        assert current(opened) == CHANGED
    with session(database, lock_timeout_ms=500, statement_timeout_ms=60_000) as opened:
        timeouts = current(opened, ("lock_timeout", "statement_timeout"))
        assert timeouts == {"lock_timeout": "500ms", "statement_timeout": "1min"}


def test_settings_on_each_version(each_database: str):
    with session(with_options(each_database, jit="on")) as opened:
        assert current(opened) == CHANGED
        version = opened.server_version_num
    if version >= 170000:
        with session(with_options(each_database, transaction_timeout="1min")) as opened:
            assert current(opened, ("transaction_timeout",)) == {"transaction_timeout": "0"}


def test_defaults_of_role_and_database_do_not_count(database: str):
    odd = {
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "serializable",
        "statement_timeout": "25",  # long enough for the first statement, which sets another
        "lock_timeout": "1",
        "idle_in_transaction_session_timeout": "0",
        "idle_session_timeout": "2min",
        "jit": "on",
        "quote_all_identifiers": "on",
        "standard_conforming_strings": "off",
    }
    with session(with_options(database, **odd)) as opened:
        assert opened.read_only_default
        assert current(opened) == CHANGED
        with opened.transaction():
            opened.run(query("CREATE TEMPORARY TABLE t (); SELECT pg_sleep(0.05)"))
            assert current(opened, ("transaction_isolation",)) == {"transaction_isolation": "read committed"}
    with session(database) as opened:
        assert not opened.read_only_default


def test_more_memory_than_ours_is_kept(database: str):
    with session(with_options(database, work_mem="1GB", temp_buffers="256MB")) as opened:
        assert current(opened, ("work_mem", "temp_buffers")) == {"work_mem": "1GB", "temp_buffers": "256MB"}


def test_what_the_server_does_not_take_is_left_out(database: str, monkeypatch: pytest.MonkeyPatch):
    real = db_connection.wanted_settings

    def wanted(settings: Settings, version: int) -> dict[str, str]:
        # As on a system that cannot tell whether a client is gone.
        return {**real(settings, version), "client_connection_check_interval": "-1"}

    monkeypatch.setattr(db_connection, "wanted_settings", wanted)
    with session(database) as opened:
        assert current(opened) == {**CHANGED, "client_connection_check_interval": "0"}


@pytest.mark.parametrize("told", [True, False])
def test_through_a_pooler_settings_are_made_in_each_transaction_only(
    database: str, monkeypatch: pytest.MonkeyPatch, told: bool
):
    settings = settings_for(database)
    if told:
        settings = replace(settings, dsn=replace(settings.dsn, pgbouncer=True))
    else:
        # A pooler greets with a process number of its own.
        monkeypatch.setattr(db_connect, "_PID", b"SELECT 0")
    with open_session(settings, "test") as opened:
        assert opened.pooled
        assert current(opened) == CHANGED
        for _ in range(2):
            with opened.snapshot():
                assert current(opened) == CHANGED
        in_the_session = [
            opened._connection.execute(f"SHOW {name}".encode()).fetchone()
            for name in ("row_security", "lock_timeout", "search_path")
        ]
        assert in_the_session == [("on",), ("0",), ('"$user", public',)]


def test_no_pooler(database: str):
    with session(database) as opened:
        assert not opened.pooled


def test_where_a_session_is(database: str):
    with session(database) as opened, psycopg.connect(database) as other:
        info = other.info
        assert (opened.host, opened.database, opened.user) == (info.host, info.dbname, info.user)
        assert opened.target == f"{info.host}:{info.port}/{info.dbname} as {info.user}"
        assert opened.server_version_num == info.server_version


def test_rows_by_name_parameters_and_arrays(database: str):
    both = query("SELECT :'words'::text[] AS words, :'number'::int AS number")
    with session(database) as opened:
        assert opened.row(both, Pair, number=3, words=("a", "%s", "$1")) == Pair(3, ("a", "%s", "$1"))
        assert opened.rows(both, Pair, number=4, words=None) == [Pair(4, None)]
        assert opened.row(both, Pair, number=5, words=[]) == Pair(5, ())
        with refused(ErrorCode.INTERNAL, "words"):
            opened.row(both, Pair, number=3)
        with refused(ErrorCode.INTERNAL, "extra"):
            opened.row(both, Pair, number=3, words=None, extra=1)
        with refused(ErrorCode.INTERNAL, "2 rows"):
            opened.row(query("SELECT n AS number, NULL AS words FROM generate_series(1, 2) n"), Pair)
        for text in ("SELECT 1 AS number", "SELECT 1 AS number, NULL AS words, 2 AS more"):
            with refused(ErrorCode.INTERNAL, "columns do not match Pair"):
                opened.rows(query(text), Pair)


def test_statements_of_a_file_run_in_turn(database: str):
    file = query(
        "CREATE TEMPORARY TABLE t (number int, words text[]); INSERT INTO t SELECT n, NULL FROM"
        " generate_series(1, :'rows'::int) n"
    )
    with session(database) as opened:
        assert opened.run(file, rows=3) == 3
        assert len(opened.rows(query("INSERT INTO t VALUES (9, NULL); SELECT * FROM t"), Pair)) == 4


def test_streams_are_read_page_by_page_inside_a_transaction(database: str):
    many = query("SELECT n AS number, NULL::text[] AS words FROM generate_series(1, :'rows'::int) n")
    with session(database) as opened:
        with opened.snapshot():
            numbers = opened.tuples(many, rows=5000)
            assert next(numbers) == (1, None)
            assert sum(1 for _ in numbers) == 4999
            # Two at once, one of them left unfinished.
            pairs = opened.stream(many, Pair, rows=10_000)
            assert (next(pairs), next(opened.tuples(many, rows=1))) == (Pair(1, None), (1, None))
        with refused(ErrorCode.INTERNAL, "DECLARE CURSOR"):
            list(opened.tuples(many, rows=1))


def test_a_snapshot_sees_one_state_and_leaves_nothing(database: str, connection: psycopg.Connection[Any]):
    connection.execute("CREATE TABLE t (n int)")
    count = query("SELECT count(*) FROM public.t")
    with session(database) as opened, opened.snapshot():
        assert list(opened.tuples(count)) == [(0,)]
        connection.execute("INSERT INTO t VALUES (1)")
        assert list(opened.tuples(count)) == [(0,)]
        opened.run(query("CREATE TEMPORARY TABLE u (n int); INSERT INTO public.t VALUES (2)"))
        opened.read_only()
        opened.run(query("INSERT INTO u VALUES (1)"))
        with refused(ErrorCode.PERMISSION, "read-only") as error:
            opened.run(query("INSERT INTO public.t VALUES (3)"))
    assert "primary" in error.hint
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(1,)]


def test_a_transaction_is_committed_or_nothing_is(database: str, connection: psycopg.Connection[Any]):
    connection.execute("CREATE TABLE t (n int)")
    insert = query("INSERT INTO public.t VALUES (1)")
    with session(database) as opened:
        with opened.transaction():
            opened.set_local(work_mem="1MB", lock_timeout="7s")
            opened.run(insert)
        assert current(opened, ("work_mem", "lock_timeout")) == {"work_mem": "64MB", "lock_timeout": "2s"}
        with suppress(ZeroDivisionError), opened.transaction():
            opened.run(insert)
            raise ZeroDivisionError
        with refused(ErrorCode.INTERNAL, "failed transaction"), opened.transaction():
            opened.run(insert)
            with refused(ErrorCode.INTERNAL, "22012"):
                opened.run(query("SELECT 1 / 0"))
        with opened.transaction(), refused(ErrorCode.INTERNAL, "a transaction is open"), opened.snapshot():
            pass
        with opened.snapshot(), refused(ErrorCode.INTERNAL, "inside a transaction"):
            opened.autocommit_run(query("VACUUM public.t"))
        opened.autocommit_run(query("VACUUM public.t"))
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
