"""How a command ends: exit codes, errors and what was changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from typing import TypeAlias

Note: TypeAlias = Callable[[str], None]
"""Prints a line for the user on stderr."""


class ExitCode(IntEnum):
    """The exit code of the process."""

    OK = 0
    """Success; nothing at or above the threshold was found."""
    FOUND = 1
    """The command ran and found a problem, or what was requested does not exist."""
    USAGE = 2
    """Wrong usage or configuration, or a bug in llamactl."""
    UNAVAILABLE = 3
    """The database could not do it now; a retry may succeed."""
    INTERRUPTED = 130
    """Interrupted, or declined at the prompt."""


class ErrorCode(StrEnum):
    """The kind of failure, as in error.code of the JSON document."""

    CONNECTION = "connection"
    """The server is unreachable, rejected the connection, or closed it."""
    PERMISSION = "permission"
    """The role lacks a privilege."""
    LOCK = "lock"
    """Timed out waiting for a lock."""
    BUSY = "busy"
    """Another run is active, or another session interferes with the step."""
    USAGE = "usage"
    """The command line is invalid."""
    CONFIG = "config"
    """A table, column, type, URL or setting does not exist or cannot be used."""
    INTERNAL = "internal"
    """A bug in llamactl."""
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
    """What a failed command changed in the database, as in error.changed of the JSON document."""

    NOTHING = "nothing"
    """Nothing was committed."""
    PARTLY = "partly"
    """Something was committed before the error."""
    UNKNOWN = "unknown"
    """The connection was lost during a COMMIT."""

    def sentence(self, next_step: str) -> str:
        """Returns it as the end of a sentence. `next_step`: how to continue; may be empty."""
        if self is Changed.NOTHING:
            return "nothing was changed"
        if self is Changed.UNKNOWN:
            return f"it is unknown whether the COMMIT succeeded: {next_step or 'run `llamactl verify`'}"
        kept = "changes committed so far remain"
        return f"{kept}: {next_step}" if next_step else kept


class LlamactlError(Exception):
    """A failure that the user reads as one line, with a hint on what to do next.

    The message does not say what was changed: open_session() sets `changed`, and the CLI adds the sentence.
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
        """How to continue if only a part of the work was committed."""

    @property
    def outcome(self) -> str:
        """Returns what was changed, as the end of a sentence."""
        return self.changed.sentence(self.next_step)

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES[self.code]
