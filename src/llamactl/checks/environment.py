"""What the migration would encounter: objects on the table, other sessions, disk space. No errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llamactl.checks.blockers import TableFacts
from llamactl.checks.forecast import DISK_PER_BYTE, WAL_PER_BYTE
from llamactl.checks.subscribers import publications, subscriber_ddl
from llamactl.db.session import Session
from llamactl.findings.kinds import make_finding, make_skipped
from llamactl.model import Counts, ErrorCode, Finding, LlamactlError, Relation, Skipped
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import DEFAULT_COLUMNS, Names
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.guard_state import read_guard_state
from llamactl.table.leftovers import find_leftovers
from llamactl.table.locks import LockHolder, claimants, lock_holders
from llamactl.table.sessions import snapshot_holders
from llamactl.table.table import Table
from llamactl.wording import duration, folded, size

OLD_SNAPSHOT_SECONDS = 60
"""A younger one is a query that ends by itself."""
ORDINARY_LOCK_SECONDS = 1
"""Transactions that hold their locks for less are ordinary traffic and do not block a migration."""
UNOWNED_BYTES = 64 * 2**20
"""Less than this can be small files of the server, or a relation that is being created."""
MUCH_DISK = 2**30
_NOT_NEEDED = "Subscribers need no change, because its column list does not change."


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    gid: str
    owner: str
    age_seconds: float
    locks: bool


@dataclass(frozen=True, slots=True)
class Space:
    unowned: int | None


def object_findings(table: Table, around: TableFacts, counts: Counts | None) -> Iterator[Finding]:
    """Yields findings about existing and missing objects that matter whether or not rows must be filled."""
    table_name = qualified(table.relation.schema, table.relation.name)
    for subject, id_, column in (
        ("parent index", "LL108", "parent_job_id"),
        ("job index", "LL201", "job_id"),
    ):
        if not around.named(subject):
            shown = ident(table.names.columns[column])
            yield make_finding(id_, 1, [shown], table=table_name, column=shown)
    job = table.relation.columns["job_id"]
    if job.may_exceed_index and not around.named("job index") and not table.relation.root:
        yield make_finding("LL207", 1, [ident(job.name)], column=ident(job.name), type=job.type_name)
    yield from _some("LL112", around.named("policy"))
    if around.rights.beyond_owner:
        # Even if there is no such code today, the owner can add some before the migration runs.
        yield make_finding("LL128", 1, [table.relation.owner], owner=ident(table.relation.owner))
    yield from _some("LL202", list(_absent(table.relation)))
    if table.relation.root:
        stored = counts.already_set + counts.conflicts if counts else None
        filled = f"{stored} of {counts.total} rows have a value" if counts else "The rows were not read"
        yield make_finding("LL203", 1, [ident(table.relation.root.name)], filled=filled)
    yield from _some("LL204", around.named("root index"))


def _absent(relation: Relation) -> Iterator[str]:
    """Yields the columns that do not exist; first those for which a similar column exists."""
    others = {folded(name): name for name in relation.other_columns}
    absent = [ours for ours in DEFAULT_COLUMNS if ours not in relation.columns and ours != "root_job_id"]
    for ours in sorted(absent, key=lambda ours: folded(ours) not in others):
        theirs = others.get(folded(ours))
        yield f"{ours} (--column {ours}={theirs}?)" if theirs else ours


def fill_findings(table: Table, around: TableFacts, missing: int | None, total: int) -> Iterator[Finding]:
    """Yields what filling `missing` rows of `total` would encounter; None: the rows were not read."""
    if missing == 0 and table.relation.root:
        return
    share = 1.0 if missing is None or not total else missing / total
    changed = (table.relation.bytes - table.relation.toast_bytes) * share
    disk, wal = int(changed * DISK_PER_BYTE), int(changed * WAL_PER_BYTE)
    table_name = qualified(table.relation.schema, table.relation.name)
    rows = (
        "every row that gets a root" if missing is None else f"{missing:,} row{'' if missing == 1 else 's'}"
    )
    yield from _some("LL109", around.named("trigger"), rows=rows)
    needed = subscriber_ddl(table, around)
    first = (
        f"Run on each subscriber first: {needed}"
        if needed
        else "Subscribers need no change, because its column list does not change."
    )
    yield from _some("LL110", publications(around), needed=first)
    yield from _some("LL111", around.named("slot"), wal=size(wal))
    yield from _some("LL113", around.named("dependent"))
    if disk + wal >= MUCH_DISK:
        yield make_finding("LL117", 1, [], disk=size(disk), wal=size(wal))
    yield from _some("LL120", around.named("unvalidated check"), table=table_name)
    yield from _some("LL121", around.named("ddl trigger"))


def guard(table: Table) -> Iterator[Finding]:
    """Yields a finding where the guard's trigger calls a function that differs from this version's."""
    found = read_guard_state(table)
    if found.outdated:
        yield make_finding("LL126", 1, [f"llamactl.{ident(found.function or '')}"])


def views(table: Table) -> Iterator[Finding]:
    """Yields the views that a run of version 0.1 left behind in a server crash; a live run drops its own."""
    found = (
        []
        if claimants(table.session, table.relation.oid)
        else find_leftovers(table.session, table.relation.oid)
    )
    statements = "; ".join(f"DROP VIEW {one.name}" for one in found)
    yield from _some("LL127", [one.name for one in found], statements=statements)


def session_findings(table: Table, around: TableFacts) -> Iterator[Finding]:
    """Yields what other sessions are doing now: old snapshots, locks on the table, prepared transactions."""
    if not around.rights.sees_others:
        yield make_finding("LL119", 1, [table.session.user], remedy=_to_see_others(table.session, around))
    old = [
        holder.sentence()
        for holder in snapshot_holders(table.session)
        if (holder.age_seconds or 0) >= OLD_SNAPSHOT_SECONDS
    ]
    yield from _some("LL114", old)
    lockers = [h.sentence() for h in lock_holders(table.session, table.relation.oid) if _blocking(h)]
    yield from _some("LL115", lockers)
    query = load_query("preflight/prepared", Names())
    prepared = table.session.rows(query, PreparedTransaction, relation=table.relation.oid)
    yield from _some("LL122", [f"{p.gid} of {p.owner}, {duration(p.age_seconds)} old" for p in prepared])


def _to_see_others(session: Session, around: TableFacts) -> str:
    """Returns the GRANT, where one is enough: a role need not inherit from a role that it is a member of."""
    if session.server_version_num >= 160000:
        return f"GRANT pg_read_all_stats TO {ident(session.user)} WITH INHERIT TRUE;"
    if around.rights.inherits:
        return f"GRANT pg_read_all_stats TO {ident(session.user)};"
    return "Connect as a role that inherits the privileges of pg_read_all_stats."


def _blocking(holder: LockHolder) -> bool:
    if holder.pid is None:  # a prepared transaction has a finding of its own
        return False
    age = holder.age_seconds
    return not holder.granted or age is None or age >= ORDINARY_LOCK_SECONDS


def unowned_space_findings(session: Session, around: TableFacts) -> tuple[list[Finding], list[Skipped]]:
    """Returns the space that no relation owns. It is unknown on a standby and while files are created."""
    if around.rights.standby:
        return [], [make_skipped("LL116", "it cannot be computed on a standby")]
    try:
        with session.snapshot():
            session.read_only()
            unowned = session.row(load_query("preflight/space", Names()), Space).unowned
    except LlamactlError as exc:
        if exc.code is not ErrorCode.LOCK:
            raise
        return [], [make_skipped("LL116", "a relation of the database is locked")]
    if unowned is None:
        return [], [make_skipped("LL116", "other sessions are creating files at the moment")]
    if unowned < UNOWNED_BYTES:
        return [], []
    return [make_finding("LL116", 1, [], size=size(unowned))], []


def _some(id_: str, names: Sequence[str], **values: str) -> Iterator[Finding]:
    if names:
        yield make_finding(id_, len(names), names, **values)
