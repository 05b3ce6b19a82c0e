"""The plan of the migration: its steps in order, each with its files, its lock, and its condition.

migrate runs the steps and the `sql` command prints them, so both have the same result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from llamactl.lineage.needs import Need, Needs
from llamactl.lineage.resolve import CREATE, RESOLVE_FILES, lineage_parameters
from llamactl.migrate.rebuild import PlainIndex
from llamactl.model import Blocks, CheckPolicy, Estimate, Step
from llamactl.model.steps import StepName
from llamactl.sqlfiles.load import as_written, load_query
from llamactl.table import catalog
from llamactl.table.present import LABEL, Present
from llamactl.table.table import Table

Condition = bool | Need
"""Whether a step is needed: known from the catalogs, or only after the rows were read."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step, before it is known whether the rows require it."""

    name: StepName
    paths: Sequence[str]
    lock: str
    """The strongest lock that its own statements take on the user's table."""
    when: Condition = True
    parameters: Mapping[str, object] = field(default_factory=dict)
    blocks: Blocks = Blocks.ALL
    """Which sessions it blocks; all, if the transaction's first lock blocks everybody until its end."""
    written: Sequence[str] = ()
    """Statements that the server wrote, after those of the files."""

    def taken(self, needs: Needs) -> bool:
        return self.when if isinstance(self.when, bool) else self.when(needs)

    def run(self, table: Table) -> dict[str, int]:
        """Runs the files; returns the row count of each."""
        rows: dict[str, int] = {}
        for path in self.paths:
            query = load_query(path, table.names)
            wanted = {name for statement in query.statements for name in statement.parameters}
            given = {name: value for name, value in self.parameters.items() if name in wanted}
            rows[path] = table.session.run(query, **given)
        for statement in self.written:
            table.session.run(as_written(self.name, statement))
        return rows

    def shown(
        self,
        table: Table,
        estimate_seconds: Estimate | None = None,
        seconds: float | None = None,
    ) -> Step:
        """Returns the step for a report, with the values written into its statements."""
        values = {**lineage_parameters(table.settings), **self.parameters}
        statements = [
            text.written(values) for path in self.paths for text in load_query(path, table.names).statements
        ]
        statements += [f"{statement};" for statement in self.written]
        return Step(self.name, "\n".join(statements), self.lock, self.blocks, estimate_seconds, seconds)


def without_hot_updates(*update: str) -> list[str]:
    """Returns the files of an UPDATE after which an index is built in the same transaction.

    After HOT updates, queries would ignore that index until the transactions that are open elsewhere have
    ended. Pending deferred triggers of the UPDATE would make the following statements fail.
    """
    return [
        "migrate/create_empty_indexes",
        *update,
        "migrate/settle_constraints",
        "migrate/drop_empty_indexes",
    ]


def timed(action: Callable[[], object]) -> float:
    """Runs the action; returns how many seconds it took."""
    begun = time.monotonic()
    action()
    return round(time.monotonic() - begun, 3)


def plan_steps(
    table: Table, present: Present, check: CheckPolicy, rebuilt: Sequence[PlainIndex] = ()
) -> list[PlannedStep]:
    """Returns all steps in their order, those included that are not taken here.

    `rebuilt`: the indexes that are dropped before the column is filled, and built again.
    """
    root, enum = table.relation.root, table.relation.enum
    return [
        PlannedStep(StepName.LOCK, ["migrate/lock"], "AccessExclusiveLock"),
        PlannedStep(
            StepName.RESOLVE,
            [CREATE, *(path for path, _ in RESOLVE_FILES)],
            "AccessShareLock",
        ),
        *_parent_steps(table, present),
        PlannedStep(StepName.ADD_COLUMN, ["migrate/add_column"], "AccessExclusiveLock", root is None),
        *_fill_steps(present, rebuilt),
        *_check_steps(present, check),
        PlannedStep(
            StepName.ADD_LABEL,
            ["migrate/add_label"],
            "",
            enum is not None and LABEL not in enum.values,
        ),
        PlannedStep(
            StepName.COMMENT,
            ["migrate/comment"],
            "ShareUpdateExclusiveLock",
            # The step add_column sets the comment of a new column.
            root is not None and not present.comment_present,
        ),
        PlannedStep(StepName.ANALYZE, [_analysis(rebuilt)], "ShareUpdateExclusiveLock", Need.FILL),
    ]


def _analysis(rebuilt: Sequence[PlainIndex]) -> str:
    """The file that collects statistics; those of an expression are lost when its index is dropped."""
    lost = any(index.expressions for index in rebuilt)
    return "migrate/analyze_expressions" if lost else "migrate/analyze"


def _parent_steps(table: Table, present: Present) -> list[PlannedStep]:
    """The steps that save the parents which the root flag disregards, and clear them."""
    return [
        PlannedStep(
            StepName.CREATE_SCHEMA,
            ["migrate/create_schema"],
            "",
            False if present.schema_present else Need.SAVE_PARENTS,
        ),
        PlannedStep(
            StepName.SAVE_PARENTS,
            ["migrate/create_cleared_parent", "migrate/upgrade_parents", "migrate/save_parents"],
            "AccessShareLock",
            Need.SAVE_PARENTS,
            catalog.identity(table.relation),
        ),
        PlannedStep(
            StepName.CLEAR_PARENTS,
            without_hot_updates("migrate/clear_parents"),
            "AccessExclusiveLock",
            Need.SAVE_PARENTS,
        ),
    ]


def _fill_steps(present: Present, rebuilt: Sequence[PlainIndex]) -> list[PlannedStep]:
    """The steps that fill the column, and build the indexes that a fill is better off without."""
    # An index of the user's that is built anew stays the user's.
    unmarked = present.index_ours and not present.index_marked
    return [
        PlannedStep(
            StepName.DROP_INDEX,
            ["migrate/drop_index"],
            "AccessExclusiveLock",
            Need.REFILL if present.index_ours else False,
        ),
        PlannedStep(
            StepName.DROP_PLAIN_INDEXES,
            ["migrate/settle_constraints"],
            "AccessExclusiveLock",
            bool(rebuilt),
            written=[index.dropping for index in rebuilt],
        ),
        PlannedStep(StepName.FILL, without_hot_updates("migrate/fill"), "AccessExclusiveLock", Need.FILL),
        PlannedStep(StepName.PROVE, ["migrate/prove"], "AccessShareLock", Need.PROVE),
        PlannedStep(
            StepName.CREATE_INDEX,
            ["migrate/create_index", *([] if unmarked else ["migrate/mark_index"])],
            "ShareLock",
            Need.REFILL if present.index_ours else not present.index_present,
        ),
        PlannedStep(
            StepName.REBUILD_INDEXES,
            [],
            "ShareLock",
            bool(rebuilt),
            written=[statement for index in rebuilt for statement in index.building],
        ),
    ]


def _check_steps(present: Present, check: CheckPolicy) -> list[PlannedStep]:
    """The steps that add the CHECK: at most one of them is taken."""
    missing = not present.check_present
    return [
        PlannedStep(
            StepName.ADD_CHECK,
            ["migrate/add_check"],
            "AccessExclusiveLock",
            Need.CHECK_HOLDS if missing and check is not CheckPolicy.NO else False,
        ),
        PlannedStep(
            StepName.ADD_CHECK_NOT_VALID,
            ["migrate/add_check_not_valid"],
            "AccessExclusiveLock",
            Need.CHECK_BROKEN if missing and check is CheckPolicy.NOT_VALID else False,
        ),
    ]


HOUSEKEEPING = frozenset({StepName.LOCK, StepName.RESOLVE})
"""Steps that change nothing: if only these are needed, there is nothing to do."""
