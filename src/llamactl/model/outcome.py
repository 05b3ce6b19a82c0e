"""How a command ends, and what it says meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from typing import TypeAlias

Note: TypeAlias = Callable[[str], None]
"""Takes a line for the person, on stderr."""


class ExitCode(IntEnum):
    """What the process returns."""

    OK = 0
    """Done; nothing at or above the threshold was found."""
    FOUND = 1
    """The command ran and found a problem, or what was requested does not exist."""
    USAGE = 2
    """Wrong usage or configuration, or a fault of llamactl's own."""
    UNAVAILABLE = 3
    """The database could not do it now."""
    INTERRUPTED = 130
    """Interrupted, or declined at the prompt."""


class ErrorCode(StrEnum):
    """The kind of failure, as in the JSON document's error.code."""

    CONNECTION = "connection"
    """The server is unreachable, refuses us, or went away."""
    PERMISSION = "permission"
    """A right is missing."""
    LOCK = "lock"
    """A lock was not got in time."""
    BUSY = "busy"
    """Another run is active, or another session makes the step unsound just now."""
    USAGE = "usage"
    """The command line cannot be."""
    CONFIG = "config"
    """A table, column, type, URL or setting that cannot be."""
    INTERNAL = "internal"
    """A fault of llamactl's own."""
    INTERRUPTED = "interrupted"
    """Ctrl-C, SIGTERM, or declined at the prompt."""
    NOT_FOUND = "not_found"
    """The requested job is not in the log."""


EXIT_CODES: Mapping[ErrorCode, ExitCode] = {
    ErrorCode.CONNECTION: ExitCode.UNAVAILABLE,
    ErrorCode.PERMISSION: ExitCode.UNAVAILABLE,
    ErrorCode.LOCK: ExitCode.UNAVAILABLE,
    ErrorCode.BUSY: ExitCode.UNAVAILABLE,
    ErrorCode.USAGE: ExitCode.USAGE,
    ErrorCode.CONFIG: ExitCode.USAGE,
    ErrorCode.INTERNAL: ExitCode.USAGE,
    ErrorCode.INTERRUPTED: ExitCode.INTERRUPTED,
    ErrorCode.NOT_FOUND: ExitCode.FOUND,
}


class Changed(StrEnum):
    """What a failed command left in the database, as in the JSON document's error.changed."""

    NOTHING = "nothing"
    """Nothing was committed."""
    PARTLY = "partly"
    """Something was committed before the error."""
    UNKNOWN = "unknown"
    """The connection was lost during a COMMIT."""

    def sentence(self, next_step: str) -> str:
        """Returns it for people, as the end of a sentence. `next_step`: how to continue; may be empty."""
        if self is Changed.NOTHING:
            return "nothing was changed"
        if self is Changed.UNKNOWN:
            return f"it is unknown whether the COMMIT succeeded: {next_step or 'run `llamactl verify`'}"
        return f"what was done stays: {next_step}" if next_step else "what was committed before stays"


class LlamactlError(Exception):
    """A failure that the user reads as one line, with a hint at what to do next.

    The message does not say what was changed: the session sets that where the error leaves it (open_session),
    and the CLI adds the sentence.
    """

    def __init__(
        self, code: ErrorCode, message: str, hint: str = "", changed: Changed = Changed.NOTHING
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.changed = changed
        self.next_step = ""
        """How to continue, where what was committed is a part of a whole."""

    @property
    def outcome(self) -> str:
        """What was changed, as the end of a sentence."""
        return self.changed.sentence(self.next_step)

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES[self.code]
