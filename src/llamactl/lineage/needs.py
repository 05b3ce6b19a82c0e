"""What the rows make necessary: roots to fill, parents to save and clear."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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


class Need(StrEnum):
    """A condition that a step depends on: a question to Needs, named as its field."""

    SAVE_PARENTS = "save_parents"
    FILL = "fill"
    REFILL = "refill"
    CHECK_HOLDS = "check_holds"
    CHECK_BROKEN = "check_broken"
    PROVE = "prove"

    def __call__(self, needs: Needs) -> bool:
        """Returns whether the rows make the step necessary."""
        return bool(getattr(needs, self.value))


def read_needs(table: Table) -> Needs:
    """Returns what the rows ask for, once lineage is resolved."""
    return table.row("migrate/needs", Needs)
