"""The online migration as data: its steps in their order, with their files, locks, and whom these block."""

from __future__ import annotations

from collections.abc import Collection

from llamactl.lineage.resolve import CREATE, RESOLVE_FILES
from llamactl.migrate.steps import USERS_INDEX, Condition, PlannedStep
from llamactl.model import Blocks, CheckPolicy, Relation
from llamactl.table.present import LABEL, Present

REMOVE_GUARD = ("guard/drop_trigger", "guard/drop_function")


def plan_online_steps(
    relation: Relation,
    present: Present,
    check: CheckPolicy,
    *,
    job_index: bool,
    guarded: bool,
    outdated: bool,
    guard_left: bool,
    keep_guard: bool,
    leftover: bool,
    cut: Collection[str] = (),
) -> list[PlannedStep]:
    """Returns all steps in their order, those included that are not taken here.

    `job_index`: some valid index leads with job_id; `guarded`: the guard is there; `outdated`: it is, but
    for its function; `guard_left`: something of it is; `keep_guard`: it stays; `leftover`: an INVALID index
    of our name is there; `cut`: the steps at which former runs were cut.
    """
    # One that does not stay is for the rows that come while others are filled.
    guard_wanted: Condition = True if keep_guard else "fill"
    missing_check = not present.check_present and check is not CheckPolicy.NO
    unproven_check = not present.check_validated and check is not CheckPolicy.NO
    unmarked = present.index_ours and not present.index_marked
    # An index that was the user's before it was dropped stays the user's.
    users_index = USERS_INDEX in cut
    cut_before_mark = unmarked and "create_index" in cut and not users_index
    broken: Condition = "check_broken" if check is CheckPolicy.NOT_VALID else False
    return [
        _quiet("claim", "online/claim"),
        _quiet("resolve", *_RESOLVE, lock="AccessShareLock"),
        _quiet(
            "create_state",
            *([] if present.schema_present else ["migrate/create_schema"]),
            "online/create_state",
            "online/begin_run",
        ),
        _shared(
            "drop_index", "online/drop_index", when=leftover or ("refill" if present.index_ours else False)
        ),
        _step("add_column", "AccessExclusiveLock", Blocks.ALL, ["migrate/add_column"], relation.root is None),
        _quiet(
            "add_label", "migrate/add_label", when=bool(relation.enum and LABEL not in relation.enum.values)
        ),
        _shared(
            "create_job_index",
            "guard/create_job_index",
            "guard/mark_job_index",
            when="create_job_index" in cut if job_index else guard_wanted,
        ),
        _guard(relation, outdated, False if guarded else guard_wanted),
        _rows(
            "clear_parents",
            *("migrate/create_cleared_parent", "migrate/upgrade_parents"),
            *("online/choose_flagged", "online/clear_parents"),
            *("migrate/settle_constraints", "online/judge_cleared", "online/save_cleared"),
            when="save_parents",
        ),
        _rows("fill", "online/fill", "online/checkpoint", when="fill"),
        # Rows that moved or came meanwhile: until nothing is found that could be filled.
        _rows("last_pass", *_RESOLVE, "online/fill"),
        _shared(
            "create_index",
            "online/create_index",
            *([] if users_index or (unmarked and not cut_before_mark) else ["migrate/mark_index"]),
            when=cut_before_mark or ("refill" if present.index_ours else not present.index_present),
        ),
        _step(
            "add_check",
            "AccessExclusiveLock",
            Blocks.ALL,
            ["migrate/add_check_not_valid"],
            "check_holds" if missing_check else False,
        ),
        _shared("validate_check", "online/validate_check", when="check_holds" if unproven_check else False),
        _step(
            "add_check_not_valid",
            "AccessExclusiveLock",
            Blocks.ALL,
            ["migrate/add_check_not_valid"],
            broken if missing_check else False,
        ),
        _shared("comment", "migrate/comment", when=relation.root is not None and not present.comment_present),
        _step(
            "remove_guard",
            "AccessExclusiveLock",
            Blocks.ALL,
            REMOVE_GUARD,
            (guard_left or "fill") if not keep_guard else False,
        ),
        _shared("analyze", "migrate/analyze", when=bool(cut) or "fill"),
    ]


def _guard(relation: Relation, outdated: bool, when: Condition) -> PlannedStep:
    if outdated:
        return _quiet("create_guard", "guard/create_function", when=when)
    paths = ["guard/create_function", "guard/create_trigger"]
    # Where there is a flag, as the settings have it.
    flag = {} if "is_root_job" in relation.columns else {"trust_root_flag": False}
    return PlannedStep("create_guard", paths, "ShareRowExclusiveLock", when, flag, Blocks.WRITES)


_RESOLVE = (
    CREATE,
    *(path for path, _ in RESOLVE_FILES),
    "online/create_round",
    "online/fill_pending",
    "online/clear_pending",
    "online/index_pending",
)


def _step(
    name: str, lock: str, blocks: Blocks, paths: list[str] | tuple[str, ...], when: Condition = True
) -> PlannedStep:
    return PlannedStep(name, paths, lock, when, blocks=blocks)


def _quiet(name: str, *paths: str, lock: str = "", when: Condition = True) -> PlannedStep:
    return _step(name, lock, Blocks.NONE, paths, when)


def _shared(name: str, *paths: str, when: Condition) -> PlannedStep:
    """Beside readers and writers; only other changes of the table's shape wait, and VACUUM."""
    return _step(name, "ShareUpdateExclusiveLock", Blocks.NONE, paths, when)


def _rows(name: str, *paths: str, when: Condition = True) -> PlannedStep:
    """Writers of the same rows wait for a batch."""
    return _step(name, "RowExclusiveLock", Blocks.NONE, paths, when)
