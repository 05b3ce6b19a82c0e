"""An online run, while it lasts and afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    rows_done: int
    rows_total: int
    rows_per_second: float
    """In the last minute."""

    @property
    def eta_seconds(self) -> float | None:
        left = max(self.rows_total - self.rows_done, 0)
        return left / self.rows_per_second if self.rows_per_second else None


class RunState(StrEnum):
    """Of an online run."""

    RUNNING = "running"
    """Its session lives, and works."""
    WAITING = "waiting"
    """Its session lives, and waits for others."""
    CUT = "cut"
    """It did not end, and has no session: the same command again goes on."""
    DONE = "done"
    """It ended well."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session, or a prepared transaction, that keeps a run waiting."""

    pid: int | None
    """None for a prepared transaction."""
    user: str | None
    state: str | None
    transaction_seconds: float | None
    """The age of its transaction; None where the role may not see it."""
    query: str | None
    sentence: str
    """All of it in one line."""


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """How far the building of an index has come, as the server tells it."""

    index_name: str
    """Empty before the index is in the catalogs."""
    phase: str
    blocks_done: int
    blocks_total: int
    lockers_done: int
    lockers_total: int
    """Transactions that the phase waits for."""


@dataclass(frozen=True, slots=True)
class RunStep:
    """A step of an online run; without an end it is the one at work, or the one that was cut."""

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
    """The one at work, or the one that was cut."""
    step_since: datetime | None
    began_at: datetime
    ended_at: datetime | None
    rows_done: int
    rows_total: int | None
    """None where it is not known yet."""
    rows_per_second: float | None
    """In the last minute."""
    eta_seconds: float | None
    """Until all rows are written, at that rate."""
    waits_for: str | None
    waits_since: datetime | None
    blocked_by: tuple[Blocker, ...]
    index_build: IndexBuild | None


@dataclass(frozen=True, slots=True)
class TableStatus:
    """The table, at a glance."""

    name: str
    """Schema and name, quoted where need be."""
    migrated: bool
    """The root column is there and indexed, and no migration of it is under way or was interrupted."""
    guard: bool
    """The guard's trigger is there, and enabled."""


@dataclass(frozen=True, slots=True)
class AtWork:
    """The session that holds the claim on the table."""

    pid: int | None
    user: str | None
    command: str | None
    """None where the session does not say that it is llamactl's."""
    step: str | None
    """As its application_name has it; None where that names none."""
    transaction_seconds: float | None
    """The age of its transaction; None where it has none, or the role may not see it."""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The newest online run of the table, and what the table is by now."""

    run: RunStatus | None
    steps: tuple[RunStep, ...]
    table: TableStatus
    claimed: bool
    """A session of llamactl is at work on the table: this run's, or one that has not recorded any."""
    as_of: datetime
    """The server's clock."""
    at_work: AtWork | None = None
    notes: tuple[str, ...] = ()
