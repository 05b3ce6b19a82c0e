"""What a run of rounds leaves for a person to know: rows that do not hold what was written, and why."""

from __future__ import annotations

from llamactl.online.rounds import Round, triggered
from llamactl.table.table import Table


def _spoiled(first: Round, last: Round) -> int:
    """Returns how many more rows hold a wrong root than before: ids or roots were changed meanwhile."""
    return max(last.projected.counts.conflicts - first.projected.counts.conflicts - last.altered, 0)


def unfilled(table: Table, first: Round, last: Round) -> int:
    """Returns how many rows lack their root although it was written to them, or hold a wrong one since.

    Where the table has no trigger, the application changed parents meanwhile: that is no failure of the run.
    """
    return last.pending.unfilled + (_spoiled(first, last) if triggered(table) else 0)


def unwritten_notes(first: Round, last: Round) -> list[str]:
    """Returns notes on the rows that do not hold what was written to them, or what is right by now."""
    pending, notes = last.pending, []
    if rows := _spoiled(first, last):
        notes.append(
            f"{rows} rows hold a wrong root that did not before: a trigger (see preflight, LL109) or another "
            "session changed ids or roots meanwhile; `llamactl repair --overwrite` corrects them"
        )
    why = "a trigger on the table changes or suppresses its writes: see preflight (LL109)"
    if pending.unfilled:
        notes.append(
            f"{pending.unfilled} rows do not hold their root although it was written to them: {why}. Without "
            f"it, `llamactl repair{' --overwrite' if last.altered else ''}` fills them"
        )
    if pending.uncleared:
        notes.append(
            f"{pending.uncleared} rows still have the parent that their root flag disregards although it was "
            f"cleared: {why}. Without it, `llamactl repair` clears them"
        )
    return notes


def later_notes(last: Round, *, keep_guard: bool, guarded: bool) -> list[str]:
    """Returns notes on the rows that are left to the next repair, and on a guard that stays."""
    notes = []
    if (left := last.pending.bare_rows) and not last.pending.unfilled:
        notes.append(f"{left} rows that came meanwhile lack their root: `llamactl repair` fills them")
    if (left := last.pending.clear_rows) and not last.pending.uncleared:
        notes.append(f"{left} rows got a parent that their root flag disregards: `llamactl repair` clears it")
    if last.waiting:
        notes.append(
            f"{last.waiting} rows whose chain leaves the log are younger than --grace, and wait for their "
            "parent: `llamactl repair` fills them later"
        )
    if keep_guard:
        notes.append(
            "The guard stays on the table: `llamactl guard remove` takes it off"
            if guarded
            else "The guard stays, but its trigger is disabled: new rows get no root (llamactl guard status)"
        )
    return notes
