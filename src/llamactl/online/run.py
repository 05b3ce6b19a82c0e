"""migrate --online: the same result as in one transaction, while the application reads and writes.

1. Claim the table for the session; a second run ends immediately.
2. Compute the lineage from one snapshot. What makes the migration impossible is reported before any change.
3. Add the column, then the guard, so that rows added from now on have their root or are found by the last
   pass.
4. Clear the parents of rows with the root flag and fill the column, in batches, until a round finds nothing
   to write (rounds.py).
5. Build the index and validate the CHECK without blocking the application; ANALYZE.

Each step is a separate transaction and checks whether it is already done: after an interruption at any point,
rerunning the same command continues.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from llamactl.checks.blockers import inspect_table, refuse_blockers
from llamactl.checks.forecast import rows_of
from llamactl.checks.road_blockers import batch_blockers, guard_blockers, name_blockers
from llamactl.checks.subscribers import ask_with_warning, subscriber_warning
from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.findings.refusal import refuse_findings
from llamactl.lineage.resolve import prepare_lineage
from llamactl.migrate import estimates
from llamactl.migrate.dry_run import (
    MigrateOptions,
    Projection,
    announce_reading,
    build_report,
    estimated,
    project_rows,
)
from llamactl.migrate.steps import PlannedStep
from llamactl.model import (
    CheckPolicy,
    MigrationReport,
    Note,
    Progress,
)
from llamactl.model.steps import StepName
from llamactl.model.words import plural
from llamactl.online.batches import Work
from llamactl.online.execution import take_steps
from llamactl.online.interference import refuse_undone
from llamactl.online.notes import find_unwritten, later_notes, unwritten_notes
from llamactl.online.record import Run, claim_session, filling, interrupted_steps, refuse_forbidden
from llamactl.online.rounds import Round, Rules, resolve_round, triggered
from llamactl.online.steps import Standing, plan_online_steps
from llamactl.table.guard_state import (
    OUTDATED,
    read_guard_state,
    refuse_foreign_guard,
    refuse_uncreatable_guard,
    refuse_unguardable,
)
from llamactl.table.indexes import read_root_index
from llamactl.table.locks import reading
from llamactl.table.present import read_present
from llamactl.table.table import Table
from llamactl.wording import LISTED

HOUSEKEEPING = frozenset({StepName.CLAIM, StepName.RESOLVE, StepName.CREATE_STATE, StepName.LAST_PASS})
"""Steps that do not change the user's table: if only these are needed, there is nothing to do."""


@dataclass(frozen=True, slots=True)
class OnlineOptions:
    """The values of migrate's flags for the online mode."""

    check: CheckPolicy
    retries: int
    expect_filled: int | None
    expect_orphans: int | None
    keep_guard: bool
    grace_ms: int
    dry_run: bool = False

    @property
    def common(self) -> MigrateOptions:
        return MigrateOptions(self.check, self.retries, self.expect_filled, self.expect_orphans)


def migrate_online(
    session: Session,
    settings: Settings,
    options: OnlineOptions,
    *,
    confirm: Callable[[str], bool] | None,
    note: Note,
    progress: Callable[[Progress], None],
) -> MigrationReport:
    """Migrates the table while it is in use, or in a dry run reports what would be done.

    Raises LlamactlError: config if the table cannot be migrated, permission, lock, busy, interrupted. What
    was done until then is kept, and the same call continues from there.
    """
    session.require_own()
    table = Table.open(session, settings)
    # An INVALID index of an interrupted build is dropped later; any other index of that name must not be.
    passed = ("LL010",) if read_root_index(table).as_wanted else ()
    refuse_blockers(table, check=options.check, writing=not options.dry_run, passed=passed)
    refuse_unguardable(table.relation)
    _refuse_by_road(table)
    if read_guard_state(table).outdated:
        note(f"{OUTDATED}; migrate --online replaces it")
    if options.dry_run:
        return _dry_run(table, options, note)
    _refuse_forbidden(table, options)
    warned = subscriber_warning(table)
    if confirm:
        ask_with_warning(session, confirm, _question(table), warned, note)
    claim_session(table, note)
    return _migrate_claimed(table, options, "" if confirm else warned, note, progress)


def _migrate_claimed(
    table: Table, options: OnlineOptions, warning: str, note: Note, progress: Callable[[Progress], None]
) -> MigrationReport:
    """Performs steps 2 to 5. `warning` is printed before the first change."""
    table.session.announce(StepName.RESOLVE)
    note(f"Reading {table.shown} to compute its lineage; the application is not blocked")
    rules = Rules(
        overwrite=False,
        grace_ms=options.grace_ms,
        keyed=triggered(table),
    )
    first = resolve_round(table, rules, options.retries, note)
    cut = interrupted_steps(table, "migrate")
    taken, skipped = _choose(table, options, first.projected, cut)
    report = build_report(table.settings, options.common, first.projected, (taken, skipped))
    if report.unmet:
        return replace(report, notes=())
    if all(step.name in HOUSEKEEPING for step in taken) and not first.pending.any_rows:
        return replace(report, skipped=(*(step.name for step in taken), *skipped))
    if warning:
        note(warning)
    with filling(table.session):
        resolved: dict[str, float] = {StepName.RESOLVE: round(first.projected.seconds, 3)}
        run = Run.begin(table.session, table.relation, "migrate", resolved)
        work = Work(table, run, options.retries, note, progress)
        return _carry_out(work, options, rules, first, taken, report)


def _refuse_by_road(table: Table) -> None:
    """Raises LlamactlError (config) for what prevents an online migration, but not every migration."""
    refuse_findings(batch_blockers(table.relation, inspect_table(table)))
    refuse_findings(name_blockers(table))
    refuse_findings(guard_blockers(table, LISTED))


def _refuse_forbidden(table: Table, options: OnlineOptions) -> None:
    """Raises LlamactlError (permission) if the role lacks privileges on the schema llamactl."""
    there = read_guard_state(table)
    refuse_forbidden(table.session, creating=not there.guarding)
    if options.keep_guard and there.guarding:
        return
    refuse_foreign_guard(table.session, there)
    if not there.guarding:
        refuse_uncreatable_guard(table.session, there)


def _choose(
    table: Table,
    options: OnlineOptions,
    projected: Projection,
    cut: frozenset[str] = frozenset(),
) -> tuple[list[PlannedStep], tuple[str, ...]]:
    """Returns the steps that are taken, and the names of the others.

    `cut`: the steps at which former runs were interrupted.
    """
    around = inspect_table(table)
    guard, index = read_guard_state(table), read_root_index(table)
    standing = Standing(
        job_index=bool(around.named("job index")),
        guarded=guard.guarding,
        outdated=guard.outdated and guard.installed and guard.enabled,
        guard_left=guard.trigger or guard.index_ours or guard.function is not None,
        leftover=index.as_wanted and not index.valid,
        cut=cut,
    )
    planned = plan_online_steps(
        table.relation, read_present(table), standing, options.check, keep_guard=options.keep_guard
    )
    taken = [step for step in planned if step.taken(projected.needs)]
    return taken, tuple(step.name for step in planned if step not in taken)


def _dry_run(table: Table, options: OnlineOptions, note: Note) -> MigrationReport:
    announce_reading(table, note)
    with reading(table.session, table.relation.oid, table.shown), table.session.snapshot():
        prepare_lineage(table)
        table.session.read_only()
        projected = project_rows(table, writing=False)
        present = read_present(table)
        taken, skipped = _choose(table, options, projected)
    shown = estimated(table, present, projected, taken, online=True)
    report = build_report(
        table.settings, options.common, projected, (taken, skipped), dry_run=True, steps=shown
    )
    if all(step.name in HOUSEKEEPING for step in taken):
        return replace(report, blocked_estimate_seconds=estimates.blocked_seconds(()))
    told = filter(None, [subscriber_warning(table)])
    return replace(
        report, notes=(*report.notes, *told), blocked_estimate_seconds=estimates.blocked_seconds(shown)
    )


def _question(table: Table) -> str:
    return (
        f"Migrate {table.shown} in database {table.session.database} on {table.session.host} online, "
        f"about {plural(rows_of(table.relation), 'row')}? It can be read and written meanwhile; "
        "a few schema changes block other sessions for a moment each."
    )


def _carry_out(
    work: Work,
    options: OnlineOptions,
    rules: Rules,
    first: Round,
    taken: list[PlannedStep],
    report: MigrationReport,
) -> MigrationReport:
    table, run = work.table, work.run
    last, notes = take_steps(work, rules, first, taken)
    refuse_undone(
        table,
        first.projected.needs,
        options.check,
        dropped_check=bool(notes),
        keep_guard=options.keep_guard,
    )
    run.end()
    if StepName.DROP_USERS_INDEX in run.seconds:
        run.seconds[StepName.DROP_INDEX] = run.seconds[StepName.DROP_USERS_INDEX]
    shown = tuple(step.shown(table, seconds=run.seconds.get(step.name, 0.0)) for step in taken)
    unwritten = find_unwritten(table, first, last)
    notes += unwritten_notes(unwritten, first, last)
    notes += later_notes(
        unwritten, last, keep_guard=options.keep_guard, guarded=read_guard_state(table).enabled
    )
    return replace(
        report,
        blocked_seconds=table.session.blocking.seconds,
        steps=shown,
        notes=(*report.notes, *notes),
        unfilled=unwritten.unfilled,
        uncleared=unwritten.uncleared,
    )
