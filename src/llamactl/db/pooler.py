"""Distinguishes a pooler in session mode from one in transaction mode by how it assigns server sessions.

In session mode a client keeps its server session for as long as it is connected. In transaction mode the
session returns to the pool after each transaction, but an idle pool hands out the same one again. A second
client makes the difference visible:

1. Successive transactions of this client must run in one server process. Some pools rotate processes.
2. While this client is idle, the second client begins a transaction. In transaction mode it gets the process
   that this client used last. If other clients take and return processes meanwhile, the two soon lose theirs.
3. If the second client has to wait because the pool is full, this client is still served in session mode.
   In transaction mode it would queue behind the second client.
4. Behind a load balancer the second client may have reached another pooler. Therefore it must show session
   mode by itself: a setting outlasts its transactions, and is reset, or the process ends, when it
   disconnects.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
from psycopg import pq

ROUNDS = 4
WAIT_SECONDS = 2.0
"""A client that is not served for this long is waiting for a process of the pool."""

ATTEMPTS = 3
"""Another client may take the second client's process before its reset was observed."""

LAST_QUERY = b"SELECT min(coalesce(query, '')) FROM pg_catalog.pg_stat_activity WHERE pid = %d"
_RESET = r"(?i)\s*(?:DISCARD|RESET)\b"
_BEGIN = b"BEGIN; SELECT pg_catalog.pg_backend_pid()"

_SETTING = b"llamactl.kept"
_KEPT = b"SELECT pg_catalog.length(pg_catalog.current_setting('%s', true))" % _SETTING


def keeps_session(
    connection: psycopg.Connection[Any],
    connect: Callable[[], psycopg.Connection[Any]],
    last_query: Callable[[int], str | None],
) -> bool | None:
    """Returns whether this client keeps its server session between transactions; None if unknown.

    `connection` must be idle, and is idle afterwards if this returns True. `connect` opens a second
    connection to the same address; `last_query` returns the last statement of a server process, None if it
    has ended. Raises psycopg.Error if a connection is lost.
    """
    ours = connection.pgconn
    home = _transaction(ours)
    if home is None or _transaction(ours) != home:
        return False
    for _ in range(ATTEMPTS):
        with closing(connect()) as second:
            away = _apart(ours, second.pgconn, home)
            if away is None:
                return True
            if away == home or not _keeps_setting(second.pgconn):
                return False
            before = last_query(away)
        if before is None:
            return False
        if _is_reset(away, before, last_query):
            return True
    return None


def _apart(ours: pq.abc.PGconn, other: pq.abc.PGconn, home: int) -> int | None:
    """Returns the process of the second client; None if it has to wait, `home` if processes are shared."""
    away = _ask(other, _BEGIN)
    for _ in range(ROUNDS):
        if away == home or _transaction(ours) != home:
            return home
        if away is None:
            away = _answer(other, 0)
            continue
        _ask(other, b"COMMIT")
        if _transaction(ours) != home or _ask(other, _BEGIN) != away:
            return home
    if away is not None:
        _ask(other, b"COMMIT")
    return away


def _keeps_setting(conn: pq.abc.PGconn) -> bool:
    """Returns whether a setting survives until the next transaction, so that no pooler has reset it."""
    _ask(conn, b"SET %s = 'yes'" % _SETTING)
    kept = _ask(conn, _KEPT)
    _ask(conn, b"SET %s TO DEFAULT" % _SETTING)
    return kept == len("yes")


def _is_reset(pid: int, before: str, last_query: Callable[[int], str | None]) -> bool:
    """Returns whether the process of a disconnected client was reset or ended before any other use."""
    end = time.monotonic() + WAIT_SECONDS
    while (now := last_query(pid)) == before and time.monotonic() < end:
        time.sleep(0.005)
    return now is None or re.match(_RESET, now) is not None


def _transaction(conn: pq.abc.PGconn) -> int | None:
    """Returns the process that serves a transaction; None if it is not served in time."""
    pid = _ask(conn, _BEGIN)
    if pid is not None:
        _ask(conn, b"COMMIT")
    return pid


def _ask(conn: pq.abc.PGconn, command: bytes) -> int | None:
    conn.send_query(command)
    conn.flush()
    return _answer(conn, WAIT_SECONDS)


def _answer(conn: pq.abc.PGconn, seconds: float) -> int | None:
    """Returns the value of the running command if it has one; None if no answer arrives in time."""
    end = time.monotonic() + seconds
    conn.consume_input()
    while conn.is_busy():
        if not select.select([conn.socket], [], [], max(end - time.monotonic(), 0))[0]:
            return None
        conn.consume_input()
    value = None
    while result := conn.get_result():
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise psycopg.OperationalError(result.get_error_message())
        if result.ntuples:
            value = int(result.get_value(0, 0) or b"0")
    return value
