"""Rounds without progress: other sessions lock rows, or change them as fast as they are written."""

from __future__ import annotations

import time
from dataclasses import dataclass

from llamactl.model import ErrorCode, LlamactlError
from llamactl.model.words import plural
from llamactl.online.batches import Pending, Work
from llamactl.table.locks import LockHolder, lock_holders
from llamactl.wording import listed


@dataclass(slots=True)
class Stall:
    """Consecutive rounds after which no fewer rows were left."""

    fewest: int
    """The smallest number of old rows left by a round; that of the last round varies with others' changes."""
    rounds: int = 0
    began: float = 0.0
    in_vain: bool = True
    """Whether each of these rounds wrote nothing, or wrote all rows and left as many."""

    def judge(self, before: Pending, after: Pending, written: int, begun: float) -> None:
        """Evaluates a round that found `before`, wrote `written` rows, and left `after`."""
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
    """Waits for other sessions. Raises LlamactlError (lock) if rows stay locked.

    Returns False if others change rows as fast as they are written: these are left for the next repair.
    """
    untried = pending.rows - pending.retried
    found = lock_holders(work.table.session, work.table.relation.oid) if untried else []
    holders = [holder for holder in found if _may_hold_rows(holder, stall)]
    named = listed([holder.sentence() for holder in holders])
    if stall.rounds <= work.retries:
        if holders or stall.in_vain:
            rows = plural(untried, "locked row") if holders else plural(pending.rows, "row")
            work.run.wait_for(f"{rows}: {named}" if holders else f"{rows} that could not be written")
            work.table.session.sleep(min(0.5 * 2 ** (stall.rounds - 1), 10))
        return True
    if holders:
        raise LlamactlError(
            ErrorCode.LOCK,
            f"Timed out waiting for {plural(untried, 'row')} locked by other sessions: {named}",
            "Terminate the blocking session, or increase --retries",
        )
    return False


def _may_hold_rows(holder: LockHolder, stall: Stall) -> bool:
    """Returns whether the session may hold row locks since before the rounds without progress."""
    lasting = holder.age_seconds is None or holder.age_seconds >= time.monotonic() - stall.began
    return lasting and holder.granted and holder.mode in ("RowShareLock", "RowExclusiveLock")
