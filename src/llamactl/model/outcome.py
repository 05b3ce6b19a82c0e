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
    """The command ran and found a problem, or what was asked for is not there."""
    USAGE = 2
    """Wrong usage or configuration, or a fault of llamactl's own; nothing was changed."""
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
    """The job that was asked for is not in the log."""


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


class LlamactlError(Exception):
    """A failure that the user reads as one line, with a hint at what to do next."""

    def __init__(self, code: ErrorCode, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES[self.code]
