"""Builds and drops indexes while the application reads and writes.

1. If the name is taken: a valid index on the same columns is kept; an INVALID one that no session is building
   is dropped; if a session is building it, or the name belongs to something else, the build is refused.
2. Sessions that have held a snapshot or a lock on the table for long are reported: the build waits for them.
3. CREATE INDEX CONCURRENTLY, without the timeouts that would leave it INVALID.
4. An index that a failed build left is dropped; if that fails too, it is reported, and the next run drops it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llamactl.model import ErrorCode, LlamactlError, Note, Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import qualified
from llamactl.table.locks import LockHolder, lock_holders, refuse_replaced, with_lock_retries
from llamactl.table.present import MAINTENANCE_MEMORY
from llamactl.table.sessions import SnapshotHolder, snapshot_holders
from llamactl.table.table import Table
from llamactl.wording import listed

LONG_SECONDS = 5
"""Sessions that have been in a transaction for less are not expected to delay a build for long."""

_RETRIES = 5
"""Retries of a build that ended in a deadlock. It waits for locks without a timeout."""

_CLEARING = "10s"
"""The timeout for dropping a failed build's index, so that an interrupted run ends."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """The object that has an index's name (catalog/index.sql)."""

    what: str | None
    """A description of the object; None if the name is free."""
    as_wanted: bool
    valid: bool
    """Valid and ready."""
    ours: bool
    builder: int | None
    """The pid of a session that is, or may be, building an index on the table."""

    @property
    def left_behind(self) -> bool:
        """Whether it is the remnant of an interrupted build, which is unusable and occupies the name."""
        return self.as_wanted and not self.valid and self.builder is None


def read_index_state(table: Table, index: str, columns: Sequence[str]) -> IndexState:
    """Returns the object that has the index's name, compared with an index on these columns."""
    query = load_query("catalog/index", Names())
    return table.session.row(
        query, IndexState, relation=table.relation.oid, index=index, columns=list(columns)
    )


def read_root_index(table: Table) -> IndexState:
    """Returns what has the name of the index on the root column."""
    names = table.names
    return read_index_state(table, names.index, [names.columns["root_job_id"]])


def build_index(
    table: Table,
    path: str,
    index: str,
    columns: Sequence[str],
    note: Note,
) -> bool:
    """Builds an index with the file `create_...`; returns False if it exists already.

    The file `drop_...` beside it drops the index. Raises LlamactlError: busy if another session is building
    it, config if another object has its name, and the server's error, with what remains of the index.
    """
    table.session.require_own()

    def attempt() -> bool:
        refuse_replaced(
            table
        )  # CONCURRENTLY runs outside a transaction, so this can only be checked before it
        found = read_index_state(table, index, columns)
        if found.as_wanted and found.valid:
            return False
        _refuse(table.relation, index, found)
        if found.left_behind:
            note(
                f"Dropping the INVALID index {qualified(table.relation.schema, index)}, "
                "which an interrupted build left behind"
            )
            table.session.autocommit_run(load_query(_dropping(path), table.names))
        tell_who_holds(table, note)
        _create(table, path, index, columns, note)
        return True

    with table.session.settings(
        lock_timeout="0", statement_timeout="0", maintenance_work_mem=MAINTENANCE_MEMORY
    ):
        return with_lock_retries(table.session, [table.relation.oid], attempt, _RETRIES, note)


def drop_index(table: Table, path: str, note: Note) -> None:
    """Drops an index with the file. Raises LlamactlError (busy) while a session builds one on the table."""
    table.session.require_own()
    refuse_replaced(table)
    builder = read_index_state(table, "", ()).builder
    if builder is not None:
        raise _busy(table.relation, builder)
    tell_who_holds(table, note)
    with table.session.settings(lock_timeout="0", statement_timeout="0"):
        query = load_query(path, table.names)
        with_lock_retries(
            table.session, [table.relation.oid], lambda: table.session.autocommit_run(query), _RETRIES, note
        )


def _refuse(relation: Relation, index: str, found: IndexState) -> None:
    """Raises LlamactlError if the name belongs to something that must not be dropped."""
    if found.what is None or found.left_behind:
        return
    if found.as_wanted and found.builder is not None:
        raise _busy(relation, found.builder)
    shown = qualified(relation.schema, index)
    raise LlamactlError(
        ErrorCode.CONFIG,
        f"The name of the index {shown} is taken: {found.what}",
        f"Rename that object, for example: ALTER INDEX {shown} RENAME TO ...;",
    )


def _busy(relation: Relation, builder: int) -> LlamactlError:
    table = qualified(relation.schema, relation.name)
    return LlamactlError(
        ErrorCode.BUSY,
        f"pid {builder} is building, or may be building, an index on {table}",
        f"Rerun the command when it has finished, or terminate it: SELECT pg_terminate_backend({builder});",
    )


def _create(
    table: Table,
    path: str,
    index: str,
    columns: Sequence[str],
    note: Note,
) -> None:
    try:
        table.session.autocommit_run(load_query(path, table.names))
    except KeyboardInterrupt:
        note(_clear_away(table, path, index, columns))
        raise
    except LlamactlError as exc:
        left = _clear_away(table, path, index, columns)
        raise LlamactlError(exc.code, f"{exc.message}; {left}", exc.hint) from exc.__cause__


def _clear_away(table: Table, path: str, index: str, columns: Sequence[str]) -> str:
    """Drops the index that a failed build left. Returns a sentence on what remains."""
    shown = qualified(table.relation.schema, index)
    try:
        if read_index_state(table, index, columns).left_behind:
            with table.session.settings(statement_timeout=_CLEARING):
                table.session.autocommit_run(load_query(_dropping(path), table.names))
    except (LlamactlError, KeyboardInterrupt):
        return f"the index {shown} may remain, INVALID; the next run drops it"
    return f"the index {shown} was not created"


def _dropping(path: str) -> str:
    return path.replace("/create_", "/drop_")


def tell_who_holds(table: Table, note: Note) -> None:
    """Reports long transactions that the server will wait for."""
    holders: dict[int | None, LockHolder | SnapshotHolder] = {
        holder.pid: holder for holder in snapshot_holders(table.session)
    }
    holders |= {holder.pid: holder for holder in lock_holders(table.session, table.relation.oid)}
    old = [holder.sentence() for holder in holders.values() if (holder.age_seconds or 0) >= LONG_SECONDS]
    if old:
        note(f"Waiting for these transactions to end: {listed(old)}")
