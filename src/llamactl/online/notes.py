"""Notes at the end of a run: rows that do not have the value that was written, and why."""

from __future__ import annotations

from dataclasses import dataclass

from llamactl.model.words import plural
from llamactl.online.rounds import Round, triggered
from llamactl.table.table import Table


def _spoiled(first: Round, last: Round) -> int:
    """Returns how many more rows have a wrong root than before: ids or roots were changed meanwhile."""
    return max(last.projected.counts.conflicts - first.projected.counts.conflicts - last.altered, 0)


@dataclass(frozen=True, slots=True)
class Unwritten:
    """The rows that make a run fail: they do not have what it wrote.

    If the table has no trigger, the application changed parents meanwhile, which is not a failure of the run.
    """

    unfilled: int
    """Rows that have no root although one was written, or got a wrong one during the run."""
    uncleared: int
    """Rows that have a parent although it was cleared."""


def find_unwritten(table: Table, first: Round, last: Round) -> Unwritten:
    """Returns the rows that do not have what was written, as counted after the last round."""
    by_trigger = triggered(table)
    return Unwritten(
        last.pending.unfilled + (_spoiled(first, last) if by_trigger else 0),
        last.pending.uncleared if by_trigger else 0,
    )


def unwritten_notes(unwritten: Unwritten, first: Round, last: Round) -> list[str]:
    """Returns notes on rows that do not have the root that was written, or that is now correct."""
    pending, notes = last.pending, []
    if rows := _spoiled(first, last):
        notes.append(
            f"{plural(rows, 'row', 'more rows')} got a wrong root during the run: a trigger (llamactl "
            "preflight, LL109) or another session changed ids or roots; `llamactl repair --overwrite` "
            "corrects this"
        )
    why = "a trigger on the table changes or suppresses the writes (llamactl preflight, LL109)"
    if pending.unfilled:
        notes.append(
            f"{plural(pending.unfilled, 'row does', 'rows do')} not have the root that was written: {why}. "
            f"Once it no longer does, run `llamactl repair{' --overwrite' if last.altered else ''}`"
        )
    if rows := unwritten.uncleared:
        notes.append(
            f"{plural(rows, 'row', 'rows')} with the root flag still had a parent after it was "
            f"cleared: {why}. Once it no longer does, run `llamactl repair`"
        )
    return notes


def later_notes(unwritten: Unwritten, last: Round, *, keep_guard: bool, guarded: bool) -> list[str]:
    """Returns notes on the rows that are left for the next repair, and on a guard that stays."""
    notes = []
    if (left := last.pending.bare_rows) and not last.pending.unfilled:
        rows = plural(left, "row that was added meanwhile has", "rows that were added meanwhile have")
        notes.append(f"{rows} no root: run `llamactl repair`")
    if (left := last.pending.parents_left) and not unwritten.uncleared:
        rows = plural(left, "row with the root flag was", "rows with the root flag were")
        notes.append(f"{rows} given a parent meanwhile: `llamactl repair` clears it")
    if last.waiting:
        rows = plural(
            last.waiting, "row whose chain leaves the log is", "rows whose chain leaves the log are"
        )
        notes.append(f"{rows} younger than --grace and not filled yet: run `llamactl repair` later")
    if keep_guard:
        notes.append(
            "The guard stays on the table: `llamactl guard remove` removes it"
            if guarded
            else "The guard stays, but its trigger is disabled: new rows get no root (llamactl guard status)"
        )
    return notes
