"""The only place that opens connections: sessions, transactions, error translation.

Every statement comes from a SQL file; only BEGIN and its kin, and set_config, stand in the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from llamactl.config.settings import Settings
from llamactl.db.blocking import Blocking
from llamactl.db.connect import (
    apply_settings,
    is_pooled,
    open_connection,
    reached_target,
    set_config,
    true_target,
    wanted_settings,
)
from llamactl.db.errors import LOCK_ERRORS, Context, out_of_memory, translate
from llamactl.db.liveness import SHORTEST, Farewell, Pulse
from llamactl.db.pooler import LAST_QUERY, keeps_session
from llamactl.db.rows import into
from llamactl.db.search_path import SearchPath
from llamactl.db.signals import INTERRUPTS
from llamactl.model import Changed, ErrorCode, LlamactlError
from llamactl.model.steps import StepName
from llamactl.sqlfiles.load import Query, Statement

T = TypeVar("T")

_PAGE = 2000
"""Rows that a streaming cursor fetches at a time."""
_SMALL_PAGE = 64
"""The same inside a transaction(): what it returns under a lock fits the connection even if nobody reads it.

No timeout ends a session that waits for its client to take rows.
"""


_TOLD = " (the URL says pgbouncer=true)"


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


class Session:
    """A connection with its settings made; connect() gives one."""

    def __init__(self, settings: Settings, verb: str) -> None:
        self._settings = settings
        self._verb = verb
        self._connection = connection = open_connection(settings.dsn, verb)
        self._farewell = Farewell(connection)
        self._target = target = reached_target(connection)
        self.server_version_num = connection.info.server_version
        self.pooled = settings.dsn.pgbouncer
        """A pooler may give the server's session to another client between two transactions."""
        self._borrowed = False
        """A pooler in session mode gives it to another client once this one is gone."""
        self.read_only_default = connection.info.parameter_status("default_transaction_read_only") == "on"
        """Role, database or server say read-only. Overridden here, since temporary relations need it."""
        self.blocking = Blocking()
        self.next_step = ""
        """How to continue after an error, where what was committed is a part of a whole."""
        self._committed = self._committing = False
        self._holds_snapshot = self._snapshot_held = self._in_change = False
        self._cursors = 0
        try:
            with self._translating("session settings"):
                self._path = path = SearchPath(connection)
                self.pooled = is_pooled(connection, path, settings.dsn)
                if not self.pooled:
                    path.own_session()
                # Behind a pooler they would stay in the session, for the application's own queries.
                self._wanted = wanted_settings(settings, self.server_version_num)
                self._accepted = apply_settings(connection, path, self._wanted)
                self._target = target = true_target(path, target)
                self._pulse = Pulse(connection, path.value(SHORTEST))
        except BaseException:
            connection.close()
            raise
        self.target = str(target)
        """`host:port/database as user`; safe to print."""
        self.host, self.database = target.host, target.database
        self.user = target.role
        """The effective role: the one whose rights count."""

    def close(self) -> None:
        """Ends the connection; an open transaction is rolled back by the server."""
        if self._borrowed and self._connection.info.transaction_status is TransactionStatus.IDLE:
            with suppress(psycopg.Error):  # as the pooler itself does, unless it was told not to
                self._connection.execute(b"DISCARD ALL")
        self._connection.close()

    def require_own(self) -> None:
        """Makes sure that the server's session is this client's alone, for what outlives a transaction.

        Raises LlamactlError (config) behind a pooler that gives it to others meanwhile.
        """
        if not self.pooled:
            return
        told = self._settings.dsn.pgbouncer
        own = False if told else self._is_own()
        if not own:
            mode = "in transaction mode" if own is False else "that does not prove to be in session mode"
            direct = "Give the direct URL of the database (--dsn, or DIRECT_URL)"
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"The connection goes through a pooler {mode}{_TOLD if told else ''}, where "
                "what the command needs is lost after each transaction: its claim on the table, its "
                "temporary tables and its settings",
                f"{direct}{'; if the pooler is in session mode, delete pgbouncer=true' if told else ''}",
            )
        with self._translating("session settings"):
            self._path.own_session()
            self._borrowed = True
            self._accepted = apply_settings(self._connection, self._path, self._wanted)
        self.pooled = False

    def _is_own(self) -> bool | None:
        try:
            return keeps_session(
                self._connection,
                lambda: open_connection(self._settings.dsn, self._verb),
                lambda pid: self._path.value(LAST_QUERY % pid),
            )
        except (psycopg.Error, LlamactlError) as exc:
            raise LlamactlError(
                ErrorCode.CONNECTION,
                "The connection goes through a pooler, and a second one, which tests its mode, failed: "
                f"{self._settings.dsn.scrub(str(exc).strip())}",
                "Give the direct URL of the database (--dsn, or DIRECT_URL), or try again later",
            ) from exc

    @property
    def changed(self) -> Changed:
        """What is changed in the database so far; what an open transaction does is not."""
        if self._committing:
            return Changed.UNKNOWN
        return Changed.PARTLY if self._committed else Changed.NOTHING

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

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One snapshot for all that is read inside. Always rolled back, temporary relations with it."""
        if not self._snapshot_held:
            self._begin(b"BEGIN ISOLATION LEVEL REPEATABLE READ", "snapshot")
        self._pulse.start()
        try:
            yield
        except BaseException:
            self._end_snapshot()
            raise
        if self._holds_snapshot:
            self._snapshot_held = True
        else:
            self._end_snapshot()

    @contextmanager
    def holding_snapshot(self) -> Iterator[None]:
        """The first snapshot() inside lasts until the end: the ones that follow read the same state."""
        self._holds_snapshot = True
        try:
            yield
        finally:
            self._holds_snapshot = self._snapshot_held = False
            self._end_snapshot()

    def _end_snapshot(self) -> None:
        self._pulse.stop()
        self._roll_back()

    def ask(self, confirm: Callable[[str], bool], question: str) -> None:
        """Asks a person, outside a transaction. Raises LlamactlError (interrupted) where they decline."""
        self._pulse.start()
        try:
            agreed = confirm(question)
        finally:
            self._pulse.stop()
        if not agreed:
            raise LlamactlError(ErrorCode.INTERRUPTED, "declined")

    def sleep(self, seconds: float) -> None:
        """As time.sleep(), outside a transaction: the server keeps the session."""
        self._pulse.sleep(seconds)

    @contextmanager
    def transaction(self, *, one_snapshot: bool = False, temporary: bool = False) -> Iterator[None]:
        """Committed at the end, rolled back on any exception; with `one_snapshot` all reads see one state.

        `temporary`: it writes to temporary relations only, so that its commit changes nothing. A signal
        during COMMIT is put off until it is done.
        """
        level = b"REPEATABLE READ" if one_snapshot else b"READ COMMITTED"
        self._begin(b"BEGIN ISOLATION LEVEL " + level, "transaction")
        self._in_change = True
        try:
            yield
            self._before_commit()
            self.blocking.step(StepName.COMMIT)
        except BaseException as exc:
            self._roll_back()
            self.blocking.end(acquired=not isinstance(exc.__cause__, LOCK_ERRORS))
            raise
        finally:
            self._in_change = False
        self._commit(changes=not temporary)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """In an open transaction: an error inside undoes what was done inside; the transaction goes on."""
        self._command(b"SAVEPOINT llamactl", "savepoint")
        try:
            yield
        except LlamactlError:
            if self._connection.info.transaction_status is TransactionStatus.INERROR:
                self._command(b"ROLLBACK TO SAVEPOINT llamactl", "savepoint")
            raise
        self._command(b"RELEASE SAVEPOINT llamactl", "savepoint")

    @property
    def search_path(self) -> str:
        """The role's own search path, as SHOW gives it."""
        return self._path.role

    def schemas(self) -> list[str]:
        """Returns the schemas of the role's search path that exist and that it may use, in their order."""
        with self._translating("search path"), self._in_transaction():
            return self._path.schemas()

    def read_only(self) -> None:
        """Makes the rest of the open transaction read-only."""
        self._command(b"SET TRANSACTION READ ONLY", "read only")

    def set_local(self, **settings: str) -> None:
        """Makes settings for the rest of the open transaction."""
        with self._translating("set_local"):
            self._set_config(settings, local=True)

    def announce(self, step: StepName) -> None:
        """Says to other sessions which step this one is at: in a transaction, until it ends."""
        with self._translating("announce"), self._in_transaction():
            local = self._connection.info.transaction_status is not TransactionStatus.IDLE
            self._set_config({"application_name": f"llamactl {self._verb}: {step}"}, local=local)
        self.blocking.step(step)

    @contextmanager
    def settings(self, **values: str) -> Iterator[None]:
        """Makes settings for the session, and puts back what was there. Outside a transaction."""
        with self._translating("settings"):
            self._path.follow(users_code=False)
            query = b"""SELECT name, coalesce(pg_catalog.current_setting(name, true), '')
                FROM unnest($1::text[]) AS name"""
            before: dict[str, str] = dict(self._connection.execute(query, [list(values)]).fetchall())
            self._set_config(values, local=False)
        try:
            yield
        finally:
            # After an error that ended the connection there is nothing to put back.
            if self._connection.info.transaction_status is TransactionStatus.IDLE:
                with self._translating("settings"):
                    self._set_config(before, local=False)

    def _set_config(self, settings: Mapping[str, str], *, local: bool) -> None:
        self._path.follow(users_code=False)
        set_config(self._connection, settings, local)

    def _begin(self, command: bytes, where: str) -> None:
        if self._connection.info.transaction_status is not TransactionStatus.IDLE:
            raise LlamactlError(ErrorCode.INTERNAL, f"A {where} cannot begin: a transaction is open")
        with self._translating(where):
            self._path.begin(command)
        if self.pooled:
            with self._translating("session settings"):
                set_config(self._connection, self._accepted, local=True)

    @contextmanager
    def _in_transaction(self) -> Iterator[None]:
        """Behind a pooler, a transaction for a statement that has none: a path is pinned in one only."""
        if not self.pooled or self._connection.info.transaction_status is not TransactionStatus.IDLE:
            yield
            return
        self._begin(b"BEGIN", "transaction")
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        self._command(b"COMMIT", "transaction")

    def _before_commit(self) -> None:
        """A signal up to here rolls back; during the COMMIT that follows it is put off."""
        if self._connection.info.transaction_status is TransactionStatus.INERROR:
            # COMMIT would quietly roll back.
            raise LlamactlError(ErrorCode.INTERNAL, "A failed transaction was about to be committed")
        with self._translating("commit"):
            self._path.follow(users_code=True)  # deferred triggers

    def _commit(self, *, changes: bool) -> None:
        with INTERRUPTS.shield():
            self._committing = changes
            try:
                self._command(b"COMMIT", "commit")
            except LlamactlError:
                # An answer of the server's means that it rolled back; none, that nobody knows.
                self._committing = changes and self._connection.closed
                raise
            else:
                self._committing, self._committed = False, self._committed or changes
                self._path.committed()
            finally:
                self.blocking.end()

    def _roll_back(self) -> None:
        """Ends the transaction, or the connection where that fails: the server then rolls back by itself."""
        status = self._connection.info.transaction_status
        if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            try:
                self._connection.execute(b"ROLLBACK")
            except psycopg.Error:
                self._connection.close()
        elif status is not TransactionStatus.IDLE:
            self._connection.close()

    def _command(self, command: bytes, where: str) -> None:
        with self._translating(where):
            self._connection.execute(command)

    @contextmanager
    def _translating(self, where: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as exc:
            timeout, closed = self._settings.statement_timeout_ms, self._connection.closed
            said = self._farewell.said() if closed else (None, None)
            of_client = self._connection.pgconn.error_message.decode(errors="replace")
            context = Context(self._target, self._settings.dsn, where, timeout, closed, said, of_client)
            raise translate(exc, context) from exc
        except UnicodeError as exc:
            raise LlamactlError(ErrorCode.CONFIG, f"{where}: a text that is not UTF-8") from exc
        except MemoryError as exc:
            raise out_of_memory(where) from exc
