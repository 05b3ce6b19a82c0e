"""Tells a pooler in session mode from one in transaction mode, by what it does with the server's session.

In session mode that is this client's alone for as long as the client is connected. In transaction mode it
goes back to the pool after each transaction, but an idle pool hands out the same one again: a second client
shows it.

1. Transactions in a row run in one server process, unless the pool takes turns.
2. While this client is idle, a second one begins a transaction. In transaction mode it gets the process that
   this client had last; if others take and return processes meanwhile, the two do not keep theirs for long.
3. If the second client has to wait because the pool is full, this one is served all the same in session mode.
   In transaction mode it would queue up behind the second.
4. The second client may have reached another pooler, behind a load balancer. So it has to show session mode
   by itself: a setting of its session outlasts its transactions, and is reset, or its process ends, when it
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
"""A client that is not served for this long waits for a process of the pool."""

ATTEMPTS = 3
"""Another client may take the second one's process before its reset was seen."""

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
    """Returns whether the server's session is this client's alone between its transactions; None: unknown.

    `connection` is idle, and so it is afterwards where this returns True. `connect` opens a second one by the
    same way; `last_query` returns what a server process executed last, None where it has ended. Raises
    psycopg.Error where a connection is lost.
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
    """Returns the process of the second client; None where it waits, `home` where processes are shared."""
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
    """Whether what a session sets is there in its next transaction: no pooler has reset it in between."""
    _ask(conn, b"SET %s = 'yes'" % _SETTING)
    kept = _ask(conn, _KEPT)
    _ask(conn, b"SET %s TO DEFAULT" % _SETTING)
    return kept == len("yes")


def _is_reset(pid: int, before: str, last_query: Callable[[int], str | None]) -> bool:
    """Whether the process of a client that has just disconnected was reset or ended, as the next it did."""
    end = time.monotonic() + WAIT_SECONDS
    while (now := last_query(pid)) == before and time.monotonic() < end:
        time.sleep(0.005)
    return now is None or re.match(_RESET, now) is not None


def _transaction(conn: pq.abc.PGconn) -> int | None:
    """Returns the process that serves a transaction; None where it is not served in time."""
    pid = _ask(conn, _BEGIN)
    if pid is not None:
        _ask(conn, b"COMMIT")
    return pid


def _ask(conn: pq.abc.PGconn, command: bytes) -> int | None:
    conn.send_query(command)
    conn.flush()
    return _answer(conn, WAIT_SECONDS)


def _answer(conn: pq.abc.PGconn, seconds: float) -> int | None:
    """Returns the value of the command under way, if it has one; None where no answer comes in time."""
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
