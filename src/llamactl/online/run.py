"""migrate --online: the same result as in one transaction, while the application reads and writes.

1. Claim the table for the session; a second run ends at once.
2. Work out the lineage from one snapshot. What makes the migration impossible is said before any change.
3. The column; then the guard, so that rows that come from now on have their root, or are found by the last
   pass.
4. Clear flagged parents and fill, in batches, until a round finds nothing to write (backfill/rounds.py).
5. Index and CHECK, built and validated beside the application; ANALYZE.

Each step is a transaction of its own, and looks whether it is done: cut anywhere, the same command goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from llamactl.checks.blockers import inspect_table, refuse_blockers
from llamactl.checks.road_blockers import batch_blockers, guard_blockers, name_blockers
from llamactl.checks.subscribers import ask_with_warning, subscriber_warning
from llamactl.config.settings import Settings
from llamactl.db.errors import CHECK_ERROR
from llamactl.db.session import Session
from llamactl.findings.refusal import refuse_findings
from llamactl.guard.run import build_guard_index, create_guard, index_left_unmarked, remove_guard
from llamactl.lineage.resolve import prepare_lineage
from llamactl.migrate import estimates
from llamactl.migrate.dry_run import MigrateOptions, Projection, build_report, estimated, project_rows
from llamactl.migrate.estimates import rows_of
from llamactl.migrate.steps import PlannedStep
from llamactl.model import (
    Blocks,
    CheckPolicy,
    ErrorCode,
    LlamactlError,
    MigrationReport,
    Note,
    Progress,
)
from llamactl.model.steps import StepName
from llamactl.online.batches import Work
from llamactl.online.record import Run, claim_session, filling, interrupted_steps, refuse_forbidden
from llamactl.online.rounds import Round, Rules, resolve_round, told, triggered, unfilled, write_rounds
from llamactl.online.steps import Standing, plan_online_steps
from llamactl.sqlfiles.load import load_query
from llamactl.table.guard_state import (
    OUTDATED,
    read_guard_state,
    refuse_foreign_guard,
    refuse_uncreatable_guard,
    refuse_unguardable,
)
from llamactl.table.indexes import IndexState, build_index, drop_index, read_index_state, tell_who_holds
from llamactl.table.locks import looking_again, reading, refuse_replaced, with_lock_retries
from llamactl.table.present import read_present
from llamactl.table.table import Table
from llamactl.wording import LISTED

HOUSEKEEPING = frozenset({StepName.CLAIM, StepName.RESOLVE, StepName.CREATE_STATE, StepName.LAST_PASS})
"""Steps that change nothing of the user's: where only these are taken, there is nothing to do."""


@dataclass(frozen=True, slots=True)
class OnlineOptions:
    """What migrate's flags ask of the online mode."""

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
    """Migrates the table while it is used, or in a dry run tells what would be done.

    Raises LlamactlError: config where it cannot be, permission, lock, busy, interrupted. What was done by
    then stays, and the same call goes on from there.
    """
    session.require_own()
    table = Table.open(session, settings)
    # What a cut build left is dropped; another index of the name is not ours to drop.
    passed = ("LL010",) if _index(table).as_wanted else ()
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
    session.announce(StepName.RESOLVE)
    note(f"Reading {table.shown} to work out its lineage; the application goes on")
    rules = Rules(
        overwrite=False,
        grace_ms=options.grace_ms,
        keyed=triggered(table),
    )
    first = resolve_round(table, rules, options.retries, note)
    cut = interrupted_steps(table, "migrate")
    taken, skipped = _choose(table, options, first.projected, cut)
    report = build_report(settings, options.common, first.projected, (taken, skipped))
    if report.unmet:
        return replace(report, notes=())
    if all(step.name in HOUSEKEEPING for step in taken) and not first.pending.any_rows:
        return replace(report, skipped=(*(step.name for step in taken), *skipped))
    if warned and not confirm:
        note(warned)
    with filling(session):
        resolved: dict[str, float] = {StepName.RESOLVE: round(first.projected.seconds, 3)}
        run = Run.begin(session, table.relation, "migrate", resolved)
        work = Work(table, run, options.retries, note, progress)
        return _carry_out(work, options, rules, first, taken, report)


def _refuse_by_road(table: Table) -> None:
    """Raises LlamactlError (config) for what rules out this road, and not every migration."""
    refuse_findings(batch_blockers(table.relation, inspect_table(table)))
    refuse_findings(name_blockers(table))
    refuse_findings(guard_blockers(table, LISTED))


def _refuse_forbidden(table: Table, options: OnlineOptions) -> None:
    """Raises LlamactlError (permission) for what the role may not do in the schema llamactl."""
    there = read_guard_state(table)
    refuse_forbidden(table.session, creating=not there.guarding)
    if options.keep_guard and there.guarding:
        return
    refuse_foreign_guard(table.session, there)
    if not there.guarding:
        refuse_uncreatable_guard(table.session, there)


def _index(table: Table) -> IndexState:
    """What has the name of the index on the root column."""
    names = table.names
    return read_index_state(table, names.index, [names.columns["root_job_id"]])


def _choose(
    table: Table,
    options: OnlineOptions,
    projected: Projection,
    cut: frozenset[str] = frozenset(),
) -> tuple[list[PlannedStep], tuple[str, ...]]:
    """Returns the steps that are taken, and the names of the others. `cut`: where former runs were."""
    around = inspect_table(table)
    guard, index = read_guard_state(table), _index(table)
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
    note(f"Reading {table.shown} to work out its lineage; nothing is changed, nobody is kept waiting")
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
        f"Migrate {table.shown} of database {table.session.database} on {table.session.host} online, "
        f"about {rows_of(table.relation):,} rows? It goes on being read and written; "
        "a few changes of its shape keep others waiting for a moment each."
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
    last, notes = first, []
    for step in taken:
        match step.name:
            case (
                StepName.CLAIM
                | StepName.CREATE_STATE
                | StepName.RESOLVE
                | StepName.CLEAR_PARENTS
                | StepName.FILL
            ):
                pass  # done by now, or with the step that follows or came before
            case StepName.LAST_PASS:
                last = write_rounds(work, table.settings, rules, first).last
            case StepName.REMOVE_GUARD:
                _refuse_unguarded(table, first)
                with run.step(step.name):
                    _take(work, step)
            case StepName.VALIDATE_CHECK:
                with run.step(step.name):
                    notes += _validate_check(work)
            case _:
                with run.step(_recorded(table, step)):
                    _take(work, step)
    _refuse_undone(table, options, first, dropped_check=bool(notes))
    run.end()
    if StepName.DROP_USERS_INDEX in run.seconds:
        run.seconds[StepName.DROP_INDEX] = run.seconds[StepName.DROP_USERS_INDEX]
    shown = tuple(step.shown(table, seconds=run.seconds.get(step.name, 0.0)) for step in taken)
    notes += told(first, last)
    notes += _notes(last, options, read_guard_state(table).enabled)
    return replace(
        report,
        blocked_seconds=table.session.blocking.seconds,
        steps=shown,
        notes=(*report.notes, *notes),
        unfilled=unfilled(table, first, last),
        uncleared=last.pending.uncleared,
    )


def _refuse_unguarded(table: Table, first: Round) -> None:
    """Raises LlamactlError (busy) where the run's guard is gone: rows that came since lack their root."""
    refuse_replaced(table)
    if first.projected.needs.fill and not read_guard_state(table).installed:
        raise _undone("the guard's trigger")


def _refuse_undone(before: Table, options: OnlineOptions, first: Round, *, dropped_check: bool) -> None:
    """Raises LlamactlError (busy) where at the end the table lacks what the run made or found there."""
    refuse_replaced(before)
    with looking_again():
        table = Table.open(before.session, before.settings)
        refuse_blockers(table, check=options.check, passed=("LL010",))
    present, needs = read_present(table), first.projected.needs
    check = needs.check_holds if options.check is CheckPolicy.AUTO else options.check is CheckPolicy.NOT_VALID
    standing = read_guard_state(table)
    for what, there in (
        ("the root column", table.relation.root is not None),
        ("the index on the root column", present.index_present),
        ("the CHECK", present.check_present or dropped_check or not check),
        ("the guard's trigger", standing.installed or not options.keep_guard),
    ):
        if not there:
            raise _undone(what)


def _undone(what: str) -> LlamactlError:
    return LlamactlError(
        ErrorCode.BUSY,
        f"Another session dropped {what} while the migration went on",
        "Ask who did, then run the same command again: it makes it anew, and fills rows that came since",
    )


def _recorded(table: Table, step: PlannedStep) -> StepName:
    """The name under which the step is recorded."""
    if step.name == StepName.DROP_INDEX:
        index = _index(table)
        if index.valid and not index.ours:
            return StepName.DROP_USERS_INDEX
    return step.name


def _take(work: Work, step: PlannedStep) -> None:
    table, retries, note = work.table, work.retries, work.note
    names, session = table.names, table.session
    match step.name:
        case StepName.DROP_INDEX:
            drop_index(table, "online/drop_index", note)
        case StepName.CREATE_INDEX:
            columns = [names.columns["root_job_id"]]
            build_index(table, "online/create_index", names.index, columns, note)
            if "migrate/mark_index" in step.paths:
                change(work, "migrate/mark_index")
        case StepName.CREATE_JOB_INDEX:
            build_guard_index(table, note)
            if index_left_unmarked(table):
                session.autocommit_run(load_query("guard/mark_job_index", names))
        case StepName.CREATE_GUARD:
            create_guard(table, retries, note)
        case StepName.REMOVE_GUARD:
            remove_guard(table, retries, note)
        case StepName.COMMENT | StepName.ANALYZE:
            # Whoever waits for this lock is in no reader's or writer's way; a VACUUM may hold it for hours.
            tell_who_holds(table, note)
            with session.settings(lock_timeout="0"):
                change(work, *step.paths)
        case _:
            change(work, *step.paths, blocking=step.name if step.blocks is Blocks.ALL else None)


def change(work: Work, *paths: str, blocking: StepName | None = None) -> None:
    """One transaction, with retries: what alters the table for a moment.

    `blocking`: the step, where its first statement keeps everybody out.
    """

    def attempt() -> None:
        with work.table.session.transaction():
            if blocking:
                work.table.session.blocking.begin(step=blocking)
            for path in paths:
                work.table.run(path)
            refuse_replaced(work.table)

    with_lock_retries(work.table.session, [work.table.relation.oid], attempt, work.retries, work.note)


def _validate_check(work: Work) -> list[str]:
    """Proves the CHECK for the rows from before, without keeping anybody out. Returns notes."""
    with work.table.session.settings(lock_timeout="0", statement_timeout="0"):
        try:
            with work.table.session.transaction():
                work.table.run("online/validate_check")
                refuse_replaced(work.table)
        except LlamactlError as exc:
            if not isinstance(exc.__cause__, CHECK_ERROR):
                raise
        else:
            return []
    change(work, "migrate/drop_check", blocking=StepName.DROP_CHECK)
    return ["The self-parent CHECK is left out: a row violates it"]


def _notes(last: Round, options: OnlineOptions, guarded: bool) -> list[str]:
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
    if options.keep_guard:
        notes.append(
            "The guard stays on the table: `llamactl guard remove` takes it off"
            if guarded
            else "The guard stays, but its trigger is disabled: new rows get no root (llamactl guard status)"
        )
    return notes
