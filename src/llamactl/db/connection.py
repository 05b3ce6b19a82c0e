"""A connection to the server with its session's settings made, and its errors translated."""

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
    """A connection, what it reached, and whose the server's session is."""

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

    @property
    def search_path(self) -> str:
        """The role's own search path, as SHOW gives it."""
        return self._path.role

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
