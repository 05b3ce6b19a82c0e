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
from llamactl.migrate.steps import USERS_INDEX, PlannedStep
from llamactl.model import (
    Blocks,
    CheckPolicy,
    ErrorCode,
    LlamactlError,
    MigrationReport,
    Note,
    Progress,
    Relation,
)
from llamactl.online.batches import Work
from llamactl.online.record import Run, claim_session, filling, interrupted_steps, refuse_forbidden
from llamactl.online.rounds import Round, Rules, resolve_round, told, triggered, write_rounds
from llamactl.online.steps import plan_online_steps
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table import catalog
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
from llamactl.wording import LISTED

HOUSEKEEPING = frozenset({"claim", "resolve", "create_state", "last_pass"})
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

    @property
    def common(self) -> MigrateOptions:
        return MigrateOptions(self.check, self.retries, self.expect_filled, self.expect_orphans)


@dataclass(frozen=True, slots=True)
class Table:
    """The table, and the names that it goes by."""

    relation: Relation
    names: Names


def migrate_online(
    session: Session,
    settings: Settings,
    options: OnlineOptions,
    *,
    dry_run: bool,
    confirm: Callable[[str], bool] | None,
    note: Note,
    progress: Callable[[Progress], None],
) -> MigrationReport:
    """Migrates the table while it is used, or with `dry_run` tells what would be done.

    Raises LlamactlError: config where it cannot be, permission, lock, busy, interrupted. What was done by
    then stays, and the same call goes on from there.
    """
    session.require_own()
    table = _look(session, settings)
    # What a cut build left is dropped; another index of the name is not ours to drop.
    passed = ("LL010",) if _index(session, table).as_wanted else ()
    refuse_blockers(
        session, table.relation, table.names, check=options.check, writing=not dry_run, passed=passed
    )
    refuse_unguardable(table.relation)
    _refuse_by_road(session, table)
    if read_guard_state(session, table.relation, table.names).outdated:
        note(f"{OUTDATED}; migrate --online replaces it")
    if dry_run:
        return _dry_run(session, settings, table, options, note)
    _refuse_forbidden(session, table, options)
    warned = subscriber_warning(session, table.relation, table.names)
    if confirm:
        ask_with_warning(session, confirm, _question(session, table), warned, note)
    claim_session(session, table.relation, note)
    session.announce("resolve")
    note(f"Reading {table.names.quoted_table()} to work out its lineage; the application goes on")
    rules = Rules(
        overwrite=False,
        grace_ms=options.grace_ms,
        keyed=triggered(session, table.relation, table.names),
    )
    first = resolve_round(session, settings, table.relation, table.names, rules, options.retries, note)
    cut = interrupted_steps(session, table.relation, "migrate")
    taken, skipped = _choose(session, table, options, first.projected, cut)
    report = build_report(False, settings, options.common, first.projected, (), skipped, taken)
    if report.unmet:
        return replace(report, notes=())
    if all(step.name in HOUSEKEEPING for step in taken) and not first.pending.any_rows:
        return replace(report, skipped=(*(step.name for step in taken), *skipped))
    if warned and not confirm:
        note(warned)
    with filling(session):
        return _carry_out(session, settings, table, options, rules, first, taken, report, note, progress)


def _look(session: Session, settings: Settings) -> Table:
    relation = catalog.locate(session, settings)
    catalog.refuse_unsupported(relation)
    return Table(relation, catalog.names_for(relation, settings))


def _refuse_by_road(session: Session, table: Table) -> None:
    """Raises LlamactlError (config) for what rules out this road, and not every migration."""
    relation, names = table.relation, table.names
    refuse_findings(batch_blockers(relation, inspect_table(session, relation, names)))
    refuse_findings(name_blockers(session, relation, names))
    refuse_findings(guard_blockers(session, relation, names, LISTED))


def _refuse_forbidden(session: Session, table: Table, options: OnlineOptions) -> None:
    """Raises LlamactlError (permission) for what the role may not do in the schema llamactl."""
    there = read_guard_state(session, table.relation, table.names)
    refuse_forbidden(session, creating=not there.guarding)
    if options.keep_guard and there.guarding:
        return
    refuse_foreign_guard(session, there)
    if not there.guarding:
        refuse_uncreatable_guard(session, there)


def _index(session: Session, table: Table) -> IndexState:
    """What has the name of the index on the root column."""
    names = table.names
    return read_index_state(session, table.relation, names.index, [names.columns["root_job_id"]])


def _choose(
    session: Session,
    table: Table,
    options: OnlineOptions,
    projected: Projection,
    cut: frozenset[str] = frozenset(),
) -> tuple[list[PlannedStep], tuple[str, ...]]:
    """Returns the steps that are taken, and the names of the others. `cut`: where former runs were."""
    relation, names = table.relation, table.names
    around = inspect_table(session, relation, names)
    standing, index = read_guard_state(session, relation, names), _index(session, table)
    planned = plan_online_steps(
        relation,
        read_present(session, relation, names),
        options.check,
        job_index=bool(around.named("job index")),
        guarded=standing.guarding,
        outdated=standing.outdated and standing.installed and standing.enabled,
        guard_left=standing.trigger or standing.index_ours or standing.function is not None,
        keep_guard=options.keep_guard,
        leftover=index.as_wanted and not index.valid,
        cut=cut,
    )
    taken = [step for step in planned if step.taken(projected.needs)]
    return taken, tuple(step.name for step in planned if step not in taken)


def _dry_run(
    session: Session, settings: Settings, table: Table, options: OnlineOptions, note: Note
) -> MigrationReport:
    relation, names = table.relation, table.names
    note(
        f"Reading {names.quoted_table()} to work out its lineage; nothing is changed, nobody is kept waiting"
    )
    with reading(session, relation.oid, names.quoted_table()), session.snapshot():
        prepare_lineage(session, names)
        session.read_only()
        projected = project_rows(session, settings, relation, names, writing=False)
        present = read_present(session, relation, names)
        taken, skipped = _choose(session, table, options, projected)
    shown = estimated(relation, names, settings, present, projected, taken, online=True)
    report = build_report(True, settings, options.common, projected, shown, skipped, taken)
    if all(step.name in HOUSEKEEPING for step in taken):
        return replace(report, blocked_estimate_seconds=estimates.blocked_seconds(()))
    told = filter(None, [subscriber_warning(session, relation, names)])
    return replace(
        report, notes=(*report.notes, *told), blocked_estimate_seconds=estimates.blocked_seconds(shown)
    )


def _question(session: Session, table: Table) -> str:
    return (
        f"Migrate {table.names.quoted_table()} of database {session.database} on {session.host} online, "
        f"about {rows_of(table.relation):,} rows? It goes on being read and written; "
        "a few changes of its shape keep others waiting for a moment each."
    )


def _carry_out(
    session: Session,
    settings: Settings,
    table: Table,
    options: OnlineOptions,
    rules: Rules,
    first: Round,
    taken: list[PlannedStep],
    report: MigrationReport,
    note: Note,
    progress: Callable[[Progress], None],
) -> MigrationReport:
    relation, names = table.relation, table.names
    run = Run.begin(session, relation, "migrate", {"resolve": round(first.projected.seconds, 3)})
    work = Work(session, relation, names, run, options.retries, note, progress)
    last, notes = first, []
    for step in taken:
        match step.name:
            case "claim" | "create_state" | "resolve" | "clear_parents" | "fill":
                pass  # done by now, or with the step that follows or came before
            case "last_pass":
                last = write_rounds(work, settings, rules, first).last
            case "remove_guard":
                _refuse_unguarded(session, table, first)
                with run.step(step.name):
                    _take(work, settings, step)
            case "validate_check":
                with run.step(step.name):
                    notes += _validate_check(work)
            case _:
                with run.step(_recorded(session, table, step)):
                    _take(work, settings, step)
    _refuse_undone(session, settings, table, options, first, dropped_check=bool(notes))
    run.end()
    if USERS_INDEX in run.seconds:
        run.seconds["drop_index"] = run.seconds[USERS_INDEX]
    shown = tuple(step.shown(names, settings, seconds=run.seconds.get(step.name, 0.0)) for step in taken)
    notes += told(last)
    notes += _notes(first, last, options, read_guard_state(session, relation, names).enabled)
    return replace(
        report,
        blocked_seconds=session.blocking.seconds,
        steps=shown,
        notes=(*report.notes, *notes),
        unfilled=last.pending.unfilled,
        uncleared=last.pending.uncleared,
    )


def _refuse_unguarded(session: Session, table: Table, first: Round) -> None:
    """Raises LlamactlError (busy) where the run's guard is gone: rows that came since lack their root."""
    refuse_replaced(session, table.relation)
    if first.projected.needs.fill and not read_guard_state(session, table.relation, table.names).installed:
        raise _undone("the guard's trigger")


def _refuse_undone(
    session: Session,
    settings: Settings,
    before: Table,
    options: OnlineOptions,
    first: Round,
    *,
    dropped_check: bool,
) -> None:
    """Raises LlamactlError (busy) where at the end the table lacks what the run made or found there."""
    refuse_replaced(session, before.relation)
    with looking_again():
        table = _look(session, settings)
        refuse_blockers(session, table.relation, table.names, check=options.check, passed=("LL010",))
    present, needs = read_present(session, table.relation, table.names), first.projected.needs
    check = needs.check_holds if options.check is CheckPolicy.AUTO else options.check is CheckPolicy.NOT_VALID
    standing = read_guard_state(session, table.relation, table.names)
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


def _recorded(session: Session, table: Table, step: PlannedStep) -> str:
    """The name under which the step is recorded."""
    if step.name == "drop_index":
        index = _index(session, table)
        if index.valid and not index.ours:
            return USERS_INDEX
    return step.name


def _take(work: Work, settings: Settings, step: PlannedStep) -> None:
    session, relation, names, retries, note = (
        work.session,
        work.relation,
        work.names,
        work.retries,
        work.note,
    )
    match step.name:
        case "drop_index":
            drop_index(session, relation, names, "online/drop_index", note)
        case "create_index":
            columns = [names.columns["root_job_id"]]
            build_index(session, relation, names, "online/create_index", names.index, columns, note)
            if "migrate/mark_index" in step.paths:
                change(work, "migrate/mark_index")
        case "create_job_index":
            build_guard_index(session, relation, names, note)
            if index_left_unmarked(session, relation, names):
                session.autocommit_run(load_query("guard/mark_job_index", names))
        case "create_guard":
            create_guard(session, relation, names, settings, retries, note)
        case "remove_guard":
            remove_guard(session, relation, names, retries, note)
        case "comment" | "analyze":
            # Whoever waits for this lock is in no reader's or writer's way; a VACUUM may hold it for hours.
            tell_who_holds(session, relation, note)
            with session.settings(lock_timeout="0"):
                change(work, *step.paths)
        case _:
            change(work, *step.paths, blocking=step.name if step.blocks is Blocks.ALL else "")


def change(work: Work, *paths: str, blocking: str = "") -> None:
    """One transaction, with retries: what alters the table for a moment.

    `blocking`: the step, where its first statement keeps everybody out.
    """

    def attempt() -> None:
        with work.session.transaction():
            if blocking:
                work.session.blocking.begin(step=blocking)
            for path in paths:
                work.session.run(load_query(path, work.names))
            refuse_replaced(work.session, work.relation)

    with_lock_retries(work.session, [work.relation.oid], attempt, work.retries, work.note)


def _validate_check(work: Work) -> list[str]:
    """Proves the CHECK for the rows from before, without keeping anybody out. Returns notes."""
    with work.session.settings(lock_timeout="0", statement_timeout="0"):
        try:
            with work.session.transaction():
                work.session.run(load_query("online/validate_check", work.names))
                refuse_replaced(work.session, work.relation)
        except LlamactlError as exc:
            if not isinstance(exc.__cause__, CHECK_ERROR):
                raise
        else:
            return []
    change(work, "migrate/drop_check", blocking="drop_check")
    return ["The self-parent CHECK is left out: a row violates it"]


def _notes(first: Round, last: Round, options: OnlineOptions, guarded: bool) -> list[str]:
    notes = []
    came = last.projected.counts.conflicts - first.projected.counts.conflicts - last.altered
    if came > 0:
        notes.append(
            f"{came} rows hold another root than the computed one that did not before: parents were changed "
            "meanwhile; `llamactl repair --overwrite` corrects them"
        )
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
