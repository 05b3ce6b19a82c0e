"""The words that options take."""

from __future__ import annotations

from enum import StrEnum


class OutputFormat(StrEnum):
    """Of stdout."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    """Workflow annotations; verify and preflight only."""
    JUNIT = "junit"
    """JUnit XML; verify and preflight only."""
    HTML = "html"
    """A page of its own; tree and timeline only."""


class DanglingPolicy(StrEnum):
    """What rows get whose one root is a dangling parent."""

    FILL = "fill"
    """That parent's id, the topmost one known."""
    NULL = "null"
    """Nothing."""


class CheckPolicy(StrEnum):
    """Whether migrate adds the self-parent CHECK."""

    AUTO = "auto"
    """Only where no row violates it."""
    NOT_VALID = "not-valid"
    """Also where rows violate it, NOT VALID: their next UPDATE fails."""
    NO = "no"
    """Never."""


class GuardAction(StrEnum):
    """The action that `guard` performs."""

    INSTALL = "install"
    """Make it, or what of it is missing."""
    REMOVE = "remove"
    """Take it off, and what was made for it."""
    STATUS = "status"
    """Tell what is there; changes nothing."""


class Severity(StrEnum):
    """Of a finding."""

    ERROR = "error"
    """The migration is impossible."""
    WARNING = "warning"
    """To be known before the migration."""
    INFO = "info"
    """Good to know."""


class FailOn(StrEnum):
    """The severity from which preflight and verify exit with 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"

    def reached_by(self, severity: Severity) -> bool:
        """Whether `severity` is at or above this threshold."""
        order = list(Severity)
        return self is not FailOn.NEVER and order.index(severity) <= order.index(Severity(self.value))
