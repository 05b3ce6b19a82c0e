"""Sessions that hold or wait for locks on the user's table, the claim on it, and retries for a lock."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from llamactl.db.errors import LOCK_ERRORS
from llamactl.db.session import Session
from llamactl.model import Column, ErrorCode, LlamactlError, Note, Relation
from llamactl.model.words import plural
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
"""The application_name of sessions that alter the table, which may be followed by a step."""


@dataclass(frozen=True, slots=True)
class _Named:
    oid: int
    columns: tuple[str, ...]
    """Each followed by its type."""


@dataclass(frozen=True, slots=True)
class _Claimed:
    claimed: bool


def is_llamactl(application: str) -> bool:
    """Returns whether a session is one of llamactl's, whose name is more informative than its query."""
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
    """The age of its transaction; None if the role may not see it."""
    wait_seconds: float | None
    query: str | None
    """The query, redacted()."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", redacted(self.query))

    def sentence(self) -> str:
        """Returns one line: who, for how long, which lock, which query."""
        who = f"pid {self.pid}" if self.pid is not None else str(self.state)
        by = f" {self.user_name}" if self.user_name else ""
        program = f" ({self.application})" if self.application else ""
        state = f" {self.state}," if self.pid is not None and self.state else ""
        age = f" in a transaction for {duration(self.age_seconds)}," if self.age_seconds is not None else ""
        holds = f" holds {self.mode}"
        if not self.granted:
            waited = f" for {duration(self.wait_seconds)}" if self.wait_seconds is not None else ""
            holds = f" has been waiting for {self.mode}{waited}"
        query = f": {self.query}" if self.query and not is_llamactl(self.application) else ""
        return f"{who}{by}{program}{':' if state or age else ''}{state}{age}{holds}{query}"

    def ending(self) -> str:
        """Returns the statement that terminates the session."""
        return f"SELECT pg_terminate_backend({self.pid});"


def lock_holders(session: Session, oid: int) -> list[LockHolder]:
    """Returns the other sessions that hold or wait for a lock on the relation, the oldest first."""
    look_again(session)
    return session.rows(load_query("catalog/locks", _NO_NAMES), LockHolder, relation=oid)


def blocking_sessions(session: Session, *oids: int) -> list[str]:
    """Returns a sentence on each session that holds or waits for a lock on the relations."""
    return [holder.sentence() for oid in oids for holder in lock_holders(session, oid)]


def look_again(session: Session) -> None:
    """Makes the server forget its statistics on other sessions, which it caches until a transaction ends."""
    session.run(load_query("catalog/look_again", _NO_NAMES))


def locked(session: Session, oid: int, shown: str) -> LlamactlError:
    """Returns the error for a lock that timed out.

    It names the blocking sessions, or another llamactl run.
    """
    holders = lock_holders(session, oid)
    ours = [holder for holder in holders if holder.application.partition(":")[0] in _ALTERING]
    if ours:
        return another_run(ours)
    named = listed([holder.sentence() for holder in holders]) or "the lock has just been released"
    return LlamactlError(
        ErrorCode.LOCK,
        f"Timed out waiting for a lock on {shown}: {named}",
        "Rerun the command when the lock is released, or increase --lock-timeout",
    )


@contextmanager
def reading(session: Session, oid: int, shown: str) -> Iterator[None]:
    """For statements that read the table without retries: a lock error names the blocking sessions."""
    try:
        yield
    except LlamactlError as exc:
        if exc.code is not ErrorCode.LOCK:
            raise
        raise locked(session, oid, shown) from exc


def claim_table(session: Session, oid: int) -> None:
    """Claims the table for the open transaction, without waiting.

    Raises LlamactlError (busy), naming the session that holds the claim.
    """
    if session.row(load_query("migrate/claim", _NO_NAMES), _Claimed, relation=oid).claimed:
        return
    raise another_run(claimants(session, oid))


def claimants(session: Session, oid: int) -> list[LockHolder]:
    """Returns the other session that holds the claim on the table, if there is one."""
    return session.rows(load_query("migrate/claimant", _NO_NAMES), LockHolder, relation=oid)


def refuse_claimed(session: Session, oid: int) -> None:
    """Raises LlamactlError (busy) if another run is active, before the user is asked anything."""
    if holders := claimants(session, oid):
        raise another_run(holders)


def refuse_replaced(table: Table) -> None:
    """Raises LlamactlError (busy) if another table now has the name of the one that was read before, or if
    a column that lineage needs now has another name or type.

    Call it in the transaction of the statements that use the name, once they hold their lock: from then on
    the name cannot move to another table.
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
    now = f"the name belongs to another table (oid {found[0].oid})" if found else "no table has the name"
    raise LlamactlError(
        ErrorCode.BUSY,
        f"{shown} (oid {table.relation.oid}) was renamed or dropped by another session: {now}; rolled back",
        "Check the table with that name now (llamactl preflight), then rerun the same command",
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
            "Check that the change is intended (llamactl preflight), then rerun the same command",
        )


def _typed(column: Column) -> str:
    return f"{column.name} {column.type_name}"


@contextmanager
def looking_again() -> Iterator[None]:
    """For checking the table again: whatever is wrong now was changed since the command began.

    A configuration error then does not mean that the configuration is wrong, and another run may succeed.
    """
    try:
        yield
    except LlamactlError as exc:
        if exc.code is not ErrorCode.CONFIG:
            raise
        message = f"Another session changed the table since the command began: {exc.message}"
        hint = f"{exc.hint}; then rerun the same command" if exc.hint else "Rerun the same command"
        raise LlamactlError(ErrorCode.BUSY, message, hint) from exc


@contextmanager
def while_held() -> Iterator[None]:
    """For the statements that run while the table is locked. Only the lock on the table itself is retried.

    A lock that times out in here becomes an error that with_lock_retries() does not retry: each attempt would
    block everybody again.
    """
    try:
        yield
    except LlamactlError as exc:
        if exc.code is not ErrorCode.LOCK:
            raise
        message = f"{exc.message} while the table was locked; rolled back"
        raise LlamactlError(exc.code, message, "Check which locks the table's triggers need") from exc


def another_run(holders: Sequence[LockHolder]) -> LlamactlError:
    """Returns the error for a second run while another one is active."""
    named = "; ".join(holder.sentence() for holder in holders) or "it has just ended"
    calls = " ".join(holder.ending() for holder in holders if holder.pid is not None)
    return LlamactlError(
        ErrorCode.BUSY,
        f"Another llamactl run is working on the table: {named}",
        "Rerun the command when it has finished" + (f", or terminate it: {calls}" if calls else ""),
    )


def with_lock_retries(
    session: Session, oids: Sequence[int], attempt: Callable[[], T], retries: int, note: Note
) -> T:
    """Returns the result of the attempt, which runs in its own transaction, so that a failure releases all
    locks.

    `oids`: the relations that it locks.

    1. Attempt. Any error except 55P03 (lock timeout) and 40P01 (deadlock) is raised.
    2. Find the blocking sessions, and report them.
    3. Wait half a second, doubled each time, plus or minus half of it, so that two runs do not stay in step.
    4. After the last attempt, raise LlamactlError (lock) that names the blocking sessions.
    """
    for number in range(1, retries + 2):
        try:
            return attempt()
        except LlamactlError as exc:
            if not isinstance(exc.__cause__, LOCK_ERRORS):
                raise
            failure = exc
        others = "; ".join(blocking_sessions(session, *oids)) or "no session any more"
        if number <= retries:
            wait = 0.5 * 2 ** (number - 1) * random.uniform(0.5, 1.5)
            count = f"attempt {number} of {retries + 1}"
            note(f"{failure.message} ({count}); blocked by: {others}; retrying in {wait:.1f} s")
            session.sleep(wait)
    raise LlamactlError(
        ErrorCode.LOCK,
        f"{failure.message} ({plural(retries + 1, 'attempt')}); blocked by: {others}",
        "Terminate the blocking session, or increase --lock-timeout and --retries",
    ) from failure
