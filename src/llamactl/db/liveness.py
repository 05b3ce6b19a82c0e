"""How long server and client wait for each other: neither may keep what it holds for one that has gone.

The server ends a session whose client has stopped, or is out of reach: inside a transaction by the first of
the limits, outside (where a run keeps its claim on a table) by the second, and by the rest where the network
takes nothing any more. A statement that runs is never ended by them. The client's own limits are in CLIENT.
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
"""In the server's own units, milliseconds and seconds. A shorter limit of the role's stays; 0 is none."""

CLIENT = {
    "connect_timeout": "5",
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""libpq waits for ever for a host that does not answer, and notices a dead one after two hours."""

_PING_SECONDS = 10.0

SHORTEST = b"""SELECT min(setting::integer) FROM pg_catalog.pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'idle_session_timeout') AND setting <> '0'"""
"""The shortest limit that the session has, in milliseconds."""


class Pulse:
    """Tells the server that the client lives, while it computes, waits, or asks a person.

    Never while a lock is held that blocks others: what holds one neither computes nor waits.
    """

    def __init__(self, connection: psycopg.Connection[Any], shortest: int | None) -> None:
        """`shortest`: what SHORTEST returns."""
        self._connection = connection
        self._over: threading.Event | None = None
        self._thread = threading.Thread()
        self._seconds = min(_PING_SECONDS, (shortest or SERVER["idle_session_timeout"]) / 3000)

    def start(self) -> None:
        """Begins to send a statement now and then, from a thread of its own."""
        if self._over is None:
            self._over = over = threading.Event()
            self._thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Returns once no statement of its own is under way."""
        if self._over is not None:
            self._over.set()
            self._thread.join()
            self._over = None

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(self._seconds) and not self._connection.closed:
            self._ping()

    def sleep(self, seconds: float) -> None:
        """As time.sleep()."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > self._seconds:
            time.sleep(self._seconds)
            self._ping()
        time.sleep(max(left, 0))

    def _ping(self) -> None:
        # What is wrong with the connection, its next statement tells.
        with suppress(psycopg.Error):
            self._connection.execute(b"SELECT")


class Farewell:
    """What the server said as it ended the session, while it was asked for nothing.

    A client that was suspended finds it behind the answer to its last statement, and then sends the next one
    in vain: what it gets for that is only that the connection is gone.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._said: tuple[str | None, str | None] = (None, None)
        connection.add_notice_handler(self._take)

    def _take(self, said: Diagnostic) -> None:
        if said.severity_nonlocalized == "FATAL":
            self._said = said.sqlstate, said.message_primary

    def said(self) -> tuple[str | None, str | None]:
        """Returns SQLSTATE and message, of a connection that is gone; None where nothing was received."""
        # Reads on in what was: as a notice, or as the answer to what was sent in vain.
        if result := self._connection.pgconn.get_result():
            self._take(Diagnostic(result))
        return self._said
