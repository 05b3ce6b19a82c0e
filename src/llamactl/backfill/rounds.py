"""Rounds: what is to be written is worked out from a snapshot, and written in batches, until nothing is left.

1. Resolve the lineage; keep the rows that ask for a root, with their place and ids (create_round.sql, and
   those that follow it).
2. Clear the parents that the root flag disregards, and fill, in batches.
3. Again, since rows were written, moved or locked meanwhile: it is done when a round finds nothing to
   write, or after some rounds only what came or was changed since.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from llamactl import catalog, lineage, projection, queries
from llamactl.backfill import batches
from llamactl.backfill.batches import Pending, Work
from llamactl.db import Session
from llamactl.locks import LockHolder, lock_holders, refuse_replaced, with_lock_retries
from llamactl.model import ErrorCode, LlamactlError, Note, Relation
from llamactl.names import Names
from llamactl.projection import Projection
from llamactl.settings import Settings
from llamactl.snapshots import snapshot_holders
from llamactl.wording import listed

OLD_SNAPSHOT_SECONDS = 10
MOST_ROUNDS_FOR_YOUNG_ROWS = 5
"""Where rows come faster than rounds end, the newest are left to the next repair."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rows are written."""

    overwrite: bool
    """Also those that hold another root than the computed one."""
    grace_ms: int
    """Rows younger than this whose chain leaves the log are left alone."""
    began: float = field(default_factory=time.monotonic)
    """What came since is young too: else an application that goes on writing would keep it from ending."""

    @property
    def old_seconds(self) -> float:
        """The age from which a row must be written before the run may end."""
        return self.grace_ms / 1000 + time.monotonic() - self.began

    @property
    def values(self) -> Mapping[str, object]:
        return {
            "overwrite": self.overwrite,
            "grace_seconds": self.grace_ms / 1000,
            "passes": batches.PASSES["fill"],
        }


@dataclass(frozen=True, slots=True)
class Round:
    """What one snapshot of the log comes to."""

    projected: Projection
    pending: Pending

    @property
    def waiting(self) -> int:
        """Young rows that are left without a root that could be computed: their chain leaves the log."""
        return max(self.projected.missing - self.pending.bare_rows, 0)


@dataclass(frozen=True, slots=True)
class Written:
    """What the batches wrote, in rows, and what the last round found."""

    filled: int
    cleared: int
    last: Round


@dataclass(slots=True)
class _Stall:
    """Rounds in a row that left no fewer rows."""

    fewest: int
    """Old rows that a round left; those of the last one would rise and fall with what others change."""
    rounds: int = 0
    began: float = 0.0
    in_vain: bool = True
    """Each of them wrote nothing, or wrote all rows and left as many."""

    def judge(self, before: Pending, after: Pending, written: int, begun: float) -> None:
        """A round has ended that found `before`, wrote so many rows, and left `after`."""
        fewer = after.old_rows < self.fewest if self.fewest else written > 0
        self.fewest = min(self.fewest, after.old_rows)
        if fewer:
            self.rounds, self.in_vain = 0, True
            return
        if not self.rounds:
            self.began = begun
        self.rounds += 1
        self.in_vain &= written == 0 or before.rows == after.rows <= written


def work_out(
    session: Session,
    settings: Settings,
    relation: Relation,
    names: Names,
    rules: Rules,
    retries: int,
    note: Note,
    *,
    dry_run: bool = False,
) -> Round:
    """Resolves the lineage from one snapshot, and keeps for the batches what is to be written.

    With `dry_run` it keeps nothing: rolled back, and READ ONLY. Raises LlamactlError where the rows make it
    impossible, or the table stays locked.
    """

    def attempt() -> Round:
        transaction = (
            session.snapshot() if dry_run else session.transaction(one_snapshot=True, temporary=True)
        )
        with transaction:
            lineage.prepare(session, names)
            session.run(queries.load("online/create_round", names))
            if dry_run:
                session.read_only()
            projected = projection.project(
                session, settings, relation, names, writing=not dry_run, overwrite=rules.overwrite
            )
            if _asks(projected, rules):
                _note_rows(session, names, rules)
                if not dry_run:
                    session.run(queries.load("online/index_pending", names))
            refuse_replaced(session, relation)
            pending = session.row(queries.load("online/pending", names), Pending, relation=relation.oid)
        return Round(projected, pending)

    return with_lock_retries(session, [relation.oid], attempt, retries, note)


def _note_rows(session: Session, names: Names, rules: Rules) -> None:
    age = {"old_seconds": rules.old_seconds}
    session.run(queries.load("online/fill_pending", names), **rules.values, **age)
    session.run(queries.load("online/clear_pending", names), **age)


def _asks(projected: Projection, rules: Rules) -> bool:
    """Whether any row asks for a write: else nobody need look for its page."""
    wrong = rules.overwrite and projected.counts.conflicts
    return bool(projected.missing or projected.needs.disregarded or wrong)


def write(work: Work, settings: Settings, rules: Rules, first: Round) -> Written:
    """Writes until a round finds nothing to write. `first`: the round that was worked out last.

    Raises LlamactlError: lock where rows stay locked by others, config where writes do not last.
    """
    current, filled, cleared, rounds, name = first, 0, 0, 0, "fill"
    stall = _Stall(first.pending.old_rows)
    while current.pending.old_rows or (
        current.pending.any_rows and (stall.rounds or rounds < MOST_ROUNDS_FOR_YOUNG_ROWS)
    ):
        if stall.rounds and not _wait_for_others(work, current.pending, stall):
            break
        rounds += 1
        before, begun = current.pending, time.monotonic()
        work.run.expect(before.rows)
        _warn_of_old_snapshots(work)
        now_cleared = _clear(work, current)
        with work.run.step(name):
            now_filled = batches.run(work, "fill", before, {"overwrite": rules.overwrite})
        filled, cleared, name = filled + now_filled, cleared + now_cleared, "last_pass"
        with work.run.step("last_pass"):
            current = work_out(
                work.session, settings, work.relation, work.names, rules, work.retries, work.note
            )
        stall.judge(before, current.pending, now_filled + now_cleared, begun)
    work.run.wait_for(None)
    return Written(filled, cleared, current)


def _clear(work: Work, current: Round) -> int:
    if not current.pending.clear_rows:
        return 0
    with work.run.step("clear_parents"):
        with work.session.transaction():
            for path in ("migrate/create_cleared_parent", "migrate/upgrade_parents"):
                work.session.run(queries.load(path, work.names))
        return batches.run(work, "clear", current.pending, catalog.identity(work.relation))


def _wait_for_others(work: Work, pending: Pending, stall: _Stall) -> bool:
    """Waits, or ends the run: rows are locked, or somebody takes back what is written to them.

    Returns False where others change rows as fast as they are written: the next repair is for these.
    """
    holders = [h for h in lock_holders(work.session, work.relation.oid) if _may_hold_rows(h, stall)]
    named = listed([holder.sentence() for holder in holders])
    if stall.rounds <= work.retries:
        if holders or stall.in_vain:
            reason = f"locked rows: {named}" if holders else "rows that could not be written"
            work.run.wait_for(f"{pending.rows} {reason}")
            work.session.sleep(min(0.5 * 2 ** (stall.rounds - 1), 10))
        return True
    stays = work.session.outcome()
    if holders:
        raise LlamactlError(
            ErrorCode.LOCK,
            f"{pending.rows} rows are locked by other sessions: {named}; {stays}",
            "End what is in the way, or give more with --retries",
        )
    if stall.in_vain:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"{pending.rows} rows do not take what is written to them; {stays}",
            "A trigger on the table changes or suppresses its writes: see preflight (LL109)",
        )
    return False


def _may_hold_rows(holder: LockHolder, stall: _Stall) -> bool:
    """Whether it has been there since before the rounds that left no fewer rows."""
    lasting = holder.age_seconds is None or holder.age_seconds >= time.monotonic() - stall.began
    return lasting and holder.granted and holder.mode in ("RowShareLock", "RowExclusiveLock")


def _warn_of_old_snapshots(work: Work) -> None:
    old = [
        holder.sentence()
        for holder in snapshot_holders(work.session)
        if (holder.age_seconds or 0) >= OLD_SNAPSHOT_SECONDS
    ]
    if old:
        work.note(f"Old snapshots keep room from being used again, so the table grows: {listed(old)}")
