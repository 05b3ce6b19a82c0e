"""Finds the columns that contain the requested id, and the indexes on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llamactl.model import Column, ErrorCode, LlamactlError, Subject, SubjectKind
from llamactl.model.ids import array_literal, as_stored
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table import catalog
from llamactl.table.table import Table
from llamactl.tree.log import Log

Columns = tuple[Column, ...]
ROOTS = ("job_id", "parent_job_id", "root_job_id")
"""The columns that can contain the id of a root."""
CARRYING = ("types", "entity", "album", "artist", "track")
"""The parameters of carrying.sql."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The requested subject, with its id in the notation of the log's columns."""

    subject: Subject
    """With the id as stored in the log."""
    params: Mapping[str, Any]
    """The parameters of counts.sql, except the filters and the results of the walk; includes CARRYING."""
    searched: Sequence[Columns]
    """The columns that are searched; several if a type and an id are searched together."""

    def unindexed(self, log: Log) -> list[str]:
        """Returns the searched columns that no index serves, as a list for CREATE INDEX."""
        return [
            ", ".join(ident(column.name) for column in columns)
            for columns in self.searched
            if not _indexed(log, columns)
        ]


def resolve_subject(table: Table, subject: Subject) -> Asked:
    """Raises LlamactlError: config if no column contains such ids, usage if the id fits none of them."""
    params: dict[str, Any] = dict.fromkeys(("entity", "album", "artist", "track")) | {"types": "{}"}
    params["of_root"] = subject.kind is SubjectKind.ROOT
    if subject.kind is SubjectKind.ROOT:
        columns = [table.relation.columns[name] for name in ROOTS if name in table.relation.columns]
        held = next(filter(None, (as_stored(column, subject.id) for column in columns)), None)
        _as_logged(subject, held, columns[:1])
        return Asked(subject, params, ())
    own = table.relation.columns.get(f"{subject.kind}_id")
    type_, entity = table.relation.columns.get("entity_type"), table.relation.columns.get("entity_id")
    if own is None and (type_ is None or entity is None):
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"{qualified(table.relation.schema, table.relation.name)} has no column for {subject.kind} ids",
            f"Map {subject.kind}_id, or entity_type and entity_id, with --column ours=theirs",
        )
    searched: list[Columns] = []
    held_by: dict[str, str | None] = {}
    if type_ is not None and entity is not None:
        params["types"] = array_literal(type_, _words(table, type_, subject.kind))
        params["entity"] = held_by[entity.name] = as_stored(entity, subject.id)
        searched.append((type_, entity))
    if own is not None:
        params[str(subject.kind)] = held_by[own.name] = as_stored(own, subject.id)
        searched.append((own,))
    held = next(filter(None, held_by.values()), None)
    columns = [column for column in (own, entity) if column is not None]
    return Asked(_as_logged(subject, held, columns), params, searched)


def _as_logged(subject: Subject, held: str | None, columns: Sequence[Column]) -> Subject:
    if held is not None:
        return Subject(subject.kind, held)
    types = " and ".join(f"{ident(column.name)} is {column.type_name}" for column in columns)
    raise LlamactlError(
        ErrorCode.USAGE,
        f"--{subject.kind} {subject.id}: not a valid id, since {types}",
        "Give the complete id",
    )


def _words(table: Table, column: Column, kind: SubjectKind) -> list[str]:
    """Returns the possible values of entity_type for the kind; for an enum, only those that it has."""
    enum = catalog.enum_of(table.session, table.relation.oid, column.name)
    values = enum.values if enum else (kind.upper(), kind.lower(), kind.title())
    return [value for value in values if value.lower() == kind]


def _indexed(log: Log, columns: Columns) -> bool:
    """Returns whether an index begins with the last of the columns, or with all of them in any order."""
    names = [column.name for column in columns]
    pairs = {tuple(sorted(names))} if len(names) > 1 else set()
    return any(
        first == names[-1] or tuple(sorted((first, second or ""))) in pairs for first, second in log.led
    )
