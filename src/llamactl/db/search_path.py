"""The search path of a session: pinned to pg_catalog, except while the user's code may run.

Settings that affect the text form of values are pinned and restored together with it: a key that is saved as
text must be found from a session with another time zone, and a trigger that formats or stores a local time
must see the same time zone as in the application's sessions.

1. SHOW reads the role's path. It is the first statement of a session, and resolves no name.
2. Each transaction begins with SET LOCAL. A session that is not shared by a pooler is also pinned outside of
   transactions.
3. Before a statement that may run the user's code, the role's path is set; before the next statement that
   does not, the pinned path is set again. COMMIT may run the user's code: it fires deferred triggers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from llamactl.model import ErrorCode, LlamactlError

PINNED_PATH = "pg_catalog, pg_temp"

TEXT_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
}
"""The settings that the output functions of built-in types depend on."""


def _pin(command: str) -> bytes:
    texts = [f"{command} {name} = '{value}'" for name, value in TEXT_SETTINGS.items()]
    return "; ".join([f"{command} search_path = {PINNED_PATH}", *texts]).encode()


_PIN = _pin("SET")
_PIN_LOCAL = _pin("SET LOCAL")
_TEXT_SETTINGS = f"""SELECT ARRAY[{
    ", ".join(f"pg_catalog.current_setting('{name}')" for name in TEXT_SETTINGS)
}]""".encode()
_FOLLOW_USER = "SELECT {}".format(
    ", ".join(
        f"pg_catalog.set_config('{name}', ${number}, $1)"
        for number, name in enumerate(["search_path", *TEXT_SETTINGS], 2)
    )
).encode()
_SCHEMAS = b"SELECT pg_catalog.unnest(pg_catalog.current_schemas(false)) AS schema"


class SearchPath:
    """The search path of one connection. Call follow() before each statement that resolves names."""

    def __init__(self, connection: psycopg.Connection[TupleRow]) -> None:
        self._connection = connection
        self.role = ""
        """The role's path, as set by the role, the database or the connection."""
        self.shared = True
        """Whether a pooler may give the server session to another client between two transactions."""
        self._inside: bool | None = False
        """Whether the role's path is in effect in the open transaction.

        None: neither it nor the pinned one.
        """
        self._ran_users_code = False
        """Whether the role's path has been in effect in the open transaction."""
        self._outside: bool | None = None
        """Whether the role's path is in effect outside of transactions.

        None: the user's code may have set one.
        """
        for (path,) in connection.execute(b"SHOW search_path"):
            self.role = path
        self._texts = self._own_texts()
        """The role's own values of TEXT_SETTINGS."""

    def _own_texts(self) -> list[str]:
        # Only the path is pinned here, so that the other settings keep their values.
        pinned = b"BEGIN; SET LOCAL search_path = " + PINNED_PATH.encode()
        cursor = self._connection.execute(pinned + b"; " + _TEXT_SETTINGS + b"; COMMIT")
        while not cursor.description:
            cursor.nextset()
        values: list[str] = next(iter(cursor))[0]
        return values

    @property
    def for_users_code(self) -> str:
        """The role's path with pg_temp last, so that no temporary table hides a table of the user."""
        return ", ".join(filter(None, [self.role, "pg_temp"]))

    def own_session(self) -> None:
        """Pins the path for the whole session, which is not shared by a pooler."""
        self.shared = False
        self.follow(users_code=False)

    def begin(self, command: bytes) -> None:
        """Begins a transaction and pins the path in the same message."""
        self._connection.execute(command + b"; " + _PIN_LOCAL)
        self._inside = self._ran_users_code = False

    def follow(self, *, users_code: bool) -> None:
        """Sets the path for the next statement: the role's path if it may run the user's code."""
        status = self._connection.info.transaction_status
        if status is TransactionStatus.INTRANS:
            if self._inside is not users_code:
                self._set(users_code, local=True)
                self._inside = users_code
                self._ran_users_code |= users_code
        elif status is TransactionStatus.IDLE and self._outside is not users_code:
            if self.shared:
                raise LlamactlError(ErrorCode.INTERNAL, "Through a pooler, a statement needs a transaction")
            self._set(users_code, local=False)
            self._outside = users_code

    def schemas(self) -> list[str]:
        """Returns the schemas of the role's path that exist and that the role may use."""
        self.follow(users_code=False)
        local = self._connection.info.transaction_status is TransactionStatus.INTRANS
        # Without pg_temp: if no other schema is usable, pg_temp would be created, which needs a privilege.
        self._connection.execute(_FOLLOW_USER, [local, self.role, *self._texts])
        if local:
            self._inside = None
        else:
            self._outside = None
        return [schema for (schema,) in self._connection.execute(_SCHEMAS)]

    def committed(self) -> None:
        """Records that the transaction was committed. A trigger may have set another path for the session."""
        if self._ran_users_code:
            self.forget()

    def forget(self) -> None:
        """Records that the user's code may have set another path for the session."""
        self._outside = None

    def value(self, query: bytes) -> Any:
        """Returns the single value of a query. It runs in its own transaction, sent as one message."""
        cursor = self._connection.execute(b"BEGIN; " + _PIN_LOCAL + b"; " + query + b"; COMMIT")
        while not cursor.description:
            cursor.nextset()
        return next(iter(cursor))[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction for settings and the like; rolled back if it fails."""
        self.begin(b"BEGIN")
        try:
            yield
        except BaseException:
            if not self._connection.closed:
                self._connection.execute(b"ROLLBACK")
            raise
        self._connection.execute(b"COMMIT")

    def _set(self, users_code: bool, *, local: bool) -> None:
        if users_code:
            self._connection.execute(_FOLLOW_USER, [local, self.for_users_code, *self._texts])
        else:
            self._connection.execute(_PIN_LOCAL if local else _PIN)
