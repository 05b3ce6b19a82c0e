"""Model objects become output: text, JSON, GitHub annotations, JUnit XML. Knows no database.

Each format's module is imported where it is used: JSON must not wait for rich.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from llamactl.model import (
    DemoReport,
    GuardReport,
    LlamactlError,
    MigrationReport,
    OutputFormat,
    PreflightReport,
    RepairReport,
    StatsReport,
    StatusReport,
    Timeline,
    Tree,
    UndoReport,
    VerifyReport,
)

if TYPE_CHECKING:
    from llamactl.findings.kinds import Catalogue, FindingKind
    from llamactl.render.console import Screen

Report: TypeAlias = (
    "PreflightReport | MigrationReport | RepairReport | UndoReport | VerifyReport | Tree | Timeline"
    " | StatsReport | StatusReport | GuardReport | DemoReport | FindingKind | Catalogue | str"
)
"""The reports of the commands; a string is the script of `sql`."""


def lines(
    report: Report, command: str, format_: OutputFormat, screen: Screen, verbose: bool = False
) -> Iterator[str]:
    """Yields what stands on stdout, in pieces. `verbose`: text with the SQL of planned steps."""
    match format_, report:
        case OutputFormat.JSON, _:
            from llamactl.render import json

            return json.render(report, command, screen)
        case OutputFormat.GITHUB, PreflightReport() | VerifyReport():
            from llamactl.render import github

            return github.render(report)
        case OutputFormat.JUNIT, PreflightReport() | VerifyReport():
            from llamactl.render import junit

            return junit.render(report)
        case OutputFormat.TEXT, _:
            return _text_lines(report, screen, verbose)
        case _:
            raise TypeError(f"no {format_} for {type(report).__name__}")


def _text_lines(report: Report, screen: Screen, verbose: bool) -> Iterator[str]:
    match report:
        case DemoReport():
            return iter([])  # its commands have printed their own output
        case str():
            return iter([report])
        case Tree():
            from llamactl.render import tree

            return tree.render(report, screen)
        case Timeline():
            from llamactl.render import timeline_text

            return timeline_text.render(report, screen)
        case UndoReport():
            from llamactl.render import undo_text

            return undo_text.render(report, screen, verbose)
        case GuardReport():
            from llamactl.render import guard_text

            return guard_text.render(report, screen)
        case StatsReport():
            from llamactl.render import stats_text

            return stats_text.render(report, screen)
        case StatusReport():
            from llamactl.render import status_text

            return status_text.render(report, screen)
        case _:
            from llamactl.render import text

            return text.render(report, screen, verbose)


def failure(problem: LlamactlError, command: str | None, format_: OutputFormat, screen: Screen) -> str:
    """Returns the output on stdout for a failed command: a document of the format; nothing for text."""
    match format_:
        case OutputFormat.JSON:
            from llamactl.render import json

            return json.error(problem, command, screen)
        case OutputFormat.GITHUB:
            from llamactl.render import github

            return github.error(problem, command)
        case OutputFormat.JUNIT:
            from llamactl.render import junit

            return junit.error(problem, command)
        case OutputFormat.TEXT | OutputFormat.HTML:
            return ""
