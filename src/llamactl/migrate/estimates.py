"""Estimates of how long the steps take, as ranges: for the plan and the prompt, never for a decision.

1. The constants are the costs per row, byte, index and column on one machine (`make bench`, two cores).
2. The chains are resolved before any estimate. The time that this takes, relative to that machine, is this
   server's pace, by which the costs of all steps are multiplied.
3. Load, caches and disks cause the remaining difference: the estimate is a range of RANGE times the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llamactl.checks.forecast import rows_of
from llamactl.model import Blocks, Estimate, Relation, Step
from llamactl.model.steps import StepName

RANGE = (0.6, 2.0)
MOMENT = Estimate(0.0, 0.1)
"""The time for a change of the catalogs only."""
CATALOGS_ONLY = frozenset(
    {
        StepName.CLAIM,
        StepName.LOCK,
        StepName.CREATE_STATE,
        StepName.CREATE_SCHEMA,
        StepName.ADD_COLUMN,
        StepName.ADD_LABEL,
    }
) | {
    *(
        StepName.ADD_CHECK_NOT_VALID,
        StepName.COMMENT,
        StepName.CREATE_GUARD,
        StepName.REMOVE_GUARD,
        StepName.DROP_INDEX,
        StepName.DROP_PLAIN_INDEXES,
    )
}

RESOLVE_SECONDS, RESOLVE_SECONDS_PER_ROW = 0.05, 4e-6
SCAN_SECONDS_PER_ROW, SCAN_SECONDS_PER_BYTE = 0.4e-6, 0.3e-9
UPDATE_SECONDS_PER_ROW, UPDATE_SECONDS_PER_ROW_AND_INDEX = 8e-6, 4e-6
BATCH_SECONDS_PER_ROW, BATCH_SECONDS_PER_ROW_AND_INDEX = 30e-6, 2e-6
"""Includes passes, pauses and commits. Most updates are HOT, so that the indexes do not change."""
PROVE_SECONDS_PER_ROW = 1.8e-6
INDEX_SECONDS_PER_ROW = 2e-6
JOB_INDEX_SECONDS_PER_ROW = 3e-6
REBUILD_SECONDS, REBUILD_SECONDS_PER_ROW = 2e-3, 1.5e-6
"""Per index, with the scan; each row has two versions then."""
REBUILT_SHARE, REBUILT_ROWS = 0.3, 1000
"""Indexes are built again if at least this share of the rows is filled, and at least this number of rows."""
ANALYZE_ROWS = ANALYZE_PAGES = 30_000
"""The size of ANALYZE's sample at the default statistics target."""
ANALYZE_SECONDS_PER_VALUE, ANALYZE_SECONDS_PER_PAGE = 0.7e-6, 12e-6
SLOWEST, FASTEST = 5.0, 0.2
"""Limits of the pace: beyond them it depends more on the chains than on the server."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The work of a run, once the chains are resolved."""

    rows: int
    missing: int
    """Rows to be filled."""
    cleared: int
    """Rows whose parent is cleared."""
    heap_bytes: int
    indexes: int
    """Those to which an UPDATE adds entries."""
    columns: int
    """Those that are analyzed."""
    resolve_seconds: float
    """Measured."""
    rebuilt: int = 0
    """Indexes that are dropped, and built again after the column is filled."""

    @property
    def pace(self) -> float:
        """The factor by which this server is slower than the one on which the constants were measured."""
        measured = self.resolve_seconds / (RESOLVE_SECONDS + self.rows * RESOLVE_SECONDS_PER_ROW)
        return min(max(measured, FASTEST), SLOWEST)

    @property
    def scan(self) -> float:
        """Seconds on the reference machine, like the following methods."""
        return self.rows * SCAN_SECONDS_PER_ROW + self.heap_bytes * SCAN_SECONDS_PER_BYTE

    def updates(self, rows: int) -> float:
        return self.scan + rows * (UPDATE_SECONDS_PER_ROW + self.indexes * UPDATE_SECONDS_PER_ROW_AND_INDEX)

    def batches(self, rows: int) -> float:
        return self.scan + rows * (BATCH_SECONDS_PER_ROW + self.indexes * BATCH_SECONDS_PER_ROW_AND_INDEX)

    @property
    def rebuilding(self) -> float:
        return self.rebuilt * (REBUILD_SECONDS + self.rows * REBUILD_SECONDS_PER_ROW)

    @property
    def analyze(self) -> float:
        values = min(self.rows, ANALYZE_ROWS) * self.columns
        pages = min(self.heap_bytes / 8192, ANALYZE_PAGES)
        return values * ANALYZE_SECONDS_PER_VALUE + pages * ANALYZE_SECONDS_PER_PAGE


def workload(
    relation: Relation, rows: int, missing: int, cleared: int, indexes: int, resolve_seconds: float
) -> Workload:
    """Returns the work to do on the table."""
    heap = relation.bytes - relation.index_bytes - relation.toast_bytes
    columns = len(relation.columns) + len(relation.other_columns)
    return Workload(rows, missing, cleared, heap, indexes, columns, resolve_seconds)


def estimate(step: StepName, work: Workload, *, online: bool = False) -> Estimate:
    """Returns how long a step of migrate takes; `online`: with --online."""
    if step == StepName.RESOLVE:
        return _range(work.resolve_seconds)
    if step == StepName.LAST_PASS:  # resolves again, more than once if rows were added meanwhile
        return _open(_range(work.resolve_seconds + work.scan * work.pace))
    if step in CATALOGS_ONLY or (online and step == StepName.ADD_CHECK):
        return Estimate(MOMENT.low, max(MOMENT.high, round(MOMENT.high * work.pace, 2)))
    write = work.batches if online else work.updates
    seconds = {
        StepName.SAVE_PARENTS: work.scan,
        StepName.CLEAR_PARENTS: write(work.cleared),
        StepName.FILL: write(work.missing),
        StepName.PROVE: work.scan + work.rows * PROVE_SECONDS_PER_ROW,
        StepName.CREATE_INDEX: work.scan + work.rows * INDEX_SECONDS_PER_ROW,
        StepName.REBUILD_INDEXES: work.rebuilding,
        StepName.CREATE_JOB_INDEX: work.scan + work.rows * JOB_INDEX_SECONDS_PER_ROW,
        StepName.ADD_CHECK: work.scan,
        StepName.VALIDATE_CHECK: work.scan,
        StepName.ANALYZE: work.analyze,
    }
    found = _range(seconds[step] * work.pace)
    return _open(found) if online and step == StepName.FILL else found  # it yields to waiting sessions


def estimate_undo(step: StepName, relation: Relation, restored: int, indexes: int, looked: float) -> Estimate:
    """Returns how long a step of undo takes; `looked`: the seconds that matching the saved parents took."""
    rows = rows_of(relation)
    if step == StepName.RESTORE_PARENTS:  # matches them twice more, before and after
        row = UPDATE_SECONDS_PER_ROW + indexes * UPDATE_SECONDS_PER_ROW_AND_INDEX
        return _range(2 * looked + restored * row)
    if step == StepName.CREATE_INDEX:
        return _range(rows * (SCAN_SECONDS_PER_ROW + INDEX_SECONDS_PER_ROW))
    return MOMENT


def rebuilding_pays(rows: int, missing: int) -> bool:
    """Returns whether it is faster to drop indexes, fill the missing roots, and build the indexes again.

    The answer does not depend on the pace, so that a dry run and the migration agree.
    """
    return missing >= max(rows * REBUILT_SHARE, REBUILT_ROWS)


def blocked_seconds(steps: Iterable[Step]) -> Estimate:
    """Returns how long other sessions are blocked in total, once the lock is acquired."""
    ranges = [
        step.estimate_seconds
        for step in steps
        if step.estimate_seconds and step.blocks is not Blocks.NONE and step.name != StepName.LOCK
    ]
    return Estimate(round(sum(one.low for one in ranges), 2), round(sum(one.high for one in ranges), 2))


def _open(found: Estimate) -> Estimate:
    """Returns a wider range, for steps that also depend on the application."""
    return Estimate(found.low, round(2 * found.high, 2))


def _range(seconds: float) -> Estimate:
    """Returns the range for the seconds, at least MOMENT: even a quick step may be delayed by a slow disk."""
    low, high = (round(seconds * factor, 2) for factor in RANGE)
    return Estimate(low, max(high, MOMENT.high))
