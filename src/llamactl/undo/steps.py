"""The objects on a table that llamactl created, and the steps that remove them, with their files and locks.

Comments in the catalogs record what llamactl created. An object without such a comment is the user's, and is
kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from llamactl.migrate.steps import PlannedStep, without_hot_updates
from llamactl.model import Blocks, ErrorCode, LlamactlError, Relation
from llamactl.model.steps import StepName
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table.grants import PARENTS, READ, RUNS, USE, missing_grants
from llamactl.table.leftovers import Leftover, find_leftovers
from llamactl.table.runs import interrupted_runs, recorded_runs, recorded_steps
from llamactl.table.table import Table
from llamactl.undo.saved_parents import Cleared, match_parameters, match_saved_parents

_NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class Marked:
    """The result of look.sql."""

    added_column: str | None
    comment_only: bool
    index: str | None
    check_name: str | None
    job_index: str | None
    unmarked_index: bool
    unmarked_job_index: bool
    trigger: bool
    function: str | None
    function_elsewhere: bool
    blockers: tuple[str, ...]
    along: tuple[str, ...]
    firing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """The result of state.sql."""

    schema_ours: bool
    parents: bool
    runs: bool
    tables: tuple[int, ...]
    readable: bool
    others: tuple[str, ...]
    unowned: tuple[str, ...]
    owners: tuple[str, ...]
    """The owners of what is unowned."""


@dataclass(frozen=True, slots=True)
class Runs:
    """The recorded runs."""

    forgotten: tuple[int, ...] = ()
    """The ids of the runs of this table and of tables that no longer exist."""
    others: int = 0
    """The number of runs of other tables."""


@dataclass(frozen=True, slots=True)
class _Others:
    """The result of other_runs.sql."""

    others: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything of llamactl's that exists."""

    table: Table
    """With the actual names of the objects, whatever the table's name was when they were created."""
    marked: Marked
    state: State
    cleared: Cleared
    runs: Runs
    cut: frozenset[str]
    """The steps at which online migrations were interrupted."""
    leftovers: tuple[Leftover, ...] = ()

    @property
    def relation(self) -> Relation:
        return self.table.relation

    @property
    def names(self) -> Names:
        return self.table.names

    @property
    def kept_leftovers(self) -> tuple[Leftover, ...]:
        """The leftovers that the role cannot drop by name: they are dropped with the column, if that is."""
        return tuple(one for one in self.leftovers if not one.droppable)

    @property
    def index(self) -> bool:
        """Whether llamactl created the index on the root column, even if interrupted before it was marked."""
        built = (
            self.marked.unmarked_index
            and StepName.CREATE_INDEX in self.cut
            and StepName.DROP_USERS_INDEX not in self.cut
        )
        return self.marked.index is not None or built

    @property
    def lacks_users_index(self) -> bool:
        """Whether an interrupted run dropped the user's index, on a column that is kept, to rebuild it."""
        stays = self.marked.added_column is None and not self.marked.unmarked_index
        return stays and StepName.DROP_USERS_INDEX in self.cut

    @property
    def job_index(self) -> bool:
        """Whether llamactl created the guard's index."""
        built = self.marked.unmarked_job_index and StepName.CREATE_JOB_INDEX in self.cut
        return self.marked.job_index is not None or built

    @property
    def function(self) -> bool:
        """Whether the guard's function can be dropped."""
        return self.marked.function is not None and not self.marked.function_elsewhere

    @property
    def keeps_parents(self) -> bool:
        """Whether parents stay saved: those of other tables, or those that match no row."""
        return bool(self.cleared.others or self.cleared.unmatched)

    @property
    def empties_schema(self) -> bool:
        """Whether the schema was created by llamactl and nothing remains in it."""
        left = self.keeps_parents or self.runs.others or self.state.others or self.marked.function_elsewhere
        return self.state.schema_ours and not left


def read_standing(table: Table) -> Standing:
    """Returns what exists. Reads the rows of the saved parents, and the catalogs.

    If parents are saved, call prepare_saved_parents() first. Raises LlamactlError (permission) if the role
    may not read the saved state.
    """
    names = table.names
    left = find_leftovers(table.session, table.relation.oid)
    marked = table.row(
        "undo/look",
        Marked,
        relation=table.relation.oid,
        root_column=names.columns["root_job_id"],
        parent=names.columns["parent_job_id"],
        index=names.index,
        job_index=names.job_index,
        guard=names.guard,
        leftovers=[one.oid for one in left],
    )
    table = replace(table, names=_as_made(names, marked))
    state = read_state_tables(table)
    if not state.readable:
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"{table.session.user} may not read the tables in schema llamactl",
            missing_grants(table.session, (USE,), dict.fromkeys((*PARENTS, *RUNS), READ)),
        )
    cleared, kept, cut = Cleared(), Runs(), frozenset[str]()
    if state.parents:
        cleared = match_saved_parents(table)
    if state.runs:
        found = recorded_runs(table.session, table.relation.oid, table.relation.schema, table.relation.name)
        forgotten = [run.id for run in found]
        others = table.row("undo/other_runs", _Others, runs=forgotten)
        kept = Runs(tuple(forgotten), others.others)
        cut = recorded_steps(table.session, interrupted_runs(found, "migrate"))
    return Standing(table, marked, state, cleared, kept, cut, left)


def read_state_tables(table: Table) -> State:
    """Returns what exists of the saved state. Reads only the catalogs."""
    return table.session.row(load_query("undo/state", _NO_NAMES), State, function=table.names.guard)


def _as_made(names: Names, marked: Marked) -> Names:
    """Returns the names, with the actual names of the marked objects."""
    found = {
        "index": marked.index,
        "check": marked.check_name,
        "job_index": marked.job_index,
        "guard": marked.function,
    }
    made = {what: name for what, name in found.items() if name not in (None, getattr(names, what))}
    root = marked.added_column or names.columns["root_job_id"]
    return replace(names, columns={**names.columns, "root_job_id": root}, made=made)


def plan_locks(state: State) -> list[PlannedStep]:
    """Returns the steps that lock. The saved state comes first, so that the table is not locked meanwhile."""
    kept = [
        *(["undo/lock_parents"] if state.parents else []),
        *(["undo/lock_runs"] if state.runs else []),
    ]
    return [
        PlannedStep(StepName.LOCK_STATE, kept, "", bool(kept), blocks=Blocks.NONE),
        PlannedStep(StepName.LOCK, ["migrate/lock"], "AccessExclusiveLock"),
    ]


def plan_undo_steps(standing: Standing) -> list[PlannedStep]:
    """Returns all steps in order, including those that have nothing to do."""
    marked = standing.marked
    exclusive = "AccessExclusiveLock"
    return [
        *plan_locks(standing.state),
        PlannedStep(
            StepName.DROP_LEFTOVERS,
            ["undo/drop_leftovers"],
            "",
            any(one.droppable for one in standing.leftovers),
        ),
        PlannedStep(StepName.DROP_TRIGGER, ["guard/drop_trigger"], exclusive, marked.trigger),
        PlannedStep(StepName.DROP_FUNCTION, ["guard/drop_function"], "", standing.function),
        # Before the parents: a row with the root flag may be its own parent.
        PlannedStep(StepName.DROP_CHECK, ["migrate/drop_check"], exclusive, marked.check_name is not None),
        _restore_step(standing),
        PlannedStep(StepName.DROP_INDEX, ["migrate/drop_index"], exclusive, standing.index),
        PlannedStep(StepName.CREATE_INDEX, ["migrate/create_index"], "ShareLock", standing.lacks_users_index),
        PlannedStep(StepName.DROP_JOB_INDEX, ["undo/drop_job_index"], exclusive, standing.job_index),
        PlannedStep(
            StepName.DROP_COLUMN,
            ["undo/drop_column_and_views" if standing.kept_leftovers else "undo/drop_column"],
            exclusive,
            marked.added_column is not None,
        ),
        PlannedStep(
            StepName.DROP_COMMENT,
            ["undo/drop_comment"],
            "ShareUpdateExclusiveLock",
            marked.comment_only and marked.added_column is None,
        ),
        *_forgetting(standing),
    ]


def _restore_step(standing: Standing) -> PlannedStep:
    """The step that puts parents back; an index may be built after it."""
    update, lock = ["undo/match_parents", "undo/restore_parents"], "RowExclusiveLock"
    if standing.lacks_users_index:
        files, lock = without_hot_updates(*update), "AccessExclusiveLock"
    else:
        files = [*update, "migrate/settle_constraints"]
    parameters = match_parameters(standing.relation)
    return PlannedStep(StepName.RESTORE_PARENTS, files, lock, standing.cleared.restored > 0, parameters)


def _forgetting(standing: Standing) -> list[PlannedStep]:
    """Returns the steps that remove the saved state: what is no longer needed, or all if nothing is kept."""
    state, keeps_parents, keeps_runs = standing.state, standing.keeps_parents, standing.runs.others > 0
    return [
        PlannedStep(
            StepName.FORGET_PARENTS, ["undo/forget_parents"], "", keeps_parents and standing.cleared.done > 0
        ),
        PlannedStep(
            StepName.FORGET_RUNS,
            ["undo/forget_runs"],
            "",
            keeps_runs and len(standing.runs.forgotten) > 0,
            {"runs": list(standing.runs.forgotten)},
        ),
        PlannedStep(
            StepName.DROP_PARENTS, ["undo/drop_cleared_parent"], "", state.parents and not keeps_parents
        ),
        PlannedStep(StepName.DROP_RUNS, ["undo/drop_runs"], "", state.runs and not keeps_runs),
        PlannedStep(StepName.DROP_SCHEMA, ["undo/drop_schema"], "", standing.empties_schema),
    ]


LOCKS = frozenset({StepName.LOCK_STATE, StepName.LOCK})
"""Steps that change nothing: if only these are taken, there is nothing to undo."""

OF_THE_STATE = frozenset(
    {"drop_function", "forget_parents", "forget_runs", "drop_parents", "drop_runs", "drop_schema"}
)
"""Steps that need the privileges of the owner of the objects in schema llamactl."""
