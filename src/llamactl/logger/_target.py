"""Where a logger writes to: the parameters of the writer's own connection."""

from __future__ import annotations

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
Target: TypeAlias = "str | psycopg.Connection[Any] | psycopg.AsyncConnection[Any] | SyncPool | AsyncPool"

_DEFAULTS = {
    "application_name": "llamactl logger",
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""libpq waits for ever for a host that does not answer, and notices a dead one after two hours."""


def parameters(target: Target) -> dict[str, Any] | None:
    """Returns libpq's parameters for a connection like the target's; None where only a pool knows them.

    Raises LoggerError (config) for a connection string that cannot be read.
    """
    if isinstance(target, psycopg.Connection | psycopg.AsyncConnection):
        found: Mapping[str, Any] = {
            option.keyword.decode(): option.val.decode() for option in target.pgconn.info if option.val
        }
    elif isinstance(target, str):
        found = _read(target)
    else:
        if callable(target.conninfo):
            return None
        known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
        kwargs = target.kwargs if isinstance(target.kwargs, Mapping) else {}
        found = {**_read(target.conninfo or ""), **{k: v for k, v in kwargs.items() if k in known}}
    return {**_DEFAULTS, **found}


def known(parameters: dict[str, Any] | None) -> dict[str, Any]:
    """Returns them. Raises LoggerError (config) where only the pool knows them."""
    if parameters is None:
        raise LoggerError(
            ErrorCode.CONFIG,
            "The pool makes its connection string itself, so the logger has no connection without the pool",
            "Make pool and logger in the process that uses them, and close() the logger before the pool",
        )
    return parameters


def _read(text: str) -> dict[str, Any]:
    try:
        return conninfo.conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        # Not even as the context of ours: its words may quote a part of the string, the password included.
        pass
    raise LoggerError(
        ErrorCode.CONFIG,
        "The connection string cannot be read",
        "It is libpq's: postgresql://... or host=...",
    )
