"""The commands that the demo ran."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llamactl.model.outcome import ExitCode


@dataclass(frozen=True, slots=True)
class DemoCommand:
    """A command that the demo ran."""

    typed: str
    narration: str
    exit_code: int
    seconds: float
    output: Any
    """The command's JSON document, if JSON was requested."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """All commands that the demo ran."""

    commands: tuple[DemoCommand, ...]

    @property
    def exit_code(self) -> int:
        """The exit code of the first command that failed, else 0."""
        return next((command.exit_code for command in self.commands if command.exit_code), ExitCode.OK)
