"""What makes the migration impossible according to the rows: preflight lists it, migrate refuses.

Runs in the transaction in which lineage is resolved, before its first write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llamactl.checks.refusals import names_taken, parents_column
from llamactl.findings.kinds import make_finding
from llamactl.lineage.needs import Needs
from llamactl.lineage.resolve import Shown, find_misfits
from llamactl.model import Finding
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident
from llamactl.table.grants import CREATE, PARENTS, USE, WRITE, missing_grants
from llamactl.table.table import Table


@dataclass(frozen=True, slots=True)
class Spellings:
    """The row of spellings.sql: ids that differ in bytes although their type treats them as equal."""

    ids: int
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """A number, and a sample."""

    number: int
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Owner:
    """What parents_owner.sql returns."""

    owner: str


def find_row_blockers(table: Table, shown: Shown, needs: Needs) -> Iterator[Finding]:
    """Yields the error findings that the rows give cause for."""
    if needs.save_parents:
        yield from _saving(table, needs.disregarded)
    job, parent = table.relation.columns["job_id"], table.relation.columns["parent_job_id"]
    misfits = find_misfits(table, shown)
    if misfits.jobs:
        yield make_finding("LL009", misfits.jobs, misfits.sample, job_type=job.type_name)
    if job.may_exceed_index:
        table.run("preflight/long_candidates")
        long = table.row("preflight/long_roots", Counted, sample=shown.sample, longest=shown.longest)
        if long.number:
            yield make_finding("LL025", long.number, long.sample)
    if not (job.bytewise and parent.bytewise):
        alike = (job.bare_type, job.collation) == (parent.bare_type, parent.collation)
        query = load_query("preflight/spellings_across" if alike else "preflight/spellings", table.names)
        spellings = table.session.row(query, Spellings, sample=shown.sample, longest=shown.longest)
        if spellings.ids:
            odd = parent if job.bytewise else job
            yield make_finding("LL014", spellings.ids, spellings.sample, type=odd.collation or odd.bare_type)


def _saving(table: Table, rows: int) -> Iterator[Finding]:
    """Yields what prevents saving and clearing the parents that the root flag disregards."""
    taken = names_taken(table)
    if where := [one.what for one in taken if one.parents]:
        yield make_finding("LL028", 1, where, rows=rows, what=where[0])
    for one in table.session.rows(load_query("catalog/parents_owner", Names()), _Owner):
        remedy = f"Version 0.1 created that table: connect as its owner {ident(one.owner)}."
        yield make_finding("LL004", rows, (), rows=rows, grant=remedy)
    if grant := missing_grants(table.session, (USE, CREATE), dict.fromkeys(PARENTS, WRITE)):
        yield make_finding("LL004", rows, (), rows=rows, grant=grant)
    yield from parents_column(table.relation, rows)
