"""Matches the parents saved in llamactl.cleared_parent with the rows that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from llamactl.db.session import Session
from llamactl.lineage.resolve import integer_limits
from llamactl.model import IdKind, Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table import catalog
from llamactl.table.table import Table

_NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class Cleared:
    """The result of parents.sql."""

    restored: int = 0
    restored_from_0_1: int = 0
    kept: int = 0
    back: int = 0
    gone: int = 0
    other_row: int = 0
    other_key: int = 0
    misfit: int = 0
    unmatched_from_0_1: int = 0
    other_oid: int = 0
    done: int = 0
    renamed: int = 0
    others: int = 0
    formerly: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def unmatched(self) -> int:
        """Saved parents that match no row. They stay saved."""
        return self.gone + self.other_row + self.other_key + self.misfit


def prepare_saved_parents(session: Session) -> None:
    """Creates the temporary table that match_saved_parents() needs; it is dropped with the transaction."""
    session.run(load_query("undo/create_matched", _NO_NAMES))


def match_saved_parents(table: Table) -> Cleared:
    """Returns what happens to the parents that were cleared. Call prepare_saved_parents() first."""
    values = match_parameters(table.relation)
    table.run("undo/match_parents", **values)
    table_name = {name: values[name] for name in ("relation", "schema", "table")}
    return table.row("undo/parents", Cleared, **table_name)


def match_parameters(relation: Relation) -> dict[str, object]:
    """Returns the parameters of match_parents.sql."""
    parent = relation.columns["parent_job_id"]
    kind = {"uuid": parent.kind is IdKind.UUID}
    return {**catalog.identity(relation), **integer_limits(parent), **kind}
