"""An online run: its progress and its recorded state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come."""

    rows_done: int
    rows_total: int
    rows_per_second: float
    """Averaged over the last minute."""

    @property
    def eta_seconds(self) -> float | None:
        left = max(self.rows_total - self.rows_done, 0)
        return left / self.rows_per_second if self.rows_per_second else None


class RunState(StrEnum):
    """The state of an online run."""

    RUNNING = "running"
    """Its session is connected and working."""
    WAITING = "waiting"
    """Its session is connected and waiting for other sessions."""
    CUT = "cut"
    """Interrupted: it has not finished and has no session. Rerunning the same command continues it."""
    DONE = "done"
    """It completed."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session or a prepared transaction that blocks a run."""

    pid: int | None
    """None for a prepared transaction."""
    user: str | None
    state: str | None
    transaction_seconds: float | None
    """The age of its transaction; None if the role may not see it."""
    query: str | None
    sentence: str
    """The description of all this in one line."""


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """The progress of an index build, as the server reports it."""

    index_name: str
    """Empty until the index is in the catalogs."""
    phase: str
    blocks_done: int
    blocks_total: int
    lockers_done: int
    lockers_total: int
    """Transactions that the phase waits for."""


@dataclass(frozen=True, slots=True)
class RunStep:
    """A step of an online run; if it has no end, it is running or was interrupted."""

    name: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """An online run."""

    id: int
    command: str
    state: RunState
    step: str | None
    """The step that is running or was interrupted."""
    step_since: datetime | None
    began_at: datetime
    ended_at: datetime | None
    rows_done: int
    rows_total: int | None
    """None if it is not known yet."""
    rows_per_second: float | None
    """Averaged over the last minute."""
    eta_seconds: float | None
    """Time until all rows are written, at that rate."""
    waits_for: str | None
    waits_since: datetime | None
    blocked_by: tuple[Blocker, ...]
    index_build: IndexBuild | None


@dataclass(frozen=True, slots=True)
class TableStatus:
    """A summary of the table's state."""

    name: str
    """Schema and name, quoted where necessary."""
    migrated: bool
    """The root column exists and is indexed, and no migration of the table is running or was interrupted."""
    guard: bool
    """The guard's trigger exists and is enabled."""


@dataclass(frozen=True, slots=True)
class AtWork:
    """The session that holds the claim on the table."""

    pid: int | None
    user: str | None
    command: str | None
    """None if the session's application_name is not one of llamactl's."""
    step: str | None
    """The step in its application_name; None if that names none."""
    transaction_seconds: float | None
    """The age of its transaction; None if it has none or the role may not see it."""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The newest online run of the table, and the table's state now."""

    run: RunStatus | None
    steps: tuple[RunStep, ...]
    table: TableStatus
    claimed: bool
    """A llamactl session is working on the table: that of this run, or one that has not recorded a run."""
    as_of: datetime
    """The time on the server's clock."""
    at_work: AtWork | None = None
    notes: tuple[str, ...] = ()
