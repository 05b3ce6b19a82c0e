"""A migration that is interrupted at its statements, by whatever ends it, leaves the table as it was.

The quick tests interrupt at every fifth statement, the slow ones at each. Since nothing may change, a test
has one database for all its interruptions; at the end the whole dump is compared, and an ordinary run gives
what an undisturbed one gives.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import (
    ASLEEP,
    NAP,
    NOBODY_LEFT,
    THEIR_PID,
    Connection,
    Done,
    Statement,
    Stopper,
    at,
    dated_rows,
    dump,
    migrate_here,
    nothing_left,
    outcome,
    quick_look,
    run_here,
    statements_of,
    wait_until,
)
from faults import expected_roots
from servers import Server

ROOTS = 'SELECT "id"::text, "root_job_id" FROM "LlamaLog"'
StartCli = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@dataclass
class Cutter:
    """A log with every fault, to be cut, and what an undisturbed migration sends and gives."""

    dsn: str
    partly_filled: bool
    pg_dump: Path
    statements: list[str]
    expected: Any

    def __post_init__(self) -> None:
        self.connect()
        self.dump = dump(self.pg_dump, self.dsn)
        self.look = quick_look(self.connection)

    def connect(self) -> None:
        self.connection = psycopg.connect(self.dsn, autocommit=True)

    def close(self) -> None:
        self.connection.close()

    def points(self) -> list[int]:
        """The statements to cut before, by number. Where a dry run comes first, from the first write on."""
        first = self.statements.index("CREATE SCHEMA llamactl") + 1 if self.partly_filled else 1
        return list(range(first, len(self.statements) + 1))

    def run(self, number: int, action: Callable[[Statement], object]) -> Done:
        return migrate_here(self.dsn, *CHECK, before=at(number, action))

    def nothing_changed(self, number: int, *, files: bool = True) -> None:
        nothing_left(self.connection, files=files)
        assert quick_look(self.connection) == self.look, self.statements[number - 1]

    def finish(self) -> None:
        """Nothing has changed at all, and an ordinary run succeeds."""
        assert dump(self.pg_dump, self.dsn) == self.dump
        done = migrate_here(self.dsn, *CHECK)
        assert done.code == 0, done.err
        assert outcome(self.pg_dump, self.dsn) == self.expected


@pytest.fixture(params=[False, True], ids=["bare", "partly filled"])
def partly_filled(request: pytest.FixtureRequest) -> bool:
    chosen: bool = request.param
    return chosen


CHECK = ["--check", "not-valid"]
FROM_BARE = ["CREATE SCHEMA", "UPDATE", "ADD COLUMN", "CREATE INDEX", "ADD CONSTRAINT", "COMMIT"]
FROM_BARE += ["DROP INDEX public.lowered", "CREATE INDEX lowered", "COMMENT ON INDEX public.lowered"]
WITH_INDEX = ["DROP INDEX", "UPDATE", "CREATE INDEX", "ADD VALUE", "COMMENT", "ANALYZE", "COMMIT"]
"""Some of the statements that a test must cut at."""


def add_plain_rows(dsn: str) -> None:
    """So many rows that plain indexes are built again; of these there are two."""
    with psycopg.connect(dsn) as connection:
        for (name,) in connection.execute(
            """SELECT indexrelid::regclass::text FROM pg_index
            WHERE indrelid = '"LlamaLog"'::regclass AND NOT indisunique"""
        ).fetchall():
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute("""
            INSERT INTO "LlamaLog" (id, operation, category, status, job_id, created_at, sources)
            SELECT ('20000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'x', 'CREATED', 'SUCCESS',
                   'plain ' || n, '2026-01-01', '{a}'
            FROM generate_series(1, 1200) AS n;
            CREATE INDEX "LlamaLog_parent_job_id_idx" ON "LlamaLog" (parent_job_id);
            CREATE INDEX lowered ON "LlamaLog" (lower(job_id));
            COMMENT ON INDEX lowered IS 'theirs'
        """)


def fill_in_part(dsn: str) -> None:
    """Of the log with every fault: some of the roots, and the index, which is dropped for the fill."""
    with psycopg.connect(dsn) as connection:
        connection.execute("""
            ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100);
            UPDATE "LlamaLog" SET "root_job_id" = 'a' WHERE "job_id" IN ('a', 'x');
            CREATE INDEX "LlamaLog_root_job_id_idx" ON "LlamaLog" ("root_job_id")
        """)


MakeCutter = Callable[[Server, bool], Cutter]


@pytest.fixture
def make_cutter(
    insert_into: Callable[[str, Any], None], pg_tool: Callable[[str], Path]
) -> Iterator[MakeCutter]:
    with ExitStack() as stack:

        def make(server: Server, partly_filled: bool) -> Cutter:
            databases = [server.create(server.template), server.create(server.template)]
            dsn, other = map(server.conninfo, databases)
            for name in databases:
                stack.callback(server.drop, name)
                insert_into(server.conninfo(name), dated_rows())
                (fill_in_part if partly_filled else add_plain_rows)(server.conninfo(name))
            statements = statements_of(other, *CHECK)
            expected = outcome(pg_tool("pg_dump"), other)
            taken = WITH_INDEX if partly_filled else FROM_BARE
            assert all(any(words in sent for sent in statements) for words in taken)
            cutter = Cutter(dsn, partly_filled, pg_tool("pg_dump"), statements, expected)
            stack.callback(cutter.close)
            return cutter

        yield make


@pytest.fixture
def cutter(partly_filled: bool, server: Server, make_cutter: MakeCutter) -> Cutter:
    return make_cutter(server, partly_filled)


EVERY = pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)], ids=["few", "each"])
"""Of the statements that are sent, the last always."""


@EVERY
def test_terminated_before_each_statement(every: int, cutter: Cutter) -> None:
    def terminate(statement: Statement) -> None:
        cutter.connection.execute("SELECT pg_terminate_backend(%s)", [statement.pid])
        wait_until(cutter.connection, NOBODY_LEFT)

    for number in cutter.points()[::-every]:
        done = cutter.run(number, terminate)
        commit = number == len(cutter.statements)
        told = "it is unknown whether the COMMIT succeeded" if commit else "nothing was changed"
        assert done.code == 3, cutter.statements[number - 1]
        assert len(done.errors) == 1
        assert told in done.errors[0]
        cutter.nothing_changed(number)
    cutter.finish()


@pytest.mark.parametrize(
    ("sent", "points"),
    [
        pytest.param(signal.SIGINT, slice(0, -1, 5), id="few"),
        pytest.param(signal.SIGINT, slice(0, -1, 2), id="SIGINT", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, slice(1, -1, 2), id="SIGTERM", marks=pytest.mark.slow),
    ],
)
def test_a_signal_before_each_statement(sent: signal.Signals, points: slice, cutter: Cutter) -> None:
    """The slow ones share the statements between the signals."""
    for number in cutter.points()[points]:
        done = cutter.run(number, lambda _: signal.raise_signal(sent))
        assert (done.code, done.errors) == (130, ["error: Interrupted; nothing was changed"])
        cutter.nothing_changed(number)
    # A COMMIT under way is let finish.
    done = cutter.run(len(cutter.statements), lambda _: signal.raise_signal(sent))
    assert (done.code, done.errors) == (130, ["error: Interrupted; changes committed so far remain"])
    nothing_left(cutter.connection)
    assert outcome(cutter.pg_dump, cutter.dsn) == cutter.expected


# --- the client killed, the server stopped -----------------------------------------------------------------


@pytest.fixture
def stopper() -> Iterator[Stopper]:
    stopper = Stopper()
    yield stopper
    stopper.close()


@pytest.mark.slow
def test_killed_before_each_statement(cutter: Cutter, stopper: Stopper) -> None:
    for number in cutter.points():
        pid = stopper.stopped(cutter.dsn, *CHECK, number=number)
        os.kill(pid, signal.SIGKILL)
        cutter.nothing_changed(number)
    cutter.finish()


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["last", "each"])
def test_server_stopped_before_each_statement(
    partly_filled: bool, own_server: Server, make_cutter: MakeCutter, every: bool
) -> None:
    cutter = make_cutter(own_server, partly_filled)
    private = own_server.private
    assert private
    for number in cutter.points() if every else cutter.points()[-1:]:
        cutter.close()
        done = cutter.run(number, lambda _: private.stop("immediate"))
        private.start()
        assert done.code == 3, done.err
        assert len(done.errors) == 1
        cutter.connect()
        # A crash leaves the files of a new index: preflight reports them.
        cutter.nothing_changed(number, files=False)
    cutter.finish()


# --- inside a statement ------------------------------------------------------------------------------------


@dataclass
class Sleeper:
    """A migration whose statement sleeps on the server."""

    process: subprocess.Popen[str]
    connection: Connection

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def call(self, function: str) -> None:
        self.connection.execute(THEIR_PID.format(function).encode())


CUTS = {
    "SIGINT": (lambda sleeper: sleeper.signal(signal.SIGINT), 130, "Interrupted"),
    "SIGTERM": (lambda sleeper: sleeper.signal(signal.SIGTERM), 130, "Interrupted"),
    "SIGKILL": (lambda sleeper: sleeper.signal(signal.SIGKILL), -9, ""),
    "terminated": (lambda sleeper: sleeper.call("pg_terminate_backend"), 3, "was lost"),
    "cancelled": (
        lambda sleeper: sleeper.call("pg_cancel_backend"),
        3,
        "was cancelled on the server by another session",
    ),
}
STATEMENTS = {
    "clear parents": 'SET "parent_job_id" = NULL',
    "fill": 'SET "root_job_id" = CAST',
    "rebuild": "CREATE INDEX napping",
    "analyze": 'ANALYZE "public"',
}
COMMON = {("fill", "SIGINT"), ("rebuild", "SIGKILL"), ("analyze", "SIGTERM")}
INSIDE = [
    pytest.param(STATEMENTS[statement], *CUTS[cut], id=f"{statement}, {cut}")
    if (statement, cut) in COMMON
    else pytest.param(STATEMENTS[statement], *CUTS[cut], id=f"{statement}, {cut}", marks=pytest.mark.slow)
    for statement in STATEMENTS
    for cut in CUTS
]


@pytest.mark.parametrize(("statement", "cut", "code", "told"), INSIDE)
def test_inside_a_statement(
    database: str,
    connection: Connection,
    insert: Callable[[Any], None],
    pg_tool: Callable[[str], Path],
    start_cli: StartCli,
    statement: str,
    cut: Callable[[Sleeper], None],
    code: int,
    told: str,
) -> None:
    insert(dated_rows())
    add_plain_rows(database)
    connection.execute(NAP.encode())
    if "CREATE INDEX" in statement:  # a trigger keeps all indexes
        connection.execute('DROP TRIGGER "napping" ON "LlamaLog"')
    name = connection.info.dbname
    connection.execute(f"ALTER DATABASE {name} SET test.nap = '%{statement}%'".encode())
    before = dump(pg_tool("pg_dump"), database), quick_look(connection)
    with start_cli("migrate", "--yes", "--dsn", database) as process:
        wait_until(connection, ASLEEP)
        cut(Sleeper(process, connection))
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == (code > 0)
    assert all(told in line and "nothing was changed" in line for line in errors)
    nothing_left(connection)
    assert (dump(pg_tool("pg_dump"), database), quick_look(connection)) == before
    connection.execute(f"ALTER DATABASE {name} RESET test.nap".encode())
    assert migrate_here(database).code == 0
    roots = dict(connection.execute(ROOTS).fetchall())
    assert roots.items() >= expected_roots().items()


@pytest.mark.parametrize("retries", ["0", "9"], ids=["waiting for the lock", "between two attempts"])
def test_interrupted_without_the_lock(
    database: str, connection: Connection, start_cli: StartCli, retries: str
) -> None:
    timeout = "60s" if retries == "0" else "10ms"
    with psycopg.connect(database) as reader:
        reader.execute('SELECT FROM "LlamaLog"')
        arguments = ("--dsn", database, "--lock-timeout", timeout, "--retries", retries)
        with start_cli("migrate", "--yes", *arguments) as process:
            if retries == "0":
                wait_until(connection, "SELECT FROM pg_locks WHERE NOT granted")
            else:
                assert process.stderr
                while "attempt 2" not in process.stderr.readline():
                    pass
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert err.splitlines()[-1] == "error: Interrupted; nothing was changed"
        wait_until(connection, "SELECT WHERE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    nothing_left(connection)


# --- at any moment -----------------------------------------------------------------------------------------

MANY_ROWS = """
INSERT INTO "LlamaLog" ("id", "operation", "category", "status", "job_id", "parent_job_id", "is_root_job")
SELECT ('10000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'x', 'CREATED', 'SUCCESS',
       'job ' || n, CASE WHEN n % 10 > 0 THEN 'job ' || n / 2 END, n % 100 = 1
FROM generate_series(1, 20000) AS n
"""
FINGERPRINT = """
SELECT (SELECT count(*) FROM pg_attribute WHERE attrelid = log.oid), pg_relation_filenode(log.oid),
       (SELECT count(*) FROM pg_namespace WHERE nspname = 'llamactl'),
       (SELECT md5(string_agg((t.*)::text || t.ctid || t.xmin, '' ORDER BY ctid)) FROM "LlamaLog" AS t)
FROM pg_class AS log WHERE log.oid = '"LlamaLog"'::regclass
"""
LOCKED = """
SELECT FROM pg_locks WHERE relation = '"LlamaLog"'::regclass AND mode = 'AccessExclusiveLock' AND granted
"""


MOMENTS = 15
TOLD = {
    "nothing was changed": {False},
    "changes committed so far remain": {True},
    "it is unknown whether the COMMIT succeeded": {False, True},
}


def seconds_of(report: str) -> float:
    return sum(step["seconds"] or 0 for step in json.loads(report)["steps"])


@pytest.mark.slow
def test_at_any_moment(
    new_database: Callable[..., str],
    insert_into: Callable[[str, Any], None],
    start_cli: StartCli,
) -> None:
    """Long statements are cut where it happens; a run that was done before stays done."""

    def filled() -> tuple[str, Connection, Any]:
        dsn = new_database()
        insert_into(dsn, dated_rows())
        connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        connection.execute(MANY_ROWS.encode())
        return dsn, connection, connection.execute(FINGERPRINT.encode()).fetchone()

    with ExitStack() as stack:
        dsn, *_ = filled()
        seconds = seconds_of(migrate_here(dsn, "--format", "json").out)
        dsn, connection, before = filled()
        outcomes = Counter[bool]()
        for number in range(MOMENTS):
            cut, *_ = list(CUTS.values())[number % len(CUTS)]
            with start_cli("migrate", "--yes", "--dsn", dsn) as process:
                while not connection.execute(LOCKED.encode()).fetchall():
                    assert process.poll() is None
                    time.sleep(0.01)
                time.sleep(seconds * number / MOMENTS)
                cut(Sleeper(process, connection))
                _, err = process.communicate(timeout=30)
            nothing_left(connection)
            changed = connection.execute(FINGERPRINT.encode()).fetchone() != before
            for told, possible in TOLD.items():
                assert told not in err or changed in possible
            assert process.returncode != 0 or changed
            outcomes[changed] += 1
            if changed:
                assert run_here("verify", "--dsn", dsn, "--grace", "0").code == 0
                dsn, connection, before = filled()
        assert outcomes[False] > MOMENTS / 3
        assert migrate_here(dsn).code == 0
        assert run_here("verify", "--dsn", dsn, "--grace", "0").code == 0
