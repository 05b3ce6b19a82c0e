"""Queries of other sessions are shown without their values, on every way to the screen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamactl.table import lookup
from llamactl.table.locks import lock_holders
from llamactl.table.redaction import MOST, redacted
from sessions import session, settings_for

SECRETS = (
    "'hush'",
    "'a''hush'",
    "'hush\nhush'",
    r"E'a\'hush'",
    r"e'\\' || 'hush'",
    r"U&'\0061hush'",
    "B'01' || X'1f' || N'hush'",
    "$$hush$$",
    "$a$ $b$ hush $$ $a$",
    "$é$hush$é$",
    "-- hush\n",
    "/* hush /* ' */ hush */",
    "//* hush */ 1",
    "dblink('postgres://app:hush@db/x')",
    "12.5e-3",
    '"postgres://app:hush@db/x"',
    '"host=db password=hush"',
    r'U&"\0061hush"',
    # Nothing at all is shown where these stand.
    r"'a\'; hush'",
    "E'a'\n'b\\'hush'",
    "\u2018hush\u2019",
    "\\hush",
)
PLAIN = (
    'UPDATE "LlamaLog" SET',
    "SELECT",
    " ",
    "\n",
    "a.b",
    "$1",
    "+",
    "::text",
    ";",
    "1",
    "e",
    "?",
    "(",
)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (None, None),
        ("", None),
        ("<insufficient privilege>", "<insufficient privilege>"),
        ("ALTER ROLE app PASSWORD 'hush'", "ALTER ROLE app PASSWORD ?"),
        ("SELECT 1, -2.5e+3, 0x1F, 1_000, $1, a1 FROM t", "SELECT ?, -?, ?, ?, $1, a1 FROM t"),
        ('LOCK TABLE "job logs"."LlamaLog";', 'LOCK TABLE "job logs"."LlamaLog";'),
        ("/* a */ SELECT -- b\n  'c'", "? SELECT ? ?"),
        ("UPDATE t SET a = 'b' WHERE c = $$d$$", "UPDATE t SET a = ? WHERE c = ?"),
        ("SET a.b = c; SELECT d", "SET a.b = ?; SELECT d"),
        ("ALTER TABLE t RENAME TO u", "ALTER TABLE t RENAME TO ?"),
        ("SELECT foo$a$b$a$", "SELECT ?"),  # a name to the server
        ("SELECT 'C:\\dir', 'x'", "SELECT ?, ?"),
        ("COPY t FROM STDIN;\na\thush\n\\.\n", None),
        ("SELECT 'hush", None),
        ("SELECT E'hush\\", None),
        ("SELECT $a$ hush $a", None),
        ("SELECT /* /* */ hush", None),
        ('SELECT "hush', None),
        ("SELECT {hush}", None),
    ],
)
def test_what_is_shown(query: str | None, shown: str | None) -> None:
    assert redacted(query) == shown


def test_the_length() -> None:
    assert redacted("a" * 63 + " " + "b" * 63) == "a" * 63 + " " + "b" * (MOST - 64 - 3) + "..."
    assert redacted("SELECT " + "x" * 64) == "SELECT ?"
    assert redacted("SELECT " + "1," * 100_000 + "1 " + "'") is None


@given(st.lists(st.sampled_from(SECRETS + PLAIN), max_size=8), st.sampled_from(["", " ", "\n"]), st.data())
def test_no_secret_is_shown_wherever_the_server_truncates(parts: list[str], gap: str, data: Any) -> None:
    query = gap.join(parts)
    end = data.draw(st.integers(0, len(query)))
    for text in (query, query[:end]):
        shown = redacted(text) or ""
        assert "hush" not in shown, text
        assert len(shown) <= MOST


@pytest.mark.parametrize(
    "query",
    [
        "SET my.key = hush, hush",
        "set local my.key to hush",
        "SELECT 1; SET my.key = hush",
        'ALTER ROLE app SET my.key = hush, "hush"',
        "/* a */ ALTER ROLE app PASSWORD hush",
        "CREATE ROLE app LOGIN PASSWORD hush",
    ],
)
def test_a_value_that_is_a_bare_word(query: str) -> None:
    assert "hush" not in str(redacted(query))
    assert "?" in str(redacted(query))


HOLDING = (
    "SELECT FROM \"LlamaLog\", (SELECT 'hush') AS x (y) -- hush",
    "LOCK \"LlamaLog\" IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0), $a$hush$a$ AS key, E'\\'hush'",
    'SELECT FROM "LlamaLog" WHERE operation = \'hush' + "x" * 2000 + "'",
)


@contextmanager
def holding(database: str, query: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, application_name="web") as other:
        other.execute(query.encode())
        yield other


@pytest.mark.parametrize("query", HOLDING)
def test_no_command_shows_the_values_of_a_blockers_query(
    database: str, run_cli: Callable[..., Any], query: str
) -> None:
    waiting = ("-v", "--dsn", database, "--lock-timeout", "100ms")
    commands = [
        ("migrate", "--yes", "--retries", "1", "--format", "json"),
        ("preflight", "--format", "json"),
        ("migrate", "--yes", "--retries", "0", "--online"),
    ]
    with holding(database, query) as other:
        told = [run_cli(*words, *waiting) for words in commands]
        pid = f"pid {other.info.backend_pid} "
    for done in told:
        assert "hush" not in done.stdout + done.stderr
        assert pid in done.stdout + done.stderr or "preflight" in done.args
        if done.args[-6:-4] == ["--format", "json"]:
            json.loads(done.stdout)


def test_how_long_a_session_waits(database: str, connection: psycopg.Connection[Any]) -> None:
    """Not how long it runs its statement, which may do other things first."""
    with holding(database, 'LOCK "LlamaLog"'), psycopg.connect(database, application_name="late") as late:
        begun = time.monotonic()

        def wait() -> None:
            with suppress(psycopg.errors.QueryCanceled):
                late.execute('SELECT pg_sleep(2); SELECT FROM "LlamaLog"')

        thread = Thread(target=wait)
        thread.start()
        waiting = "SELECT FROM pg_locks WHERE waitstart IS NOT NULL"
        while not connection.execute(waiting).fetchall():
            time.sleep(0.02)
        waits = time.monotonic()
        with session(database) as ours:
            oid = lookup.find_table(ours, settings_for(database)).oid
            (seconds,) = [one.wait_seconds for one in lock_holders(ours, oid) if not one.granted]
        assert seconds is not None
        assert 0 <= seconds < time.monotonic() - begun - 2 + 0.1
        assert seconds < time.monotonic() - waits + 0.5
        late.cancel()
        thread.join(10)
