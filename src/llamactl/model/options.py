"""The values that options accept."""

from __future__ import annotations

from enum import StrEnum


class OutputFormat(StrEnum):
    """The format of the output on stdout."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    """Workflow annotations; verify and preflight only."""
    JUNIT = "junit"
    """JUnit XML; verify and preflight only."""
    HTML = "html"
    """A self-contained page; tree and timeline only."""


class DanglingPolicy(StrEnum):
    """The root of rows whose only root is a dangling parent."""

    FILL = "fill"
    """The id of that parent, the topmost one known."""
    NULL = "null"
    """No root."""


class CheckPolicy(StrEnum):
    """Whether migrate adds the self-parent CHECK."""

    AUTO = "auto"
    """Only if no row violates it."""
    NOT_VALID = "not-valid"
    """Even if rows violate it, as NOT VALID: the next UPDATE of such a row fails."""
    NO = "no"
    """Never."""


class GuardAction(StrEnum):
    """The action that `guard` performs."""

    INSTALL = "install"
    """Install the guard, or the parts of it that are missing."""
    REMOVE = "remove"
    """Remove the guard and everything that was created for it."""
    STATUS = "status"
    """Report what is installed; changes nothing."""


class Severity(StrEnum):
    """The severity of a finding."""

    ERROR = "error"
    """The migration is impossible."""
    WARNING = "warning"
    """Should be known before the migration."""
    INFO = "info"
    """For information."""


class FailOn(StrEnum):
    """The lowest severity at which preflight and verify exit with 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"

    def reached_by(self, severity: Severity) -> bool:
        """Whether `severity` is at or above this threshold."""
        order = list(Severity)
        return self is not FailOn.NEVER and order.index(severity) <= order.index(Severity(self.value))
