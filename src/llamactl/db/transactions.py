"""Transactions of a connection: commit, rollback, and what is known to be changed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.pq import TransactionStatus

from llamactl.config.settings import Settings
from llamactl.db.connect import set_config
from llamactl.db.connection import ServerConnection
from llamactl.db.errors import LOCK_ERRORS
from llamactl.db.signals import INTERRUPTS
from llamactl.model import Changed, ErrorCode, LlamactlError
from llamactl.model.steps import StepName


class TransactionalConnection(ServerConnection):
    """A connection whose transactions, savepoints and snapshots are context managers."""

    def __init__(self, settings: Settings, verb: str) -> None:
        super().__init__(settings, verb)
        self._committed = self._committing = False
        self._holds_snapshot = self._snapshot_held = self._in_change = False

    @property
    def changed(self) -> Changed:
        """What has been changed in the database so far, not counting an open transaction."""
        if self._committing:
            return Changed.UNKNOWN
        return Changed.PARTLY if self._committed else Changed.NOTHING

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One snapshot for everything read inside. Always rolled back, including temporary relations."""
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
        """Keeps the first snapshot() inside until the end, so that later ones read the same state."""
        self._holds_snapshot = True
        try:
            yield
        finally:
            self._holds_snapshot = self._snapshot_held = False
            self._end_snapshot()

    def _end_snapshot(self) -> None:
        self._pulse.stop()
        self._roll_back()

    @contextmanager
    def transaction(self, *, one_snapshot: bool = False, temporary: bool = False) -> Iterator[None]:
        """Commits at the end, rolls back on any exception; with `one_snapshot` all reads see the same state.

        `temporary`: it writes only to temporary relations, so that its commit changes nothing. A signal
        during COMMIT is deferred until COMMIT is done.
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
        """In an open transaction: an error inside undoes only what was done inside."""
        self._command(b"SAVEPOINT llamactl", "savepoint")
        try:
            yield
        except LlamactlError:
            if self._connection.info.transaction_status is TransactionStatus.INERROR:
                self._command(b"ROLLBACK TO SAVEPOINT llamactl", "savepoint")
            raise
        self._command(b"RELEASE SAVEPOINT llamactl", "savepoint")

    def read_only(self) -> None:
        """Makes the rest of the open transaction read-only."""
        self._command(b"SET TRANSACTION READ ONLY", "read only")

    def set_local(self, **settings: str) -> None:
        """Makes settings for the rest of the open transaction."""
        with self._translating("set_local"):
            self._set_config(settings, local=True)

    def _begin(self, command: bytes, where: str) -> None:
        if self._connection.info.transaction_status is not TransactionStatus.IDLE:
            raise LlamactlError(ErrorCode.INTERNAL, f"Cannot begin a {where}: a transaction is open")
        with self._translating(where):
            self._path.begin(command)
        if self.pooled:
            with self._translating("session settings"):
                set_config(self._connection, self._accepted, local=True)

    @contextmanager
    def _in_transaction(self) -> Iterator[None]:
        """Behind a pooler, wraps a statement in a transaction, in which alone the path can be pinned."""
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
        """A signal up to here rolls back; during the following COMMIT it is deferred."""
        if self._connection.info.transaction_status is TransactionStatus.INERROR:
            # COMMIT would silently roll back.
            raise LlamactlError(ErrorCode.INTERNAL, "A failed transaction was about to be committed")
        with self._translating("commit"):
            self._path.follow(users_code=True)  # deferred triggers

    def _commit(self, *, changes: bool) -> None:
        with INTERRUPTS.shield():
            self._committing = changes
            try:
                self._command(b"COMMIT", "commit")
            except LlamactlError:
                # An error from the server means that it rolled back; if it is lost, the result is unknown.
                self._committing = changes and self._connection.closed
                raise
            else:
                self._committing, self._committed = False, self._committed or changes
                self._path.committed()
            finally:
                self.blocking.end()

    def _roll_back(self) -> None:
        """Rolls the transaction back; if that fails, closes the connection, so that the server does it."""
        status = self._connection.info.transaction_status
        if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            try:
                self._connection.execute(b"ROLLBACK")
            except psycopg.Error:
                self._connection.close()
        elif status is not TransactionStatus.IDLE:
            self._connection.close()
