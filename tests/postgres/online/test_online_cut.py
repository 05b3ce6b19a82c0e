"""migrate --online and repair cut anywhere, by whatever ends them; the same command again completes them."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import (
    ASLEEP,
    NAP,
    THEIR_PID,
    Connection,
    Done,
    Hook,
    Statement,
    Stopper,
    dump,
    nothing_left,
    outcome,
    run_here,
    wait_until,
)
from online_cuts import (
    GO_ON,
    LEFT_INVALID,
    ONLINE,
    Course,
    Cut,
    after,
    kill,
    lost,
    many_rows,
    side_by_side,
    status_of,
    terminate,
)
from servers import Server

CUTS = [kill, terminate]
MakeCourse = Callable[..., AbstractContextManager[Course]]
StartCli = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@pytest.fixture(scope="module")
def make_course(insert_into: Callable[[str, Any], None], pg_tool: Callable[[str], Path]) -> MakeCourse:
    """A function: a context with a log that has so many copies of every fault, to be migrated online."""

    @contextmanager
    def make(server: Server, copies: int = 1, files: bool = True) -> Iterator[Course]:
        template = server.create(server.template)
        try:
            insert_into(server.conninfo(template), many_rows(copies))
            yield Course(server, pg_tool("pg_dump"), template, "migrate", ONLINE, pages=1, files=files)
        finally:
            server.drop(template)

    return make


@pytest.fixture(scope="module")
def course(server: Server, make_course: MakeCourse) -> Iterator[Course]:
    """On two pages: every kind of statement, and not too many of each."""
    with make_course(server) as course:
        yield course


@pytest.fixture(scope="module")
def stoppers(course: Course) -> Iterator[Sequence[Stopper]]:
    """Two, as the machine is to have two processors; with batches of one page."""
    with ExitStack() as stack:
        made = [Stopper(pages=1) for _ in range(2)]
        for stopper in made:
            stack.callback(stopper.close)
            course.warm(stopper)
        yield made


DAMAGE = """
SET llamactl.filling = 'on';
UPDATE "LlamaLog" SET "root_job_id" = CASE WHEN right("id"::text, 1) < '5' THEN 'wrong' END;
UPDATE "LlamaLog" SET "parent_job_id" = '0 c' WHERE "job_id" = '0 k';
"""


@pytest.fixture(scope="module")
def repair(course: Course) -> Iterator[Course]:
    """`repair --overwrite` of a log whose roots are wrong or missing, and whose flagged parent came back."""
    with course.copied() as dsn:
        assert run_here(*course.words(dsn)).code == 0
        with psycopg.connect(dsn) as connection:
            connection.execute(DAMAGE)
            name = connection.info.dbname
        arguments = ["--overwrite", "--grace", "0s"]
        yield Course(course.server, course.pg_dump, name, "repair", arguments, pages=1, before="done")


# --- at the statement boundaries ---------------------------------------------------------------------------


def test_cut_after_every_other_commit(course: Course, stoppers: Sequence[Stopper]) -> None:
    points = course.commits()
    assert 15 < len(points) < 30
    side_by_side(
        stoppers, points[::2], lambda stopper, number: course.cut_and_again(stopper, number, CUTS[number % 2])
    )


@pytest.mark.slow
def test_cut_before_each_statement(course: Course, stoppers: Sequence[Stopper]) -> None:
    points = course.boundaries()
    assert len(points) > 200
    side_by_side(
        stoppers, points, lambda stopper, number: course.cut_and_again(stopper, number, CUTS[number // 2 % 2])
    )


@pytest.mark.slow
def test_repair_cut_before_its_writes(repair: Course, stoppers: Sequence[Stopper]) -> None:
    (begun,) = repair.numbers_of("INSERT INTO llamactl.run")
    points = range(begun, len(repair.sent) + 1, 12)
    side_by_side(
        stoppers,
        points,
        lambda stopper, number: repair.cut_and_again(stopper, number, CUTS[number // 12 % 2]),
    )


def test_repair_cut_in_a_batch(repair: Course, stoppers: Sequence[Stopper]) -> None:
    points = repair.numbers_of('SET "root_job_id" = CAST')[3:9:3]
    side_by_side(stoppers, points, lambda stopper, number: repair.cut_and_again(stopper, number, kill))


@pytest.mark.parametrize(
    "count", [pytest.param(1, id="some"), pytest.param(12, id="many", marks=pytest.mark.slow)]
)
def test_server_stopped(
    own_server: Server, make_course: MakeCourse, stoppers: Sequence[Stopper], count: int
) -> None:
    """Each crash cuts as many runs as there are stoppers."""
    with make_course(own_server, files=False) as course:
        (begun,) = course.numbers_of("CREATE SCHEMA llamactl")
        points = random.Random(1).sample(range(begun, len(course.sent) + 1), count * len(stoppers))
        for first in range(0, len(points), len(stoppers)):
            crash_and_again(course, dict(zip(stoppers, points[first:], strict=False)))


def crash_and_again(course: Course, points: dict[Stopper, int]) -> None:
    private = course.server.private
    assert private
    with ExitStack() as stack:
        logs = {stopper: stack.enter_context(course.copied()) for stopper in points}
        pids = {stopper: course.stopped(stopper, logs[stopper], number) for stopper, number in points.items()}
        private.stop("immediate")
        for stopper, pid in pids.items():
            stopper.go_on(pid)
            lost(stopper.ended())
        private.start()
        for stopper, number in points.items():
            with psycopg.connect(logs[stopper], autocommit=True) as connection:
                course.state_and_again(stopper, number, logs[stopper], connection)


# --- at random moments inside batches ----------------------------------------------------------------------


@pytest.mark.slow
def test_cut_inside_batches(server: Server, make_course: MakeCourse, stoppers: Sequence[Stopper]) -> None:
    """A run goes on from before a batch, and is cut a moment later: in it, or in one of the next."""
    chance = random.Random(3)
    with make_course(server, copies=14) as course:
        batches = course.numbers_of('SET "root_job_id" = CAST', 'SET "parent_job_id" = NULL')
        moments = {number: chance.uniform(0, 0.012) for number in chance.sample(batches, 30)}

        def check(stopper: Stopper, number: int) -> None:
            cut = after(moments[number], CUTS[number % 2])
            with course.cut(stopper, number, cut) as (dsn, connection):
                assert status_of(stopper, dsn) == "cut"
                course.again(stopper, dsn, connection)

        side_by_side(stoppers, moments, check)


# --- interrupted -------------------------------------------------------------------------------------------


@pytest.fixture
def napping(course: Course) -> Iterator[tuple[str, Connection]]:
    """A log of which a batch, once it runs in the database, sleeps at its first row."""
    with course.copied() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(NAP.encode())
        sleep_in(connection, '%SET "root_job_id" = CAST%')
        yield dsn, connection


def sleep_in(connection: Connection, statement: str) -> None:
    name = connection.info.dbname
    connection.execute(f"ALTER DATABASE {name} SET test.nap = '{statement}'".encode())


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_a_batch(
    course: Course, napping: tuple[str, Connection], start_cli: StartCli, sent: signal.Signals
) -> None:
    dsn, connection = napping
    with start_cli(*course.words(dsn)) as process:
        wait_until(connection, ASLEEP)
        process.send_signal(sent)
        out, err = process.communicate(timeout=30)
    told = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (process.returncode, out) == (130, "")
    assert told == [f"error: Interrupted; changes committed so far remain: {GO_ON} to continue"]
    nothing_left(connection)
    completed(course, dsn, connection)


def test_a_killed_client_whose_statement_still_runs(
    course: Course, napping: tuple[str, Connection], start_cli: StartCli
) -> None:
    """The next run, which meets its claim, waits until the server has noticed."""
    dsn, connection = napping
    with start_cli(*course.words(dsn)) as process:
        wait_until(connection, ASLEEP)

        def kill_it(statement: Statement) -> None:
            if "pg_try_advisory_lock" in statement.text and process.poll() is None:
                process.kill()
                process.wait()

        done = completed(course, dsn, connection, before=kill_it)
    assert "Waiting for the server to end the session of a run that was killed" in done.err


CLAIMANT = """
import sys
from pathlib import Path
from llamactl.db.session import open_session
from llamactl.online.record import claim_session
from llamactl.table.table import Table
from llamactl.config.dsn import read_dsn
from llamactl.config.settings import Settings
from llamactl.sqlfiles.load import parse_query
from llamactl.sqlfiles.names import Names

settings = Settings(read_dsn(sys.argv[1], "--dsn", Path()))
with open_session(settings, "migrate") as session:
    claim_session(Table.open(session, settings), print)
    session.run(parse_query("test", "SELECT pg_sleep(60);", Names()))
"""


def test_a_client_that_was_killed_before_its_run_was_recorded(
    database: str, connection: Connection, cli_env: Mapping[str, str]
) -> None:
    """While it read the rows for the first time."""
    with subprocess.Popen([sys.executable, "-c", CLAIMANT, database], env=cli_env) as process:
        wait_until(connection, ASLEEP)

        def kill_it(statement: Statement) -> None:
            if "pg_try_advisory_lock(" in statement.text and process.poll() is None:
                process.kill()
                process.wait()

        done = run_here("migrate", "--online", "--yes", "--dsn", database, before=kill_it)
    assert done.code == 0, done.err
    assert "Waiting for the server to end the session of a run that was killed" in done.err


def test_a_client_that_lives_is_not_waited_for(
    database: str, connection: Connection, cli_env: Mapping[str, str]
) -> None:
    with subprocess.Popen([sys.executable, "-c", CLAIMANT, database], env=cli_env) as process:
        wait_until(connection, ASLEEP)
        done = run_here("migrate", "--online", "--yes", "--dsn", database)
        process.kill()
    assert (done.code, "Another llamactl run" in done.err, "Waiting" in done.err) == (3, True, False)


def completed(course: Course, dsn: str, connection: Connection, before: Hook | None = None) -> Done:
    """The same command again, which does not sleep, fills the rows as an undisturbed run does."""
    sleep_in(connection, "")
    done = run_here(*course.words(dsn), before=before)
    assert done.code == 0, done.err
    assert outcome(course.pg_dump, dsn)[1:] == course.expected[1:]
    nothing_left(connection)
    return done


@pytest.mark.parametrize(
    ("statement", "number"),
    [('SET "root_job_id" = CAST', 3), ("LEVEL REPEATABLE READ", 0)],
    ids=["batch", "before any change"],
)
def test_a_second_run(course: Course, stoppers: Sequence[Stopper], statement: str, number: int) -> None:
    first = stoppers[0]
    number = course.numbers_of(statement)[number]
    with course.copied() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        pid = course.stopped(first, dsn, number)
        (theirs,) = connection.execute(THEIR_PID.format("").encode()).fetchone() or (0,)
        before = dump(course.pg_dump, dsn)
        for command in (["migrate", "--online"], ["migrate"], ["undo"], ["repair"]):
            if command == ["repair"] and statement != 'SET "root_job_id" = CAST':
                continue  # there is no root column yet
            done = run_here(*command, "--yes", "--dsn", dsn)
            assert (done.code, len(done.errors)) == (3, 1)
            assert f"Another llamactl run is working on the table: pid {theirs} " in done.errors[0]
            assert "Waiting" not in done.err
        assert dump(course.pg_dump, dsn) == before
        first.go_on(pid)
        assert (ended := first.ended())
        assert ended.code == 0, ended.err
        course.as_undisturbed(dsn, connection)


# --- inside the statements that wait for others ------------------------------------------------------------

WRITER = 'LOCK TABLE "LlamaLog" IN ROW EXCLUSIVE MODE'
VACUUM = 'LOCK TABLE "LlamaLog" IN SHARE UPDATE EXCLUSIVE MODE'
WAITING = {
    "job index": ('CREATE INDEX CONCURRENTLY "LlamaLog_job_id', WRITER),
    "guard": ("CREATE OR REPLACE TRIGGER", WRITER),
    "root index": ('CREATE INDEX CONCURRENTLY "LlamaLog_root', WRITER),
    "check": ("VALIDATE CONSTRAINT", VACUUM),
}
"""Statements, and another session's lock that makes them wait half done: a build, its index INVALID."""
QUICK = {("job index", kill), ("check", terminate)}
INSIDE = [
    pytest.param(*WAITING[name], cut, id=f"{name}, {cut.__name__}", marks=marks)
    for name in WAITING
    for cut in CUTS
    for marks in [() if (name, cut) in QUICK else pytest.mark.slow]
]
WAITS = """
SELECT FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'llamactl migrate%' AND wait_event_type = 'Lock'
"""


@pytest.mark.parametrize(("statement", "lock", "cut"), INSIDE)
def test_cut_inside(course: Course, stoppers: Sequence[Stopper], statement: str, lock: str, cut: Cut) -> None:
    (number,) = course.numbers_of(statement)

    def inside(stopper: Stopper, pid: int, connection: Connection) -> None:
        with psycopg.connect(connection.info.dsn) as other:
            other.execute(lock.encode())
            stopper.go_on(pid)
            wait_until(connection, WAITS)
            cut(stopper, pid, connection)
            wait_until(connection, f"SELECT WHERE NOT EXISTS ({WAITS})")

    with course.cut(stoppers[0], number, inside) as (dsn, connection):
        assert len(connection.execute(LEFT_INVALID).fetchall()) == ("CONCURRENTLY" in statement)
        course.state_and_again(stoppers[0], number, dsn, connection)


# --- other ways on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [8, pytest.param(3, marks=pytest.mark.slow)])
def test_undone(course: Course, stoppers: Sequence[Stopper], every: int) -> None:
    """From where a run was cut: schema and rows are as they were, but for the label of the enum type."""
    with course.copied() as dsn:
        before = without_label(course, dsn)

    def check(stopper: Stopper, number: int) -> None:
        with course.cut(stopper, number, kill) as (dsn, _):
            done = stopper.run("undo", "--yes", "--dsn", dsn)
            assert done.code == 0, done.err
            assert without_label(course, dsn) == before, course.sent[number - 2]

    side_by_side(stoppers, course.commits()[::every], check)


def without_label(course: Course, dsn: str) -> tuple[str, Any]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute('SELECT * FROM "LlamaLog" ORDER BY "id"').fetchall()
    return re.sub(r",\n    'LINKED'", "", dump(course.pg_dump, dsn, "-s")), rows


@pytest.mark.parametrize("every", [8, pytest.param(3, marks=pytest.mark.slow)])
def test_completed_in_one_transaction(course: Course, stoppers: Sequence[Stopper], every: int) -> None:
    def check(stopper: Stopper, number: int) -> None:
        with course.cut(stopper, number, kill) as (dsn, _):
            done = stopper.run("migrate", "--yes", "--dsn", dsn)
            assert done.code == 0, done.err
            assert outcome(course.pg_dump, dsn)[1:] == course.expected[1:], course.sent[number - 2]
            assert stopper.run("verify", "--dsn", dsn, "--grace", "0s").code == 0

    side_by_side(stoppers, course.commits()[::every], check)
