"""Builds and drops indexes while the application reads and writes.

1. Of the wanted name is there: the wanted one, valid, which is kept; an INVALID one that nobody is building,
   which is dropped; one that somebody is building, or something else, and the build is refused.
2. Who holds a snapshot or the table for long is named: the server waits for them, however long.
3. CREATE INDEX CONCURRENTLY, without the time-outs that would leave it INVALID.
4. What a failed build leaves is dropped again; where that fails too, it is said, and the next run comes to 1.
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
"""Who has been in a transaction for less will not keep a build waiting for long."""

_RETRIES = 5
"""Of a build that a deadlock ended. Locks it waits for."""

_CLEARING = "10s"
"""The longest that clearing away waits for others: an interrupted run is to end."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """What has an index's name (catalog/index.sql)."""

    what: str | None
    """In words; None where nothing has the name."""
    as_wanted: bool
    valid: bool
    """And ready."""
    ours: bool
    builder: int | None
    """The pid of who builds, or may be building, an index on the table."""

    @property
    def left_behind(self) -> bool:
        """By a build that was cut: it serves nobody, and is in the way."""
        return self.as_wanted and not self.valid and self.builder is None


def read_index_state(table: Table, index: str, columns: Sequence[str]) -> IndexState:
    """Returns what has the index's name, against an index on these columns. Reads catalogs only."""
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
    """Builds an index by the file, whose fellow `drop_...` drops it; returns False where it is there already.

    Raises LlamactlError: busy where somebody else builds it, config where something else has its name, and
    what the server says, with what is left of the index.
    """
    table.session.require_own()

    def attempt() -> bool:
        refuse_replaced(table)  # CONCURRENTLY runs outside a transaction: at least just before
        found = read_index_state(table, index, columns)
        if found.as_wanted and found.valid:
            return False
        _refuse(table.relation, index, found)
        if found.left_behind:
            note(
                f"{qualified(table.relation.schema, index)} is INVALID, left by a build that was cut: dropped"
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
    """Drops an index by the file. Raises LlamactlError (busy) while somebody builds one on the table."""
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
    """Raises where something has the name that may not be dropped."""
    if found.what is None or found.left_behind:
        return
    if found.as_wanted and found.builder is not None:
        raise _busy(relation, found.builder)
    shown = qualified(relation.schema, index)
    raise LlamactlError(
        ErrorCode.CONFIG,
        f"Something else has the name of the index {shown}: {found.what}",
        f"Give it another name: ALTER INDEX {shown} RENAME TO ...;",
    )


def _busy(relation: Relation, builder: int) -> LlamactlError:
    table = qualified(relation.schema, relation.name)
    return LlamactlError(
        ErrorCode.BUSY,
        f"pid {builder} builds an index on {table}, or may do so unseen",
        f"Run the command again when it is done, or end it: SELECT pg_terminate_backend({builder});",
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
    """Drops what a failed build left. Returns what is left, as a sentence."""
    shown = qualified(table.relation.schema, index)
    try:
        if read_index_state(table, index, columns).left_behind:
            with table.session.settings(statement_timeout=_CLEARING):
                table.session.autocommit_run(load_query(_dropping(path), table.names))
    except (LlamactlError, KeyboardInterrupt):
        return f"the index {shown} may be left behind, INVALID: the next run drops it"
    return f"the index {shown} is not there"


def _dropping(path: str) -> str:
    return path.replace("/create_", "/drop_")


def tell_who_holds(table: Table, note: Note) -> None:
    """Names who has been in a transaction for long that the server will wait for."""
    holders: dict[int | None, LockHolder | SnapshotHolder] = {
        holder.pid: holder for holder in snapshot_holders(table.session)
    }
    holders |= {holder.pid: holder for holder in lock_holders(table.session, table.relation.oid)}
    old = [holder.sentence() for holder in holders.values() if (holder.age_seconds or 0) >= LONG_SECONDS]
    if old:
        note(f"This waits until these transactions have ended: {listed(old)}")
