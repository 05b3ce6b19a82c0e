"""Checks whether the relation and its column types can be read as a job log."""

from __future__ import annotations

from collections.abc import Iterator

from llamactl.findings.kinds import make_finding
from llamactl.findings.refusal import refuse_findings
from llamactl.model import Column, Finding, IdKind, Relation
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.catalog import unsupported

UNREADABLE = ("LL006", "LL013", "LL018")
"""Findings with which llamactl cannot interpret the rows."""


_TIMES = ("timestamp without time zone", "timestamp with time zone", "date")


def refuse_unreadable(relation: Relation) -> None:
    """Raises LlamactlError (config) if a column's type does not fit its purpose."""
    refuse_findings(finding for finding in shape_findings(relation) if finding.id in UNREADABLE)


def shape_findings(relation: Relation) -> Iterator[Finding]:
    """Yields the findings on the kind of the relation and the types of its columns."""
    table = qualified(relation.schema, relation.name)
    kind = unsupported(relation)
    if kind:
        yield make_finding("LL013", 1, [table], table=table, kind=kind)
    job, parent = relation.columns["job_id"], relation.columns["parent_job_id"]
    if job.kind is not parent.kind or job.kind is IdKind.OTHER:
        yield make_finding("LL006", 1, [], job_type=job.type_name, parent_type=parent.type_name)
    needs = list(_unusable(relation))
    if needs:
        yield make_finding("LL018", len(needs), needs, needs="; ".join(needs))
    if relation.root:
        yield from _root_shape(table, relation.root, job)


def _unusable(relation: Relation) -> Iterator[str]:
    flag, created = relation.columns.get("is_root_job"), relation.columns.get("created_at")
    if flag and flag.bare_type != "boolean":
        yield f"{ident(flag.name)} is {flag.type_name}, but is_root_job must be boolean"
    if created and created.bare_type not in _TIMES:
        yield f"{ident(created.name)} is {created.type_name}, but created_at must be a timestamp"


def _root_shape(table: str, root: Column, job: Column) -> Iterator[Finding]:
    column = ident(root.name)
    if (root.type_name, root.collation) != (job.type_name, job.collation):
        yield make_finding(
            "LL007",
            1,
            [f"{column} {_type(root)}"],
            root_type=_type(root),
            job_type=_type(job),
            table=table,
            column=column,
        )
    if root.generated:
        remedy = (
            f"ALTER TABLE {table} ALTER COLUMN {column} DROP EXPRESSION; "
            "(or DROP IDENTITY; for an identity column)"
        )
        yield make_finding("LL008", 1, [column], column=column, reason="generated", remedy=remedy)
    if root.not_null:
        remedy = f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL;"
        yield make_finding("LL008", 1, [column], column=column, reason="NOT NULL", remedy=remedy)


def _type(column: Column) -> str:
    return column.type_name + (f" COLLATE {column.collation}" if column.collation else "")
