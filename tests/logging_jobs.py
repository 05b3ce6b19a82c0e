"""One way to drive both loggers: what a test does is written once, with await, and runs on each."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from llamactl.logger import AsyncLlamaLogger, Counters, Entity, LlamaLogger
from llamactl.sqlfiles.names import Names
from oracle import Row, ask

ADD_ROOT = 'ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)'
ADD_LINKED = """ALTER TYPE "LlamaLogCategory" ADD VALUE 'LINKED'"""
ROWS = 'SELECT * FROM "LlamaLog" ORDER BY "created_at", ctid'
ALBUM = Entity("ALBUM", UUID(int=1))
ARTIST = Entity("ARTIST", UUID(int=2))
TRACK = Entity("TRACK", UUID(int=3))
SOME_ID = "00000000-0000-0000-0000-00000000000a"


async def settled(value: Any) -> Any:
    """The value, awaited where it is to be."""
    return await value if inspect.isawaitable(value) else value


def add_music(connection: psycopg.Connection[Any]) -> None:
    """Migrates an empty log, and adds an album, an artist and a track."""
    connection.execute(ADD_LINKED)
    connection.execute(ADD_ROOT)
    for table, (_, id_) in zip(("albums", "artists", "tracks"), (ALBUM, ARTIST, TRACK), strict=True):
        connection.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(sql.Identifier(table)), [id_])


class Either:
    """A logger of one of the kinds, and connections of its kind; all with await."""

    def __init__(self, kind: type[Any], dsn: str, **options: Any) -> None:
        self.is_async = kind is AsyncLlamaLogger
        self.dsn = dsn
        self.logger: Any = kind(dsn, **options)

    @property
    def counters(self) -> Counters:
        counters: Counters = self.logger.counters
        return counters

    async def flush(self, timeout: float = 10) -> bool:
        return bool(await settled(self.logger.flush(timeout)))

    async def close(self, timeout: float = 5) -> None:
        await settled(self.logger.close(timeout))

    async def for_entity(self, *args: Any, **values: Any) -> Any:
        return await settled(self.logger.for_entity(*args, **values))

    @asynccontextmanager
    async def connection(self, autocommit: bool = True) -> AsyncIterator[Any]:
        if self.is_async:
            opened = await psycopg.AsyncConnection.connect(self.dsn, autocommit=autocommit)
            async with opened:
                yield opened
        else:
            with psycopg.connect(self.dsn, autocommit=autocommit) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self, connection: Any, **options: Any) -> AsyncIterator[Any]:
        if self.is_async:
            async with self.logger.transaction(connection, **options) as transaction:
                yield transaction
        else:
            with self.logger.transaction(connection, **options) as transaction:
                yield transaction


def run_with(
    kind: type[Any], dsn: str, body: Callable[[Either], Awaitable[None]], **options: Any
) -> Counters:
    """Runs the body with a logger, and closes that."""

    async def main() -> Counters:
        either = Either(kind, dsn, **options)
        try:
            await body(either)
        finally:
            await either.close()
        return either.counters

    return asyncio.run(main())


def rows_of(dsn: str) -> list[dict[str, Any]]:
    """The log, in the order in which it was recorded."""
    with psycopg.connect(dsn, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute(ROWS).fetchall()


def summed(counters: Counters) -> int:
    """What became of the rows, all together: that is how many were recorded."""
    parts = (counters.written, counters.existing, counters.rolled_back, counters.overflowed)
    return sum(parts) + counters.refused + counters.abandoned + counters.unknown + counters.pending


def adds_up(counters: Counters, dsn: str, before: int = 0) -> bool:
    """Whether the table has what the counters say: `before` rows were there, or are others'."""
    with psycopg.connect(dsn) as connection:
        (rows,) = connection.execute('SELECT count(*) FROM "LlamaLog"').fetchone() or (0,)
    return counters.recorded == summed(counters) and rows == counters.written + before


def wrong_roots(dsn: str, names: Names = Names()) -> list[tuple[Any, ...]]:
    """The rows whose root is not what the definitions say: (job, parent, held, true)."""
    query = 'SELECT "id"::text, "job_id", "parent_job_id", "is_root_job", "root_job_id" FROM "LlamaLog"'
    with psycopg.connect(dsn) as connection:
        rows = [Row(*row) for row in connection.execute(query).fetchall()]
    roots = ask(rows).roots
    return [
        (row.job_id, row.parent_job_id, row.root_job_id, roots[row.id])
        for row in rows
        if row.root_job_id != roots[row.id]
    ]


__all__ = [
    "ADD_LINKED",
    "ADD_ROOT",
    "ALBUM",
    "ARTIST",
    "SOME_ID",
    "TRACK",
    "Either",
    "LlamaLogger",
    "add_music",
    "adds_up",
    "rows_of",
    "run_with",
    "summed",
    "wrong_roots",
]
