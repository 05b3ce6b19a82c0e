"""Reads the properties of the user's table from the catalogs.

In three steps: the relation (lookup.py), its columns by llamactl's names (columns.py), its enum type. If one
of them does not exist, the error lists similar names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.model import EnumType, ErrorCode, IdKind, LlamactlError, Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names, quote
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.columns import ColumnRow, map_columns
from llamactl.table.locks import READ_FOR_LINEAGE, locked
from llamactl.table.lookup import Found, find_table

_NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class _RelationRow:
    """The row of relation.sql."""

    oid: int
    schema_name: str
    table_name: str
    kind: str
    persistence: str
    owner: str
    inheritance: str
    hidden: bool
    rows_estimate: int
    bytes: int
    index_bytes: int
    toast_bytes: int
    server_version: str
    server_version_num: int


@dataclass(frozen=True, slots=True)
class _Label:
    """A row of enum.sql."""

    schema: str
    name: str
    owner: str
    label: str | None


def locate(session: Session, settings: Settings) -> Relation:
    """Returns the table, with its columns by llamactl's names.

    Raises LlamactlError: config, with similar names, if the table or a required column does not exist;
    permission, with the GRANT, if it cannot be read or row security hides rows; lock, with the blocking
    session, if it is locked exclusively.
    """
    wanted = Names(columns=settings.columns)  # rejects names that are not llamactl's
    found = find_table(session, settings)
    try:
        rows = session.rows(load_query("catalog/relation", _NO_NAMES), _RelationRow, relation=found.oid)
    except LlamactlError as exc:
        if exc.code is not ErrorCode.LOCK:
            raise
        raise locked(session, found.oid, found.shown) from exc
    columns = session.rows(load_query("catalog/columns", _NO_NAMES), ColumnRow, relation=found.oid)
    if not (rows and columns):
        again = "Restore it, then rerun the same command"
        raise LlamactlError(ErrorCode.BUSY, f"{found.shown} was dropped by another session just now", again)
    mapped = map_columns(
        columns,
        wanted,
        settings,
        shown=qualified(rows[0].schema_name, rows[0].table_name),
        kind=rows[0].kind,
    )
    _require_readable(session, found, rows[0], mapped)
    return _relation(session, rows[0], columns, mapped)


def names_for(relation: Relation, settings: Settings) -> Names:
    """Returns the names with which the SQL files refer to the table."""
    columns = {**settings.columns, **{ours: column.name for ours, column in relation.columns.items()}}
    enum, job, parent = relation.enum, relation.columns["job_id"], relation.columns["parent_job_id"]
    key = relation.columns.get("id")
    return Names(
        schema=relation.schema,
        table=relation.name,
        columns=columns,
        enum_schema=enum.schema if enum else _NO_NAMES.enum_schema,
        enum=enum.name if enum else _NO_NAMES.enum,
        root_type=job.qualified_type + (f" COLLATE {job.collation}" if job.collation else ""),
        root_cast="pg_catalog.text" if job.kind is IdKind.STRING else job.qualified_type,
        parent_cast="pg_catalog.text" if parent.kind is IdKind.STRING else parent.qualified_type,
        id_cast=key.bare_type if key and key.built_in else "text",
    )


def identity(relation: Relation) -> dict[str, object]:
    """Returns the values under which a parent is saved: the table and the key column."""
    key = relation.columns["id"]
    return {
        "relation": f"{quote(relation.schema)}.{quote(relation.name)}",
        "schema": relation.schema,
        "table": relation.name,
        "key_column": key.name,
        "key_type": key.bare_type,
    }


def unsupported(relation: Relation) -> str | None:
    """Returns what the relation is, if llamactl cannot migrate such a relation; else None."""
    kinds = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "p": "a partitioned table"}
    inheritance = {
        "partition": "a partition of another table",
        "parent": "a table that others inherit from",
        "child": "a table that inherits from another",
    }
    if relation.kind in kinds:
        return kinds[relation.kind]
    if relation.persistence == "t":
        return "a temporary table"
    return inheritance.get(relation.inheritance)


def refuse_unsupported(relation: Relation) -> None:
    """Raises LlamactlError (config) that names what the relation is, unless it is an ordinary table."""
    what = unsupported(relation)
    if what:
        shown = qualified(relation.schema, relation.name)
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"{shown} is {what}",
            "llamactl works on ordinary tables: select one with --table",
        )


def _require_readable(
    session: Session, found: Found, relation: _RelationRow, mapped: dict[str, ColumnRow]
) -> None:
    user = ident(session.user)
    select = f"GRANT SELECT ON {found.shown} TO {user};"
    if not found.usable:
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"{session.user} may not use schema {ident(found.schema_name)}",
            f"GRANT USAGE ON SCHEMA {ident(found.schema_name)} TO {user}; {select}",
        )
    unread = [mapped[ours].name for ours in READ_FOR_LINEAGE if ours in mapped and not mapped[ours].readable]
    if unread:
        raise LlamactlError(ErrorCode.PERMISSION, f"{session.user} may not read {found.shown}", select)
    if relation.hidden:
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"Row security on {found.shown} hides rows from {session.user}, so every count would be wrong",
            f"Connect as the owner, {ident(relation.owner)} (where row security is not forced), or as a role "
            "with BYPASSRLS",
        )


def require_whole_rows(session: Session, relation: Relation) -> None:
    """Raises LlamactlError (permission), with the GRANT, if the role may not read every column."""
    if not relation.readable:
        shown = qualified(relation.schema, relation.name)
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"{session.user} may not read every column of {shown}",
            f"GRANT SELECT ON {shown} TO {ident(session.user)};",
        )


def _relation(
    session: Session, row: _RelationRow, columns: Sequence[ColumnRow], mapped: dict[str, ColumnRow]
) -> Relation:
    return Relation(
        oid=row.oid,
        schema=row.schema_name,
        name=row.table_name,
        kind=row.kind,
        persistence=row.persistence,
        owner=row.owner,
        columns={ours: column.column() for ours, column in mapped.items()},
        enum=enum_of(session, row.oid, mapped["category"].name) if "category" in mapped else None,
        rows_estimate=row.rows_estimate,
        bytes=row.bytes,
        index_bytes=row.index_bytes,
        toast_bytes=row.toast_bytes,
        server_version=row.server_version,
        server_version_num=row.server_version_num,
        inheritance=row.inheritance,
        readable=all(column.readable for column in columns),
        other_columns=tuple(column.name for column in columns if column not in mapped.values()),
    )


def enum_of(session: Session, oid: int, column: str) -> EnumType | None:
    """Returns the enum type of the relation's column; None if the column is not an enum."""
    labels = session.rows(load_query("catalog/enum", _NO_NAMES), _Label, relation=oid, column=column)
    if not labels:
        return None
    values = tuple(one.label for one in labels if one.label is not None)
    return EnumType(labels[0].schema, labels[0].name, labels[0].owner, values)
