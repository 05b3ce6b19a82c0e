"""Which rows are written follows from what became of the transaction, however its end is seen."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
import pytest
from psycopg import waiting
from psycopg_pool import ConnectionPool

from conftest import every_bin
from llamactl.logger import AsyncLlamaLogger, Counters, LlamaLogger
from logging_jobs import ADD_ROOT, Either, adds_up, rows_of, run_with, settled, summed
from proxy import Proxy, proxied
from servers import private_server

NOTHING = ("ALBUM", None)
WORK = "INSERT INTO artists (name) VALUES ('x')"


@pytest.fixture(params=[LlamaLogger, AsyncLlamaLogger], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def log_here(connection: psycopg.Connection[Any], database: str) -> str:
    connection.execute(ADD_ROOT)
    return database


def worked(dsn: str) -> int:
    """How many of the application's transactions were committed."""
    with psycopg.connect(dsn) as connection:
        return len(connection.execute("SELECT FROM artists").fetchall())


async def run(connection: Any, statement: str) -> None:
    await settled(connection.execute(statement))


@asynccontextmanager
async def pipeline(log: Either, connection: Any) -> AsyncIterator[Any]:
    if log.is_async:
        async with connection.pipeline() as pipeline:
            yield pipeline
    else:
        with connection.pipeline() as pipeline:
            yield pipeline


# --- pipeline mode ----------------------------------------------------------------------------------------


def test_in_pipeline_mode(kind: type[Any], log_here: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("o", NOTHING)
        async with log.connection() as connection:
            async with pipeline(log, connection):
                await run(connection, "SELECT 1")
                async with log.transaction(connection):
                    await run(connection, WORK)
                    job.log(reason="1 committed")
                await run(connection, "SELECT 1")
                async with log.transaction(connection):
                    async with log.transaction(connection):
                        await run(connection, WORK)
                        job.log(reason="2 with a savepoint")
                    job.log(reason="3 after it")
                with suppress(ZeroDivisionError):
                    async with log.transaction(connection):
                        await run(connection, WORK)
                        job.log(reason="dropped")
                        raise ZeroDivisionError
                async with log.transaction(connection, force_rollback=True):
                    await run(connection, WORK)
                    job.log(reason="dropped by force")
            async with log.transaction(connection), pipeline(log, connection):
                await run(connection, WORK)
                job.log(reason="4 pipeline inside")

    counters = run_with(kind, log_here, body)
    assert [row["reason"][0] for row in rows_of(log_here)] == ["1", "2", "3", "4"]
    assert (counters.written, counters.rolled_back, counters.unknown) == (4, 2, 0)
    assert worked(log_here) == 3


def test_errors_in_pipeline_mode(kind: type[Any], log_here: str) -> None:
    """They are seen late: of a statement, or of the COMMIT itself."""
    with psycopg.connect(log_here, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE albums ADD other uuid REFERENCES albums DEFERRABLE INITIALLY DEFERRED"
        )

    async def body(log: Either) -> None:
        job = log.logger.root("o", NOTHING)
        for statement in ("SELECT 1/0", "INSERT INTO albums (other) VALUES (gen_random_uuid())"):
            for caught in (False, True):
                async with log.connection() as connection:
                    with suppress(psycopg.Error):
                        async with pipeline(log, connection), log.transaction(connection):
                            await run(connection, WORK)
                            job.log()
                            with suppress(psycopg.Error):
                                await run(connection, statement)
                                if caught:
                                    async with pipeline(log, connection):
                                        pass

    counters = run_with(kind, log_here, body)
    assert (counters.recorded, counters.rolled_back, counters.written) == (4, 4, 0)
    assert (worked(log_here), rows_of(log_here)) == (0, [])


def test_a_transaction_begun_before_in_pipeline_mode_is_refused(kind: type[Any], log_here: str) -> None:
    async def body(log: Either) -> None:
        async with log.connection(autocommit=False) as connection, pipeline(log, connection):
            await run(connection, "SELECT 1")
            with pytest.raises(Exception, match="already in a transaction"):
                async with log.transaction(connection):
                    pass

    run_with(kind, log_here, body)


# --- COMMIT that is interrupted ---------------------------------------------------------------------------

SLEEPING = """
    CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_sleep(60);
      RETURN NULL;
    EXCEPTION WHEN {caught} THEN RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON artists DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION pause()
"""
IN_COMMIT = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query = 'COMMIT' AND wait_event = 'PgSleep'
"""


def until_in_commit(dsn: str) -> int:
    """The session that is."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not (found := connection.execute(IN_COMMIT).fetchall()):
            time.sleep(0.02)
    pid: int = found[0][0]
    return pid


COMMITTED = pytest.mark.parametrize("committed", [True, False], ids=["committed", "rolled back"])


@contextmanager
def sleeping_commit(dsn: str, committed: bool) -> Iterator[None]:
    """The application's COMMIT waits; cancelled, it goes on, or does not."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            SLEEPING.format(caught="query_canceled" if committed else "no_data_found").encode()
        )
    yield


@COMMITTED
def test_a_task_that_is_cancelled_inside_commit(committed: bool, log_here: str) -> None:
    async def body(log: Either) -> None:
        async def work() -> None:
            async with log.connection() as connection, log.transaction(connection):
                await run(connection, WORK)
                log.logger.root("o", NOTHING).log()

        task = asyncio.create_task(work())
        await asyncio.to_thread(until_in_commit, log_here)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with sleeping_commit(log_here, committed):
        counters = run_with(AsyncLlamaLogger, log_here, body)
    assert worked(log_here) == committed
    assert (counters.written, counters.rolled_back, counters.unknown) == (committed, not committed, 0)
    assert adds_up(counters, log_here)


@COMMITTED
def test_ctrl_c_inside_commit(committed: bool, log_here: str) -> None:
    def interrupt() -> None:
        until_in_commit(log_here)
        os.kill(os.getpid(), signal.SIGINT)

    with sleeping_commit(log_here, committed), LlamaLogger(log_here) as logger:
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        with (
            suppress(KeyboardInterrupt),
            psycopg.connect(log_here, autocommit=True) as connection,
            logger.transaction(connection),
        ):
            connection.execute(WORK)
            logger.root("o", NOTHING).log()
        interrupter.join()
    assert worked(log_here) == committed
    assert (logger.counters.written, logger.counters.rolled_back) == (committed, not committed)
    assert adds_up(logger.counters, log_here)


@COMMITTED
def test_the_same_where_psycopg_has_no_such_name(
    committed: bool, log_here: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a version of psycopg whose COMMIT cannot be watched, such an end is unknown."""
    from llamactl.logger._scope import Watch

    monkeypatch.setattr(Watch, "inside", lambda watch, transaction: None)

    async def body(log: Either) -> None:
        async def work() -> None:
            async with log.connection() as connection, log.transaction(connection):
                await run(connection, WORK)
                log.logger.root("o", NOTHING).log()

        task = asyncio.create_task(work())
        await asyncio.to_thread(until_in_commit, log_here)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    with sleeping_commit(log_here, committed):
        counters = run_with(AsyncLlamaLogger, log_here, body)
    assert (counters.recorded, counters.unknown, rows_of(log_here)) == (1, 1, [])
    assert "it is unknown whether their transaction was committed" in caplog.text


def test_a_session_that_ends_inside_commit(
    kind: type[Any], log_here: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its rows are not written, since they could tell of what never happened; nor are they rolled back."""

    def terminate() -> None:
        pid = until_in_commit(log_here)
        with psycopg.connect(log_here, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])

    async def body(log: Either) -> None:
        terminator = threading.Thread(target=terminate)
        terminator.start()
        with suppress(psycopg.OperationalError):
            async with log.connection() as connection, log.transaction(connection):
                await run(connection, WORK)
                log.logger.root("o", NOTHING).log()
        terminator.join()

    with sleeping_commit(log_here, False):
        counters = run_with(kind, log_here, body)
    assert (counters.recorded, counters.unknown, counters.rolled_back) == (1, 1, 0)
    assert adds_up(counters, log_here)
    assert "1 row was dropped" in caplog.text


@pytest.mark.parametrize("nested", [False, True], ids=["", "savepoint"])
def test_a_task_that_is_cancelled_at_each_wait(
    nested: bool, log_here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has a row where the transaction was committed, and nowhere else."""
    real, waits, cancel_at, armed = waiting.wait_async, 0, 0, False

    async def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal waits
        waits += armed
        if armed and waits == cancel_at and (task := asyncio.current_task()):
            task.cancel()
        return await real(*args, **kwargs)

    async def work(log: Either, connection: Any) -> None:
        async with log.transaction(connection):
            if nested:
                async with log.transaction(connection):
                    await run(connection, WORK)
                    log.logger.root("o", NOTHING).log()
            else:
                await run(connection, WORK)
                log.logger.root("o", NOTHING).log()

    async def body(log: Either) -> None:
        nonlocal waits, cancel_at, armed
        while waits >= cancel_at:  # as long as there is such a wait
            cancel_at += 1
            async with log.connection() as connection:
                waits, armed = 0, True
                with suppress(asyncio.CancelledError):
                    await asyncio.create_task(work(log, connection))
                armed = False
        assert cancel_at > 3

    monkeypatch.setattr(waiting, "wait_async", counting)
    counters = run_with(AsyncLlamaLogger, log_here, body)
    assert counters.unknown == 0
    assert counters.written == worked(log_here) >= 1
    assert counters.rolled_back == counters.recorded - counters.written
    assert adds_up(counters, log_here)


def test_cancelled_or_lost_inside_hold(kind: type[Any], log_here: str) -> None:
    """Nothing is seen of the COMMIT there: such rows are unknown, those of other exceptions rolled back."""

    async def body(log: Either) -> None:
        job = log.logger.root("o", NOTHING)
        for error in (
            asyncio.CancelledError(),
            KeyboardInterrupt(),
            psycopg.OperationalError("the connection is lost"),
            ValueError(),
            psycopg.DataError(),
        ):
            with suppress(type(error)), log.logger.hold():
                job.log()
                raise error

    counters = run_with(kind, log_here, body)
    assert (counters.recorded, counters.unknown, counters.rolled_back) == (5, 3, 2)
    assert adds_up(counters, log_here)


# --- transactions that the application ends ---------------------------------------------------------------


@pytest.fixture(scope="module")
def two_phase() -> Iterator[str]:
    """A database whose server has prepared transactions."""
    if not every_bin():
        pytest.skip("there are no binaries for a private server")
    with private_server(max_prepared_transactions="5") as server:
        conninfo = server.conninfo(server.create(server.template))
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(ADD_ROOT)
        yield conninfo


@pytest.fixture
def prepared_here(two_phase: str) -> str:
    with psycopg.connect(two_phase, autocommit=True) as connection:
        connection.execute('TRUNCATE artists CASCADE; TRUNCATE "LlamaLog"')
    return two_phase


@pytest.mark.parametrize("statement", ["PREPARE TRANSACTION 'p'", "COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("raises", [False, True], ids=["", "raises"])
def test_a_transaction_that_is_ended_in_the_block(
    raises: bool, statement: str, kind: type[Any], prepared_here: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two-phase commit, or a COMMIT as a statement: nobody tells the logger what came of it."""

    async def body(log: Either) -> None:
        async with log.connection() as connection:
            with suppress(ZeroDivisionError):
                async with log.transaction(connection):
                    await run(connection, WORK)
                    log.logger.root("o", NOTHING).log()
                    await run(connection, statement)
                    if raises:
                        raise ZeroDivisionError
            if statement.startswith("PREPARE"):
                await run(connection, "COMMIT PREPARED 'p'")

    counters = run_with(kind, prepared_here, body)
    assert (counters.recorded, counters.unknown, counters.rolled_back) == (1, 1, 0)
    assert worked(prepared_here) == (statement != "ROLLBACK")
    assert adds_up(counters, prepared_here)
    assert "1 row was dropped" in caplog.text


def test_two_phase_commit_inside_hold(kind: type[Any], prepared_here: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("o", NOTHING)
        async with log.connection(autocommit=False) as connection:
            for name, end in (("kept", connection.tpc_commit), ("dropped", connection.tpc_rollback)):
                with log.logger.hold() as held:
                    await settled(connection.tpc_begin(name))
                    await run(connection, WORK)
                    job.log(reason=name)
                    await settled(connection.tpc_prepare())
                    await settled(end())
                    if name == "dropped":
                        held.drop()

    counters = run_with(kind, prepared_here, body)
    assert (counters.written, counters.rolled_back, worked(prepared_here)) == (1, 1, 1)
    assert [row["reason"] for row in rows_of(prepared_here)] == ["kept"]


# --- connections that are cut at each statement -----------------------------------------------------------


def at_each_answer(dsn: str, once: Callable[[str, Proxy], bool]) -> int:
    """Cuts the connection at each answer of the server, before and after it gets through; how many."""
    number, was_cut = 0, True
    while was_cut:
        number += 1
        for delivers in (False, True):
            with proxied(dsn) as (through, proxy):
                proxy.cut_at, proxy.cut_delivers = number, delivers
                was_cut = once(through, proxy)
    return number


@pytest.mark.parametrize("keyed", [True, False], ids=["key", "no key"])
def test_the_writers_connection_is_cut_at_each_statement(keyed: bool, log_here: str) -> None:
    """Each row is there once, and counted as written: without a key, too, where the writer looks first."""
    if not keyed:
        with psycopg.connect(log_here, autocommit=True) as connection:
            connection.execute('ALTER TABLE "LlamaLog" DROP CONSTRAINT "LlamaLog_pkey"')
    total = 0

    def once(through: str, proxy: Proxy) -> bool:
        nonlocal total
        logger = LlamaLogger(through, flush_seconds=60)
        for number in range(5):
            logger.root("o", NOTHING).log(reason=str(number))
        logger.close(60)
        assert (logger.counters.written, logger.counters.lost) == (5, 0)
        total += 5
        assert len(rows_of(log_here)) == total
        return proxy.cut_at is None

    assert at_each_answer(log_here, once) > 10


def test_the_applications_connection_is_cut_at_each_statement(kind: type[Any], log_here: str) -> None:
    unknown = 0

    def once(through: str, proxy: Proxy) -> bool:
        nonlocal unknown
        before, rows = worked(log_here), len(rows_of(log_here))

        async def body(log: Either) -> None:
            log.dsn = through
            with suppress(psycopg.Error):
                async with log.connection() as connection, log.transaction(connection):
                    await run(connection, WORK)
                    log.logger.root("o", NOTHING).log()

        counters: Counters = run_with(kind, log_here, body)
        committed = worked(log_here) - before
        assert counters.written <= committed
        assert committed <= counters.written + counters.unknown
        assert len(rows_of(log_here)) - rows == counters.written
        assert counters.recorded == summed(counters)
        unknown += counters.unknown
        return proxy.cut_at is None

    assert at_each_answer(log_here, once) >= 4
    assert unknown in (1, 2)  # the answer to COMMIT is lost, or the connection just before


def test_a_commit_of_the_writer_that_is_not_answered_when_it_is_closed(
    log_here: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows are in the table, and the writer cannot know."""
    with psycopg.connect(log_here, autocommit=True) as connection:
        connection.execute(
            SLEEPING.format(caught="no_data_found")
            .replace("artists", '"LlamaLog"')
            .replace("60", "3")
            .encode()
        )
    logger = LlamaLogger(log_here, flush_seconds=60)
    logger.root("o", NOTHING).log()
    assert not logger.flush(0.01)
    until_in_commit(log_here)
    logger.close(0.1)
    assert (logger.counters.unknown, logger.counters.abandoned, logger.counters.pending) == (1, 0, 0)
    assert "has not confirmed the COMMIT" in caplog.text
    while not rows_of(log_here):
        time.sleep(0.05)
    assert (logger.counters.written, summed(logger.counters)) == (0, 1)


# --- ways to the server -----------------------------------------------------------------------------------


def test_through_a_pooler_in_transaction_mode(kind: type[Any], log_here: str, pooled: str) -> None:
    async def body(log: Either) -> None:
        async with log.connection() as connection:
            for number in range(5):
                async with log.transaction(connection, force_rollback=number == 3):
                    await run(connection, WORK)
                    log.logger.root("o", NOTHING, job_id=f"j{number}").log()
        log.logger.job("o", NOTHING, job_id="below", parent_job_id="j1").log()
        assert await log.flush(60)

    counters = run_with(kind, pooled, body)
    assert (counters.written, counters.rolled_back, worked(log_here)) == (5, 1, 4)
    assert adds_up(counters, log_here)
    assert {row["job_id"]: row["root_job_id"] for row in rows_of(log_here)}["below"] == "j1"


@pytest.mark.parametrize("autocommit", [True, False])
def test_through_a_pool_of_serializable_connections(autocommit: bool, log_here: str) -> None:
    def configure(connection: psycopg.Connection[Any]) -> None:
        connection.autocommit = autocommit
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE

    with (
        ConnectionPool(log_here, min_size=1, max_size=2, configure=configure) as pool,
        LlamaLogger(pool, flush_seconds=0.01) as logger,
    ):
        for _ in range(20):
            with pool.connection() as connection, logger.transaction(connection):
                connection.execute(WORK)
                logger.root("o", NOTHING).log()
    assert (logger.counters.written, worked(log_here)) == (20, 20)
    assert adds_up(logger.counters, log_here)
