"""A connection to the server, with its session settings and error translation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

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
from llamactl.db.errors import Context, out_of_memory, translate
from llamactl.db.liveness import SHORTEST, Farewell, Pulse
from llamactl.db.pooler import LAST_QUERY, keeps_session
from llamactl.db.search_path import SearchPath
from llamactl.model import ErrorCode, LlamactlError

_TOLD = " (the URL says pgbouncer=true)"


class ServerConnection:
    """A connection, its target, and whether the server session belongs to it alone."""

    def __init__(self, settings: Settings, verb: str) -> None:
        self._settings = settings
        self._verb = verb
        self._connection = connection = open_connection(settings.dsn, verb)
        self._farewell = Farewell(connection)
        self._target = target = reached_target(connection)
        self.server_version_num = connection.info.server_version
        self.pooled = settings.dsn.pgbouncer
        """Whether a pooler may give the server session to another client between two transactions."""
        self._borrowed = False
        """Whether a pooler in session mode gives the server session to another client after this one."""
        self.read_only_default = connection.info.parameter_status("default_transaction_read_only") == "on"
        """Whether role, database or server default to read-only. Overridden, for temporary relations."""
        self.blocking = Blocking()
        self.next_step = ""
        """How to continue after an error, if only a part of the work was committed."""
        try:
            with self._translating("session settings"):
                self._path = path = SearchPath(connection)
                self.pooled = is_pooled(connection, path, settings.dsn)
                if not self.pooled:
                    path.own_session()
                # Behind a pooler, session settings would affect the application's queries later.
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
        """The effective role, whose privileges apply."""

    def close(self) -> None:
        """Closes the connection; the server rolls back an open transaction."""
        if self._borrowed and self._connection.info.transaction_status is TransactionStatus.IDLE:
            with suppress(psycopg.Error):  # the pooler also does this, unless configured otherwise
                self._connection.execute(b"DISCARD ALL")
        self._connection.close()

    @property
    def search_path(self) -> str:
        """The role's search path, as returned by SHOW."""
        return self._path.role

    def require_own(self) -> None:
        """Makes sure that the server session belongs to this client alone, even between transactions.

        Raises LlamactlError (config) behind a pooler that shares it with other clients.
        """
        if not self.pooled:
            return
        told = self._settings.dsn.pgbouncer
        own = False if told else self._is_own()
        if not own:
            mode = "in transaction mode" if own is False else "that may not be in session mode"
            direct = "Use the direct URL of the database (--dsn or DIRECT_URL)"
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"The connection goes through a pooler {mode}{_TOLD if told else ''}, but "
                "the command needs a session that lasts longer than a transaction, for its claim on the "
                "table, its temporary tables and its settings",
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
                "The connection goes through a pooler, and a second connection to test its mode failed: "
                f"{self._settings.dsn.scrub(str(exc).strip())}",
                "Use the direct URL of the database (--dsn or DIRECT_URL), or try again later",
            ) from exc

    def ask(self, confirm: Callable[[str], bool], question: str) -> None:
        """Asks the user, outside a transaction. Raises LlamactlError (interrupted) if they decline."""
        self._pulse.start()
        try:
            agreed = confirm(question)
        finally:
            self._pulse.stop()
        if not agreed:
            raise LlamactlError(ErrorCode.INTERRUPTED, "declined")

    def sleep(self, seconds: float) -> None:
        """Like time.sleep(), outside a transaction, but keeps the session alive."""
        self._pulse.sleep(seconds)

    @contextmanager
    def settings(self, **values: str) -> Iterator[None]:
        """Makes settings for the session, and restores the former ones. Outside a transaction."""
        with self._translating("settings"):
            self._path.follow(users_code=False)
            query = b"""SELECT name, coalesce(pg_catalog.current_setting(name, true), '')
                FROM unnest($1::text[]) AS name"""
            before: dict[str, str] = dict(self._connection.execute(query, [list(values)]).fetchall())
            self._set_config(values, local=False)
        try:
            yield
        finally:
            # After an error that ended the connection there is nothing to restore.
            if self._connection.info.transaction_status is TransactionStatus.IDLE:
                with self._translating("settings"):
                    self._set_config(before, local=False)

    def _set_config(self, settings: Mapping[str, str], *, local: bool) -> None:
        self._path.follow(users_code=False)
        set_config(self._connection, settings, local)

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
            raise LlamactlError(ErrorCode.CONFIG, f"{where}: a text is not valid UTF-8") from exc
        except MemoryError as exc:
            raise out_of_memory(where) from exc
