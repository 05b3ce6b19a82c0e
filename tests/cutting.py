"""Runs of llamactl that stop at a statement, and what is to be seen of the database then and afterwards."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from faults import faulty_rows
from llamactl import cli, queries
from llamactl.names import Names

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Statement:
    """One that llamactl sends, before or after it has run."""

    text: str
    connection: Connection

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    @property
    def inside(self) -> bool:
        """In an open transaction; its COMMIT is, its BEGIN is not."""
        return self.connection.info.transaction_status is TransactionStatus.INTRANS

    def __str__(self) -> str:
        return " ".join(line for line in self.text.splitlines() if not line.startswith("--"))[:90]


Hook = Callable[[Statement], object]


@contextmanager
def each_statement(before: Hook | None = None, after: Hook | None = None) -> Iterator[None]:
    """Calls the hooks at each statement of llamactl, whose cursors are raw ones; no test's are."""

    def hooked(execute: Callable[..., Any]) -> Callable[..., Any]:
        def call(cursor: Any, query: bytes, *args: Any, **kwargs: Any) -> Any:
            statement = Statement(query.decode(), cursor.connection)
            if before:
                before(statement)
            result = execute(cursor, query, *args, **kwargs)
            if after:
                after(statement)
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for cursor in (psycopg.RawCursor, psycopg.RawServerCursor):
            patch.setattr(cursor, "execute", hooked(cursor.execute))
        yield


def at(number: int, action: Hook) -> Hook:
    """A hook for the statement of this number, from 1, among those inside a transaction."""
    seen = 0

    def hook(statement: Statement) -> None:
        nonlocal seen
        seen += statement.inside
        if statement.inside and seen == number:
            action(statement)

    return hook


@dataclass(frozen=True)
class Done:
    """What a run came to."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


def run_here(*arguments: str, before: Hook | None = None, after: Hook | None = None) -> Done:
    """Runs a command in this process: its statements can be looked at, and it starts at once."""
    out, err = io.StringIO(), io.StringIO()
    with each_statement(before, after), redirect_stdout(out), redirect_stderr(err):
        code = cli.main(arguments)
    return Done(code, out.getvalue(), err.getvalue())


def migrate_here(dsn: str, *arguments: str, before: Hook | None = None, after: Hook | None = None) -> Done:
    return run_here("migrate", "--yes", "--dsn", dsn, *arguments, before=before, after=after)


def statements_of(dsn: str, *arguments: str) -> list[str]:
    """Those that an undisturbed migration sends inside its transaction, COMMIT last."""
    sent: list[str] = []
    done = migrate_here(dsn, *arguments, before=lambda one: sent.append(str(one)) if one.inside else None)
    assert done.code == 0, done.err
    assert sent[-1] == "COMMIT"
    return sent


# --- processes of their own, to kill -----------------------------------------------------------------------


class Stopper:
    """Makes processes that migrate and stop before a statement; forks of one, as Python starts slowly."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def stopped(self, dsn: str, *arguments: str, number: int) -> int:
        """The pid of a process that has stopped before the statement of this number, from 1; to be killed."""
        assert self._parent.stdin
        assert self._parent.stdout
        print(json.dumps([dsn, arguments, number]), file=self._parent.stdin, flush=True)
        said = self._parent.stdout.readline().split()
        assert said[0] == "stopped", said
        return int(said[1])

    def close(self) -> None:
        self._parent.kill()
        self._parent.communicate()


def _fork_each() -> None:
    """Stopper's process. One fork at a time: a line for each, answered by it when it has stopped."""
    for path in queries.all_paths():
        queries.load(path, Names())
    for line in sys.stdin:
        dsn, arguments, number = json.loads(line)
        if not (child := os.fork()):
            told = os.fdopen(os.dup(1), "w")

            def stop(statement: Statement, told: TextIO = told) -> None:
                print("stopped", os.getpid(), file=told, flush=True)
                signal.pause()

            print(migrate_here(dsn, *arguments, before=at(number, stop)), file=told, flush=True)
            os._exit(0)
        os.waitpid(child, 0)


# --- what is to be seen ------------------------------------------------------------------------------------


def dump(pg_dump: Path, dsn: str, *arguments: str) -> str:
    """Everything that is in the database, the rows in their places; `-s`: the schema alone."""
    done = subprocess.run([pg_dump, *arguments, "-d", dsn], capture_output=True, text=True, check=True)
    # Newer versions write a random token.
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\"))


QUICK_LOOK = """
SELECT (SELECT array_agg((a.*)::text ORDER BY attnum) FROM pg_attribute AS a WHERE attrelid = log.oid),
       (SELECT array_agg(indexrelid ORDER BY indexrelid) FROM pg_index WHERE indrelid = log.oid),
       (SELECT array_agg(oid ORDER BY oid) FROM pg_constraint WHERE conrelid = log.oid),
       (SELECT array_agg(oid ORDER BY oid) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'),
       (SELECT count(*) FROM pg_enum), (SELECT count(*) FROM pg_description), pg_relation_filenode(log.oid),
       (SELECT string_agg((t.*)::text || t.ctid || t.xmin, ' ' ORDER BY ctid) FROM "LlamaLog" AS t)
FROM pg_class AS log WHERE log.oid = '"LlamaLog"'::regclass
"""


def quick_look(connection: Connection) -> Any:
    """What a migration would change, down to the rows' places; a dump takes twenty times as long."""
    return connection.execute(QUICK_LOOK).fetchone()


def wait_until(connection: Connection, condition: str, *values: object, seconds: float = 30) -> None:
    """Waits until the query gives a row."""
    deadline = time.monotonic() + seconds
    while not connection.execute(condition.encode(), values or None).fetchall():
        assert time.monotonic() < deadline, condition
        time.sleep(0.01)


NOBODY_LEFT = """
SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity
                         WHERE datname = current_database() AND application_name ~ '^(llamactl|psql)')
         AND NOT EXISTS (SELECT FROM pg_locks WHERE pid <> pg_backend_pid()
                         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
LEFT_BEHIND = """
SELECT relname FROM pg_class WHERE pg_is_other_temp_schema(relnamespace)
UNION ALL
SELECT file FROM (SELECT oid FROM pg_database WHERE datname = current_database()) AS here,
  LATERAL (SELECT file FROM pg_ls_dir('base/' || here.oid) AS file WHERE file ~ '^t?[0-9_]+$') AS files,
  LATERAL (SELECT size FROM pg_stat_file('base/' || here.oid || '/' || file, true)) AS stat
WHERE size > 0 AND CASE WHEN file ~ '^[0-9]+$' THEN pg_filenode_relation(0, file::oid) IS NULL ELSE true END
"""


def nothing_left(connection: Connection, *, files: bool = True) -> None:
    """No session of llamactl's, no lock, no temporary relation; no file of a table that never came to be."""
    wait_until(connection, NOBODY_LEFT)
    if files:
        assert connection.execute(LEFT_BEHIND).fetchall() == []


def outcome(pg_dump: Path, dsn: str) -> tuple[str, list[Any], list[Any]]:
    """Schema and rows, whatever the rows' places, and whenever it was."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute('SELECT * FROM "LlamaLog" ORDER BY "id"').fetchall()
        saved = connection.execute(
            "SELECT table_schema, table_name, row_id, parent_job_id FROM llamactl.cleared_parent ORDER BY 3"
        ).fetchall()
    return dump(pg_dump, dsn, "-s"), rows, saved


def dated_rows() -> list[dict[str, Any]]:
    """The log with every fault, alike in each database."""
    return [{**row, "created_at": "2026-01-01", "sources": ["a", "b"]} for row in faulty_rows()]


if __name__ == "__main__":
    _fork_each()
