"""Rounds: compute from a snapshot what to write, and write it in batches, until nothing is left.

1. Resolve the lineage; record the rows that need a root, with their places and ids (create_round.sql and the
   following files).
2. Clear the parents that are ignored because of the root flag, and fill, in batches.
3. Repeat, since rows were written, moved or locked meanwhile, until a round finds nothing to write, or after
   some rounds only rows that were added or changed since. If the batches wrote all rows, and a count of rows
   shows that nobody else wrote any (proof.py), that is known without resolving again.

The row itself shows in the next round whether it was written, not the statement's result: a trigger may have
changed, suppressed or reverted the write. The keys of the rows that were tried are recorded (tried); in the
first round only if the table has triggers, since a key per row takes space. A row that was tried twice
without success is reported, and not tried again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from llamactl.checks.blockers import inspect_table
from llamactl.config.settings import Settings
from llamactl.lineage.resolve import prepare_lineage
from llamactl.migrate.dry_run import Projection, project_rows
from llamactl.model import ErrorCode, LlamactlError, Note
from llamactl.model.steps import StepName
from llamactl.online.batches import PASSES, Done, Pending, Work, write_batches
from llamactl.online.proof import Snapshot, prove_unchanged
from llamactl.online.stall import Stall, wait_for_others
from llamactl.table import catalog
from llamactl.table.locks import refuse_replaced, with_lock_retries
from llamactl.table.sessions import snapshot_holders
from llamactl.table.table import Table
from llamactl.wording import listed

OLD_SNAPSHOT_SECONDS = 10
MOST_REWRITES = 30
"""The maximum number of consecutive rewrites of the table by other sessions without a row written."""
MOST_ROUNDS_FOR_YOUNG_ROWS = 5
"""If rows are added faster than rounds end, the newest are left for the next repair."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rows are written."""

    overwrite: bool
    """Also rows whose root differs from the computed one."""
    grace_ms: int
    """Rows younger than this whose chain leaves the log are not written."""
    keyed: bool
    """Whether the first round records what it tries, because the table has triggers."""
    began: float = field(default_factory=time.monotonic)
    """Rows added later also count as young: otherwise a busy application could keep the run from ending."""

    @property
    def old_seconds(self) -> float:
        """The age from which a row must be written before the run may end."""
        return self.grace_ms / 1000 + time.monotonic() - self.began

    def again(self) -> Rules:
        """Returns the rules for the rounds after the first."""
        return replace(self, keyed=True)

    @property
    def values(self) -> Mapping[str, object]:
        return {
            "keyed": self.keyed,
            "overwrite": self.overwrite,
            "grace_seconds": self.grace_ms / 1000,
            "passes": PASSES["fill"],
        }


@dataclass(frozen=True, slots=True)
class Round:
    """The result for one snapshot of the log."""

    projected: Projection
    pending: Pending
    snapshot: Snapshot | None = None
    """What can show later that nobody changed its rows; None if nothing is to be written."""

    @property
    def waiting(self) -> int:
        """Young rows whose root could be computed but is not written, since their chain leaves the log."""
        known = self.pending.bare_rows + self.pending.bare_vain
        return max(self.projected.missing - known, 0)

    @property
    def altered(self) -> int:
        """Rows whose root differs from the one that was written."""
        return self.pending.altered


@dataclass(frozen=True, slots=True)
class Written:
    """The number of rows that the batches wrote, and the last round."""

    filled: int
    cleared: int
    last: Round


def resolve_round(
    table: Table,
    rules: Rules,
    retries: int,
    note: Note,
    *,
    dry_run: bool = False,
) -> Round:
    """Resolves the lineage from one snapshot, and records for the batches what to write.

    With `dry_run` it records nothing, and is READ ONLY. Raises LlamactlError if the rows make it impossible,
    or the table stays locked.
    """

    def attempt() -> Round:
        transaction = (
            table.session.snapshot()
            if dry_run
            else table.session.transaction(one_snapshot=True, temporary=True)
        )
        with transaction:
            prepare_lineage(table)
            table.run("online/create_round")
            if dry_run:
                table.session.read_only()
            projected = project_rows(table, writing=not dry_run, overwrite=rules.overwrite)
            snapshot = None
            if _asks(projected, rules):
                _note_rows(table, rules)
                if not dry_run:
                    table.run("online/index_pending")
                    snapshot = table.row("online/snapshot", Snapshot)
            refuse_replaced(table)
            pending = table.row("online/pending", Pending, relation=table.relation.oid)
        return Round(projected, pending, snapshot)

    return with_lock_retries(table.session, [table.relation.oid], attempt, retries, note)


def triggered(table: Table) -> bool:
    """Returns whether the table has triggers or rules that may change what is written."""
    return bool(inspect_table(table).named("trigger"))


def _note_rows(table: Table, rules: Rules) -> None:
    age = {"old_seconds": rules.old_seconds}
    table.run("online/fill_pending", **rules.values, **age)
    table.run("online/clear_pending", **age)


def _asks(projected: Projection, rules: Rules) -> bool:
    """Returns whether any row has to be written; if not, the rows' places are not needed."""
    wrong = (rules.overwrite or rules.keyed) and projected.counts.conflicts
    return bool(projected.missing or projected.needs.disregarded or wrong)


def write_rounds(work: Work, settings: Settings, rules: Rules, first: Round) -> Written:
    """Writes until a round finds nothing to write. `first`: the round that was computed last.

    Raises LlamactlError: lock if rows stay locked by others, busy if others rewrite the table repeatedly. The
    last round counts the rows that do not have what was written.
    """
    current, unnoted, cleared, rounds, name = first, 0, 0, 0, StepName.FILL
    stall, rewrites = Stall(first.pending.old_left), 0
    while current.pending.old_rows or (
        current.pending.any_rows and (stall.rounds or rounds < MOST_ROUNDS_FOR_YOUNG_ROWS)
    ):
        if stall.rounds and not wait_for_others(work, current.pending, stall):
            break
        before, begun = current.pending, time.monotonic()
        work.run.expect(before.rows)
        _warn_of_old_snapshots(work)
        clearing = _clear(work, current)
        with work.run.step(name):
            values = {"overwrite": rules.overwrite, "keyed": rules.keyed}
            filling = write_batches(work, "fill", before, values)
        cleared, unnoted = cleared + clearing.rows, unnoted + (0 if rules.keyed else filling.rows)
        name, rules, written = StepName.LAST_PASS, rules.again(), clearing.rows + filling.rows
        with work.run.step(StepName.LAST_PASS):
            current = _completed(work, current, filling) or resolve_round(
                work.table, rules, work.retries, work.note
            )
        if clearing.rewritten or filling.rewritten:
            rewrites = 0 if written else rewrites + 1
            _refuse_rewrites(work, rewrites)
        else:
            rounds, rewrites = rounds + 1, 0
            stall.judge(before, current.pending, written, begun)
    work.run.wait_for(None)
    filled = unnoted + max(current.pending.tried - current.pending.lost, 0)
    return Written(filled, cleared, current)


def _completed(work: Work, current: Round, filling: Done) -> Round | None:
    """Returns the next round without resolving, if it is proved that nothing is left to write."""
    before, projected = current.pending, current.projected
    # Rows that wait for the end of the grace may have reached it.
    if current.snapshot is None or not before.provable or current.waiting or triggered(work.table):
        return None
    tried = prove_unchanged(work, current.snapshot, before.fill_rows, filling)
    if tried is None:
        return None
    corrected = before.fill_rows - before.bare_rows
    counts = replace(projected.counts, conflicts=projected.counts.conflicts - corrected)
    return Round(replace(projected, counts=counts, missing=0), Pending.none(tried, before.shape))


def _clear(work: Work, current: Round) -> Done:
    if not current.pending.clear_rows:
        return Done(0, False)
    with work.run.step(StepName.CLEAR_PARENTS):
        with work.table.session.transaction():
            for path in ("migrate/create_cleared_parent", "migrate/upgrade_parents"):
                work.table.run(path)
        values = {**catalog.identity(work.table.relation), "relation": work.table.relation.oid}
        return write_batches(work, "clear", current.pending, values)


def _refuse_rewrites(work: Work, rewrites: int) -> None:
    """Raises LlamactlError (busy) if the table was rewritten too often before a batch found a row."""
    if rewrites >= MOST_REWRITES:
        raise LlamactlError(
            ErrorCode.BUSY,
            f"Other sessions rewrote the table {rewrites} times in a row (VACUUM FULL, CLUSTER), so its rows "
            "moved before they could be written",
            "Wait until these sessions have finished, then rerun the same command",
        )


def _warn_of_old_snapshots(work: Work) -> None:
    old = [
        holder.sentence()
        for holder in snapshot_holders(work.table.session)
        if (holder.age_seconds or 0) >= OLD_SNAPSHOT_SECONDS
    ]
    if old:
        work.note(f"Old snapshots prevent the reuse of space, so the table grows: {listed(old)}")
