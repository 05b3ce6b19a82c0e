"""Who holds or waits for locks on the user's table, the claim on it, and the retries for a lock."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from llamactl.db.errors import LOCK_ERRORS
from llamactl.db.session import Session
from llamactl.model import Column, ErrorCode, LlamactlError, Note, Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.redaction import redacted
from llamactl.wording import duration, listed

if TYPE_CHECKING:
    from llamactl.table.table import Table

T = TypeVar("T")

READ_FOR_LINEAGE = ("id", "job_id", "parent_job_id", "root_job_id", "is_root_job", "created_at")

_NO_NAMES = Names()
_ALTERING = ("llamactl migrate", "llamactl undo")
"""What the sessions that alter the table call themselves; a step may follow."""


@dataclass(frozen=True, slots=True)
class _Named:
    oid: int
    columns: tuple[str, ...]
    """Each with its type."""


@dataclass(frozen=True, slots=True)
class _Claimed:
    claimed: bool


def is_llamactl(application: str) -> bool:
    """Returns whether a session is one of llamactl's: its name then tells more than its query."""
    return application.startswith("llamactl ")


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session, or a prepared transaction, that holds or waits for a lock on the table."""

    pid: int | None
    """None for a prepared transaction."""
    user_name: str | None
    application: str
    state: str | None
    mode: str
    """The strongest lock, as pg_locks names it."""
    granted: bool
    age_seconds: float | None
    """Of its transaction; None where the role may not see it."""
    wait_seconds: float | None
    query: str | None
    """As redacted() shows it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", redacted(self.query))

    def sentence(self) -> str:
        """Returns one line: who, since when, which lock, which query."""
        who = f"pid {self.pid}" if self.pid is not None else str(self.state)
        by = f" {self.user_name}" if self.user_name else ""
        program = f" ({self.application})" if self.application else ""
        state = f" {self.state}," if self.pid is not None and self.state else ""
        age = f" in a transaction for {duration(self.age_seconds)}," if self.age_seconds is not None else ""
        holds = f" holds {self.mode}"
        if not self.granted:
            waited = f" for {duration(self.wait_seconds)}" if self.wait_seconds is not None else ""
            holds = f" waits{waited} for {self.mode}"
        query = f": {self.query}" if self.query and not is_llamactl(self.application) else ""
        return f"{who}{by}{program}{':' if state or age else ''}{state}{age}{holds}{query}"

    def ending(self) -> str:
        """Returns the statement that ends the session."""
        return f"SELECT pg_terminate_backend({self.pid});"


def lock_holders(session: Session, oid: int) -> list[LockHolder]:
    """Returns who holds or waits for a lock on the relation, this session excepted, the oldest first."""
    look_again(session)
    return session.rows(load_query("catalog/locks", _NO_NAMES), LockHolder, relation=oid)


def blocking_sessions(session: Session, *oids: int) -> list[str]:
    """Returns who holds or waits for locks on the relations, a sentence each."""
    return [holder.sentence() for oid in oids for holder in lock_holders(session, oid)]


def look_again(session: Session) -> None:
    """Makes the server forget what it told of other sessions: else that stays until the transaction ends."""
    session.run(load_query("catalog/look_again", _NO_NAMES))


def locked(session: Session, oid: int, shown: str) -> LlamactlError:
    """Returns the error for a lock that was not got in time: who is in the way, and is it one of us."""
    holders = lock_holders(session, oid)
    ours = [holder for holder in holders if holder.application.partition(":")[0] in _ALTERING]
    if ours:
        return another_run(ours)
    named = listed([holder.sentence() for holder in holders]) or "whoever held it has just let go"
    return LlamactlError(
        ErrorCode.LOCK,
        f"{shown} is locked: {named}",
        "Run the command again when that is done, or give a longer --lock-timeout",
    )


@contextmanager
def reading(session: Session, oid: int, shown: str) -> Iterator[None]:
    """For what reads the table, once: the error for a lock that was not got names who is in the way."""
    try:
        yield
    except LlamactlError as exc:
        if exc.code is not ErrorCode.LOCK:
            raise
        raise locked(session, oid, shown) from exc


def claim_table(session: Session, oid: int) -> None:
    """Claims the table for the open transaction. Tried, never waited for.

    Raises LlamactlError (busy) that names who holds the claim.
    """
    if session.row(load_query("migrate/claim", _NO_NAMES), _Claimed, relation=oid).claimed:
        return
    raise another_run(claimants(session, oid))


def claimants(session: Session, oid: int) -> list[LockHolder]:
    """Returns who holds the claim on the table: at most one, this session excepted."""
    return session.rows(load_query("migrate/claimant", _NO_NAMES), LockHolder, relation=oid)


def refuse_claimed(session: Session, oid: int) -> None:
    """Raises LlamactlError (busy) where another run is at work, before anybody is asked anything."""
    if holders := claimants(session, oid):
        raise another_run(holders)


def refuse_replaced(table: Table) -> None:
    """Raises LlamactlError (busy) where another table has the name of the one that was looked at, or
    where a column that lineage needs has another name or type by now.

    Inside the transaction of the statements that name it, once they hold their lock: then the name cannot
    pass to another table any more.
    """
    query = load_query("catalog/named", _NO_NAMES)
    wanted = [
        _typed(table.relation.columns[ours]) for ours in READ_FOR_LINEAGE if ours in table.relation.columns
    ]
    found = table.session.rows(
        query, _Named, schema=table.relation.schema, table=table.relation.name, wanted=wanted
    )
    shown = qualified(table.relation.schema, table.relation.name)
    if [one.oid for one in found] == [table.relation.oid]:
        _refuse_altered(table.relation, shown, found[0].columns)
        return
    now = f"another table has its name (oid {found[0].oid})" if found else "nothing has its name"
    raise LlamactlError(
        ErrorCode.BUSY,
        f"{shown} (oid {table.relation.oid}) was renamed or dropped by another session: {now}; rolled back",
        "See what has the name now (llamactl preflight), then run the same command again",
    )


def _refuse_altered(relation: Relation, shown: str, now: Sequence[str]) -> None:
    looked_at = (relation.columns[ours] for ours in READ_FOR_LINEAGE if ours in relation.columns)
    altered = [
        f"{ident(column.name)} {column.type_name}" for column in looked_at if _typed(column) not in now
    ]
    if altered:
        raise LlamactlError(
            ErrorCode.BUSY,
            f"{shown} was altered by another session since the command began: it had {listed(altered)}; "
            "rolled back",
            "See that this is as you want it (llamactl preflight), then run the same command again",
        )


def _typed(column: Column) -> str:
    return f"{column.name} {column.type_name}"


@contextmanager
def looking_again() -> Iterator[None]:
    """For looking at the table once more: what was in order when the command began, others have changed.

    A configuration error is then no fault in the configuration, and another run may go well.
    """
    try:
        yield
    except LlamactlError as exc:
        if exc.code is not ErrorCode.CONFIG:
            raise
        message = f"Another session changed the table since the command began: {exc.message}"
        hint = f"{exc.hint}; then run the same command again" if exc.hint else "Run the same command again"
        raise LlamactlError(ErrorCode.BUSY, message, hint) from exc


@contextmanager
def while_held() -> Iterator[None]:
    """For what follows the wait for the table, the only one to be tried again.

    A lock that is not got in here becomes an error that with_lock_retries() passes on: each attempt would
    keep everybody out anew.
    """
    try:
        yield
    except LlamactlError as exc:
        if exc.code is not ErrorCode.LOCK:
            raise
        message = f"{exc.message}, while the table was held; rolled back"
        raise LlamactlError(exc.code, message, "See what the table's triggers wait for") from exc


def another_run(holders: Sequence[LockHolder]) -> LlamactlError:
    """Returns the error for a second run beside one that is under way."""
    named = "; ".join(holder.sentence() for holder in holders) or "it ended just now"
    calls = " ".join(holder.ending() for holder in holders if holder.pid is not None)
    return LlamactlError(
        ErrorCode.BUSY,
        f"Another llamactl is at work on the table: {named}",
        "Run the command again when it is done" + (f", or end it: {calls}" if calls else ""),
    )


def with_lock_retries(
    session: Session, oids: Sequence[int], attempt: Callable[[], T], retries: int, note: Note
) -> T:
    """Returns what the attempt returns: a transaction of its own, so that a failed one releases everything.

    `oids`: the relations that it locks.

    1. Attempt. An error other than 55P03 (lock not got in time) and 40P01 (deadlock) ends it.
    2. Ask who is in the way, and tell it.
    3. Wait half a second, doubled each time, give or take half of it, so that two runs do not keep step.
    4. After the last attempt, raise LlamactlError (lock) that names who was in the way.
    """
    for number in range(1, retries + 2):
        try:
            return attempt()
        except LlamactlError as exc:
            if not isinstance(exc.__cause__, LOCK_ERRORS):
                raise
            failure = exc
        others = "; ".join(blocking_sessions(session, *oids)) or "nobody any more"
        if number <= retries:
            wait = 0.5 * 2 ** (number - 1) * random.uniform(0.5, 1.5)
            count = f"attempt {number} of {retries + 1}"
            note(f"{failure.message} ({count}); in the way: {others}; again in {wait:.1f} s")
            session.sleep(wait)
    raise LlamactlError(
        ErrorCode.LOCK,
        f"{failure.message}, in {retries + 1} attempts; in the way: {others}",
        "End what is in the way, or give more with --lock-timeout and --retries",
    ) from failure
