"""Detects what other sessions dropped during an online migration: the run then ends with an error."""

from __future__ import annotations

from llamactl.checks.blockers import refuse_blockers
from llamactl.lineage.needs import Needs
from llamactl.model import CheckPolicy, ErrorCode, LlamactlError
from llamactl.table.guard_state import read_guard_state
from llamactl.table.locks import looking_again, refuse_replaced
from llamactl.table.present import read_present
from llamactl.table.table import Table


def refuse_unguarded(table: Table, needs: Needs) -> None:
    """Raises LlamactlError (busy) if the run's guard was dropped: rows added since then have no root."""
    refuse_replaced(table)
    if needs.fill and not read_guard_state(table).installed:
        raise _undone("the guard's trigger")


def refuse_undone(
    before: Table, needs: Needs, check: CheckPolicy, *, dropped_check: bool, keep_guard: bool
) -> None:
    """Raises LlamactlError (busy) if at the end the table lacks something that the run created or found."""
    refuse_replaced(before)
    with looking_again():
        table = Table.open(before.session, before.settings)
        refuse_blockers(table, check=check, passed=("LL010",))
    present = read_present(table)
    checked = needs.check_holds if check is CheckPolicy.AUTO else check is CheckPolicy.NOT_VALID
    standing = read_guard_state(table)
    for what, there in (
        ("the root column", table.relation.root is not None),
        ("the index on the root column", present.index_present),
        ("the CHECK", present.check_present or dropped_check or not checked),
        ("the guard's trigger", standing.installed or not keep_guard),
    ):
        if not there:
            raise _undone(what)


def _undone(what: str) -> LlamactlError:
    return LlamactlError(
        ErrorCode.BUSY,
        f"Another session dropped {what} during the migration",
        "Find out who did, then rerun the same command: it recreates it, and fills rows added since then",
    )
