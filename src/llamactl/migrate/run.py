"""migrate: adds the root column and fills it in one transaction, all or nothing; or reports what it would do.

1. Read the catalogs, and report what makes the migration impossible before anything is locked.
2. A dry run computes the lineage in a READ ONLY snapshot, and reports counts and plan.
3. Otherwise, in one transaction: claim the table without waiting, take ACCESS EXCLUSIVE as the first lock on
   it, check the catalogs again, compute the lineage, check the expectations and whether the ids fit, and only
   then write.
4. If the lock times out, everything is released and the transaction is retried (locks.with_lock_retries).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from llamactl.checks.blockers import refuse_blockers
from llamactl.checks.subscribers import ask_with_warning, subscriber_warning
from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.lineage.resolve import DEFAULT_PLANNER, prepare_lineage
from llamactl.migrate.dry_run import (
    MigrateOptions,
    Projection,
    build_report,
    choose_steps,
    project_migration,
    project_rows,
)
from llamactl.migrate.rebuild import choose_rebuilt, rebuild
from llamactl.migrate.steps import HOUSEKEEPING, PlannedStep, timed
from llamactl.model import (
    ErrorCode,
    LlamactlError,
    MigrationReport,
    Note,
)
from llamactl.model.steps import StepName
from llamactl.model.words import plural
from llamactl.table.leftovers import drop_leftovers, find_leftovers
from llamactl.table.locks import (
    claim_table,
    looking_again,
    refuse_replaced,
    while_held,
    with_lock_retries,
)
from llamactl.table.present import MAINTENANCE_MEMORY, read_present
from llamactl.table.runs import end_runs
from llamactl.table.table import Table
from llamactl.wording import about, listed


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of prove.sql."""

    unfilled: int
    differing: int
    uncleared: int


@dataclass(frozen=True, slots=True)
class _Delayed:
    """A row of delayed_indexes.sql."""

    name: str


class _Unmet(Exception):
    """An expectation was not met: the transaction is rolled back, and the report is the result."""

    def __init__(self, report: MigrationReport) -> None:
        super().__init__("expectation not met")
        self.report = report


def migrate_table(
    session: Session,
    settings: Settings,
    options: MigrateOptions,
    *,
    dry_run: bool,
    confirm: Callable[[str], bool] | None,
    note: Note,
) -> MigrationReport:
    """Migrates the table, or with `dry_run` reports what would be done.

    `confirm` is called once, before any lock; None: do not ask. Raises LlamactlError: config if the table
    cannot be migrated, permission, lock, busy, interrupted. All of these leave the table unchanged.
    """
    table = Table.open(session, settings)
    refuse_blockers(table, check=options.check, writing=not dry_run)
    if dry_run or confirm or table.relation.root is not None:
        # The prompt shows what the migration will do. A table that was migrated before may need nothing.
        report = project_migration(table, options, note)
        nothing = all(step.name in HOUSEKEEPING for step in report.steps)
        if dry_run or report.unmet:
            told = [] if nothing else filter(None, [subscriber_warning(table)])
            notes = (*report.notes, *told)
            return replace(report, dry_run=dry_run, notes=notes, blocked_seconds=None if dry_run else 0.0)
        if nothing:
            skipped = tuple(step.name for step in report.steps) + report.skipped
            return replace(report, dry_run=False, steps=(), skipped=skipped, blocked_seconds=0.0)
    warned = subscriber_warning(table)
    if confirm:
        ask_with_warning(session, confirm, _question(table, report), warned, note)
    elif warned:
        note(warned)
    try:
        report = with_lock_retries(
            session, [table.relation.oid], lambda: _attempt(table, options, note), options.retries, note
        )
    except _Unmet as unmet:
        report = unmet.report
    return replace(report, blocked_seconds=session.blocking.seconds)


def _attempt(
    table: Table,
    options: MigrateOptions,
    note: Note,
) -> MigrationReport:
    """Runs one transaction. Raises LlamactlError or _Unmet, which roll it back."""
    with table.session.transaction():
        claim_table(table.session, table.relation.oid)
        table.session.announce(StepName.LOCK)
        seconds = {StepName.LOCK: timed(lambda: table.run("migrate/lock"))}
        table.session.blocking.begin()
        refuse_replaced(table)
        note(f"Holding ACCESS EXCLUSIVE on {table.shown}: all other sessions are blocked until this is done")
        with while_held():
            return _under_lock(table.session, table.settings, options, seconds, note)


def _under_lock(
    session: Session,
    settings: Settings,
    options: MigrateOptions,
    seconds: dict[StepName, float],
    note: Note,
) -> MigrationReport:
    # The table may have changed between the first check and the lock.
    with looking_again():
        table = Table.open(session, settings)
        refuse_blockers(table, check=options.check)
    drop_leftovers(session, find_leftovers(session, table.relation.oid))
    session.set_local(maintenance_work_mem=MAINTENANCE_MEMORY)
    session.announce(StepName.RESOLVE)
    prepare_lineage(table)
    projected = project_rows(table, writing=True)
    seconds[StepName.RESOLVE] = projected.seconds
    present = read_present(table)
    rebuilt = choose_rebuilt(
        table, present, projected.counts.total, projected.missing, keep=options.keep_indexes
    )
    taken, skipped = choose_steps(table, present, projected, options, rebuilt)
    report = build_report(settings, options, projected, (taken, skipped))
    if report.unmet:
        raise _Unmet(replace(report, notes=()))
    # From here on the user's triggers may fire, so restore the settings that they expect.
    session.set_local(**DEFAULT_PLANNER, **{"llamactl.filling": "on"})  # the guard ignores these writes
    for step in taken:
        if step.name not in seconds:
            session.announce(step.name)
            seconds[step.name] = timed(
                partial(rebuild, table, present, rebuilt)
                if step.name == StepName.REBUILD_INDEXES
                else partial(_take, table, step, projected)
            )
    end_runs(table)
    notes = (*report.notes, *_delayed_indexes(table))
    return replace(
        report, steps=tuple(s.shown(table, seconds=seconds.get(s.name)) for s in taken), notes=notes
    )


def _delayed_indexes(table: Table) -> Iterator[str]:
    """Yields a note if queries cannot use an index at once, because it was built after HOT updates.

    Those of this transaction are prevented, except where event triggers fire; the application may have made
    others before.
    """
    found = table.rows("migrate/delayed_indexes", _Delayed, relation=table.relation.oid)
    if found:
        indexes = listed([index.name for index in found])
        yield (
            "Rows were updated in place (HOT) before an index was built, so queries do not use it until "
            f"every transaction that is open now has ended: {indexes}"
        )


def _take(table: Table, step: PlannedStep, projected: Projection) -> None:
    if step.name == StepName.PROVE:
        _prove(table, projected)
        return
    for path, rows in step.run(table).items():
        if path in ("migrate/save_parents", "migrate/clear_parents") and rows != projected.needs.disregarded:
            what = f"{path.partition('/')[2]} changed {plural(rows, 'row')} instead of "
            raise _meddled(f"{what}{projected.needs.disregarded:,}")


def _prove(table: Table, projected: Projection) -> None:
    """Raises LlamactlError if stored roots differ from the computed ones, except for the known conflicts."""
    found = table.row("migrate/prove", Proof)
    if found.unfilled:
        rows = plural(found.unfilled, "row has", "rows have")
        raise _meddled(f"{rows} no root after the column was filled")
    if found.differing != projected.counts.conflicts:
        rows = plural(found.differing, "row has", "rows have")
        raise _meddled(
            f"{rows} a wrong root after the column was filled, {projected.counts.conflicts:,} were expected"
        )
    if found.uncleared:
        rows = plural(found.uncleared, "row with the root flag has", "rows with the root flag have")
        raise _meddled(f"{rows} kept the parent that was cleared")


def _meddled(what: str) -> LlamactlError:
    return LlamactlError(
        ErrorCode.CONFIG,
        f"The result of the migration differs from what was computed: {what}; rolled back",
        "A trigger on the table changes or suppresses the writes: run llamactl preflight (LL109)",
    )


def _question(table: Table, projected: MigrationReport) -> str:
    return (
        f"Migrate {table.shown} in database {table.session.database} on {table.session.host}, "
        f"{plural(projected.counts.total, 'row')}? "
        f"Nobody can read or write the table for {about(projected.blocked_estimate_seconds)}."
    )
