"""The constraints and triggers that would reject the rows that the migration will write.

Runs in the transaction in which lineage is resolved, before its first write. Nothing is written: for each
constraint, a query counts the rows that it would reject (preflight/refusals.sql).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llamactl.db.session import Session
from llamactl.findings.kinds import make_finding
from llamactl.lineage.needs import Needs
from llamactl.model import Finding, LlamactlError, Relation
from llamactl.sqlfiles.load import as_written, load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.table import Table

_REFUSED = ("22", "23", "P0")
"""SQLSTATE classes of a rejected value; PL/pgSQL raises P0."""
_UNKNOWN = ("0A", "2F", "38", "39", "42")
"""Those of a query that cannot run here: a privilege is missing, or a function depends on its search path."""
_IDS = {
    "check": "LL020",
    "domain of the root": "LL020",
    "unique": "LL021",
    "foreign key": "LL022",
    "trigger": "LL023",
}


@dataclass(frozen=True, slots=True)
class Constraint:
    """A row of refusals.sql."""

    kind: str
    name: str
    definition: str
    query: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A row of taken.sql."""

    what: str
    parents: bool


@dataclass(frozen=True, slots=True)
class _Rows:
    rows: int


def find_refusals(
    table: Table,
    needs: Needs,
    *,
    overwrite: bool = False,
    users_code: bool = True,
) -> Iterator[Finding]:
    """Yields the error findings. `overwrite`: as for repair.

    Unless `users_code`, constraints that run the owner's functions are skipped: a superuser only reads.
    """
    if not (needs.fill or needs.save_parents or overwrite):
        return
    for constraint in _constraints(table, needs, overwrite, users_code):
        refused, why = _try(table.session, constraint)
        if not refused:
            continue
        if constraint.kind == "domain of the parent":
            yield not_nullable(
                table.relation, needs.disregarded, f"of the domain {constraint.name}, which rejects NULL"
            )
            continue
        rows = f"{refused:,} row{'' if refused == 1 else 's'}"
        sample = [f"{ident(constraint.name)}: {why or rows}"]
        what = constraint.definition or f"The domain {constraint.name}"
        yield make_finding(_IDS[constraint.kind], refused, sample, definition=what)


def not_nullable(relation: Relation, rows: int, reason: str, remedy: str = "") -> Finding:
    """Returns the finding that parents cannot be cleared."""
    parent = relation.columns["parent_job_id"]
    remedy = remedy or f"Change the type of {ident(parent.name)},"
    return make_finding("LL019", rows, (), rows=rows, column=ident(parent.name), reason=reason, remedy=remedy)


def parents_column(relation: Relation, rows: int) -> Iterator[Finding]:
    """Yields the finding that parents cannot be cleared, as far as the definition of the column shows it."""
    parent = relation.columns["parent_job_id"]
    column = f"ALTER TABLE {qualified(relation.schema, relation.name)} ALTER COLUMN {ident(parent.name)}"
    if parent.computed:
        yield not_nullable(relation, rows, "generated", "Correct the columns that it is generated from,")
    elif parent.generated:
        yield not_nullable(relation, rows, "an identity", f"{column} DROP IDENTITY;")
    elif parent.not_null:
        yield not_nullable(relation, rows, "NOT NULL", f"{column} DROP NOT NULL;")


def names_taken(table: Table) -> Sequence[Taken]:
    """Returns the objects that have a name that llamactl needs in its own schema, or for its trigger."""
    query = load_query("preflight/taken", Names())
    return table.session.rows(query, Taken, relation=table.relation.oid, guard=table.names.guard)


def _constraints(table: Table, needs: Needs, overwrite: bool, users_code: bool) -> Sequence[Constraint]:
    root, flag = table.relation.root, table.relation.columns.get("is_root_job")
    return table.session.rows(
        load_query("preflight/refusals", Names()),
        Constraint,
        relation=table.relation.oid,
        key=table.relation.columns["id"].name,
        job=table.names.columns["job_id"],
        parent=table.names.columns["parent_job_id"],
        flag=flag.name if flag else "",
        root=root.name if root else "",
        stored_type=root.qualified_type if root else "",
        clearing=needs.save_parents and not table.relation.columns["parent_job_id"].generated,
        overwrite=overwrite,
        users_code=users_code,
    )


def _try(session: Session, constraint: Constraint) -> tuple[int, str]:
    """Returns how many rows it rejects, and the server's message, if any; 0 where that is unknown."""
    query = as_written("preflight/refusals", constraint.query)
    try:
        with session.savepoint():
            return session.row(query, _Rows).rows, ""
    except LlamactlError as exc:
        state = getattr(exc.__cause__, "sqlstate", None) or ""
        if state.startswith(_UNKNOWN):
            return 0, ""
        if not state.startswith(_REFUSED):
            raise
        return 1, str(exc.__cause__).partition("\n")[0]
