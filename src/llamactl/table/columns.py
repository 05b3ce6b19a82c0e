"""Maps the table's columns to llamactl's names, and finds the key that identifies its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from llamactl.config.settings import Settings
from llamactl.model import Column, ErrorCode, IdKind, LlamactlError
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident
from llamactl.wording import LISTED, folded, listed, near, shell

REQUIRED = ("job_id", "parent_job_id")


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A row of columns.sql."""

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


def map_columns(
    columns: Sequence[ColumnRow], wanted: Names, settings: Settings, *, shown: str, kind: str
) -> dict[str, ColumnRow]:
    """Returns the columns that exist, by llamactl's names. `shown`, `kind`: the relation's, for errors.

    Raises LlamactlError (config) if a required or requested column is missing, or no column is a key.
    """
    by_name = {column.name: column for column in columns}
    # The root column may be named before it exists.
    asked = [ours for ours in settings.columns if ours != "root_job_id"]
    missing = [ours for ours in dict.fromkeys((*REQUIRED, *asked)) if wanted.columns[ours] not in by_name]
    if missing:
        _refuse_missing(shown, missing, wanted, by_name)
    mapped = {ours: by_name[theirs] for ours, theirs in wanted.columns.items() if theirs in by_name}
    key = _key(columns, shown, kind, mapped.get("id") if "id" in settings.columns else None)
    return {**mapped, "id": key} if key else mapped


def _refuse_missing(
    shown: str, missing: Sequence[str], wanted: Names, by_name: dict[str, ColumnRow]
) -> NoReturn:
    absent = ", ".join(ident(wanted.columns[ours]) for ours in missing)
    # Suggest optional columns with similar names too: a missing flag column would otherwise go unnoticed.
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
    hint = f"Similar names: {' '.join(flags)}" if flags else f"Its columns: {listed(list(by_name), 40)}"
    plural = "no columns" if len(missing) > 1 else "no column"
    raise LlamactlError(ErrorCode.CONFIG, f"{shown} has {plural} {absent}", hint)


def _key(columns: Sequence[ColumnRow], shown: str, kind: str, asked: ColumnRow | None) -> ColumnRow | None:
    """Returns the column that identifies rows: the only one of the primary key, or the requested one.

    None if the relation is not a table and so has no key: then its kind is reported instead.
    """
    primary = [column for column in columns if column.key_position is not None]
    alone = [column for column in columns if column.alone_unique and column.not_null]
    key = asked or (primary[0] if len(primary) == 1 else None)
    if kind != "r" or (key and (key in alone or primary == [key])):
        return key
    hint = "; ".join(f"--column {shell(f'id={column.name}')}" for column in alone[:LISTED])
    if asked:
        message = f"Column {ident(asked.name)} of {shown} does not identify its rows: it is not a key"
    elif primary:
        message = f"The primary key of {shown} has {len(primary)} columns, but llamactl needs a single one"
    else:
        message = f"{shown} has no primary key"
    raise LlamactlError(
        ErrorCode.CONFIG,
        message,
        f"Use a NOT NULL column that is unique: {hint}" if hint else "Add a primary key to the table",
    )
