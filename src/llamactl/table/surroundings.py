"""What the next steps after a migration depend on, besides its report."""

from __future__ import annotations

from dataclasses import dataclass

from llamactl.table.table import Table


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is beside the table and on it (catalog/surroundings.sql)."""

    prisma: bool
    """Prisma keeps its list of migrations in the table's schema."""
    guarded: bool
    """The guard's trigger is on the table and enabled."""


def read_surroundings(table: Table) -> Surroundings:
    """Returns what is beside the table. Reads catalogs only. Raises LlamactlError."""
    return table.row("catalog/surroundings", Surroundings, relation=table.relation.oid)
