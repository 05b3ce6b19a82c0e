"""What `llamactl explain` prints: one finding or check, or the list of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from llamactl.findings.kinds import Catalogue, FindingKind
from llamactl.model import Severity
from llamactl.render.console import Screen
from llamactl.render.page import SEVERITY_STYLES, Page, Part, apart


def explanation(kind: FindingKind, screen: Screen) -> Iterator[str]:
    """An id's title and description; prose is wrapped on a terminal, code never."""
    page = Page(screen)
    head = page.line(
        (f"{kind.id} {kind.slug}", "bold"), "  ", (kind.severity, SEVERITY_STYLES[kind.severity])
    )
    return apart(
        chain([head], page.hanging([], (kind.title, "bold"))),
        *(_paragraph(page, paragraph) for paragraph in kind.description.split("\n\n")),
    )


_CHECKS = "Checks of verify"
_GROUPS = {
    Severity.ERROR: "Errors: findings of preflight that make a migration impossible",
    Severity.WARNING: "Warnings: findings of preflight to read before a migration",
    Severity.INFO: "Info: findings of preflight that are good to know",
}


def catalogue(listed: Catalogue, screen: Screen) -> Iterator[str]:
    """All ids with their slugs and titles: the findings by severity, then the checks."""
    page = Page(screen)
    groups: dict[str, list[list[Part]]] = {title: [] for title in (*_GROUPS.values(), _CHECKS)}
    for kind in listed.kinds:
        title = _CHECKS if kind.is_check else _GROUPS[kind.severity]
        groups[title].append([f"  {kind.id:<5}", kind.slug, (kind.title, "bold")])
    sections = (chain([page.line((title, "bold"))], page.table(rows)) for title, rows in groups.items())
    return apart(
        *sections, page.hanging([], "Run `llamactl explain ID` for details; ID can also be the slug.")
    )


def _paragraph(page: Page, paragraph: str) -> Iterable[str]:
    lines = paragraph.splitlines()
    if lines[0].startswith("    "):
        return map(page.line, lines)
    return page.hanging([], " ".join(lines))
