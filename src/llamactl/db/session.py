"""Sessions: the statements of the SQL files, and their rows as dataclasses.

Every statement comes from a SQL file; only BEGIN and its kin, and set_config, stand in the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from llamactl.config.settings import Settings
from llamactl.db.errors import out_of_memory
from llamactl.db.rows import into
from llamactl.db.signals import INTERRUPTS
from llamactl.db.transactions import TransactionalConnection
from llamactl.model import ErrorCode, LlamactlError
from llamactl.model.steps import StepName
from llamactl.sqlfiles.load import Query, Statement

T = TypeVar("T")

_PAGE = 2000
"""Rows that a streaming cursor fetches at a time."""
_SMALL_PAGE = 64
"""The same inside a transaction(): what it returns under a lock fits the connection even if nobody reads it.

No timeout ends a session that waits for its client to take rows.
"""


@contextmanager
def open_session(settings: Settings, verb: str) -> Iterator[Session]:
    """Opens a session for a command, and closes it.

    Ctrl-C and SIGTERM inside cancel the server's statement and become LlamactlError (interrupted). Every
    LlamactlError that leaves it carries what was changed by then.
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
    """Returns the error with what the session changed; None: there was none yet."""
    if session:
        error.changed, error.next_step = session.changed, session.next_step
    return error


class Session(TransactionalConnection):
    """What a command talks to the server with; open_session() gives one."""

    def __init__(self, settings: Settings, verb: str) -> None:
        super().__init__(settings, verb)
        self._cursors = 0

    def rows(self, query: Query, as_: type[T], **params: object) -> list[T]:
        """Returns the last statement's rows as dataclasses, by column name.

        Raises LlamactlError, internal where columns and fields differ.
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
        """Returns the one row.

        Raises LlamactlError: busy where the relation that is asked about is gone, internal where there is not
        exactly one row.
        """
        rows = self._fetched(query, as_, params)
        if not rows and "relation" in params:
            raise LlamactlError(
                ErrorCode.BUSY,
                f"The table was dropped by another session ({query.path})",
                "Restore it, then run the same command again",
            )
        if len(rows) != 1:
            raise LlamactlError(ErrorCode.INTERNAL, f"{query.path} gave {len(rows)} rows, not one")
        return rows[0]

    def stream(self, query: Query, as_: type[T], **params: object) -> Iterator[T]:
        """Yields rows as dataclasses, page by page. Needs an open transaction."""
        return self._paged(query, into(as_, query.path), params, _PAGE)

    def tuples(self, query: Query, **params: object) -> Iterator[tuple[Any, ...]]:
        """Yields rows as tuples, page by page. Needs an open transaction."""
        return self._paged(query, psycopg.rows.tuple_row, params, _PAGE)

    def run(self, query: Query, **params: object) -> int:
        """Executes each statement in turn; returns the last one's row count."""
        with self._translating(query.path), self._in_transaction(), self._connection.cursor() as cursor:
            self._execute_all(cursor, query, params)
            return cursor.rowcount

    def autocommit_run(self, query: Query, **params: object) -> None:
        """Executes each statement in a transaction of its own (VACUUM and the like)."""
        if self._connection.info.transaction_status is not TransactionStatus.IDLE:
            raise LlamactlError(ErrorCode.INTERNAL, f"{query.path} cannot run inside a transaction")
        # Before it runs: some leave something behind where they fail, as CONCURRENTLY does an INVALID index.
        self._committed = True
        with self._translating(query.path), self._connection.cursor() as cursor:
            self._execute_all(cursor, query, params)

    def schemas(self) -> list[str]:
        """Returns the schemas of the role's search path that exist and that it may use, in their order."""
        with self._translating("search path"), self._in_transaction():
            return self._path.schemas()

    def announce(self, step: StepName) -> None:
        """Says to other sessions which step this one is at: in a transaction, until it ends."""
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
            cursor.itersize = page
            self._execute(cursor, last, params)
            yield from cursor

    def _execute_all(self, cursor: psycopg.Cursor[Any], query: Query, params: dict[str, object]) -> None:
        self._check_parameters(query, params)
        self._path.follow(users_code=query.runs_users_code)
        for statement in query.statements:
            self._execute(cursor, statement, params)

    def _execute(self, cursor: psycopg.Cursor[Any], statement: Statement, params: dict[str, object]) -> None:
        # A tuple would become a composite value.
        values = [
            list(value) if isinstance(value, tuple) else value
            for value in map(params.get, statement.parameters)
        ]
        cursor.execute(statement.sql.encode(), values)

    def _check_parameters(self, query: Query, params: dict[str, object]) -> None:
        wanted = {name for statement in query.statements for name in statement.parameters}
        if wanted != params.keys():
            odd = ", ".join(sorted(wanted ^ params.keys()))
            raise LlamactlError(
                ErrorCode.INTERNAL, f"{query.path}: given and wanted parameters differ in {odd}"
            )
