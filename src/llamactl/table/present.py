"""The parts of a migration that exist on the table: column, index, CHECK, enum value."""

from __future__ import annotations

from dataclasses import dataclass

from llamactl.table.table import Table

LABEL = "LINKED"


MAINTENANCE_MEMORY = "256MB"
"""For building indexes; with the server's default of 64MB the sort spills to disk."""


@dataclass(frozen=True, slots=True)
class Present:
    """The parts of the migration that exist already (present.sql)."""

    index_present: bool
    index_ours: bool
    index_marked: bool
    check_present: bool
    check_validated: bool
    check_enforced: bool
    comment_present: bool
    schema_present: bool
    index_count: int
    """The number of the table's indexes, for estimates."""


def read_present(table: Table) -> Present:
    """Returns the parts of the migration that exist already. Reads only the catalogs."""
    return table.row(
        "migrate/present",
        Present,
        relation=table.relation.oid,
        root_column=table.names.columns["root_job_id"],
        check=table.names.check,
        index=table.names.index,
    )
