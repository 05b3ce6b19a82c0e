"""What preflight, verify and stats find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from llamactl.model.counts import Counts, Cycle
from llamactl.model.options import FailOn, Severity
from llamactl.model.table import TableInfo


@dataclass(frozen=True, slots=True)
class Finding:
    """What preflight has to say about one thing."""

    id: str
    """Stable: LL001 ..."""
    slug: str
    """The id in words: `ambiguous-parents`."""
    severity: Severity
    title: str
    count: int
    sample: tuple[str, ...]
    hint: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A finding that preflight did not look for."""

    id: str
    slug: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """All that preflight found."""

    findings: tuple[Finding, ...]
    """Errors first, then warnings, then info; by id within."""
    counts: Counts | None
    """None where the rows could not be read (a finding says why)."""
    cycles: tuple[Cycle, ...]
    cycles_total: int | None
    table: TableInfo
    skipped: tuple[Skipped, ...] = ()
    """By id."""
    root_not_logged: int | None = None
    """Rows whose stored root is no job of the log; None where that is not known."""

    @property
    def ok(self) -> bool:
        """Nothing makes the migration impossible."""
        return not self.fails(FailOn.ERROR)

    def fails(self, fail_on: FailOn) -> bool:
        """Whether a finding is at or above the threshold."""
        return any(fail_on.reached_by(finding.severity) for finding in self.findings)


class CheckStatus(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It was not made."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that verify proves."""

    id: str
    """Stable: V01 ..."""
    slug: str
    """The id in words: `missing-root`."""
    title: str
    status: CheckStatus
    reason: str | None = None
    """Why it was skipped."""
    violations: int = 0
    sample: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR
    """What a failure of it weighs against --fail-on."""
    hint: str = ""
    """What to do about a failure."""

    @property
    def ok(self) -> bool | None:
        """None where it was skipped."""
        return None if self.status is CheckStatus.SKIPPED else self.status is CheckStatus.PASSED


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """All that verify checked."""

    checks: tuple[Check, ...]
    counts: Counts | None
    """None where the table is not migrated yet."""
    waiting: int = 0
    """Rows younger than the grace that still lack a root."""
    root_not_logged: int | None = None
    """Rows whose stored root is no job of the log; None where the table is not migrated yet."""
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """No check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.status is CheckStatus.FAILED)

    @property
    def skipped(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.status is CheckStatus.SKIPPED)

    def fails(self, fail_on: FailOn) -> bool:
        """Whether a check failed that weighs as much as the threshold."""
        return any(fail_on.reached_by(check.severity) for check in self.failed)


@dataclass(frozen=True, slots=True)
class Monitor:
    """One thing that stats watches."""

    id: str
    """`depth`, `size`, `timeline` or `unrooted`."""
    title: str
    ok: bool | None
    """False: past the threshold; None where there is no value."""
    value: float | None
    """None where it cannot be told; detail["reason"] says why."""
    threshold: int
    unit: str
    """Of value and threshold: `levels`, `bytes`, `ms` or `rows`."""
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StatsReport:
    """What the monitors show."""

    monitors: tuple[Monitor, ...]
    table: TableInfo
    root_not_logged: int | None = None
    """Rows whose stored root is no job of the log; None where the table is not migrated yet."""

    @property
    def ok(self) -> bool:
        """No monitor is past its threshold."""
        return all(monitor.ok is not False for monitor in self.monitors)
