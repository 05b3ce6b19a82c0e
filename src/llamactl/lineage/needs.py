"""What the rows make necessary: roots to fill, parents to save and clear."""

from __future__ import annotations

from dataclasses import dataclass

from llamactl.table.table import Table


@dataclass(frozen=True, slots=True)
class Needs:
    """What the rows ask of the migration (needs.sql)."""

    disregarded: int
    save_parents: bool
    fill: bool
    refill: bool
    check_holds: bool
    check_broken: bool

    @property
    def prove(self) -> bool:
        """Rows are written, so that it has to be proved what they hold."""
        return self.fill or self.save_parents


def read_needs(table: Table) -> Needs:
    """Returns what the rows ask for, once lineage is resolved."""
    return table.row("migrate/needs", Needs)
