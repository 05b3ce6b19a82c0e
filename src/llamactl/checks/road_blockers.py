"""What prevents some commands only: migrate --online, repair and the guard. preflight warns, these refuse.

What makes every migration impossible is in blockers and row_blockers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llamactl.checks.blockers import TableFacts
from llamactl.checks.refusals import names_taken
from llamactl.db.session import Session
from llamactl.findings.kinds import make_finding
from llamactl.model import Finding, Relation
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.grants import CREATE, RUNS, USE, WRITE, missing_grants
from llamactl.table.guard_state import read_guard_state
from llamactl.table.indexes import read_index_state
from llamactl.table.runs import read_state_tables
from llamactl.table.table import Table
from llamactl.wording import listed


@dataclass(frozen=True, slots=True)
class _Counted:
    number: int
    sample: tuple[str, ...]


def batch_blockers(relation: Relation, around: TableFacts) -> Iterator[Finding]:
    """Yields what prevents writing in batches, as migrate --online and repair do."""
    if rules := around.named("accompanying rule"):
        table = qualified(relation.schema, relation.name)
        yield make_finding("LL129", len(rules), rules, table=table)


def guard_blockers(table: Table, sample: int) -> Iterator[Finding]:
    """Yields what prevents building the guard's index, where it is missing. Can read every row."""
    if read_guard_state(table).index:
        return
    index = qualified(table.names.schema, table.names.job_index)
    columns = [table.names.columns["job_id"], table.names.columns["parent_job_id"]]
    found = read_index_state(table, table.names.job_index, columns)
    if found.what is not None and not found.as_wanted:
        remedy = f"ALTER INDEX {index} RENAME TO ...;" if " INDEX " in found.what else f"Rename {found.what}."
        reason = f"{index} is {found.what}"
        yield make_finding("LL130", 1, [index], reason=reason, remedy=remedy)
    if any(table.relation.columns[ours].may_exceed_index for ours in ("job_id", "parent_job_id")):
        wide = table.row("preflight/wide_entries", _Counted, sample=sample)
        if wide.number:
            rows = f"{wide.number:,} row{'' if wide.number == 1 else 's'}"
            reason = f"the ids of {rows} are too long for an index entry"
            yield make_finding("LL130", wide.number, wide.sample, reason=reason, remedy="Shorten them.")


def name_blockers(table: Table) -> Iterator[Finding]:
    """Yields the finding that objects have names that llamactl needs."""
    what = [one.what for one in names_taken(table)]
    if what:
        yield make_finding("LL131", len(what), what, reason=listed(what))


def right_blockers(session: Session) -> Iterator[Finding]:
    """Yields what the role lacks to record a run."""
    there = read_state_tables(session)
    if there.recordable:
        return
    if there.owner is not None:
        grant = f"Version 0.1 created llamactl.run: connect as its owner {ident(there.owner)}."
    else:
        schema = (USE, *(() if there.present else (CREATE,)))
        grant = missing_grants(session, schema, dict.fromkeys(RUNS, WRITE))
    yield make_finding("LL208", 1, [session.user], grant=grant)
