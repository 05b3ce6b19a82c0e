"""What the rows require: roots to fill, parents to save and clear."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llamactl.table.table import Table


@dataclass(frozen=True, slots=True)
class Needs:
    """What the rows require of the migration (needs.sql)."""

    disregarded: int
    save_parents: bool
    fill: bool
    refill: bool
    check_holds: bool
    check_broken: bool

    @property
    def prove(self) -> bool:
        """Whether rows are written, so that the result has to be checked."""
        return self.fill or self.save_parents


class Need(StrEnum):
    """The condition of a step: a field of Needs."""

    SAVE_PARENTS = "save_parents"
    FILL = "fill"
    REFILL = "refill"
    CHECK_HOLDS = "check_holds"
    CHECK_BROKEN = "check_broken"
    PROVE = "prove"

    def __call__(self, needs: Needs) -> bool:
        """Returns whether the rows require the step."""
        return bool(getattr(needs, self.value))


def read_needs(table: Table) -> Needs:
    """Returns what the rows require, once lineage is resolved."""
    return table.row("migrate/needs", Needs)
