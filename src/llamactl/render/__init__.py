"""Model objects become output: text, JSON, GitHub annotations, JUnit XML. Knows no database.

Each format's module is imported where it is used: JSON must not wait for rich.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from llamactl.model import LlamactlError, OutputFormat

if TYPE_CHECKING:
    from llamactl.findings.kinds import Catalogue, FindingKind
    from llamactl.model import (
        DemoReport,
        GuardReport,
        MigrationReport,
        PreflightReport,
        RepairReport,
        StatsReport,
        StatusReport,
        Timeline,
        Tree,
        UndoReport,
        VerifyReport,
    )
    from llamactl.render.console import Screen

Report: TypeAlias = (
    "PreflightReport | MigrationReport | RepairReport | UndoReport | VerifyReport | Tree | Timeline"
    " | StatsReport | StatusReport | GuardReport | DemoReport | FindingKind | Catalogue | str"
)
"""The reports of the commands; a string is the script of `sql`."""
_FOR_CI = ("PreflightReport", "VerifyReport")
"""The reports that have annotations and JUnit XML."""
_TEXT_MODULES = {
    "Tree": "tree",
    "Timeline": "timeline_text",
    "UndoReport": "undo_text",
    "GuardReport": "guard_text",
    "StatsReport": "stats_text",
    "StatusReport": "status_text",
}
"""Report -> the module that renders it as text; text.py renders the others."""


def lines(
    report: Report, command: str, format_: OutputFormat, screen: Screen, verbose: bool = False
) -> Iterator[str]:
    """Yields what stands on stdout, in pieces. `verbose`: text with the SQL of planned steps."""
    # By name: importing the classes of all reports takes longer than to render most of them.
    name = type(report).__name__
    match format_:
        case OutputFormat.JSON:
            from llamactl.render import json

            return json.render(report, command, screen)
        case OutputFormat.GITHUB | OutputFormat.JUNIT if name in _FOR_CI:
            rendered: Iterator[str] = import_module(f"llamactl.render.{format_}").render(report)
            return rendered
        case OutputFormat.TEXT:
            return _text_lines(report, name, screen, verbose)
        case _:
            raise TypeError(f"no {format_} for {name}")


def _text_lines(report: Report, name: str, screen: Screen, verbose: bool) -> Iterator[str]:
    if isinstance(report, str):
        return iter([report])
    if name == "DemoReport":
        return iter([])  # its commands have printed their own output
    module = import_module(f"llamactl.render.{_TEXT_MODULES.get(name, 'text')}")
    with_sql = name not in _TEXT_MODULES or name == "UndoReport"
    rendered: Iterator[str] = module.render(report, screen, *([verbose] if with_sql else []))
    return rendered


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
