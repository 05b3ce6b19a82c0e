"""The results of preflight, verify and stats."""

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
    """One finding of preflight."""

    id: str
    """Stable across versions: LL001 ..."""
    slug: str
    """The id in words: `ambiguous-parents`."""
    severity: Severity
    title: str
    count: int
    sample: tuple[str, ...]
    hint: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A finding that preflight could not look for."""

    id: str
    slug: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """All that preflight found."""

    findings: tuple[Finding, ...]
    """Errors first, then warnings, then info; sorted by id within each severity."""
    counts: Counts | None
    """None if the rows could not be read; a finding says why."""
    cycles: tuple[Cycle, ...]
    cycles_total: int | None
    table: TableInfo
    skipped: tuple[Skipped, ...] = ()
    """Sorted by id."""
    root_not_logged: int | None = None
    """Rows whose stored root is not logged as a job; None if unknown."""

    @property
    def ok(self) -> bool:
        """Whether the migration is possible: no finding is an error."""
        return not self.fails(FailOn.ERROR)

    def fails(self, fail_on: FailOn) -> bool:
        """Whether any finding is at or above the threshold."""
        return any(fail_on.reached_by(finding.severity) for finding in self.findings)


class CheckStatus(StrEnum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The check was not run."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of verify."""

    id: str
    """Stable across versions: V01 ..."""
    slug: str
    """The id in words: `missing-root`."""
    title: str
    status: CheckStatus
    reason: str | None = None
    """Why the check was skipped."""
    violations: int = 0
    sample: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR
    """The severity of a failure, which --fail-on is compared with."""
    hint: str = ""
    """What to do if the check fails."""

    @property
    def ok(self) -> bool | None:
        """None if the check was skipped."""
        return None if self.status is CheckStatus.SKIPPED else self.status is CheckStatus.PASSED


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """All that verify checked."""

    checks: tuple[Check, ...]
    counts: Counts | None
    """None if the table has not been migrated."""
    waiting: int = 0
    """Rows younger than the grace period that still have no root."""
    root_not_logged: int | None = None
    """Rows whose stored root is not logged as a job; None if the table has not been migrated."""
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
        """Whether a check failed whose severity is at or above the threshold."""
        return any(fail_on.reached_by(check.severity) for check in self.failed)


@dataclass(frozen=True, slots=True)
class Monitor:
    """One value that stats monitors."""

    id: str
    """`depth`, `size`, `timeline` or `unrooted`."""
    title: str
    ok: bool | None
    """False if the value is past the threshold; None if there is no value."""
    value: float | None
    """None if it cannot be determined; detail["reason"] says why."""
    threshold: int
    unit: str
    """The unit of value and threshold: `levels`, `bytes`, `ms` or `rows`."""
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StatsReport:
    """The values of all monitors."""

    monitors: tuple[Monitor, ...]
    table: TableInfo
    root_not_logged: int | None = None
    """Rows whose stored root is not logged as a job; None if the table has not been migrated."""

    @property
    def ok(self) -> bool:
        """No monitor is past its threshold."""
        return all(monitor.ok is not False for monitor in self.monitors)
