"""Plain indexes that the one transaction drops before it fills the column, and builds again afterwards.

Each row that is filled would otherwise get an entry in every index of the table. Nobody else sees the table
without its indexes, since the transaction holds ACCESS EXCLUSIVE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llamactl.migrate.estimates import rebuilding_pays
from llamactl.model import ErrorCode, LlamactlError
from llamactl.sqlfiles.load import as_written
from llamactl.table.present import Present
from llamactl.table.table import Table
from llamactl.wording import listed, shortened

FILE = "migrate/plain_indexes"
_HINT = "Rerun the command with --keep-indexes, which leaves your indexes in place"
_DEFINITION = (ErrorCode.CONFIG, ErrorCode.PERMISSION, ErrorCode.INTERNAL)
"""The codes of errors that another attempt to build the index would meet again."""


@dataclass(frozen=True, slots=True)
class PlainIndex:
    """An index that may be dropped and built again (plain_indexes.sql)."""

    name: str
    dropping: str
    building: list[str]
    expressions: bool


def choose_rebuilt(
    table: Table, present: Present, rows: int, missing: int, *, keep: bool
) -> Sequence[PlainIndex]:
    """Returns the indexes to drop and build again: none if `keep`, or if that takes longer than to keep them.

    `missing`: how many of the rows are filled.

    A dry run and the migration have the same result, as it depends only on the catalogs and the rows.
    """
    if keep or not rebuilding_pays(rows, missing):
        return ()
    return _read_plain_indexes(table, present)


def _read_plain_indexes(table: Table, present: Present) -> Sequence[PlainIndex]:
    return table.rows(
        FILE,
        PlainIndex,
        relation=table.relation.oid,
        root_column=table.names.columns["root_job_id"],
        index=table.names.index if present.index_ours else "",
    )


def rebuild(table: Table, present: Present, dropped: Sequence[PlainIndex]) -> None:
    """Builds the indexes, and compares them with what they were. Raises LlamactlError with what to do."""
    for index in dropped:
        for statement in index.building:
            _build(table, index, statement)
    now = {index.name: index for index in _read_plain_indexes(table, present)}
    changed = [index.name for index in dropped if now.get(index.name) != index]
    if changed:
        raise LlamactlError(
            ErrorCode.CONFIG, f"Indexes differ after they were built again: {listed(changed)}", _HINT
        )


def _build(table: Table, index: PlainIndex, statement: str) -> None:
    try:
        table.session.run(as_written(FILE, statement))
    except LlamactlError as exc:
        if exc.code not in _DEFINITION:
            raise
        reason = shortened(str(exc.__cause__).partition("\n")[0], 200)
        message = f"The index {index.name} could not be built again: {reason}"
        raise LlamactlError(exc.code, message, _HINT) from exc.__cause__
