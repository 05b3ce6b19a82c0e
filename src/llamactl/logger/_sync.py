"""LlamaLogger: for threads."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import psycopg
from psycopg.rows import tuple_row

from llamactl.logger._context import Job
from llamactl.logger._core import LoggerCore
from llamactl.logger._rules import EntityLike, JobValues, LoggerError
from llamactl.logger._scope import begin, ended_well, holding
from llamactl.logger._target import SyncPool, known, parameters
from llamactl.logger._writing import SETTINGS, Answer, Call, Steps, backoff_seconds

T = TypeVar("T")


class LlamaLogger(LoggerCore):
    """Writes the log from threads.

    `target` is a pool, which the writer borrows a connection from for each write; or a connection or libpq's
    connection string, to where the writer opens a connection of its own. The application's connections
    are never used. Recording a row only puts it into the buffer, of at most `max_rows` and `max_bytes`; a
    daemon thread writes every `flush_seconds`, earlier where there are `batch_rows`, and close() and the
    interpreter's exit write what is left. Raises LoggerError (config) for names that cannot be.
    """

    def __init__(
        self,
        target: str | psycopg.Connection[Any] | SyncPool,
        *,
        table: str = "LlamaLog",
        schema: str = "public",
        columns: Mapping[str, str] | None = None,
        flush_seconds: float = 1.0,
        batch_rows: int = 2000,
        max_rows: int = 50_000,
        max_bytes: int = 64 << 20,
    ) -> None:
        self._pool: SyncPool | None = None if isinstance(target, str | psycopg.Connection) else target
        self._parameters = parameters(target)
        self._flush_seconds = flush_seconds
        self._reset()
        super().__init__(
            table=table,
            schema=schema,
            columns=columns,
            max_rows=max_rows,
            max_bytes=max_bytes,
            batch_rows=batch_rows,
        )

    def _reset(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._thread: threading.Thread | None = None
        self._starting, self._io = threading.Lock(), threading.Lock()
        self._batch_ready, self._stop = threading.Event(), threading.Event()

    def _forked(self) -> None:
        # The parent's pool has no threads here, and its connections are the parent's.
        self._pool = None
        self._reset()
        super()._forked()

    # --- for the application --------------------------------------------------------------------------------

    @contextmanager
    def transaction(
        self,
        connection: psycopg.Connection[Any],
        savepoint_name: str | None = None,
        force_rollback: bool = False,
    ) -> Iterator[psycopg.Transaction]:
        """As connection.transaction(): rows recorded inside are released where it commits, and dropped where
        it rolls back. Inside another one it is a savepoint.

        Raises LoggerError (usage) where the connection is in a transaction that was begun otherwise.
        """
        begin(self, connection)
        with (
            holding(self, connection) as held,
            connection.transaction(savepoint_name, force_rollback) as transaction,
        ):
            try:
                yield transaction
            except BaseException:
                held.drop()
                raise
            ended_well(held, connection, force_rollback)

    def for_entity(self, operation: str, entity: EntityLike, **defaults: Unpack[JobValues]) -> Job:
        """Returns a job that starts later for an entity: below the job of the entity's first CREATED row.

        Where the log has none, or cannot be read, it is a root, with a warning. Asks the server.
        """
        ids = None
        try:
            with self._io:
                ids = self._drive(self._writer.creator(entity))
        except (psycopg.Error, LoggerError) as error:
            self._cannot_ask(operation, error)
        return self._found_creator(operation, entity, ids, defaults)

    def flush(self, timeout: float = 10.0) -> bool:
        """Writes what is released, now; returns whether all of it was written."""
        return self._write(time.monotonic() + timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Writes what is released, tries again until the timeout, and closes the writer's connection.

        What is left then is lost, with a warning. A row that is recorded later starts a new writer.
        """
        deadline = time.monotonic() + timeout
        thread, self._thread = self._thread, None
        self._stop.set()
        self._batch_ready.set()
        atexit.unregister(self.close)
        if thread and thread is not threading.current_thread():
            thread.join(timeout)
        while not self._write(deadline) and time.monotonic() < deadline:
            time.sleep(0.1)
        if self._io.acquire(timeout=max(0.0, deadline - time.monotonic())):
            try:
                self._give_up()
                self._disconnect()
            finally:
                self._io.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the writer -----------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                self._stop, self._batch_ready = threading.Event(), threading.Event()
                self._thread = threading.Thread(
                    target=self._run,
                    args=(self._stop, self._batch_ready),
                    name="llamactl logger",
                    daemon=True,
                )
                self._thread.start()
                at_exit(self.close)

    def _wake(self) -> None:
        self._batch_ready.set()

    def _run(self, stop: threading.Event, batch_ready: threading.Event) -> None:
        failures = 0
        while not stop.is_set():
            if failures:
                stop.wait(backoff_seconds(failures))
            else:
                batch_ready.wait(self._flush_seconds)
                batch_ready.clear()
            failures = 0 if self._write() else failures + 1

    def _write(self, deadline: float = float("inf")) -> bool:
        """Writes batch after batch; returns whether none is left. Never raises."""
        if self._buffer.empty:
            return True
        if not self._io.acquire(
            timeout=-1 if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        ):
            return False
        try:
            while not self._buffer.empty:
                self._drive(self._writer.batch())
                if time.monotonic() > deadline:
                    break
            return self._buffer.empty
        except Exception as error:
            self._failed(error)
            return False
        finally:
            self._io.release()

    def _drive(self, steps: Steps[T]) -> T:
        with self._connected() as connection:
            return drive(connection, steps)

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        if self._pool is not None and not self._pool.closed:
            with self._pool.connection(timeout=10) as connection:
                yield connection
            return
        if self._connection is None:
            self._connection = psycopg.connect(
                autocommit=True, prepare_threshold=None, **known(self._parameters)
            )
        try:
            yield self._connection
        finally:
            if self._connection.closed:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                connection.close()


def drive(connection: psycopg.Connection[Any], steps: Steps[T]) -> T:
    """Takes the writer's steps; returns what they come to."""
    try:
        call = next(steps)
        while True:
            try:
                answer = _execute(connection, call)
            except psycopg.Error as error:
                call = steps.throw(error)
            else:
                call = steps.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _execute(connection: psycopg.Connection[Any], call: Call) -> Answer:
    with connection.transaction(), psycopg.RawCursor(connection, row_factory=tuple_row) as cursor:
        cursor.execute(SETTINGS)
        cursor.execute(call.sql, call.values)
        return cursor.fetchall() if cursor.description else []


def at_exit(close: Callable[[], None]) -> None:
    """Has it called at the interpreter's exit. A process of multiprocessing ends without atexit."""
    atexit.register(close)
    if "multiprocessing" in sys.modules:
        from multiprocessing import parent_process, util

        if parent_process() is not None:
            util.Finalize(None, close, exitpriority=0)
