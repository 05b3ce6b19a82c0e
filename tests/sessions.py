"""Sessions for the tests of db.py, and a process of ours that sleeps on the server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from llamactl.config.dsn import read_dsn
from llamactl.config.settings import Settings
from llamactl.db.session import Session, open_session
from llamactl.model import ErrorCode, LlamactlError
from llamactl.sqlfiles.load import Query, parse_query
from llamactl.sqlfiles.names import Names


def query(text: str) -> Query:
    return parse_query("test", f"{text};", Names())


def settings_for(conninfo: str, **values: Any) -> Settings:
    return replace(Settings(read_dsn(conninfo, "--dsn", Path())), **values)


@contextmanager
def session(conninfo: str, **values: Any) -> Iterator[Session]:
    with open_session(settings_for(conninfo, **values), verb="test") as opened:
        yield opened


@contextmanager
def refused(code: ErrorCode, said: str = "") -> Iterator[LlamactlError]:
    """Expects the error, one line long, with its outcome. Its details are there once the block is over."""
    caught = LlamactlError(code, "")
    with pytest.raises(LlamactlError) as info:
        yield caught
    caught.message, caught.hint = info.value.message, info.value.hint
    caught.changed, caught.next_step = info.value.changed, info.value.next_step
    assert (info.value.code, caught.message.count("\n")) == (code, 0), caught.message
    assert said in f"{caught.message}; {caught.outcome}"
    assert not re.search("s3cret|hush", caught.hint + in_traceback(info.value))


def in_traceback(error: BaseException | None) -> str:
    """The texts that a traceback shows, those of the causes included."""
    texts: list[str] = []
    while error is not None:
        texts += traceback.format_exception_only(error)
        error = error.__cause__ or error.__context__
    return "".join(texts)


def with_options(conninfo: str, **options: str) -> str:
    return make_conninfo(conninfo, options=" ".join(f"-c{name}={value}" for name, value in options.items()))


def when_asleep(database: str, function: str) -> None:
    """Ends the session of llamactl that is asleep on the server."""
    with psycopg.connect(database, autocommit=True) as connection:
        pid = asleep(connection)
        connection.execute(sql.SQL("SELECT {}(%s)").format(sql.Identifier(function)), [pid])


def asleep(connection: psycopg.Connection[Any], gone: bool = False) -> int:
    """The pid of llamactl's session that sleeps; 0 once there is none, where that is awaited."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'llamactl test' AND state = 'active'"
            " AND wait_event = 'PgSleep' AND datname = current_database()"
        ).fetchone()
        if (row is None) is gone:
            return row[0] if row else 0
        time.sleep(0.02)
    raise AssertionError("still asleep" if gone else "nobody went to sleep")


SLEEPER = """
import sys
from pathlib import Path
from llamactl.db.session import open_session
from llamactl.model import LlamactlError
from llamactl.config.dsn import read_dsn
from llamactl.config.settings import Settings
from llamactl.sqlfiles.load import parse_query
from llamactl.sqlfiles.names import Names

conninfo, before, inside = sys.argv[1:]
try:
    with open_session(Settings(read_dsn(conninfo, "--dsn", Path())), "test") as session:
        if before:
            with session.transaction():
                session.run(parse_query("before", before, Names()))
        with session.transaction():
            session.run(parse_query("inside", inside, Names()))
except LlamactlError as error:
    print(f"{error.message}; {error.outcome}")
    sys.exit(error.exit_code)
"""


@contextmanager
def sleeper(
    connection: psycopg.Connection[Any], database: str, inside: str, before: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """A process of ours whose statement sleeps on the server."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, database, before, inside],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        asleep(connection)
        yield process
    finally:
        process.kill()
        process.communicate()


def make_commit_slow(connection: psycopg.Connection[Any], seconds: int) -> None:
    connection.execute(f"""
        CREATE TABLE t (n int);
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION slow();
    """)
