"""Runs of llamactl that stop at a statement, and what is to be seen of the database then and afterwards."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from faults import faulty_rows
from llamactl.cli.main import main
from llamactl.online import batches
from llamactl.sqlfiles.load import all_query_paths, load_query
from llamactl.sqlfiles.names import Names

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


def at(number: int, action: Hook, *, outside: bool = False) -> Hook:
    """A hook for the statement of this number, from 1, among those inside a transaction, or among all."""
    seen = 0

    def hook(statement: Statement) -> None:
        nonlocal seen
        counts = outside or statement.inside
        seen += counts
        if counts and seen == number:
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
        code = main(arguments)
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


ENDED = "ended\n"


@contextmanager
def batches_of(pages: int) -> Iterator[None]:
    """Batches of so many pages, however long they take; 0: as ever."""
    with pytest.MonkeyPatch.context() as patch:
        if pages:
            patch.setattr(batches._Size, "adapt", lambda *_: None)
            patch.setattr(batches, "_Size", partial(batches._Size, pages))
        yield


class Stopper:
    """Makes processes of llamactl that stop before a statement; forks of one, as Python starts slowly.

    One at a time; `pages`: of their batches.
    """

    def __init__(self, pages: int = 0) -> None:
        self._running = False
        self._parent = subprocess.Popen(
            [sys.executable, __file__, str(pages)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # to end its forks too
        )

    def stopped(
        self, dsn: str, *arguments: str, number: int, command: str = "migrate", outside: bool = False
    ) -> int:
        """The pid of a process that has stopped before the statement of this number, as at() counts.

        To be killed, or to go on.
        """
        self._start([command, "--yes", "--dsn", dsn, *arguments], number, outside)
        said = self._line().split()
        assert said[0] == "stopped", said
        return int(said[1])

    def go_on(self, pid: int) -> None:
        os.kill(pid, signal.SIGUSR1)

    def ended(self) -> Done | None:
        """What the process came to, once it is gone; None: it was killed."""
        done = None
        while self._running and (said := self._line()) != ENDED:
            done = Done(**json.loads(said))
        self._running = False
        return done

    def run(self, *words: str, forked: bool = True) -> Done:
        """Runs a command to its end. Not forked, it leaves what it has loaded to those that come."""
        self._start(words, 0, False, forked)
        done = self.ended()
        assert done
        return done

    def _start(self, words: Sequence[str], number: int, outside: bool, forked: bool = True) -> None:
        self.ended()
        self._running = True
        assert self._parent.stdin
        print(json.dumps([forked, words, number, outside]), file=self._parent.stdin, flush=True)

    def _line(self) -> str:
        assert self._parent.stdout
        said = self._parent.stdout.readline()
        assert said, "the parent of the processes has died"
        return said

    def close(self) -> None:
        os.killpg(self._parent.pid, signal.SIGKILL)
        self._parent.communicate()


def _fork_each() -> None:
    """Stopper's process. One fork at a time: a line for each, answered when it stops, ends, is gone."""
    for path in all_query_paths():
        load_query(path, Names())
    for line in sys.stdin:
        forked, *request = json.loads(line)
        if not forked:
            _run(*request)
        elif child := os.fork():
            os.waitpid(child, 0)
        else:
            _run(*request)
            os._exit(0)
        print(ENDED, end="", flush=True)


def _run(words: list[str], number: int, outside: bool) -> None:
    told = os.fdopen(os.dup(1), "w")

    def stop(statement: Statement) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        print("stopped", os.getpid(), file=told, flush=True)
        signal.sigwait([signal.SIGUSR1])

    done = run_here(*words, before=at(number, stop, outside=outside))
    print(json.dumps(asdict(done)), file=told, flush=True)


# --- inside a statement ------------------------------------------------------------------------------------

NAP = """
CREATE FUNCTION nap("id" uuid) RETURNS uuid LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
  IF current_query() LIKE current_setting('test.nap', true) THEN
    PERFORM pg_sleep(60);
  END IF;
  RETURN "id";
END $$;
CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.nap(new.id); RETURN new; END';
CREATE INDEX "napping" ON "LlamaLog" (nap("id"));
CREATE TRIGGER "napping" BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION nap();
CREATE STATISTICS "napping" ON (nap("id")) FROM "LlamaLog";
"""
"""What makes a statement of our choice sleep at the first row that it writes, indexes or samples."""

ASLEEP = """
SELECT FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'llamactl migrate%' AND wait_event = 'PgSleep'
"""
THEIR_PID = """
SELECT {}(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'llamactl migrate%'
"""


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
    # The tags of comments say on which day they were made.
    return re.sub(r"\d{4}-\d\d-\d\d\]", "DATE]", dump(pg_dump, dsn, "-s")), rows, saved


def dated_rows() -> list[dict[str, Any]]:
    """The log with every fault, alike in each database."""
    return [{**row, "created_at": "2026-01-01", "sources": ["a", "b"]} for row in faulty_rows()]


if __name__ == "__main__":
    with batches_of(int(sys.argv[1])):
        _fork_each()
