"""The results of migrate, guard, repair and undo."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llamactl.model.counts import Counts
from llamactl.model.options import GuardAction
from llamactl.model.steps import StepName


class Blocks(StrEnum):
    """Which sessions a lock blocks."""

    NONE = "none"
    WRITES = "writes"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A range of seconds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Held:
    """A step that runs while a lock on the table blocks other sessions."""

    step: StepName | None
    blocks: Blocks
    since: float
    """When the lock was acquired, by time.monotonic()."""
    step_since: float


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a migration: the statements of one or more SQL files."""

    name: StepName
    sql: str
    lock: str
    """The strongest lock that the step takes on the user's table, as pg_locks names it; empty for none."""
    blocks: Blocks
    estimate_seconds: Estimate | None = None
    """Set before a run."""
    seconds: float | None = None
    """Set after a run."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What migrate did, or in a dry run would do."""

    dry_run: bool
    counts: Counts
    steps: tuple[Step, ...]
    skipped: tuple[str, ...]
    """Names of the steps that were not needed: already done, or nothing in the table requires them."""
    notes: tuple[str, ...] = ()
    """Lines for the user: warnings, settings to keep."""
    unmet: tuple[str, ...] = ()
    """Expectations that were not met; in that case nothing was changed."""
    blocked_seconds: float | None = None
    """How long other sessions were blocked, as measured; None in a dry run."""
    blocked_estimate_seconds: Estimate | None = None
    """In a dry run: how long other sessions would be blocked."""
    unfilled: int = 0
    """Rows that have no root although one was written, or that got a wrong one during the run."""
    uncleared: int = 0
    """Rows that still have the parent that was cleared."""

    @property
    def failed(self) -> bool:
        return bool(self.unmet or self.unfilled or self.uncleared)


class RefusedBy(StrEnum):
    """What rejects a new row whose job is its own parent."""

    GUARD = "guard"
    """Only the trigger."""
    CHECK = "check"
    """Only the constraint."""
    BOTH = "both"
    """Both the trigger and the constraint; either of them is enough."""
    NOTHING = "nothing"
    """Such a row is accepted."""


@dataclass(frozen=True, slots=True)
class GuardReport:
    """The guard of the table, after the requested action."""

    action: GuardAction
    installed: bool
    """The trigger is on the table and calls the function that belongs to the table's name."""
    enabled: bool
    """The guard is installed and its trigger fires."""
    up_to_date: bool | None
    """The function is the one that this version of llamactl installs; None if the guard is not installed."""
    trust_root_flag: bool | None
    """Whether the guard ignores the parent of a row with the root flag; None if it is not installed."""
    index: str | None
    """A usable index whose first column is the job id, whoever created it."""
    self_parents_refused_by: RefusedBy
    changed: tuple[str, ...]
    """What was created or removed: `job index`, `function`, `trigger`, `schema`."""
    blocked_seconds: float = 0.0
    """How long other sessions were blocked, as measured."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParentsFrom01:
    """The part of Parents that version 0.1 saved, which did not record the row's job."""

    restored: int = 0
    unmatched: int = 0


@dataclass(frozen=True, slots=True)
class Parents:
    """What undo does with the parents that were cleared and saved."""

    restored: int = 0
    """Rows whose parent is restored."""
    kept: int = 0
    """Rows that have been given a parent since; they keep it."""
    unmatched: int = 0
    """Saved parents that match no row and stay saved: the sum of the next four fields."""
    gone: int = 0
    """No row has the key."""
    other_row: int = 0
    """The key now belongs to a different row: its job differs, or it lacks the root flag."""
    other_key: int = 0
    """The key column or its type has changed."""
    misfit: int = 0
    """The value no longer fits the parent column."""
    renamed: int = 0
    """Saved under a former name of the table."""
    other_oid: int = 0
    """Saved when the table had another oid; also counted above."""
    from_0_1: ParentsFrom01 = ParentsFrom01()
    """How many of `restored` and `unmatched` were saved by version 0.1."""


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What undo removed, or in a dry run would remove."""

    dry_run: bool
    steps: tuple[Step, ...]
    """Empty if there was nothing to undo."""
    skipped: tuple[str, ...]
    """Names of the steps that have nothing to do."""
    parents: Parents
    notes: tuple[str, ...] = ()
    blocked_seconds: float | None = None
    """How long other sessions were blocked, as measured; None in a dry run."""
    blocked_estimate_seconds: Estimate | None = None
    """In a dry run: how long other sessions would be blocked."""


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What repair wrote, or in a dry run would write, in rows."""

    dry_run: bool
    counts: Counts
    """Taken before anything is written, as in every report."""
    missing: int
    """Rows without a root that got one, or in a dry run would get one."""
    wrong: int
    """Rows whose root differed from the computed one and was corrected; 0 without --overwrite."""
    disregarded: int
    """Rows with the root flag whose parent is ignored, and was cleared."""
    waiting: int
    """Rows younger than the grace period that were not written: their chain leaves the log."""
    written: int
    """Rows whose root was written, or removed because it was wrong."""
    cleared: int
    """Rows whose ignored parent was cleared."""
    unfilled: int = 0
    """Rows that have no root although one was written, or that got a wrong one during the run."""
    uncleared: int = 0
    """Rows that still have the parent that was cleared."""
    conflicts_left: int = 0
    """Rows whose root differs from the computed one afterwards."""
    notes: tuple[str, ...] = ()
    blocked_seconds: float | None = None
    """How long other sessions were blocked, as measured; None in a dry run."""

    @property
    def failed(self) -> bool:
        return bool(self.unfilled or self.uncleared)
