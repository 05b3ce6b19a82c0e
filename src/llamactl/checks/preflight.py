"""preflight: what to know before the migration. Reads only.

1. The catalogs: what makes the migration impossible (blockers), and what it would encounter (environment).
2. Other sessions, as they are now.
3. The rows, in one snapshot, which is made READ ONLY once the temporary tables exist: their lineage. Skipped
   where no temporary table can be created, or where the columns have unusable types.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from llamactl.checks import log_audit
from llamactl.checks.blockers import TableFacts, find_blockers, inspect_table
from llamactl.checks.environment import (
    fill_findings,
    guard,
    object_findings,
    session_findings,
    unowned_space_findings,
    views,
)
from llamactl.checks.forecast import forecast_findings, make_forecast
from llamactl.checks.refusals import find_refusals
from llamactl.checks.road_blockers import batch_blockers, guard_blockers, name_blockers, right_blockers
from llamactl.checks.row_blockers import find_row_blockers
from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.findings.kinds import make_finding, make_skipped
from llamactl.lineage.needs import read_needs
from llamactl.lineage.resolve import (
    Shown,
    count_roots_not_logged,
    count_rows,
    find_cycles,
    prepare_lineage,
    resolve_roots,
)
from llamactl.model import (
    Counts,
    Cycle,
    Finding,
    IdKind,
    Note,
    PreflightReport,
    Relation,
    Severity,
    Skipped,
    TableInfo,
)
from llamactl.sqlfiles.quoting import qualified
from llamactl.table.locks import reading
from llamactl.table.shape import UNREADABLE
from llamactl.table.table import Table

_ORDER = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Group:
    """A row of jobs.sql or rows.sql: the number of jobs or rows of a subject, and a sample."""

    subject: str
    number: int
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowId:
    row_id: str


@dataclass(frozen=True, slots=True)
class Read:
    """What reading the rows resulted in."""

    counts: Counts
    missing: int
    """Rows that lack their computed root."""
    cycles: tuple[Cycle, ...]
    cycles_total: int
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    root_not_logged: int | None


def run_preflight(session: Session, settings: Settings, *, note: Note) -> PreflightReport:
    """Returns all findings, errors first. `note` is called before the part that takes long.

    Raises LlamactlError: config where the table does not exist, permission where it cannot be read, lock.
    """
    table = Table.seen(session, settings)
    with session.snapshot():
        session.read_only()
        around = inspect_table(table)
        found = find_blockers(table, around)
        sessions = [
            *guard(table),
            *views(table),
            *batch_blockers(table.relation, around),
            *name_blockers(table),
            *_of_rights(table, around),
            *session_findings(table, around),
            *forecast_findings(table),
        ]
    read = None
    if not _unreadable(found, around):
        read = _read(table, around, note)
    space, unlooked = unowned_space_findings(session, around)
    found += [
        *object_findings(table, around, read.counts if read else None),
        *fill_findings(table, around, *((read.missing, read.counts.total) if read else (None, 0))),
        *space,
        *sessions,
        *(read.findings if read else ()),
    ]
    found.sort(key=lambda finding: (_ORDER.index(finding.severity), finding.id))
    return PreflightReport(
        findings=tuple(_cut(finding, settings.sample) for finding in found),
        counts=read.counts if read else None,
        cycles=read.cycles if read else (),
        cycles_total=read.cycles_total if read else None,
        table=_table(table.relation, read),
        skipped=_skipped(unlooked, read),
        root_not_logged=read.root_not_logged if read else None,
    )


_OF_THE_ROWS = (
    *("LL004", "LL009", "LL014", "LL019", "LL101", "LL102", "LL103", "LL104", "LL105", "LL106", "LL107"),
    *("LL020", "LL021", "LL022", "LL023", "LL025", "LL118", "LL123", "LL124", "LL125", "LL130", "LL206"),
)


def _of_rights(table: Table, around: TableFacts) -> Iterator[Finding]:
    """Yields what a role that can migrate lacks to migrate online or to repair."""
    if around.rights.owner and not around.rights.standby and not table.session.read_only_default:
        yield from right_blockers(table.session)


def _skipped(unlooked: Sequence[Skipped], read: Read | None) -> tuple[Skipped, ...]:
    rows = read.skipped if read else [make_skipped(id_, "the rows were not read") for id_ in _OF_THE_ROWS]
    return tuple(sorted((*unlooked, *rows), key=lambda one: one.id))


def _unreadable(found: list[Finding], around: TableFacts) -> bool:
    """Whether lineage cannot be computed here; a finding gives the reason."""
    return (
        not around.rights.temporary
        or around.rights.standby
        or any(finding.id in UNREADABLE for finding in found)
    )


def _read(table: Table, around: TableFacts, note: Note) -> Read:
    note(str(make_forecast(table.relation)))
    note(f"Reading every row of {table.shown} in one snapshot")
    with reading(table.session, table.relation.oid, table.shown), table.session.snapshot():
        prepare_lineage(table)
        table.session.read_only()
        resolve_roots(table)
        counts, missing = count_rows(table)
        integers = table.relation.columns["job_id"].kind is IdKind.INTEGER
        cycles, total = (
            find_cycles(table, table.settings.sample, integers=integers)
            if counts.orphans_by.cyclic
            else ((), 0)
        )
        needs = read_needs(table)
        depth, sample = table.settings.depth_alert, table.settings.sample
        groups = {
            **_groups(table, "preflight/jobs", depth=depth, sample=sample),
            **_groups(table, "preflight/rows", sample=sample),
        }
        found = [
            *_of_jobs(table.settings, counts, groups, cycles, total),
            *_of_rows(groups),
            *find_row_blockers(table, Shown(table.settings.sample), needs),
            *find_refusals(table, needs, users_code=not around.rights.beyond_owner),
            *_conflicts(table, counts),
        ]
        found += guard_blockers(table, table.settings.sample)
        audited = [*log_audit.audit_log(table, counts, missing)]
        unlogged = count_roots_not_logged(table, counts) if table.relation.root else None
    found += [one for one in audited if isinstance(one, Finding)]
    if unlogged:
        found.append(make_finding("LL206", unlogged))
    skipped = [one for one in audited if isinstance(one, Skipped)]
    if around.rights.beyond_owner:
        skipped += [
            make_skipped(id_, "a superuser would run the owner's functions") for id_ in ("LL020", "LL023")
        ]
    return Read(counts, missing, cycles, total, tuple(found), tuple(skipped), unlogged)


def _groups(table: Table, path: str, **values: int) -> dict[str, Group]:
    return {group.subject: group for group in table.rows(path, Group, **values)}


def _of_jobs(
    settings: Settings, counts: Counts, groups: dict[str, Group], cycles: tuple[Cycle, ...], total: int
) -> Iterator[Finding]:
    for subject, id_ in (("dangling", "LL103"), ("ambiguous", "LL104")):
        if subject in groups:
            yield make_finding(id_, groups[subject].number, groups[subject].sample)
    if total:
        sample = [
            ", ".join(cycle.jobs) + (f" and {rest} more" if (rest := cycle.size - len(cycle.jobs)) else "")
            for cycle in cycles
        ]
        yield make_finding("LL105", total, sample)
    if deep := groups.get("deep"):
        threshold = settings.depth_alert
        yield make_finding("LL107", deep.number, deep.sample, threshold=threshold, depth=counts.max_depth)


def _of_rows(groups: dict[str, Group]) -> Iterator[Finding]:
    for subject, id_ in (("self-parent", "LL101"), ("contradictory", "LL102"), ("blank", "LL106")):
        if subject in groups:
            yield make_finding(id_, groups[subject].number, groups[subject].sample)


def _conflicts(table: Table, counts: Counts) -> Iterator[Finding]:
    if counts.conflicts:
        rows = table.rows("preflight/conflicts", RowId, sample=table.settings.sample)
        yield make_finding("LL118", counts.conflicts, [row.row_id for row in rows])


def _cut(finding: Finding, sample: int) -> Finding:
    return replace(finding, sample=finding.sample[:sample])


def _table(relation: Relation, read: Read | None) -> TableInfo:
    return TableInfo(
        name=qualified(relation.schema, relation.name),
        rows=read.counts.total if read else None,
        bytes=relation.bytes,
        index_bytes=relation.index_bytes,
        toast_bytes=relation.toast_bytes,
        server_version=relation.server_version,
    )
