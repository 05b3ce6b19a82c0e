"""What the demo ran."""

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
    """Its JSON document, where JSON was requested."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo ran."""

    commands: tuple[DemoCommand, ...]

    @property
    def exit_code(self) -> int:
        """That of the first command that did not end well, else 0."""
        return next((command.exit_code for command in self.commands if command.exit_code), ExitCode.OK)
