"""Where a logger writes to: the parameters of the writer's own connection."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg import conninfo

from llamactl.logger._rules import LoggerError
from llamactl.model import ErrorCode

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

SyncPool: TypeAlias = "ConnectionPool[Any]"
AsyncPool: TypeAlias = "AsyncConnectionPool[Any]"
Given: TypeAlias = "str | psycopg.Connection[Any] | psycopg.AsyncConnection[Any] | SyncPool | AsyncPool"

_DEFAULTS = {
    "application_name": "llamactl logger",
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""libpq waits forever for a host that does not answer, and notices a dead one after two hours. psycopg lacks
some of the server's encodings."""


class Target:
    """Where a logger writes to. Raises LoggerError (config) for a connection string that cannot be read.

    Of an AsyncConnectionPool, as of a connection, only the parameters are taken: it belongs to an event loop.
    """

    def __init__(self, given: Given, *, borrows: bool) -> None:
        self._pool: Any = None
        self._borrows = False
        self._found: Mapping[str, Any] = {}
        if isinstance(given, psycopg.Connection | psycopg.AsyncConnection):
            self._found = {
                option.keyword.decode(): option.val.decode() for option in given.pgconn.info if option.val
            }
        elif isinstance(given, str):
            self._found = _read(given)
        else:
            self._pool, self._borrows = given, borrows
            if isinstance(given.conninfo, str):
                _read(given.conninfo)

    @property
    def open_pool(self) -> SyncPool | None:
        """The pool to borrow a connection from for each write; None where the writer needs one of its own."""
        pool: SyncPool | None = self._pool if self._borrows and not self._pool.closed else None
        return pool

    def leave_pool(self) -> None:
        """In a forked child the pool has no threads, and its connections are the parent's."""
        self._borrows = False

    def parameters(self) -> dict[str, Any]:
        """Returns libpq's parameters for a connection of the writer's own."""
        if self._pool is None:
            return {**_DEFAULTS, **self._found}
        known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
        keywords = _called(self._pool.kwargs) or {}
        own = {name: value for name, value in keywords.items() if name in known}
        return {**_DEFAULTS, **_read(_called(self._pool.conninfo) or ""), **own}


def _called(value: Any) -> Any:
    """A pool may have functions for its parameters, as for passwords that expire; an async one coroutines."""
    result = value() if callable(value) else value
    if not inspect.isawaitable(result):
        return result

    async def awaited() -> Any:
        return await result

    return asyncio.run(awaited())


def _read(text: str) -> dict[str, Any]:
    try:
        return conninfo.conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        # Not even as the context of ours: its words may quote a part of the string, the password included.
        pass
    raise LoggerError(
        ErrorCode.CONFIG,
        "The connection string cannot be read",
        "Use libpq's format: postgresql://... or host=...",
    )
