"""AsyncLlamaLogger: for asyncio."""

from __future__ import annotations

import asyncio
import atexit
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import psycopg
from psycopg.rows import tuple_row

from llamactl.logger._context import Job
from llamactl.logger._core import LoggerCore
from llamactl.logger._rules import EntityLike, JobValues, LoggerError
from llamactl.logger._scope import begin, ended_well, holding
from llamactl.logger._sync import at_exit, drive
from llamactl.logger._target import AsyncPool, known, parameters
from llamactl.logger._writing import SETTINGS, Answer, Call, Steps, backoff_seconds

T = TypeVar("T")

_LAST_SECONDS = 5.0


class AsyncLlamaLogger(LoggerCore):
    """As LlamaLogger, from the tasks of an event loop; a task of its own writes.

    Recording a row needs no await. Where the loop ends before close(), as asyncio.run() ends it, the writer's
    task writes what is left first. Made for one loop at a time.
    """

    def __init__(
        self,
        target: str | psycopg.AsyncConnection[Any] | AsyncPool,
        *,
        table: str = "LlamaLog",
        schema: str = "public",
        columns: Mapping[str, str] | None = None,
        flush_seconds: float = 1.0,
        batch_rows: int = 2000,
        max_rows: int = 50_000,
        max_bytes: int = 64 << 20,
    ) -> None:
        self._pool: AsyncPool | None = None if isinstance(target, str | psycopg.AsyncConnection) else target
        self._parameters = parameters(target)
        self._flush_seconds = flush_seconds
        self._at_exit = False
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
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._batch_ready, self._io = asyncio.Event(), asyncio.Lock()

    def _forked(self) -> None:
        self._pool, self._at_exit = None, False
        self._reset()
        super()._forked()

    # --- for the application --------------------------------------------------------------------------------

    @asynccontextmanager
    async def transaction(
        self,
        connection: psycopg.AsyncConnection[Any],
        savepoint_name: str | None = None,
        force_rollback: bool = False,
    ) -> AsyncIterator[psycopg.AsyncTransaction]:
        """As connection.transaction(): rows recorded inside are released where it commits, and dropped where
        it rolls back. Inside another one it is a savepoint.

        Raises LoggerError (usage) where the connection is in a transaction that was begun otherwise.
        """
        begin(self, connection)
        with holding(self, connection) as held:
            async with connection.transaction(savepoint_name, force_rollback) as transaction:
                try:
                    yield transaction
                except BaseException:
                    held.drop()
                    raise
                ended_well(held, connection, force_rollback)

    async def for_entity(self, operation: str, entity: EntityLike, **defaults: Unpack[JobValues]) -> Job:
        """Returns a job that starts later for an entity: below the job of the entity's first CREATED row.

        Where the log has none, or cannot be read, it is a root, with a warning. Asks the server.
        """
        ids = None
        try:
            self._adopt()
            async with self._io:
                ids = await self._drive(self._writer.creator(entity))
        except (psycopg.Error, LoggerError) as error:
            self._cannot_ask(operation, error)
        return self._found_creator(operation, entity, ids, defaults)

    async def flush(self, timeout: float = 10.0) -> bool:
        """Writes what is released, now; returns whether all of it was written."""
        self._adopt()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                return await self._write()
        return False

    async def close(self, timeout: float = 5.0) -> None:
        """Writes what is released, tries again until the timeout, and closes the writer's connection.

        What is left then is lost, with a warning. A row that is recorded later starts a new writer.
        """
        deadline = time.monotonic() + timeout
        self._adopt()
        task, self._task = self._task, None
        if task:
            task.cancel()
            await asyncio.wait([task], timeout=timeout)
        while not await self.flush(max(0.0, deadline - time.monotonic())) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        atexit.unregister(self._last_chance)
        self._at_exit = False
        self._give_up()
        await self._disconnect()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- the writer -----------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Outside of a loop the rows wait for the next one, or for the exit."""
        if self._task and self._loop and not self._task.done() and not self._loop.is_closed():
            return
        if not self._at_exit:
            self._at_exit = True
            at_exit(self._last_chance)
        with suppress(RuntimeError):
            loop = self._adopt()
            # In no job and no transaction of whoever records the first row.
            self._task = loop.create_task(self._run(), name="llamactl logger", context=Context())

    def _adopt(self) -> asyncio.AbstractEventLoop:
        """Makes the running loop the logger's own. What belongs to one that has ended is of no use here."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._connection:
                self._connection.pgconn.finish()
            self._reset()
            self._loop = loop
        return loop

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop has ended
            if self._loop:
                self._loop.call_soon_threadsafe(self._batch_ready.set)

    async def _run(self) -> None:
        failures = 0
        try:
            while True:
                if failures:
                    await asyncio.sleep(backoff_seconds(failures))
                else:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._flush_seconds):
                            await self._batch_ready.wait()
                    self._batch_ready.clear()
                failures = 0 if await self._write() else failures + 1
        except asyncio.CancelledError:
            # The loop ends, or the logger is closed.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._write()
            await self._disconnect()
            raise

    async def _write(self) -> bool:
        """Writes batch after batch; returns whether none is left. Raises nothing but for being cancelled."""
        async with self._io:
            try:
                while not self._buffer.empty:
                    await self._drive(self._writer.batch())
            except Exception as error:
                self._failed(error)
            return self._buffer.empty

    def _last_chance(self) -> None:
        """Writes at the interpreter's exit what no loop has written, over a connection of its own."""
        deadline = time.monotonic() + _LAST_SECONDS
        try:
            if not self._buffer.empty:
                with psycopg.connect(autocommit=True, **known(self._parameters)) as connection:
                    while not self._buffer.empty and time.monotonic() < deadline:
                        drive(connection, self._writer.batch())
        except Exception as error:
            self._failed(error)
        self._give_up()

    async def _drive(self, steps: Steps[T]) -> T:
        async with self._connected() as connection:
            try:
                call = next(steps)
                while True:
                    try:
                        answer = await _execute(connection, call)
                    except psycopg.Error as error:
                        call = steps.throw(error)
                    else:
                        call = steps.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        if self._pool is not None and not self._pool.closed:
            async with self._pool.connection(timeout=10) as connection:
                yield connection
            return
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                autocommit=True, prepare_threshold=None, **known(self._parameters)
            )
        try:
            yield self._connection
        finally:
            if self._connection and self._connection.closed:
                await self._disconnect()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                await connection.close()


async def _execute(connection: psycopg.AsyncConnection[Any], call: Call) -> Answer:
    async with (
        connection.transaction(),
        psycopg.AsyncRawCursor(connection, row_factory=tuple_row) as cursor,
    ):
        await cursor.execute(SETTINGS)
        await cursor.execute(call.sql, call.values)
        return await cursor.fetchall() if cursor.description else []
