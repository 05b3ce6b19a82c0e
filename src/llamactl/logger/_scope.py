"""Rows that wait for a commit, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

from llamactl.logger._failures import server_refused
from llamactl.logger._rules import LoggerError
from llamactl.model import ErrorCode

if TYPE_CHECKING:
    from llamactl.logger._buffer import Row
    from llamactl.logger._core import LoggerCore

_innermost: ContextVar[Held | None] = ContextVar("llamactl_held", default=None)


class Fate(Enum):
    """What became of the transaction that rows are held for."""

    COMMITTED = "written"
    ROLLED_BACK = "rolled_back"
    UNKNOWN = "unknown"


class Held:
    """The rows recorded in a block: released where it ends, dropped where it is rolled back.

    A block within another one of the same connection is a savepoint: its rows go to the outer one. So do
    those of any block within hold(), which knows no connection. Tasks started inside share the block.
    """

    def __init__(self, core: LoggerCore, connection: Any) -> None:
        self.core, self.connection, self.outer = core, connection, innermost(core)
        self.process = core._process
        self.rows: list[Row] = []
        self.over = False
        self.fate = Fate.COMMITTED

    def drop(self) -> None:
        """The block's rows are not to be written, however it ends: for work that was rolled back."""
        self.fate = Fate.ROLLED_BACK

    def enclosing(self) -> Held | None:
        """The block that decides about these rows once this one has ended well."""
        outer = self.outer
        while outer and outer.connection is not None and outer.connection is not self.connection:
            outer = outer.outer
        return outer


def innermost(core: LoggerCore) -> Held | None:
    """Returns the block of this logger that the thread or task is in; one that was left at a fork is none."""
    held = _innermost.get()
    while held and (held.over or held.core is not core or held.process != core._process):
        held = held.outer
    return held


@contextmanager
def inside(held: Held) -> Iterator[None]:
    """Has the rows held that are recorded inside, and then what its fate says."""
    before = _innermost.get()
    _innermost.set(held)
    try:
        yield
    finally:
        _innermost.set(before)
        held.over = True
        held.core._settle(held)


@contextmanager
def hold(core: LoggerCore) -> Iterator[Held]:
    """A block for transactions that something else ends, of which no more is seen than an exception."""
    held = Held(core, None)
    with inside(held):
        try:
            yield held
        except Exception as error:
            lost = isinstance(error, psycopg.OperationalError) and not server_refused(error)
            held.fate = Fate.UNKNOWN if lost and held.fate is Fate.COMMITTED else Fate.ROLLED_BACK
            raise
        except BaseException:  # a task that is cancelled, Ctrl-C: perhaps inside COMMIT
            if held.fate is Fate.COMMITTED:
                held.fate = Fate.UNKNOWN
            raise


class Watch:
    """How a block's transaction, or savepoint, ended, as reported by the code that drives psycopg's.

    1. begin() before it, and, within psycopg's block, inside().
    2. failed() for an exception that leaves the application's block, else ending().
    3. ended() for what psycopg's block raises.
    """

    def __init__(self, held: Held, force_rollback: bool) -> None:
        self._held, self._force_rollback = held, force_rollback
        self._sent = self._done = self._refused = False

    def inside(self, transaction: psycopg.Transaction | psycopg.AsyncTransaction) -> None:
        """Has the answer to COMMIT seen also where psycopg raises something else, as for a cancelled task."""
        # psycopg then cancels the COMMIT, waits for what comes of that, and does not report it. The name is
        # private: where a later version has another, such an end is unknown.
        commit: Callable[[], Generator[Any, Any, None]] | None = getattr(transaction, "_commit_gen", None)
        if commit is None or pipelined(self._held.connection):
            return

        def watched() -> Generator[Any, Any, None]:
            try:
                yield from commit()
            except BaseException as error:
                self._refused = server_refused(error)
                raise
            self._done = True

        transaction._commit_gen = watched  # type: ignore[method-assign]

    def failed(self) -> None:
        """The application's block raises: psycopg rolls back."""
        self._held.fate = Fate.UNKNOWN if self._is_over() else Fate.ROLLED_BACK

    def ending(self) -> None:
        """The application's block ends: psycopg commits. A server that will not gives no error."""
        self._sent = True
        status = self._held.connection.info.transaction_status
        if self._is_over() or status is TransactionStatus.ACTIVE:
            self._held.fate = Fate.UNKNOWN
        elif self._force_rollback or status is not TransactionStatus.INTRANS:
            self._held.drop()

    def ended(self, error: BaseException) -> None:
        """psycopg's block raises."""
        if self._held.fate is not Fate.COMMITTED or self._done:
            return
        savepoint = (outer := self._held.enclosing()) is not None and outer.connection is not None
        lost_before = savepoint and self._held.connection.closed
        known = not self._sent or self._refused or server_refused(error) or lost_before
        self._held.fate = Fate.ROLLED_BACK if known else Fate.UNKNOWN

    def _is_over(self) -> bool:
        """Whether the application has ended the transaction itself, or prepared it (PREPARE TRANSACTION)."""
        connection = self._held.connection
        return not pipelined(connection) and connection.info.transaction_status is TransactionStatus.IDLE


def pipelined(connection: Any) -> bool:
    """Whether the connection is in pipeline mode, where its state is only seen after a sync."""
    return bool(connection.info.pipeline_status is not PipelineStatus.OFF)


def begin(core: LoggerCore, connection: Any) -> None:
    """Sees that the end of the transaction will be seen.

    Raises LoggerError (usage) inside a transaction that the logger did not begin: what transaction() makes
    there is a savepoint, and the commit comes later, unseen.
    """
    held = innermost(core)
    while held and held.connection is not connection:
        held = held.outer
    if held is None and connection.info.transaction_status is not TransactionStatus.IDLE:
        raise LoggerError(
            ErrorCode.USAGE,
            "The connection is already in a transaction, whose commit the logger would not notice",
            "Begin it with logger.transaction(connection), or enclose its commit in logger.hold()",
        )
