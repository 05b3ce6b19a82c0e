"""The steps of a command that changes the table: a table of them, what was skipped, their statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from llamactl.model import Estimate, Step
from llamactl.model.steps import StepName
from llamactl.render.page import Page, Part
from llamactl.render.words import step_words
from llamactl.wording import about, span

READ_ONLY = frozenset({StepName.RESOLVE, StepName.PROVE})
"""Steps that only read the user's table, at length."""
_CHECKS = frozenset({StepName.ADD_CHECK, StepName.ADD_CHECK_NOT_VALID, StepName.VALIDATE_CHECK})
"""One of them stands for all."""
ADDING = frozenset(
    {
        *(StepName.ADD_COLUMN, StepName.FILL, StepName.CREATE_INDEX, StepName.ADD_CHECK, StepName.ADD_LABEL),
        *(StepName.CREATE_JOB_INDEX, StepName.CREATE_GUARD),
    }
)
"""What a migration adds to a table that has nothing of it."""
REMOVING = frozenset({StepName.DROP_COLUMN, StepName.DROP_INDEX, StepName.DROP_CHECK})
"""What undo removes from a table that has all of it."""


def table(page: Page, steps: tuple[Step, ...], dry_run: bool) -> Iterator[str]:
    """A line a step, with its seconds; estimates after a dry run."""
    rows: list[list[Part]] = [[(word, "bold") for word in ("  step", "lock", "blocks", "seconds", "")]]
    for step in steps:
        estimate, seconds = step.estimate_seconds, step.seconds
        shown = "" if seconds is None else figure(seconds)
        if dry_run:
            shown = span(estimate) if estimate else ""
        rows.append([f"  {step_words(step.name)}", step.lock or "-", step.blocks, shown, ""])
    return page.table(rows, numeric={3})


def blocked(page: Page, seconds: float | None, estimate: Estimate | None = None) -> Iterable[str]:
    """How long others were kept from the table, or will be; nothing where they are not."""
    if seconds:
        return [page.line(f"The table was blocked for {figure(seconds)} s.")]
    return (
        [page.line(f"The table will be blocked for {about(estimate)}.")] if estimate and estimate.high else []
    )


def skipped(
    page: Page, steps: tuple[Step, ...], names: tuple[str, ...], expected: frozenset[StepName]
) -> Iterable[str]:
    """In one line, the steps that were not needed and that a reader expects; nothing where there are none."""
    checked = {step.name for step in steps} & _CHECKS
    missed = [name for name in names if name in expected and not (checked and name in _CHECKS)]
    return page.hanging([("skipped  ", "bold")], ", ".join(map(step_words, missed))) if missed else []


def hint(page: Page) -> Iterator[str]:
    """Where the statements are."""
    yield page.line(("Add -v to see the SQL of each step.", "dim"))


def statements(page: Page, steps: tuple[Step, ...]) -> Iterator[Iterable[str]]:
    """The SQL of each step that does more than read the user's table, without its comment lines."""
    for step in steps:
        if step.name in READ_ONLY:
            continue
        lines = (
            line for line in step.sql.splitlines() if line.strip() and not line.lstrip().startswith("--")
        )
        yield chain([page.line((f"-- {step_words(step.name)}", "dim"))], map(page.line, lines))


def figure(seconds: float) -> str:
    return f"{seconds:,.{2 if seconds < 10 else 1}f}"
