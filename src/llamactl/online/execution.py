"""Takes the steps of an online migration: each is a separate transaction, or builds an index."""

from __future__ import annotations

from collections.abc import Sequence

from llamactl.db.errors import CHECK_ERROR
from llamactl.guard.run import build_guard_index, create_guard, index_left_unmarked, remove_guard
from llamactl.migrate.steps import PlannedStep
from llamactl.model import Blocks, LlamactlError
from llamactl.model.steps import StepName
from llamactl.online.batches import Work
from llamactl.online.interference import refuse_unguarded
from llamactl.online.rounds import Round, Rules, write_rounds
from llamactl.sqlfiles.load import load_query
from llamactl.table.indexes import build_index, drop_index, read_root_index, tell_who_holds
from llamactl.table.locks import refuse_replaced, with_lock_retries
from llamactl.table.table import Table


def take_steps(
    work: Work, rules: Rules, first: Round, steps: Sequence[PlannedStep]
) -> tuple[Round, list[str]]:
    """Takes the steps in order; returns the last round, and a note if the CHECK was not added.

    `first`: the round that was computed before. Raises LlamactlError; what was done until then is kept.
    """
    run, last, notes = work.run, first, list[str]()
    for step in steps:
        match step.name:
            case (
                StepName.CLAIM
                | StepName.CREATE_STATE
                | StepName.RESOLVE
                | StepName.CLEAR_PARENTS
                | StepName.FILL
            ):
                pass  # done already, or together with another step
            case StepName.LAST_PASS:
                last = write_rounds(work, work.table.settings, rules, first).last
            case StepName.REMOVE_GUARD:
                refuse_unguarded(work.table, first.projected.needs)
                with run.step(step.name):
                    _take(work, step)
            case StepName.VALIDATE_CHECK:
                with run.step(step.name):
                    notes += _validate_check(work)
            case _:
                with run.step(_recorded(work.table, step)):
                    _take(work, step)
    return last, notes


def _recorded(table: Table, step: PlannedStep) -> StepName:
    """Returns the name under which the step is recorded."""
    if step.name == StepName.DROP_INDEX:
        index = read_root_index(table)
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
                _change(work, "migrate/mark_index")
        case StepName.CREATE_JOB_INDEX:
            build_guard_index(table, note)
            if index_left_unmarked(table):
                session.autocommit_run(load_query("guard/mark_job_index", names))
        case StepName.CREATE_GUARD:
            create_guard(table, retries, note)
        case StepName.REMOVE_GUARD:
            remove_guard(table, retries, note)
        case StepName.COMMENT | StepName.ANALYZE:
            # Waiting for this lock blocks neither readers nor writers, and a VACUUM may hold it for hours.
            tell_who_holds(table, note)
            with session.settings(lock_timeout="0"):
                _change(work, *step.paths)
        case _:
            _change(work, *step.paths, blocking=step.name if step.blocks is Blocks.ALL else None)


def _change(work: Work, *paths: str, blocking: StepName | None = None) -> None:
    """Runs the files in one transaction, with retries.

    `blocking`: the step, if its first statement blocks all other sessions.
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
    """Validates the CHECK for existing rows, without blocking anybody. Returns notes."""
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
    _change(work, "migrate/drop_check", blocking=StepName.DROP_CHECK)
    return ["The CHECK against self-parents is not added, because a row violates it"]
