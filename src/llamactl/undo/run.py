"""undo: removes what llamactl created, and restores the parents that it cleared, in one transaction.

1. Read the catalogs and the saved parents, and report what makes the undo impossible before anything is
   locked. A dry run ends here, and so does a run that finds nothing to undo.
2. In one transaction: claim the table without waiting, lock the saved state, take ACCESS EXCLUSIVE as the
   first lock on the table, check again, and only then write.
3. Drop the guard and the CHECK, which must not see the restored parents; restore the parents; then drop the
   indexes, the column and the saved state.
4. If a lock times out, everything is released and the transaction is retried (locks.with_lock_retries).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from llamactl.checks.blockers import find_blockers, inspect_table, refuse_without_temporary
from llamactl.checks.subscribers import after_undo
from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.findings.refusal import refuse_findings
from llamactl.migrate.estimates import blocked_seconds, estimate_undo
from llamactl.migrate.steps import PlannedStep, timed
from llamactl.model import (
    ErrorCode,
    LlamactlError,
    Note,
    Parents,
    ParentsFrom01,
    Step,
    UndoReport,
)
from llamactl.model.steps import StepName
from llamactl.model.words import plural
from llamactl.sqlfiles.quoting import ident
from llamactl.table.leftovers import drop_leftovers
from llamactl.table.locks import (
    claim_table,
    looking_again,
    refuse_claimed,
    refuse_replaced,
    while_held,
    with_lock_retries,
)
from llamactl.table.present import read_present
from llamactl.table.table import Table
from llamactl.undo.notes import undo_notes, undo_warnings
from llamactl.undo.saved_parents import match_saved_parents, prepare_saved_parents
from llamactl.undo.steps import (
    LOCKS,
    OF_THE_STATE,
    Standing,
    plan_locks,
    plan_undo_steps,
    read_standing,
    read_state_tables,
)
from llamactl.wording import about, listed

ALTERING = ("LL001", "LL005")
UPDATING = ("LL015", "LL016")
"""The findings of preflight that prevent dropping objects, and those that prevent restoring parents."""


def undo_migration(
    session: Session,
    settings: Settings,
    *,
    dry_run: bool,
    retries: int,
    confirm: Callable[[str], bool] | None,
    note: Note,
) -> UndoReport:
    """Undoes everything that llamactl did to the table, or with `dry_run` reports what would be undone.

    `confirm` is called once, before any lock; None: do not ask. Raises LlamactlError: config if it cannot be
    undone, permission, lock, busy, interrupted. All of these leave the table unchanged.
    """
    table = Table.open(session, settings)
    if not dry_run:
        refuse_claimed(session, table.relation.oid)
    with session.snapshot():
        state = read_state_tables(table)
        if state.parents:
            refuse_without_temporary(table)
            prepare_saved_parents(session)
        session.read_only()
        begun = time.monotonic()
        standing = read_standing(table)
        looked = time.monotonic() - begun
    _refuse(standing, writing=not dry_run)
    projected = _projected(standing, looked)
    advice = after_undo(standing.table, {step.name for step in projected.steps})
    if dry_run:
        return _with(projected, advice)
    if not projected.steps:
        return _with(replace(_report(False, standing, ()), blocked_seconds=0.0), advice)
    if confirm:
        session.ask(confirm, _question(standing, projected) + (f" {advice}" if advice else ""))
    tables = (*standing.state.tables, table.relation.oid)
    report = with_lock_retries(session, tables, lambda: _attempt(standing, note), retries, note)
    return _with(replace(report, blocked_seconds=session.blocking.seconds), advice)


def _with(report: UndoReport, advice: str) -> UndoReport:
    return replace(report, notes=(*report.notes, advice)) if advice else report


def _attempt(before: Standing, note: Note) -> UndoReport:
    """Runs one transaction.

    Raises LlamactlError, which rolls it back. `before`: the result of the first check.
    """
    table = before.table
    session = table.session
    with session.transaction():
        claim_table(session, table.relation.oid)
        state = read_state_tables(table)
        # The saved state, with the parents to restore, may have been dropped.
        _refuse_changed_state(before.state.tables, state.tables)
        if state.parents:
            prepare_saved_parents(session)
        seconds = {step.name: timed(partial(step.run, table)) for step in plan_locks(state) if step.when}
        session.blocking.begin()
        refuse_replaced(table)
        note(f"Holding ACCESS EXCLUSIVE on {table.shown}: all other sessions are blocked until this is done")
        with while_held():
            return _under_lock(session, table.settings, state.tables, seconds)


def _under_lock(
    session: Session, settings: Settings, locked: tuple[int, ...], seconds: dict[StepName, float]
) -> UndoReport:
    # Everything may have changed between the first check and the locks.
    with looking_again():
        standing = read_standing(Table.open(session, settings))
        _refuse(standing, writing=True)
    _refuse_changed_state(locked, standing.state.tables)
    taken, _ = _choose(standing)
    for step in taken:
        if step.name not in LOCKS:
            session.announce(step.name)
            seconds[step.name] = timed(partial(_take, standing, step))
    shown = tuple(step.shown(standing.table, seconds=seconds.get(step.name)) for step in taken)
    return _report(False, standing, shown)


def _refuse_changed_state(before: tuple[int, ...], now: tuple[int, ...]) -> None:
    if now != before:
        raise LlamactlError(
            ErrorCode.BUSY,
            "Another session changed the schema llamactl while undo was running; rolled back",
            "Rerun the same command. Parents that are no longer saved cannot be restored",
        )


def _take(standing: Standing, step: PlannedStep) -> None:
    """Takes a step. Raises LlamactlError if not all parents were restored."""
    if step.name == StepName.DROP_LEFTOVERS:
        drop_leftovers(standing.table.session, standing.leftovers)
        return
    step.run(standing.table)
    if step.name != StepName.RESTORE_PARENTS:
        return
    wanted = standing.cleared.restored
    now = match_saved_parents(standing.table)
    back = now.back - standing.cleared.back
    if back != wanted:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"Only {back:,} of {plural(wanted, 'cleared parent')} could be restored; rolled back",
            f"A trigger on the table changes or suppresses the update: {listed(standing.marked.firing)}",
        )


def _choose(standing: Standing) -> tuple[list[PlannedStep], tuple[str, ...]]:
    """Returns the steps that are taken, none if there is nothing to undo, and the names of the others."""
    steps = plan_undo_steps(standing)
    taken = [step for step in steps if step.when]
    if all(step.name in LOCKS for step in taken):
        taken = []
    return taken, tuple(step.name for step in steps if step not in taken)


def _refuse(standing: Standing, *, writing: bool) -> None:
    """Raises LlamactlError if the undo is impossible.

    Unless `writing`, privileges to write are not required.
    """
    names = standing.names
    if standing.marked.added_column is not None and standing.marked.blockers:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"Column {ident(names.columns['root_job_id'])} is used by {listed(standing.marked.blockers)}",
            "Drop them or remove their references to the column first: undo does not drop your objects",
        )
    taken, _ = _choose(standing)
    if not taken:
        return
    passed_on = {*(ALTERING if writing else ()), *(UPDATING if standing.cleared.restored else ())}
    found = find_blockers(standing.table, inspect_table(standing.table))
    refuse_findings(finding for finding in found if finding.id in passed_on)
    if writing and standing.state.unowned and any(step.name in OF_THE_STATE for step in taken):
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"{standing.table.session.user} is not the owner of {listed(standing.state.unowned)}",
            f"Connect as the owner, {listed([ident(owner) for owner in standing.state.owners])}",
        )


def _projected(standing: Standing, looked: float) -> UndoReport:
    """Returns the report of a dry run. `looked`: the seconds that matching the saved parents took."""
    relation, restored = standing.relation, standing.cleared.restored
    indexes = read_present(standing.table).index_count
    shown = tuple(
        step.shown(
            standing.table,
            estimate_seconds=estimate_undo(step.name, relation, restored, indexes, looked),
        )
        for step in _choose(standing)[0]
    )
    return replace(_report(True, standing, shown), blocked_estimate_seconds=blocked_seconds(shown))


def _question(standing: Standing, projected: UndoReport) -> str:
    names, cleared, session = standing.names, standing.cleared, standing.table.session
    text = f"Undo the migration of {names.quoted_table()} in database {session.database} on {session.host}?"
    if standing.marked.added_column is not None:
        text += f" Column {ident(names.columns['root_job_id'])} is dropped with its values."
    if cleared.restored:
        text += f" {plural(cleared.restored, 'parent is', 'parents are')} restored."
    keeps_out = f"Nobody can read or write the table for {about(projected.blocked_estimate_seconds)}."
    return " ".join([text, *undo_warnings(standing), keeps_out])


def _report(dry_run: bool, standing: Standing, steps: tuple[Step, ...]) -> UndoReport:
    cleared = standing.cleared
    return UndoReport(
        dry_run=dry_run,
        steps=steps,
        skipped=_choose(standing)[1],
        parents=Parents(
            restored=cleared.restored,
            kept=cleared.kept,
            unmatched=cleared.unmatched,
            gone=cleared.gone,
            other_row=cleared.other_row,
            other_key=cleared.other_key,
            misfit=cleared.misfit,
            renamed=cleared.renamed,
            other_oid=cleared.other_oid,
            from_0_1=ParentsFrom01(cleared.restored_from_0_1, cleared.unmatched_from_0_1),
        ),
        notes=tuple(undo_notes(dry_run, standing, bool(steps))),
    )
