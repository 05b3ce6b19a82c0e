"""LlamaLogger: for threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, Unpack

import psycopg

from llamactl.logger._context import Job
from llamactl.logger._core import ASK_SECONDS, LoggerCore, names_of
from llamactl.logger._rules import EntityLike, Ids, JobValues
from llamactl.logger._scope import Held, Watch, begin, inside, pipelined
from llamactl.logger._target import SyncPool, Target


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
        super().__init__(
            Target(target, borrows=True),
            names_of(schema, table, columns),
            flush_seconds=flush_seconds,
            batch_rows=batch_rows,
            bounds=(max_rows, max_bytes),
        )

    @contextmanager
    def transaction(
        self,
        connection: psycopg.Connection[Any],
        savepoint_name: str | None = None,
        force_rollback: bool = False,
    ) -> Iterator[psycopg.Transaction]:
        """Like connection.transaction(): rows recorded inside are released if it commits, and dropped if it
        rolls back. Inside another one it is a savepoint.

        Raises LoggerError (usage) if the connection is in a transaction that was begun in another way.
        """
        _sync(connection)
        begin(self, connection)
        held = Held(self, connection)
        watch = Watch(held, force_rollback)
        with inside(held):
            try:
                with connection.transaction(savepoint_name, force_rollback) as transaction:
                    watch.inside(transaction)
                    try:
                        yield transaction
                        _sync(connection)
                    except BaseException:
                        watch.failed()
                        raise
                    watch.ending()
            except BaseException as error:
                watch.ended(error)
                raise

    def for_entity(self, operation: str, entity: EntityLike, **defaults: Unpack[JobValues]) -> Job:
        """Returns a job that starts later for an entity, below the job of the entity's first CREATED row.

        If the log has no such row, or does not answer within 5 seconds, the job is a root, with a warning.
        """
        found: Ids | Exception | None
        try:
            found = self._outlet.ask(lambda writer: writer.creator(entity)).result(ASK_SECONDS)
        except Exception as error:
            found = error
        return self._below_creator(operation, entity, found, defaults)

    def flush(self, timeout: float = 10.0) -> bool:
        """Writes the released rows now; returns whether all of them were written before the timeout.

        The writer continues with the remaining rows.
        """
        try:
            return self._outlet.flush().result(timeout)
        except TimeoutError:
            return False

    def close(self, timeout: float = 5.0) -> None:
        """Writes the released rows, retries until the timeout, and closes the writer's connection.

        The remaining rows are then lost, with a warning. A row recorded later starts a new writer.
        """
        self._outlet.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sync(connection: psycopg.Connection[Any]) -> None:
    """Has the connection's state seen, in pipeline mode."""
    if pipelined(connection):
        with connection.pipeline():
            pass
