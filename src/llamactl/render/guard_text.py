"""guard as text: the state of the guard, and what was changed."""

from __future__ import annotations

from collections.abc import Iterator

from llamactl.model import GuardAction, GuardReport, RefusedBy
from llamactl.render.console import Screen
from llamactl.render.page import Page, Part

_REFUSED = {
    RefusedBy.GUARD: "refused by the guard",
    RefusedBy.CHECK: "refused by the CHECK",
    RefusedBy.BOTH: "refused by the guard and the CHECK",
    RefusedBy.NOTHING: "not refused",
}


def render(report: GuardReport, screen: Screen) -> Iterator[str]:
    """Yields a headline, and a line for each property that affects writers of the table."""
    page = Page(screen)
    yield page.line(_headline(report))
    lines: list[tuple[str, str]] = [
        ("job index", report.index or "none"),
        ("self-parents", _REFUSED[report.self_parents_refused_by]),
    ]
    if report.trust_root_flag is not None:
        flag = "the row's parent is ignored" if report.trust_root_flag else "not used"
        lines.insert(1, ("root flag", flag))
    if report.changed:
        verb = "removed" if report.action is GuardAction.REMOVE else "created"
        lines.append((verb, ", ".join(report.changed)))
    if report.blocked_seconds:
        lines.append(("blocked", f"{report.blocked_seconds:.2f} s"))
    yield from page.table([[(f"  {name}", "bold"), value] for name, value in lines])


def _headline(report: GuardReport) -> Part:
    if report.enabled and not report.up_to_date:
        return ("Installed but outdated: new rows may get a wrong root.", "bold yellow")
    if report.enabled:
        return ("Installed: new rows get their root.", "bold green")
    if report.installed:
        return ("Installed but disabled: new rows get no root.", "bold yellow")
    if report.action is GuardAction.REMOVE:
        return ("Removed." if report.changed else "Nothing to do: there is no guard.", "bold green")
    return ("Not installed: new rows get the root that the application gives them.", "bold yellow")
