"""Finds the user's table, and reads from the catalogs what it is.

In three steps: the relation of the name that was asked for (or of one of the two default names), its columns
under our names, its enum type. What is not there is a configuration error with near names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.model import Column, EnumType, ErrorCode, IdKind, LlamactlError, Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names, quote
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.locks import READ_FOR_LINEAGE, locked
from llamactl.wording import LISTED, folded, listed, near, shell

REQUIRED = ("job_id", "parent_job_id")
_NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class Found:
    """The relation of the name that was asked for."""

    oid: int
    schema_name: str
    table_name: str
    usable: bool

    @property
    def shown(self) -> str:
        return qualified(self.schema_name, self.table_name)


@dataclass(frozen=True, slots=True)
class _Candidate:
    schema_name: str
    table_name: str
    job_log: bool


@dataclass(frozen=True, slots=True)
class _RelationRow:
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
class _ColumnRow:
    name: str
    type_name: str
    bare_type: str
    kind: str
    built_in: bool
    collation: str | None
    bytewise: bool
    not_null: bool
    generated: bool
    computed: bool
    key_position: int | None
    alone_unique: bool
    readable: bool
    updatable: bool
    qualified_type: str

    def column(self) -> Column:
        return Column(
            name=self.name,
            type_name=self.type_name,
            bare_type=self.bare_type,
            kind=IdKind(self.kind),
            built_in=self.built_in,
            collation=self.collation,
            bytewise=self.bytewise,
            not_null=self.not_null,
            generated=self.generated,
            computed=self.computed,
            readable=self.readable,
            updatable=self.updatable,
            qualified_type=self.qualified_type,
        )


@dataclass(frozen=True, slots=True)
class _Label:
    """A line of enum.sql."""

    schema: str
    name: str
    owner: str
    label: str | None


def locate(session: Session, settings: Settings) -> Relation:
    """Returns the table, its columns under our names.

    Raises LlamactlError: config, with near names, where the table or a required column is not there;
    permission, with the GRANT, where it cannot be read or row security hides rows; lock, naming who is in
    the way, where somebody holds it exclusively.
    """
    wanted = Names(columns=settings.columns)  # refuses a column that is not ours
    found = find_table(session, settings)
    try:
        rows = session.rows(load_query("catalog/relation", _NO_NAMES), _RelationRow, relation=found.oid)
    except LlamactlError as exc:
        if exc.code is not ErrorCode.LOCK:
            raise
        raise locked(session, found.oid, found.shown) from exc
    columns = session.rows(load_query("catalog/columns", _NO_NAMES), _ColumnRow, relation=found.oid)
    if not (rows and columns):
        again = "Restore it, then run the same command again"
        raise LlamactlError(ErrorCode.BUSY, f"{found.shown} was dropped by another session just now", again)
    mapped = _map_columns(rows[0], columns, wanted, settings)
    _require_readable(session, found, rows[0], mapped)
    return _relation(session, rows[0], columns, mapped)


def names_for(relation: Relation, settings: Settings) -> Names:
    """Returns the names under which the SQL files reach the table."""
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
    """The values under which a row's parent is saved: the table, and the column that tells its rows apart."""
    key = relation.columns["id"]
    return {
        "relation": f"{quote(relation.schema)}.{quote(relation.name)}",
        "schema": relation.schema,
        "table": relation.name,
        "key_column": key.name,
        "key_type": key.bare_type,
    }


def unsupported(relation: Relation) -> str | None:
    """Returns what the relation is, where it is nothing that llamactl migrates; else None."""
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
            ErrorCode.CONFIG, f"{shown} is {what}", "llamactl works on ordinary tables: name one with --table"
        )


def find_table(session: Session, settings: Settings) -> Found:
    """Returns the table of the name that was asked for, or of one of the two default names; takes no lock.

    Raises LlamactlError (config), with near names, where there is none, or both.
    """
    schema, table = settings.schema or "", settings.table or ""
    found = session.rows(
        load_query("catalog/find", _NO_NAMES),
        Found,
        schema=schema,
        table=table,
        schemas=session.schemas(),
        path=session.search_path,
    )
    found = [one for one in found if one.usable] or found[:1]
    if len(found) == 1:
        return found[0]
    candidates = session.rows(load_query("catalog/relations", _NO_NAMES), _Candidate)
    logs = [qualified(c.schema_name, c.table_name) for c in candidates if c.job_log]
    like_logs = f"Tables that look like job logs: {listed(logs)}" if logs else "No table looks like a job log"
    where = f"schema {ident(schema)}" if schema else "the search path"
    if found:
        both = " and ".join(one.shown for one in found)
        raise LlamactlError(ErrorCode.CONFIG, f"Both {both} are there: name one with --table", like_logs)
    if not table:
        message = f'Neither "LlamaLog" nor llama_logs is in {where} of {session.target}'
        raise LlamactlError(ErrorCode.CONFIG, message, f"{like_logs}; name one with --schema and --table")
    hint = _near_tables(schema, table, candidates) or f"{like_logs}; name one with --schema and --table"
    message = f"There is no table {ident(table)} in {where} of {session.target}"
    raise LlamactlError(ErrorCode.CONFIG, message, hint)


def _near_tables(schema: str, table: str, candidates: Sequence[_Candidate]) -> str:
    """Returns the near names as flags, one's own schema first; a `schema.table` in one flag is understood."""
    bare = table.rpartition(".")[2].strip('"')
    close = near(bare, {c.table_name for c in candidates})
    hits = [c for name in close for c in candidates if c.table_name == name]
    hits.sort(key=lambda c: (close.index(c.table_name), c.schema_name != schema))
    flags = [f"--schema {shell(c.schema_name)} --table {shell(c.table_name)}" for c in hits[:3]]
    return f"Near names: {' or '.join(flags)}" if flags else ""


def _map_columns(
    relation: _RelationRow, columns: Sequence[_ColumnRow], wanted: Names, settings: Settings
) -> dict[str, _ColumnRow]:
    """Returns the columns that exist, under our names."""
    by_name = {column.name: column for column in columns}
    shown = qualified(relation.schema_name, relation.table_name)
    # The root column may be named before it exists.
    asked = [ours for ours in settings.columns if ours != "root_job_id"]
    missing = [ours for ours in dict.fromkeys((*REQUIRED, *asked)) if wanted.columns[ours] not in by_name]
    if missing:
        _refuse_missing(shown, missing, wanted, by_name)
    mapped = {ours: by_name[theirs] for ours, theirs in wanted.columns.items() if theirs in by_name}
    key = _key(relation, columns, shown, mapped.get("id") if "id" in settings.columns else None)
    return {**mapped, "id": key} if key else mapped


def _refuse_missing(
    shown: str, missing: Sequence[str], wanted: Names, by_name: dict[str, _ColumnRow]
) -> NoReturn:
    absent = ", ".join(ident(wanted.columns[ours]) for ours in missing)
    # The optional columns that are spelled alike go with them: a flag column missed would pass unseen.
    alike = {folded(name): name for name in by_name}
    if alike.get(folded("job_id")) == "jobId":
        alike.setdefault(folded("root_job_id"), "rootJobId")
    flags = []
    for ours in wanted.columns:
        if wanted.columns[ours] in by_name or (ours == "id" and ours not in missing):
            continue
        close = near(wanted.columns[ours], by_name) if ours in missing else []
        theirs = alike.get(folded(ours)) or (close[0] if close else None)
        if theirs:
            flags.append(f"--column {shell(f'{ours}={theirs}')}")
    hint = f"Near names: {' '.join(flags)}" if flags else f"Its columns: {listed(list(by_name), 40)}"
    plural = "no columns" if len(missing) > 1 else "no column"
    raise LlamactlError(ErrorCode.CONFIG, f"{shown} has {plural} {absent}", hint)


def _key(
    relation: _RelationRow, columns: Sequence[_ColumnRow], shown: str, asked: _ColumnRow | None
) -> _ColumnRow | None:
    """Returns the column that tells rows apart: the primary key's only one, or the one that was asked for.

    None where the relation is no table, and so has no key: its kind is what is refused then.
    """
    primary = [column for column in columns if column.key_position is not None]
    alone = [column for column in columns if column.alone_unique and column.not_null]
    key = asked or (primary[0] if len(primary) == 1 else None)
    if relation.kind != "r" or (key and (key in alone or primary == [key])):
        return key
    hint = "; ".join(f"--column {shell(f'id={column.name}')}" for column in alone[:LISTED])
    if asked:
        message = f"Column {ident(asked.name)} of {shown} does not tell its rows apart"
    elif primary:
        message = f"The primary key of {shown} has {len(primary)} columns, and llamactl needs one"
    else:
        message = f"{shown} has no primary key"
    raise LlamactlError(
        ErrorCode.CONFIG,
        message,
        f"A NOT NULL column that is unique by itself will do: {hint}" if hint else "Give it a primary key",
    )


def _require_readable(
    session: Session, found: Found, relation: _RelationRow, mapped: dict[str, _ColumnRow]
) -> None:
    user = ident(session.user)
    select = f"GRANT SELECT ON {found.shown} TO {user};"
    if not found.usable:
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"{session.user} may not look into schema {ident(found.schema_name)}",
            f"GRANT USAGE ON SCHEMA {ident(found.schema_name)} TO {user}; {select}",
        )
    unread = [mapped[ours].name for ours in READ_FOR_LINEAGE if ours in mapped and not mapped[ours].readable]
    if unread:
        raise LlamactlError(ErrorCode.PERMISSION, f"{session.user} may not read {found.shown}", select)
    if relation.hidden:
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"Row security on {found.shown} hides rows from {session.user}: every count would be wrong",
            f"Connect as the owner, {ident(relation.owner)} (where row security is not forced), or as a role "
            "with BYPASSRLS",
        )


def require_whole_rows(session: Session, relation: Relation) -> None:
    """Raises LlamactlError (permission), with the GRANT, where the role may not read every column."""
    if not relation.readable:
        shown = qualified(relation.schema, relation.name)
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"{session.user} may not read every column of {shown}",
            f"GRANT SELECT ON {shown} TO {ident(session.user)};",
        )


def _relation(
    session: Session, row: _RelationRow, columns: Sequence[_ColumnRow], mapped: dict[str, _ColumnRow]
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
    """Returns the enum type of the relation's column; None where it has another type."""
    labels = session.rows(load_query("catalog/enum", _NO_NAMES), _Label, relation=oid, column=column)
    if not labels:
        return None
    values = tuple(one.label for one in labels if one.label is not None)
    return EnumType(labels[0].schema, labels[0].name, labels[0].owner, values)
