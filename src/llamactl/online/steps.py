"""The plan of the online migration: its steps in order, with their files, locks, and whom these block."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from llamactl.lineage.needs import Need
from llamactl.lineage.resolve import CREATE, RESOLVE_FILES
from llamactl.migrate.steps import Condition, PlannedStep
from llamactl.model import Blocks, CheckPolicy, Relation
from llamactl.model.steps import StepName
from llamactl.table.present import LABEL, Present

REMOVE_GUARD = ("guard/drop_trigger", "guard/drop_function")


@dataclass(frozen=True, slots=True)
class Standing:
    """What exists on the table of a guard, an index or a former run."""

    job_index: bool
    """A valid index begins with job_id."""
    guarded: bool
    """The guard is complete."""
    outdated: bool
    """The guard is complete except for its function, which is outdated."""
    guard_left: bool
    """A part of the guard exists."""
    leftover: bool
    """An INVALID index with llamactl's name exists."""
    cut: Collection[str] = ()
    """The steps at which former runs were interrupted."""


def plan_online_steps(
    relation: Relation, present: Present, standing: Standing, check: CheckPolicy, *, keep_guard: bool
) -> list[PlannedStep]:
    """Returns all steps in their order, those included that are not taken here. `keep_guard`: it stays."""
    # One that does not stay is for the rows that come while others are filled.
    guard_wanted: Condition = True if keep_guard else Need.FILL
    return [
        *_first_steps(present, standing),
        *_shape_steps(relation, standing, guard_wanted),
        *_row_steps(),
        _index_step(present, standing.cut),
        *_check_steps(present, check),
        _shared(
            StepName.COMMENT,
            "migrate/comment",
            when=relation.root is not None and not present.comment_present,
        ),
        _step(
            StepName.REMOVE_GUARD,
            "AccessExclusiveLock",
            Blocks.ALL,
            REMOVE_GUARD,
            (standing.guard_left or Need.FILL) if not keep_guard else False,
        ),
        _shared(StepName.ANALYZE, "migrate/analyze", when=bool(standing.cut) or Need.FILL),
    ]


def _first_steps(present: Present, standing: Standing) -> list[PlannedStep]:
    """The steps that work out what is to be written, and take an index off that would slow it down."""
    return [
        _quiet(StepName.CLAIM, "online/claim"),
        _quiet(StepName.RESOLVE, *_RESOLVE, lock="AccessShareLock"),
        _quiet(
            StepName.CREATE_STATE,
            *([] if present.schema_present else ["migrate/create_schema"]),
            "online/create_state",
            "online/begin_run",
        ),
        _shared(
            StepName.DROP_INDEX,
            "online/drop_index",
            when=standing.leftover or (Need.REFILL if present.index_ours else False),
        ),
    ]


def _shape_steps(relation: Relation, standing: Standing, guard_wanted: Condition) -> list[PlannedStep]:
    """The steps that come before any row is written: column, label, and the guard with its index."""
    return [
        _step(
            StepName.ADD_COLUMN,
            "AccessExclusiveLock",
            Blocks.ALL,
            ["migrate/add_column"],
            relation.root is None,
        ),
        _quiet(
            StepName.ADD_LABEL,
            "migrate/add_label",
            when=bool(relation.enum and LABEL not in relation.enum.values),
        ),
        _shared(
            StepName.CREATE_JOB_INDEX,
            "guard/create_job_index",
            "guard/mark_job_index",
            when=StepName.CREATE_JOB_INDEX in standing.cut if standing.job_index else guard_wanted,
        ),
        _guard(relation, standing.outdated, False if standing.guarded else guard_wanted),
    ]


def _row_steps() -> list[PlannedStep]:
    return [
        _rows(
            StepName.CLEAR_PARENTS,
            *("migrate/create_cleared_parent", "migrate/upgrade_parents"),
            *("online/choose_flagged", "online/clear_parents"),
            *("migrate/settle_constraints", "online/judge_cleared", "online/save_cleared"),
            when=Need.SAVE_PARENTS,
        ),
        _rows(StepName.FILL, "online/fill", when=Need.FILL),
        # Rows that moved or were added meanwhile, until there is nothing left to fill.
        _rows(StepName.LAST_PASS, "online/prove", *_RESOLVE, "online/fill"),
    ]


def _index_step(present: Present, cut: Collection[str]) -> PlannedStep:
    unmarked = present.index_ours and not present.index_marked
    # An index of the user that was dropped is still the user's once it is rebuilt.
    users_index = StepName.DROP_USERS_INDEX in cut
    cut_before_mark = unmarked and StepName.CREATE_INDEX in cut and not users_index
    return _shared(
        StepName.CREATE_INDEX,
        "online/create_index",
        *([] if users_index or (unmarked and not cut_before_mark) else ["migrate/mark_index"]),
        when=cut_before_mark or (Need.REFILL if present.index_ours else not present.index_present),
    )


def _check_steps(present: Present, check: CheckPolicy) -> list[PlannedStep]:
    """The steps that add the CHECK and validate it, or where a row violates it leave it NOT VALID."""
    missing = not present.check_present and check is not CheckPolicy.NO
    unproven = not present.check_validated and check is not CheckPolicy.NO
    broken: Condition = Need.CHECK_BROKEN if check is CheckPolicy.NOT_VALID else False
    return [
        _step(
            StepName.ADD_CHECK,
            "AccessExclusiveLock",
            Blocks.ALL,
            ["migrate/add_check_not_valid"],
            Need.CHECK_HOLDS if missing else False,
        ),
        _shared(
            StepName.VALIDATE_CHECK,
            "online/validate_check",
            when=Need.CHECK_HOLDS if unproven else False,
        ),
        _step(
            StepName.ADD_CHECK_NOT_VALID,
            "AccessExclusiveLock",
            Blocks.ALL,
            ["migrate/add_check_not_valid"],
            broken if missing else False,
        ),
    ]


def _guard(relation: Relation, outdated: bool, when: Condition) -> PlannedStep:
    if outdated:
        return _quiet(StepName.CREATE_GUARD, "guard/create_function", when=when)
    paths = ["guard/create_function", "guard/create_trigger"]
    # If there is a root flag, the setting decides.
    flag = {} if "is_root_job" in relation.columns else {"trust_root_flag": False}
    return PlannedStep(StepName.CREATE_GUARD, paths, "ShareRowExclusiveLock", when, flag, Blocks.WRITES)


_RESOLVE = (
    CREATE,
    *(path for path, _ in RESOLVE_FILES),
    "online/create_round",
    "online/fill_pending",
    "online/clear_pending",
    "online/index_pending",
    "online/snapshot",
)


def _step(
    name: StepName, lock: str, blocks: Blocks, paths: list[str] | tuple[str, ...], when: Condition = True
) -> PlannedStep:
    return PlannedStep(name, paths, lock, when, blocks=blocks)


def _quiet(name: StepName, *paths: str, lock: str = "", when: Condition = True) -> PlannedStep:
    return _step(name, lock, Blocks.NONE, paths, when)


def _shared(name: StepName, *paths: str, when: Condition) -> PlannedStep:
    """Returns a step that blocks neither readers nor writers, only other schema changes and VACUUM."""
    return _step(name, "ShareUpdateExclusiveLock", Blocks.NONE, paths, when)


def _rows(name: StepName, *paths: str, when: Condition = True) -> PlannedStep:
    """Returns a step that blocks writers of the same rows for the duration of a batch."""
    return _step(name, "RowExclusiveLock", Blocks.NONE, paths, when)
