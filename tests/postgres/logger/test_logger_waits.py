"""The server does not answer: nobody waits longer than was said, and what is left is counted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from conftest import every_bin
from llamactl.logger import AsyncLlamaLogger, LlamaLogger
from logging_jobs import ADD_ROOT, Either, adds_up, rows_of, run_with, settled, summed
from servers import Server, private_server

NOTHING = ("ALBUM", None)
SESSIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = 'llamactl logger' AND datname = current_database()
"""
Stop = Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=[LlamaLogger, AsyncLlamaLogger], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def server_here() -> Iterator[Server]:
    """A server whose processes may be stopped."""
    if not every_bin():
        pytest.skip("there are no binaries for a private server")
    with private_server() as server:
        yield server


@pytest.fixture
def log_here(server_here: Server) -> str:
    conninfo = server_here.conninfo(server_here.create(server_here.template))
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(ADD_ROOT)
    return conninfo


@pytest.fixture(params=["locked", "session stopped", "server stopped"])
def stop(request: pytest.FixtureRequest, server_here: Server, log_here: str) -> Stop:
    """A block in which the server takes no rows: of a writer that is connected."""

    @contextmanager
    def locked() -> Iterator[None]:
        with psycopg.connect(log_here) as other:
            other.execute('LOCK TABLE "LlamaLog"')
            yield

    @contextmanager
    def stopped() -> Iterator[None]:
        with psycopg.connect(log_here, autocommit=True) as other:
            query = SESSIONS if request.param == "session stopped" else "SELECT pid FROM pg_stat_activity"
            pids = [pid for (pid,) in other.execute(query).fetchall() if pid != other.info.backend_pid]
        assert server_here.private
        if request.param == "server stopped":
            pids.append(server_here.private.postmaster_pid)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    return locked if request.param == "locked" else stopped


def until_it_is_quiet(dsn: str) -> None:
    """Waits until no session of a logger is left, so that nothing of it can be committed any more."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(SESSIONS).fetchall():
            time.sleep(0.05)


async def connected(log: Either) -> Any:
    """A job with a row in the table, and one that is about to be."""
    job = log.logger.root("o", NOTHING)
    job.log()
    assert await log.flush()
    return job


def test_close_gives_up_with_a_warning(
    kind: type[Any], stop: Stop, log_here: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(log: Either) -> None:
        job = await connected(log)
        with stop():
            for _ in range(50):
                job.log()
            begun = time.monotonic()
            await log.close(1)
            assert time.monotonic() < begun + 8
            counters = log.counters
        assert (counters.recorded, counters.written, counters.pending) == (51, 1, 0)
        assert (counters.abandoned, counters.unknown) == (50, 0)

    run_with(kind, log_here, body, flush_seconds=60)
    assert "50 rows of the log are lost" in caplog.text
    until_it_is_quiet(log_here)
    assert len(rows_of(log_here)) == 1


def test_a_write_that_is_going_on_is_given_up_as_well(kind: type[Any], stop: Stop, log_here: str) -> None:
    """The statement was sent, but no COMMIT: the server cannot write its rows after all."""

    async def body(log: Either) -> None:
        job = await connected(log)
        with stop():
            for _ in range(50):
                job.log()
            assert not await log.flush(1)
            assert log.counters.pending == 50
            await log.close(0.2)
            assert (log.counters.abandoned, log.counters.pending) == (50, 0)
        job.log()
        assert await log.flush(60)  # a new writer
        assert log.counters.written == 2

    counters = run_with(kind, log_here, body, flush_seconds=60)
    until_it_is_quiet(log_here)
    assert adds_up(counters, log_here)


def test_rows_wait_until_the_server_takes_them(kind: type[Any], stop: Stop, log_here: str) -> None:
    async def body(log: Either) -> None:
        job = await connected(log)
        with stop():
            for _ in range(50):
                job.log()
            assert not await log.flush(0.5)
            closing = asyncio.create_task(asyncio.to_thread(LlamaLogger.close, log.logger, 60))
            await asyncio.sleep(0.5)
            assert (log.counters.pending, log.counters.lost) == (50, 0)
        await closing

    counters = run_with(kind, log_here, body, flush_seconds=60)
    assert (counters.written, counters.lost) == (51, 0)
    assert adds_up(counters, log_here)


@pytest.mark.parametrize("stop", ["locked", "server stopped"], indirect=True)
def test_flush_and_for_entity_keep_their_time(kind: type[Any], stop: Stop, log_here: str) -> None:
    async def body(log: Either) -> None:
        job = await connected(log)
        with stop():
            job.log()
            begun = time.monotonic()
            assert not await log.flush(timeout=2)
            flushed = time.monotonic()
            found = await log.for_entity("o", ("ALBUM", "00000000-0000-0000-0000-00000000000a"))
            asked = time.monotonic()
            assert found.parent_job_id is None
        assert flushed < begun + 7
        assert asked < flushed + 12
        assert await log.flush(60)

    counters = run_with(kind, log_here, body, flush_seconds=60)
    assert (counters.written, counters.lost) == (2, 0)


EXIT = """
import asyncio, sys, time
from llamactl.logger import AsyncLlamaLogger, LlamaLogger

dsn, how = sys.argv[1:]
kind = AsyncLlamaLogger if how == "async" else LlamaLogger
logger = kind(dsn, flush_seconds=60)

async def main():
    job = logger.root("o", ("ALBUM", None))
    job.log()
    flushed = logger.flush()
    assert await flushed if how == "async" else flushed
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(50):
        job.log()
    if how == "async":
        await logger.flush(0.1)
    else:
        logger.flush(0.1)

asyncio.run(main())
print(time.time(), flush=True)
"""


@pytest.mark.parametrize("stop", ["locked", "server stopped"], indirect=True)
@pytest.mark.parametrize("how", ["sync", "async"])
def test_the_interpreters_exit(how: str, stop: Stop, log_here: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", EXIT, log_here, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        with stop():
            output, errors = process.communicate("\n", timeout=60)
            ended = time.time()
    assert process.returncode == 0
    assert "50 rows of the log are lost" in errors
    assert ended < float(output) + 12
    until_it_is_quiet(log_here)
    assert len(rows_of(log_here)) == 1


# --- pools ------------------------------------------------------------------------------------------------


def test_a_pool_that_is_exhausted(log_here: str, caplog: pytest.LogCaptureFixture) -> None:
    with ConnectionPool(log_here, min_size=1, max_size=1) as pool:
        logger = LlamaLogger(pool, flush_seconds=60)
        with pool.connection():
            for _ in range(50):
                logger.root("o", NOTHING).log()
            begun = time.monotonic()
            assert not logger.flush(timeout=0.5)
            assert logger.for_entity("o", ("ALBUM", None)).parent_job_id is None
            assert logger.counters.pending == 50
            logger.close(1)
            assert time.monotonic() < begun + 20
            assert (logger.counters.abandoned, logger.counters.pending) == (50, 0)
        assert "50 rows of the log are lost" in caplog.text
        logger.root("o", NOTHING).log()
        logger.close()
        assert (logger.counters.written, logger.counters.abandoned) == (1, 50)
        with pool.connection():  # it was given back
            pass
    assert adds_up(logger.counters, log_here)


def test_rows_wait_for_a_connection_of_the_pool(log_here: str) -> None:
    with ConnectionPool(log_here, min_size=1, max_size=1) as pool, LlamaLogger(pool) as logger:
        with pool.connection():
            for _ in range(50):
                logger.root("o", NOTHING).log()
            assert not logger.flush(timeout=0.2)
        assert logger.flush(60)
    assert (logger.counters.written, logger.counters.lost) == (50, 0)


# --- close() and those who go on recording ----------------------------------------------------------------


def test_a_row_that_is_released_after_close_is_written(kind: type[Any], log_here: str) -> None:
    async def body(log: Either) -> None:
        async with log.connection() as connection, log.transaction(connection):
            log.logger.root("o", NOTHING).log()
            await log.close()
            assert log.counters.pending == 1

    counters = run_with(kind, log_here, body)
    assert (counters.written, counters.pending, len(rows_of(log_here))) == (1, 0, 1)


def test_threads_that_record_while_others_close(log_here: str) -> None:
    logger = LlamaLogger(log_here, flush_seconds=0.01)

    def record() -> None:
        for _ in range(200):
            logger.root("o", NOTHING).log()

    threads = [threading.Thread(target=record) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        logger.close(60)
    logger.close(60)
    assert (logger.counters.written, logger.counters.pending) == (600, 0)
    assert adds_up(logger.counters, log_here)


@pytest.mark.parametrize("timeout", [0, 0.01, 60])
def test_two_that_close_at_once(timeout: float, log_here: str) -> None:
    logger = LlamaLogger(log_here, flush_seconds=60)
    for _ in range(2000):
        logger.root("o", NOTHING).log()
    closers = [threading.Thread(target=logger.close, args=[timeout]) for _ in range(3)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join()
    counters = logger.counters
    assert (counters.recorded, summed(counters), counters.pending) == (2000, 2000, 0)
    until_it_is_quiet(log_here)
    assert counters.written <= len(rows_of(log_here)) <= counters.written + counters.unknown
    if timeout == 60:
        assert counters.written == 2000


LATE = """
import atexit, sys
from llamactl.logger import LlamaLogger

def last():
    if how == "no thread":
        def refuse(*args): raise RuntimeError("can't create new thread at interpreter shutdown")
        threading.Thread.start = refuse
    logger.root("o", ("ALBUM", None)).log()
    print(logger.counters.written)

import threading
dsn, how = sys.argv[1:]
atexit.register(last)
logger = LlamaLogger(dsn)
logger.root("o", ("ALBUM", None)).log()
"""


@pytest.mark.parametrize("how", ["thread", "no thread"])
def test_a_row_of_another_exit_handler(how: str, log_here: str) -> None:
    """It runs after the logger's own; since Python 3.12 no thread can be started then."""
    done = subprocess.run([sys.executable, "-c", LATE, log_here, how], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("2\n", "", 0)
    assert len(rows_of(log_here)) == 2


def test_where_no_thread_can_be_started(
    kind: type[Any], log_here: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(log: Either) -> None:
        def refuse(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            log.logger.root("o", NOTHING).log()
            assert (log.counters.recorded, log.counters.pending) == (1, 1)
            if not log.is_async:
                await settled(log.flush(0.1))
        assert "can't start new thread" in caplog.text
        assert await log.flush()

    counters = run_with(kind, log_here, body)
    assert (counters.written, counters.lost) == (1, 0)
