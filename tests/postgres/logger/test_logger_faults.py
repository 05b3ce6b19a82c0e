"""What goes wrong around the logger: servers that stop, connections that are cut, processes that die."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from cutting import migrate_here, run_here
from llamactl.logger import AsyncLlamaLogger, LlamaLogger, _calls
from logging_jobs import ADD_ROOT, Either, rows_of, run_with, wrong_roots
from servers import Server

NOTHING = ("ALBUM", None)
PROCESSES = 8


@pytest.fixture(params=[LlamaLogger, AsyncLlamaLogger], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def log_here(connection: psycopg.Connection[Any], database: str) -> str:
    connection.execute(ADD_ROOT)
    return database


def numbers(dsn: str) -> list[int]:
    """The rows' numbers, in their order."""
    return sorted(row["metadata"]["number"] for row in rows_of(dsn))


# --- the server -------------------------------------------------------------------------------------------


def test_the_server_is_stopped_and_started(kind: type[Any], own_server: Server, own_database: str) -> None:
    assert own_server.private
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute(ADD_ROOT)

    async def body(log: Either) -> None:
        job = log.logger.root("o", NOTHING)
        for number in range(60):
            if number == 20:
                own_server.private.stop("immediate")
            if number == 40:
                own_server.private.start()
            job.log(metadata={"number": number})
            await asyncio.sleep(0.005)
        deadline = time.monotonic() + 30
        while log.counters.pending and time.monotonic() < deadline:  # without being asked to
            await asyncio.sleep(0.05)

    counters = run_with(kind, own_database, body, flush_seconds=0.02)
    assert numbers(own_database) == list(range(60))
    assert (counters.written, counters.lost) == (60, 0)
    assert counters.failed_flushes > 0


def test_what_the_buffer_cannot_hold_is_counted(
    kind: type[Any], own_server: Server, own_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert own_server.private
    own_server.private.stop("immediate")

    async def body(log: Either) -> None:
        job = log.logger.root("o", NOTHING)
        for number in range(30):
            job.log(metadata={"number": number})
        assert own_server.private
        own_server.private.start()
        assert await log.flush()
        with log.logger.hold():
            for number in range(30, 60):
                job.log(metadata={"number": number})

    counters = run_with(kind, own_database, body, max_rows=20)
    assert numbers(own_database) == [*range(20), *range(30, 50)]
    assert (counters.recorded, counters.written, counters.overflowed, counters.lost) == (60, 40, 20, 20)
    assert "The buffer is full" in caplog.text


def test_the_buffer_is_bounded_in_bytes(log_here: str) -> None:
    async def body(log: Either) -> None:
        for number in range(30):
            log.logger.root("o", NOTHING).log(metadata={"number": number}, reason="x" * 1000)

    counters = run_with(LlamaLogger, log_here, body, max_bytes=20_000, flush_seconds=60)
    assert 10 < counters.written < 20
    assert counters.written + counters.overflowed == 30


def test_without_a_server_at_all(kind: type[Any], caplog: pytest.LogCaptureFixture) -> None:
    async def body(log: Either) -> None:
        with log.logger.root("o", NOTHING) as job:
            job.created()
        assert (await log.for_entity("o", ("ALBUM", "x"))).root_job_id
        assert not await log.flush(1)
        await log.close(0.3)
        assert log.counters.abandoned == 1

    run_with(kind, "host=/nowhere.at.all", body, flush_seconds=0.05)
    assert "could not be written" in caplog.text
    assert "1 row of the log is lost" in caplog.text


@contextmanager
def cut_in_commit(dsn: str) -> Iterator[list[int]]:
    """Ends the writer's session while it is inside COMMIT, with its rows written: once."""
    cut: list[int] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("""
            CREATE TABLE sleeps (once int); INSERT INTO sleeps VALUES (1);
            CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
              IF EXISTS (SELECT FROM sleeps) THEN PERFORM pg_sleep(30); END IF;
              RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON "LlamaLog" DEFERRABLE INITIALLY DEFERRED
              FOR EACH ROW EXECUTE FUNCTION pause()
        """)

    def cut_it() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not cut:
                asleep = connection.execute("""
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity, (SELECT pg_sleep(0.02)) AS while
                    WHERE application_name = 'llamactl logger' AND query = 'COMMIT' AND state = 'active'
                      AND datname = current_database()
                """)
                cut.extend(connection.execute("DELETE FROM sleeps RETURNING 1").rowcount for _ in asleep)

    thread = threading.Thread(target=cut_it)
    thread.start()
    yield cut
    cut.append(0)
    thread.join()


def test_a_connection_that_is_cut_inside_commit(kind: type[Any], log_here: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("o", NOTHING)
        with cut_in_commit(log_here) as cut:
            for number in range(5):
                job.log(metadata={"number": number})
            while not await log.flush() or not cut:
                await asyncio.sleep(0.05)
            assert cut == [1]

    counters = run_with(kind, log_here, body)
    assert numbers(log_here) == list(range(5))
    assert (counters.written, counters.failed_flushes >= 1) == (5, True)


@contextmanager
def cut_after_commit(dsn: str) -> Iterator[None]:
    """Ends the writer's session once its COMMIT is done and before it is told so: once."""

    def cut_it() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            ).fetchall():
                time.sleep(0.02)
            waits_for_standby(connection, "")

    def waits_for_standby(connection: psycopg.Connection[Any], name: str) -> None:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'".encode())
        connection.execute("SELECT pg_reload_conf()")
        while connection.execute("SHOW synchronous_standby_names").fetchone() != (name,):
            time.sleep(0.02)

    with psycopg.connect(dsn, autocommit=True) as connection:
        waits_for_standby(connection, "nobody")
    thread = threading.Thread(target=cut_it)
    thread.start()
    yield
    thread.join()


def test_a_commit_whose_answer_is_lost(kind: type[Any], own_database: str) -> None:
    """The rows are there, and the writer cannot know: it writes them again, and nothing is there twice."""
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute(ADD_ROOT)

    async def body(log: Either) -> None:
        with cut_after_commit(own_database):
            log.logger.root("o", NOTHING).log(metadata={"number": 0})
            assert not await log.flush()
            assert (numbers(own_database), log.counters.pending) == ([0], 1)
        assert await log.flush()

    counters = run_with(kind, own_database, body, flush_seconds=60)
    assert numbers(own_database) == [0]
    assert (counters.written, counters.failed_flushes) == (1, 1)


def test_the_writer_waits_for_nobody_for_ever(
    log_here: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quick = _calls.SETTINGS.replace(b"10s", b"50ms")
    monkeypatch.setattr(_calls, "SETTINGS", quick)
    with LlamaLogger(log_here) as logger, psycopg.connect(log_here) as other:
        other.execute('LOCK TABLE "LlamaLog"')
        begun = time.monotonic()
        logger.root("o", NOTHING).log(metadata={"number": 0})
        assert not logger.flush(5)
        assert time.monotonic() - begun < 3
        other.rollback()
        assert logger.flush()
    assert numbers(log_here) == [0]
    assert "lock timeout" in caplog.text


# --- the process ------------------------------------------------------------------------------------------

JOBS = """
import asyncio, os, sys, time
from llamactl.logger import AsyncLlamaLogger, LlamaLogger

dsn, how = sys.argv[1:]

def jobs(logger, count, pause=0.0):
    job = logger.root("o", ("ALBUM", None))
    for number in range(count):
        job.log(metadata={"number": number})
        print(number, flush=True)
        time.sleep(pause)

async def main(logger):
    jobs(logger, 50)

if how == "exit":
    jobs(LlamaLogger(dsn, flush_seconds=60), 50)
elif how == "exception":
    jobs(LlamaLogger(dsn, flush_seconds=60), 50)
    raise SystemExit("gone")
elif how == "loop":
    asyncio.run(main(AsyncLlamaLogger(dsn, flush_seconds=60)))
elif how == "no loop":
    jobs(AsyncLlamaLogger(dsn, flush_seconds=60), 50)
elif how == "kill":
    jobs(LlamaLogger(dsn, flush_seconds=0.3), 100_000, 0.001)
"""


@pytest.mark.parametrize("how", ["exit", "exception", "loop", "no loop"])
def test_what_is_left_is_written_at_the_exit(how: str, log_here: str) -> None:
    done = subprocess.run([sys.executable, "-c", JOBS, log_here, how], capture_output=True, text=True)
    assert done.returncode == (how == "exception")
    assert done.stderr == ("gone\n" if how == "exception" else "")
    assert numbers(log_here) == list(range(50))


def test_a_kill_loses_the_rows_of_the_last_moment(log_here: str) -> None:
    """And none before: what is in the table is what was recorded first."""
    with subprocess.Popen([sys.executable, "-c", JOBS, log_here, "kill"], stdout=subprocess.PIPE) as process:
        while len(numbers(log_here)) < 50:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        output = process.stdout.read() if process.stdout else b""
    recorded = output.decode().splitlines()[:-1]
    written = numbers(log_here)
    assert written == list(range(len(written)))
    assert 50 <= len(written) <= len(recorded) + 1


def in_child(logger: LlamaLogger, context: Any, number: int) -> None:
    with logger.resume(json.loads(context)) as above, above.child("child", NOTHING) as job:
        job.log(metadata={"number": number})


@pytest.mark.parametrize("pooled", [False, True], ids=["own connection", "pool"])
def test_forked_workers_write_their_own_rows(pooled: bool, log_here: str) -> None:
    fork = multiprocessing.get_context("fork")
    with (
        ConnectionPool(log_here, min_size=1, open=False) as pool,
        LlamaLogger(pool if pooled else log_here, flush_seconds=60) as logger,
    ):
        root = logger.root("root", NOTHING)
        root.log(metadata={"number": -1})
        assert logger.flush()
        root.log(metadata={"number": -2})  # in the buffer: not the child's to write
        context = json.dumps(root.context)
        with logger.hold():
            workers = [fork.Process(target=in_child, args=(logger, context, n)) for n in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        assert [worker.exitcode for worker in workers] == [0] * 4
        assert numbers(log_here) == [-1, 0, 1, 2, 3]
        assert logger.flush()  # its own connection was left alone
    assert numbers(log_here) == [-2, -1, 0, 1, 2, 3]
    assert wrong_roots(log_here) == []


def test_a_fork_while_threads_are_recording(log_here: str) -> None:
    """The child finds no lock taken by a thread that it does not have."""
    stop = threading.Event()

    def record() -> None:
        while not stop.is_set():
            logger.root("o", NOTHING).log(metadata={"number": 0})

    with LlamaLogger(log_here, flush_seconds=0.01) as logger:
        threads = [threading.Thread(target=record) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                logger.root("o", NOTHING).log(metadata={"number": 1})
                logger.close()
                os._exit(0 if logger.counters.written == 1 else 1)
            assert os.waitpid(pid, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
    assert numbers(log_here).count(1) == 10
    assert logger.counters.lost == 0


def test_it_starts_again_after_close(kind: type[Any], log_here: str) -> None:
    async def body(log: Either) -> None:
        for number in range(3):
            log.logger.root("o", NOTHING).log(metadata={"number": number})
            await log.close()

    run_with(kind, log_here, body)
    assert numbers(log_here) == [0, 1, 2]


def test_one_async_logger_in_several_loops(log_here: str) -> None:
    logger = AsyncLlamaLogger(log_here)

    async def record(number: int) -> None:
        logger.root("o", NOTHING).log(metadata={"number": number})
        await asyncio.sleep(0)

    for number in range(3):
        asyncio.run(record(number))
    asyncio.run(logger.close())
    assert numbers(log_here) == [0, 1, 2]


# --- many at once -----------------------------------------------------------------------------------------


def import_albums(dsn: str, seed: int, albums: int, written: Any) -> None:
    with LlamaLogger(dsn) as logger:
        for _ in range(albums):
            with logger.root("album:import", NOTHING) as album:
                album.created()
                with album.child("album:enrich", NOTHING) as enrichment:
                    for number in range(10):
                        with logger.child("track:create", ("TRACK", None)) as track:
                            track.created(metadata={"trackNumber": number, "seed": seed})
                            if number % 5 == 0:
                                track.child("artist:link", ("ARTIST", None)).linked(to=("TRACK", None))
                    enrichment.enriched()
    written.put((seed, logger.counters.written, logger.counters.lost))


@pytest.mark.slow
def test_verify_is_green_on_100_000_rows_that_8_processes_write_at_once(database: str) -> None:
    assert migrate_here(database).code == 0
    spawn = multiprocessing.get_context("spawn")
    written = spawn.Queue()
    albums = 100_000 // (15 * PROCESSES) + 1  # 1 + 1 + 10 + 2, and an opening row
    workers = [
        spawn.Process(target=import_albums, args=(database, seed, albums, written))
        for seed in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    told = [written.get(timeout=280) for _ in workers]
    for worker in workers:
        worker.join()
    assert {lost for _, _, lost in told} == {0}
    with psycopg.connect(database) as connection:
        (rows,) = connection.execute('SELECT count(*) FROM "LlamaLog"').fetchone() or (0,)
    assert rows == sum(count for _, count, _ in told) == albums * 15 * PROCESSES >= 100_000
    assert run_here("verify", "--grace", "0s", "--dsn", database).code == 0
    assert wrong_roots(database) == []
