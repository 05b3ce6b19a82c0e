"""Timeouts that keep server and client from waiting for each other after one of them has gone.

The server ends a session whose client has stopped or is unreachable: inside a transaction by the first limit
in SERVER, outside of one (where a run keeps its claim on a table) by the second, and by the others if the
network accepts no more data. They never end a running statement. The client's own limits are in CLIENT.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.errors import Diagnostic

SERVER = {
    "idle_in_transaction_session_timeout": 30_000,
    "idle_session_timeout": 60_000,
    "tcp_user_timeout": 30_000,
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 4,
}
"""In the server's units, milliseconds and seconds. A shorter limit of the role is kept; 0 is no limit."""

CLIENT = {
    "connect_timeout": "5",
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""By default, libpq waits forever for a host that does not answer, and notices a dead one after two hours."""

_PING_SECONDS = 10.0

SHORTEST = b"""SELECT min(setting::integer) FROM pg_catalog.pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'idle_session_timeout') AND setting <> '0'"""
"""Returns the session's shortest idle limit in milliseconds."""


class Pulse:
    """Shows the server that the client is alive while it computes, waits, or asks the user.

    It is not used while a lock that blocks others is held: under such a lock llamactl neither computes nor
    waits.
    """

    def __init__(self, connection: psycopg.Connection[Any], shortest: int | None) -> None:
        """`shortest`: the result of SHORTEST."""
        self._connection = connection
        self._over: threading.Event | None = None
        self._thread = threading.Thread()
        self._seconds = min(_PING_SECONDS, (shortest or SERVER["idle_session_timeout"]) / 3000)

    def start(self) -> None:
        """Begins to send a statement at intervals, from a separate thread."""
        if self._over is None:
            self._over = over = threading.Event()
            self._thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stops; returns once no such statement is running."""
        if self._over is not None:
            self._over.set()
            self._thread.join()
            self._over = None

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(self._seconds) and not self._connection.closed:
            self._ping()

    def sleep(self, seconds: float) -> None:
        """Like time.sleep(), but keeps the session alive."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > self._seconds:
            time.sleep(self._seconds)
            self._ping()
        time.sleep(max(left, 0))

    def _ping(self) -> None:
        # If the connection is broken, the next statement reports it.
        with suppress(psycopg.Error):
            self._connection.execute(b"SELECT")


class Farewell:
    """The message with which the server ended the session while no statement was running.

    A client that was suspended receives it after the answer to its last statement. Its next statement fails
    with an error that says only that the connection is gone.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._said: tuple[str | None, str | None] = (None, None)
        connection.add_notice_handler(self._take)

    def _take(self, said: Diagnostic) -> None:
        if said.severity_nonlocalized == "FATAL":
            self._said = said.sqlstate, said.message_primary

    def said(self) -> tuple[str | None, str | None]:
        """Returns SQLSTATE and message, once the connection is gone; None if nothing was received."""
        # The message is still unread: as a notice, or as the answer to the statement that failed.
        if result := self._connection.pgconn.get_result():
            self._take(Diagnostic(result))
        return self._said
