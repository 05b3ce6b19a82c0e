"""What a person types next, once a command has ended: with the options that this one was given.

A line that is printed here can be pasted into the same shell: words are quoted for it. It never contains a
password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llamactl.cli.help import OUTPUT, TABLE
from llamactl.model import (
    Counts,
    GuardAction,
    GuardReport,
    MigrationReport,
    PreflightReport,
    RepairReport,
    UndoReport,
    VerifyReport,
)
from llamactl.model.steps import StepName
from llamactl.wording import shell

if TYPE_CHECKING:
    from typer import Context

    from llamactl.config.settings import Settings
    from llamactl.db.session import Session

_ONCE = ("dry_run", "expect_filled", "expect_orphans")
"""Options of a dry run that are not repeated in the run after it."""
_CHANGES_NOTHING = frozenset(
    {StepName.LOCK, StepName.CLAIM, StepName.RESOLVE, StepName.CREATE_STATE, StepName.LAST_PASS}
)


@dataclass(frozen=True, slots=True)
class NextStep:
    """A sentence, and the command line that it is about; empty where there is none."""

    sentence: str
    line: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """The options of a command line, as words for a shell."""

    shared: tuple[str, ...]
    """The options of connection and table, which every command takes."""
    own: tuple[str, ...]
    """The command's own options, except those that apply only to this call."""

    def line(self, command: str, *more: str, own: bool = False) -> str:
        """Returns the command line with these options; `own`: with the command's own too."""
        return " ".join(["llamactl", command, *self.shared, *(self.own if own else ()), *more])


def given_options(context: Context) -> Given:
    """Returns the options that stand on the command line."""
    shared: list[str] = []
    own: list[str] = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        group = getattr(parameter, "rich_help_panel", None)
        if source is None or source.name != "COMMANDLINE" or group == OUTPUT or parameter.name in _ONCE:
            continue
        if parameter.param_type_name == "option":
            words = shared if group == TABLE else own
            words += _words(parameter, context.params[parameter.name])
    return Given(tuple(shared), tuple(own))


def _words(parameter: Any, value: Any) -> list[str]:
    flag = parameter.opts[-1]
    if isinstance(value, bool):
        return [flag if value else parameter.secondary_opts[0]]
    if isinstance(value, list | tuple):
        return [word for one in value for word in (flag, shell(str(one)))]
    if parameter.name == "dsn":
        return [flag, _dsn_word(str(value))]
    return [flag, shell(str(value.value if isinstance(value, Enum) else value))]


def _dsn_word(dsn: str) -> str:
    """Returns the variable that has this value, else the text, else `URL` in place of one with a password."""
    from llamactl.config.dsn import read_dsn
    from llamactl.render.safe import without_passwords

    for name, value in os.environ.items():
        if value == dsn and name != "_" and re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            return f'"${name}"'
    secret = read_dsn(dsn, "--dsn", None).has_secret or without_passwords(dsn) != dsn
    return "URL" if secret else shell(dsn)


@dataclass(frozen=True, slots=True)
class _Prisma:
    """The row of catalog/prisma.sql."""

    found: bool


@dataclass(frozen=True, slots=True)
class Around:
    """What was found on and beside the table, before a migration."""

    guarded: bool
    """New rows get their root from the guard, or will once it is installed."""
    drift: str
    """What Prisma will report as drift; empty if Prisma does not manage the database."""


def look_around(session: Session, settings: Settings, *, online: bool) -> Around:
    """Returns what the next steps depend on. Before the migration: a failure after it would hide its report.

    Raises LlamactlError.
    """
    from llamactl.table.guard_state import read_guard_state
    from llamactl.table.table import Table

    table = Table.seen(session, settings)
    prisma = _in_prisma_project() or table.row("catalog/prisma", _Prisma, relation=table.relation.oid).found
    guarded = online or read_guard_state(table).guarding
    columns = table.names.columns
    parts = [
        f"column {columns['root_job_id']}",
        "its index",
        f"the index on ({columns['job_id']}, {columns['parent_job_id']})" if guarded else "",
        "enum value LINKED" if table.relation.enum else "",
    ]
    *first, last = filter(None, parts)
    drift = f"{', '.join(first)} and {last}" if prisma else ""
    return Around(guarded, drift)


def _in_prisma_project() -> bool:
    with suppress(OSError):
        return Path("prisma/schema.prisma").is_file()
    return False


def next_steps(report: object, given: Given, around: Around | None = None) -> Iterator[NextStep]:
    """Yields what to do after this report. `around`: what was found before a migration."""
    match report:
        case PreflightReport():
            yield _after_preflight(report, given)
        case MigrationReport(dry_run=True):
            yield from _after_dry_run(report, given)
        case MigrationReport() if not report.failed:
            yield from _after_migration(given, around)
        case RepairReport(dry_run=True) if report.missing or report.wrong or report.disregarded:
            yield NextStep("Next: repair", given.line("repair", own=True))
        case RepairReport() if report.written or report.cleared:
            yield NextStep("Next: check every row", given.line("verify"))
        case UndoReport(dry_run=True) if report.steps:
            yield NextStep("Next: undo", given.line("undo", own=True))
        case GuardReport(action=GuardAction.INSTALL):
            yield NextStep("Next: find rows without their root", given.line("repair", "--dry-run"))
        case VerifyReport(counts=None):
            yield NextStep("Next: check what would prevent the migration", given.line("preflight"))


def _after_preflight(report: PreflightReport, given: Given) -> NextStep:
    if not report.ok:
        again = "Next: resolve the errors (llamactl explain ID describes each), then check again"
        return NextStep(again, given.line("preflight"))
    if report.root_not_logged is not None and _complete(report.counts):
        return NextStep("Next: check every row", given.line("verify"))
    return NextStep("Next: see what the migration would do", given.line("migrate", "--dry-run"))


def _complete(counts: Counts | None) -> bool:
    return counts is not None and counts.filled == counts.already_set


def _after_dry_run(report: MigrationReport, given: Given) -> Iterator[NextStep]:
    if report.unmet:
        return
    if {step.name for step in report.steps} <= _CHANGES_NOTHING:
        yield NextStep("Next: check every row", given.line("verify"))
        return
    expected = ("--expect-filled", str(report.counts.filled), "--expect-orphans", str(report.counts.orphans))
    sentence = "Next: migrate, provided that the counts are still the same"
    yield NextStep(sentence, given.line("migrate", *expected, own=True))


def _after_migration(given: Given, around: Around | None) -> Iterator[NextStep]:
    yield NextStep("Next: check every row", given.line("verify"))
    if around and not around.guarded:
        yield NextStep("Next: have the database give new rows their root", given.line("guard install"))
    if around and around.drift:
        yield NextStep(
            f"This is a Prisma project: `prisma migrate dev` reports {around.drift} as drift, and offers to "
            "reset the database, until schema.prisma and a migration contain them: see docs/operating.md, "
            "Prisma projects"
        )
