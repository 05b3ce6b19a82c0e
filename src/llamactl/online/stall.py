"""Rounds that leave no fewer rows: others hold the rows, or change them as fast as they are written."""

from __future__ import annotations

import time
from dataclasses import dataclass

from llamactl.model import ErrorCode, LlamactlError
from llamactl.online.batches import Pending, Work
from llamactl.table.locks import LockHolder, lock_holders
from llamactl.wording import listed


@dataclass(slots=True)
class Stall:
    """Rounds in a row that left no fewer rows."""

    fewest: int
    """Old rows that a round left; those of the last one would rise and fall with what others change."""
    rounds: int = 0
    began: float = 0.0
    in_vain: bool = True
    """Each of them wrote nothing, or wrote all rows and left as many."""

    def judge(self, before: Pending, after: Pending, written: int, begun: float) -> None:
        """A round has ended that found `before`, wrote so many rows, and left `after`."""
        fewer = after.old_left < self.fewest if self.fewest else written > 0
        self.fewest = min(self.fewest, after.old_left)
        if fewer:
            self.rounds, self.in_vain = 0, True
            return
        if not self.rounds:
            self.began = begun
        self.rounds += 1
        self.in_vain &= written == 0 or before.rows == after.rows <= written


def wait_for_others(work: Work, pending: Pending, stall: Stall) -> bool:
    """Waits, or ends the run where rows stay locked.

    Returns False where others change rows as fast as they are written: the next repair is for these.
    """
    untried = pending.rows - pending.retried
    found = lock_holders(work.table.session, work.table.relation.oid) if untried else []
    holders = [holder for holder in found if _may_hold_rows(holder, stall)]
    named = listed([holder.sentence() for holder in holders])
    if stall.rounds <= work.retries:
        if holders or stall.in_vain:
            reason = f"locked rows: {named}" if holders else "rows that could not be written"
            work.run.wait_for(f"{untried if holders else pending.rows} {reason}")
            work.table.session.sleep(min(0.5 * 2 ** (stall.rounds - 1), 10))
        return True
    if holders:
        raise LlamactlError(
            ErrorCode.LOCK,
            f"{untried} rows are locked by other sessions: {named}",
            "End what is in the way, or give more with --retries",
        )
    return False


def _may_hold_rows(holder: LockHolder, stall: Stall) -> bool:
    """Whether it has been there since before the rounds that left no fewer rows."""
    lasting = holder.age_seconds is None or holder.age_seconds >= time.monotonic() - stall.began
    return lasting and holder.granted and holder.mode in ("RowShareLock", "RowExclusiveLock")
