"""undo as text: what it removed, or would remove."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llamactl.model import Parents, UndoReport
from llamactl.render import steps_text
from llamactl.render.console import Screen
from llamactl.render.page import Page, Part, apart


def render(report: UndoReport, screen: Screen, verbose: bool = False) -> Iterator[str]:
    """The steps; `verbose`: of a dry run before them their statements."""
    page = Page(screen)
    sections: list[Iterable[str]] = [[page.line(_headline(report))]]
    if report.dry_run and verbose:
        sections += steps_text.statements(page, report.steps)
    sections.append(_parents(page, report.parents))
    if report.steps:
        sections += [
            steps_text.table(page, report.steps, report.dry_run),
            steps_text.skipped(page, report.steps, report.skipped, steps_text.REMOVING),
            steps_text.blocked(page, report.blocked_seconds, report.blocked_estimate_seconds),
        ]
    if report.dry_run and report.steps and not verbose:
        sections.append(steps_text.hint(page))
    return apart(*sections)


def _headline(report: UndoReport) -> Part:
    if not report.steps:
        return ("Nothing to undo: llamactl has not changed the table.", "bold green")
    if report.dry_run:
        return ("Dry run: nothing was changed.", "bold")
    return ("Undone.", "bold green")


def _parents(page: Page, parents: Parents) -> Iterator[str]:
    counts = (
        ("restored", parents.restored, _apart("cleared parents restored", parents.from_0_1.restored)),
        ("kept", parents.kept, "rows have been given a parent since"),
        ("unmatched", parents.unmatched, _apart("saved parents match no row", parents.from_0_1.unmatched)),
        ("renamed", parents.renamed, "were saved under a former name of the table"),
    )
    rows: list[list[Part]] = [
        [("  " + name, "bold"), f"{count:,}", (meaning, "dim")] for name, count, meaning in counts if count
    ]
    return page.table(rows, numeric={1}) if rows else iter(())


def _apart(meaning: str, from_0_1: int) -> str:
    return f"{meaning}, {from_0_1:,} of them saved by 0.1" if from_0_1 else meaning
