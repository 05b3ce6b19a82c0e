"""What migrate, guard, repair and undo do to a table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llamactl.model.counts import Counts
from llamactl.model.options import GuardAction
from llamactl.model.steps import StepName


class Blocks(StrEnum):
    """Whom a lock keeps waiting."""

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
    """A step that runs while a lock keeps others from the table."""

    step: StepName | None
    blocks: Blocks
    since: float
    """When the lock was got, as time.monotonic() has it."""
    step_since: float


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, or file of statements, of the migration."""

    name: StepName
    sql: str
    lock: str
    """The strongest lock that it takes on the user's table, as pg_locks names it; empty for none."""
    blocks: Blocks
    estimate_seconds: Estimate | None = None
    """Before the run."""
    seconds: float | None = None
    """After it."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What migrate did, or in a dry run would do."""

    dry_run: bool
    counts: Counts
    steps: tuple[Step, ...]
    skipped: tuple[str, ...]
    """Names of the steps that were not needed, because it is there already or nothing asks for it."""
    notes: tuple[str, ...] = ()
    """For the person: warnings, settings to keep."""
    unmet: tuple[str, ...] = ()
    """Expectations that were not met; nothing was changed then."""
    blocked_seconds: float | None = None
    """How long others were kept from the table, as measured; None in a dry run."""
    blocked_estimate_seconds: Estimate | None = None
    """How long they would be, in a dry run."""
    unfilled: int = 0
    """Rows that lack their root although it was written to them, or hold a wrong one that came meanwhile."""
    uncleared: int = 0
    """Rows that still have the parent that was to be cleared."""

    @property
    def failed(self) -> bool:
        return bool(self.unmet or self.unfilled or self.uncleared)


class RefusedBy(StrEnum):
    """What refuses a new row whose job is its own parent."""

    GUARD = "guard"
    """The trigger alone."""
    CHECK = "check"
    """The constraint alone."""
    BOTH = "both"
    """One would do."""
    NOTHING = "nothing"
    """Such a row is taken."""


@dataclass(frozen=True, slots=True)
class GuardReport:
    """The guard of the table, after the requested action."""

    action: GuardAction
    installed: bool
    """The trigger is on the table, and calls the table's function."""
    enabled: bool
    """And fires."""
    up_to_date: bool | None
    """Its function is the one that this version of llamactl installs; None where it is not installed."""
    trust_root_flag: bool | None
    """Whether the root flag disregards a row's parent; None where it is not installed."""
    index: str | None
    """A usable one that leads with the job id, whoever made it."""
    self_parents_refused_by: RefusedBy
    changed: tuple[str, ...]
    """What was made or taken off: `job index`, `function`, `trigger`, `schema`."""
    blocked_seconds: float = 0.0
    """How long others were kept from the table, as measured."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParentsFrom01:
    """What becomes of the parents that version 0.1 saved, without their row's job."""

    restored: int = 0
    unmatched: int = 0


@dataclass(frozen=True, slots=True)
class Parents:
    """What becomes of the parents that were cleared."""

    restored: int = 0
    """Rows whose parent comes back."""
    kept: int = 0
    """Rows that have a parent by now."""
    unmatched: int = 0
    """Saved parents that match no row and stay saved: the sum of the next four."""
    gone: int = 0
    """No row has the key."""
    other_row: int = 0
    """The row with the key is another one: its job differs, or it is not flagged where it has to be."""
    other_key: int = 0
    """The key column, or its type, is another one."""
    misfit: int = 0
    """The parent column cannot hold it any more."""
    renamed: int = 0
    """Saved under a name that the table had before."""
    other_oid: int = 0
    """Saved of a table with another oid; counted above too."""
    from_0_1: ParentsFrom01 = ParentsFrom01()
    """Of `restored` and `unmatched`."""


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What undo took off, or in a dry run would take off."""

    dry_run: bool
    steps: tuple[Step, ...]
    """Empty where there was nothing to undo."""
    skipped: tuple[str, ...]
    """Names of the steps for which there is nothing."""
    parents: Parents
    notes: tuple[str, ...] = ()
    blocked_seconds: float | None = None
    """How long others were kept from the table, as measured; None in a dry run."""
    blocked_estimate_seconds: Estimate | None = None
    """How long they would be, in a dry run."""


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What repair wrote, or in a dry run would write, in rows."""

    dry_run: bool
    counts: Counts
    """Before anything is written, as everywhere."""
    missing: int
    """Rows that lack their root and are filled, or in a dry run would be."""
    wrong: int
    """Rows that hold another root than the computed one and are corrected; 0 unless these are overwritten."""
    disregarded: int
    """Rows whose parent the root flag disregards, and is cleared."""
    waiting: int
    """Young rows that are left alone: their chain leaves the log."""
    written: int
    """Rows that got a root, or lost one that is not true."""
    cleared: int
    """Rows whose disregarded parent was cleared."""
    unfilled: int = 0
    """Rows that lack their root although it was written to them, or hold a wrong one that came meanwhile."""
    uncleared: int = 0
    """Rows that still have the parent that was to be cleared."""
    conflicts_left: int = 0
    """Rows that hold another root than the computed one afterwards."""
    notes: tuple[str, ...] = ()
    blocked_seconds: float | None = None
    """How long others were kept from the table, as measured; None in a dry run."""

    @property
    def failed(self) -> bool:
        return bool(self.unfilled or self.uncleared)
