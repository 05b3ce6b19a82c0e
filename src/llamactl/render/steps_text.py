"""The steps of a command that changes the table: a table of them, what was skipped, their statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from llamactl.model import Step
from llamactl.render.page import Page, Part

READ_ONLY = frozenset({"resolve", "prove"})
"""Steps that only read the user's table, at length."""


def table(page: Page, steps: tuple[Step, ...], dry_run: bool) -> Iterator[str]:
    """A line a step, with its seconds; estimates after a dry run."""
    rows: list[list[Part]] = [[(word, "bold") for word in ("  step", "lock", "blocks", "seconds", "")]]
    for step in steps:
        seconds = step.estimate_seconds if dry_run else step.seconds
        about = "~" if dry_run else ""
        shown = "" if seconds is None else f"{about}{seconds:,.{2 if seconds < 10 else 1}f}"
        rows.append([f"  {_words(step.name)}", step.lock or "-", step.blocks, shown, ""])
    return page.table(rows, numeric={3})


def skipped(page: Page, names: tuple[str, ...]) -> Iterable[str]:
    """The steps that were not needed, in one line; nothing where there are none."""
    return page.hanging([("skipped  ", "bold")], ", ".join(map(_words, names))) if names else []


def statements(page: Page, steps: tuple[Step, ...]) -> Iterator[Iterable[str]]:
    """The SQL of each step that does more than read the user's table, without its comment lines."""
    for step in steps:
        if step.name in READ_ONLY:
            continue
        lines = (
            line for line in step.sql.splitlines() if line.strip() and not line.lstrip().startswith("--")
        )
        yield chain([page.line((f"-- {_words(step.name)}", "dim"))], map(page.line, lines))


def _words(name: str) -> str:
    return name.replace("_", " ")
