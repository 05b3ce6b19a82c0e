"""AsyncLlamaLogger: for asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import psycopg

from llamactl.logger._context import Job
from llamactl.logger._core import ASK_SECONDS, LoggerCore, names_of
from llamactl.logger._rules import EntityLike, Ids, JobValues
from llamactl.logger._scope import Held, Watch, begin, inside, pipelined
from llamactl.logger._target import AsyncPool, Target

T = TypeVar("T")


class AsyncLlamaLogger(LoggerCore):
    """Like LlamaLogger, for the tasks of one or several event loops.

    The writer is also a thread with its own connection: neither a busy loop nor the end of a loop stops it.
    Recording a row needs no await.
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
        super().__init__(
            Target(target, borrows=False),
            names_of(schema, table, columns),
            flush_seconds=flush_seconds,
            batch_rows=batch_rows,
            bounds=(max_rows, max_bytes),
        )

    @asynccontextmanager
    async def transaction(
        self,
        connection: psycopg.AsyncConnection[Any],
        savepoint_name: str | None = None,
        force_rollback: bool = False,
    ) -> AsyncIterator[psycopg.AsyncTransaction]:
        """Like connection.transaction(): rows recorded inside are released if it commits, and dropped if it
        rolls back. Inside another one it is a savepoint.

        Raises LoggerError (usage) if the connection is in a transaction that was begun in another way.
        """
        await _sync(connection)
        begin(self, connection)
        held = Held(self, connection)
        watch = Watch(held, force_rollback)
        with inside(held):
            try:
                async with connection.transaction(savepoint_name, force_rollback) as transaction:
                    watch.inside(transaction)
                    try:
                        yield transaction
                        await _sync(connection)
                    except BaseException:
                        watch.failed()
                        raise
                    watch.ending()
            except BaseException as error:
                watch.ended(error)
                raise

    async def for_entity(self, operation: str, entity: EntityLike, **defaults: Unpack[JobValues]) -> Job:
        """Returns a job that starts later for an entity, below the job of the entity's first CREATED row.

        If the log has no such row, or does not answer within 5 seconds, the job is a root, with a warning.
        """
        found: Ids | Exception | None
        try:
            found = await _result(self._outlet.ask(lambda writer: writer.creator(entity)), ASK_SECONDS)
        except Exception as error:
            found = error
        return self._below_creator(operation, entity, found, defaults)

    async def flush(self, timeout: float = 10.0) -> bool:
        """Writes the released rows now; returns whether all of them were written before the timeout.

        The writer continues with the remaining rows.
        """
        try:
            return await _result(self._outlet.flush(), timeout)
        except TimeoutError:
            return False

    async def close(self, timeout: float = 5.0) -> None:
        """Writes the released rows, retries until the timeout, and closes the writer's connection.

        The remaining rows are then lost, with a warning. A row recorded later starts a new writer.
        """
        closed: Future[None] = Future()

        def close() -> None:
            closed.set_running_or_notify_cancel()
            self._outlet.close(timeout)
            closed.set_result(None)

        threading.Thread(target=close, name="llamactl logger close", daemon=True).start()
        await asyncio.shield(asyncio.wrap_future(closed))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _result(future: Future[T], timeout: float) -> T:
    return await asyncio.wait_for(asyncio.wrap_future(future), timeout)


async def _sync(connection: psycopg.AsyncConnection[Any]) -> None:
    """Brings the connection's state up to date in pipeline mode."""
    if pipelined(connection):
        async with connection.pipeline():
            pass
