"""Rows that wait for a commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from psycopg.pq import TransactionStatus

from llamactl.logger._rules import LoggerError
from llamactl.model import ErrorCode

if TYPE_CHECKING:
    from llamactl.logger._buffer import Row
    from llamactl.logger._core import LoggerCore

_innermost: ContextVar[Held | None] = ContextVar("llamactl_held", default=None)


class Held:
    """The rows recorded in a block: released where it ends, dropped where it is rolled back.

    A block within another one of the same connection is a savepoint: its rows go to the outer one. So do
    those of any block within hold(), which knows no connection. Tasks started inside share the block.
    """

    def __init__(self, core: LoggerCore, connection: Any, outer: Held | None) -> None:
        self.core, self.connection, self.outer = core, connection, outer
        self.process = core._process
        self.rows: list[Row] = []
        self.over = False
        self.dropped = False

    def drop(self) -> None:
        """The block's rows are not to be written, however it ends: for work that was rolled back."""
        self.dropped = True

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
def holding(core: LoggerCore, connection: Any = None) -> Iterator[Held]:
    """Holds the rows that are recorded inside. Dropped on any exception."""
    held = Held(core, connection, innermost(core))
    before = _innermost.get()
    _innermost.set(held)
    try:
        yield held
    except BaseException:
        held.drop()
        raise
    finally:
        _innermost.set(before)
        held.over = True
        core._settle(held)


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
            "The connection is in a transaction already, whose commit the logger would not see",
            "Begin it with logger.transaction(connection), or let logger.hold() enclose its commit",
        )


def ended_well(held: Held, connection: Any, force_rollback: bool) -> None:
    """Drops the rows of a block that ends without an exception, and yet does not commit."""
    # After an error that the block swallowed, the server answers COMMIT with a rollback, and no error.
    if force_rollback or connection.info.transaction_status is not TransactionStatus.INTRANS:
        held.drop()
