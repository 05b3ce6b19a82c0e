"""Sessions: they run the statements of SQL files, and return rows as dataclasses.

Every statement comes from an SQL file; only BEGIN and the like, and set_config, are in the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8

from llamactl.config.settings import Settings
from llamactl.db.connect import planned_target
from llamactl.db.errors import out_of_memory
from llamactl.db.rows import into
from llamactl.db.signals import INTERRUPTS
from llamactl.db.transactions import TransactionalConnection
from llamactl.model import ErrorCode, LlamactlError
from llamactl.model.steps import StepName
from llamactl.model.words import plural
from llamactl.sqlfiles.load import Query, Statement

T = TypeVar("T")

_PAGE = 2000
"""The number of rows that a streaming cursor fetches at a time."""
_SMALL_PAGE = 64
"""The same inside a transaction(): a page fits the socket buffers even if the client does not read it.

No timeout ends a session that waits for its client to read rows, while it may hold a lock.
"""


def connection_place(settings: Settings) -> str:
    """Returns where a session would go: host and database, without the user."""
    return planned_target(settings.dsn).place


@contextmanager
def open_session(settings: Settings, verb: str) -> Iterator[Session]:
    """Opens a session for a command, and closes it at the end.

    Ctrl-C and SIGTERM inside cancel the server's statement and become LlamactlError (interrupted). Every
    LlamactlError raised inside is given what was changed until then.
    """
    session = None
    try:
        with INTERRUPTS.active():
            session = Session(settings, verb)
            yield session
    except LlamactlError as exc:
        _record_outcome(exc, session)
        raise
    except KeyboardInterrupt as exc:
        interrupted = LlamactlError(ErrorCode.INTERRUPTED, "Interrupted")
        raise _record_outcome(interrupted, session) from exc
    except MemoryError as exc:
        raise _record_outcome(out_of_memory(), session) from exc
    finally:
        if session:
            session.close()


def _record_outcome(error: LlamactlError, session: Session | None) -> LlamactlError:
    """Returns the error with what the session changed. `session`: None if it was not opened yet."""
    if session:
        error.changed, error.next_step = session.changed, session.next_step
    return error


class Session(TransactionalConnection):
    """A command's session on the server. Create it with open_session()."""

    def __init__(self, settings: Settings, verb: str) -> None:
        super().__init__(settings, verb)
        self._cursors = 0

    def rows(self, query: Query, as_: type[T], **params: object) -> list[T]:
        """Returns the last statement's rows as dataclasses, by column name.

        Raises LlamactlError, among them internal if columns and fields do not match.
        """
        if self._in_change:
            return list(self._paged(query, into(as_, query.path), params, _SMALL_PAGE))
        return self._fetched(query, as_, params)

    def _fetched(self, query: Query, as_: type[T], params: dict[str, object]) -> list[T]:
        with (
            self._translating(query.path),
            self._in_transaction(),
            self._connection.cursor(row_factory=into(as_, query.path)) as cursor,
        ):
            self._execute_all(cursor, query, params)
            return cursor.fetchall()

    def row(self, query: Query, as_: type[T], **params: object) -> T:
        """Returns the only row.

        Raises LlamactlError: busy if the relation that the query is about no longer exists, internal if there
        is not exactly one row.
        """
        rows = self._fetched(query, as_, params)
        if not rows and "relation" in params:
            raise LlamactlError(
                ErrorCode.BUSY,
                f"The table was dropped by another session ({query.path})",
                "Restore it, then rerun the same command",
            )
        if len(rows) != 1:
            raise LlamactlError(
                ErrorCode.INTERNAL, f"{query.path} returned {plural(len(rows), 'row')}, not one"
            )
        return rows[0]

    def stream(self, query: Query, as_: type[T], **params: object) -> Iterator[T]:
        """Yields rows as dataclasses, page by page. Needs an open transaction."""
        return self._paged(query, into(as_, query.path), params, _PAGE)

    def tuples(self, query: Query, **params: object) -> Iterator[tuple[Any, ...]]:
        """Yields rows as tuples, page by page. Needs an open transaction."""
        return self._paged(query, psycopg.rows.tuple_row, params, _PAGE)

    def batch(self, query: Query, as_: type[T], *, triggers: bool, **params: object) -> T:
        """Runs the only statement of a query, prepared, in a transaction of its own and one round trip.

        Returns its only row. `triggers`: it may fire the user's triggers. Not behind a pooler.
        """
        (statement,) = query.statements
        self._check_parameters(query, params)
        # Numbers of one type, whatever their size: otherwise each size would be another prepared statement.
        same = {name: Int8(value) if type(value) is int else value for name, value in params.items()}
        with (
            self._translating(query.path),
            self._connection.cursor(row_factory=into(as_, query.path)) as cursor,
        ):
            self._path.follow(users_code=query.runs_users_code)
            self._connection.prepare_threshold = sys.maxsize  # so that only this statement is prepared
            try:
                cursor.execute(statement.sql.encode(), _values(statement, same), prepare=True)
            finally:
                self._connection.prepare_threshold = None
                if triggers:
                    self._path.forget()
            self._committed = True
            (row,) = cursor.fetchall()
        return row

    def run(self, query: Query, **params: object) -> int:
        """Executes each statement in turn; returns the last one's row count."""
        with self._translating(query.path), self._in_transaction(), self._connection.cursor() as cursor:
            self._execute_all(cursor, query, params)
            return cursor.rowcount

    def autocommit_run(self, query: Query, **params: object) -> None:
        """Executes each statement outside a transaction block (VACUUM and the like)."""
        if self._connection.info.transaction_status is not TransactionStatus.IDLE:
            raise LlamactlError(ErrorCode.INTERNAL, f"{query.path} cannot run inside a transaction")
        # Set before they run: a failed statement may leave something behind, as CONCURRENTLY an INVALID
        # index.
        self._committed = True
        with self._translating(query.path), self._connection.cursor() as cursor:
            self._execute_all(cursor, query, params)

    def schemas(self) -> list[str]:
        """Returns the schemas of the role's search path that exist and that it may use, in order."""
        with self._translating("search path"), self._in_transaction():
            return self._path.schemas()

    def announce(self, step: StepName) -> None:
        """Shows other sessions the current step; inside a transaction, until its end."""
        with self._translating("announce"), self._in_transaction():
            local = self._connection.info.transaction_status is not TransactionStatus.IDLE
            self._set_config({"application_name": f"llamactl {self._verb}: {step}"}, local=local)
        self.blocking.step(step)

    def _paged(
        self, query: Query, row_factory: psycopg.rows.RowFactory[T], params: dict[str, object], page: int
    ) -> Iterator[T]:
        self._cursors += 1
        name = f"llamactl_{self._cursors}"
        *first, last = query.statements
        self._check_parameters(query, params)
        with (
            self._translating(query.path),
            self._connection.cursor() as plain,
            self._connection.cursor(name, row_factory=row_factory) as cursor,
        ):
            self._path.follow(users_code=query.runs_users_code)
            for statement in first:
                self._execute(plain, statement, params)
            self._execute(cursor, last, params)
            rows = cursor.fetchmany(page)
            yield from rows
            while len(rows) == page:
                rows = cursor.fetchmany(page)
                yield from rows

    def _execute_all(self, cursor: psycopg.Cursor[Any], query: Query, params: dict[str, object]) -> None:
        self._check_parameters(query, params)
        self._path.follow(users_code=query.runs_users_code)
        for statement in query.statements:
            self._execute(cursor, statement, params)

    def _execute(self, cursor: psycopg.Cursor[Any], statement: Statement, params: dict[str, object]) -> None:
        cursor.execute(statement.sql.encode(), _values(statement, params))

    def _check_parameters(self, query: Query, params: dict[str, object]) -> None:
        wanted = {name for statement in query.statements for name in statement.parameters}
        if wanted != params.keys():
            odd = ", ".join(sorted(wanted ^ params.keys()))
            raise LlamactlError(ErrorCode.INTERNAL, f"{query.path}: parameters do not match: {odd}")


def _values(statement: Statement, params: Mapping[str, object]) -> list[object]:
    # A tuple would become a composite value.
    return [
        list(value) if isinstance(value, tuple) else value for value in map(params.get, statement.parameters)
    ]
