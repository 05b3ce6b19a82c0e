"""From a look at the table to its migration, its proof, and back."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.command import Call, milliseconds, verb
from llamactl.model import (
    CheckPolicy,
    ErrorCode,
    ExitCode,
    FailOn,
    GuardAction,
    LlamactlError,
)
from llamactl.options import (
    CheckOption,
    DryRun,
    ExpectFilled,
    ExpectOrphans,
    FailOnOption,
    GraceOfRepair,
    Plain,
    Reporting,
    Retries,
    Yes,
    table_options,
)
from llamactl.verbs.app import app


@verb(app, table_options, Reporting)
def preflight(call: Call, fail_on: FailOnOption = FailOn.ERROR) -> ExitCode:
    """Tell what stands in the way. Reads only: rights, locks, disk, cycles, and what the rows come to."""
    from llamactl import preflight

    with call.session() as (session, settings):
        report = preflight.run(session, settings, note=call.note)
    return call.show(report, found=report.fails(fail_on))


@verb(app, table_options, Plain)
def migrate(
    call: Call,
    dry_run: DryRun = False,
    yes: Yes = False,
    retries: Retries = 5,
    check: CheckOption = CheckPolicy.AUTO,
    expect_filled: ExpectFilled = None,
    expect_orphans: ExpectOrphans = None,
    online: Annotated[
        bool, typer.Option("--online", help="In batches, while the application reads and writes.")
    ] = False,
    guard: Annotated[
        bool | None,
        typer.Option(
            "--guard/--no-guard", help="With --online: the guard stays afterwards (the default), or goes."
        ),
    ] = None,
    grace: GraceOfRepair = None,
) -> ExitCode:
    """Add the root column and fill it. One transaction, all or nothing; --online: beside the application."""
    if online:
        options = (check, retries, expect_filled, expect_orphans, guard is not False)
        return _migrate_online(call, dry_run, yes, milliseconds("--grace", grace or "10m"), *options)
    if guard is not None or grace is not None:
        raise LlamactlError(ErrorCode.USAGE, "--guard and --grace go with --online only")
    from llamactl import migrate

    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings):
        report = migrate.run(
            session,
            settings,
            dry_run=dry_run,
            check=check,
            retries=retries,
            expect_filled=expect_filled,
            expect_orphans=expect_orphans,
            confirm=confirm,
            note=call.note,
        )
    return call.show(report, found=report.failed)


@verb(app, table_options, Reporting)
def verify(
    call: Call,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="Rows younger than this may still lack their root.")
    ] = "10m",
    fail_on: FailOnOption = FailOn.ERROR,
) -> ExitCode:
    """Prove that the roots are right. Every row is computed again and compared; 1 where one differs."""
    from llamactl import verify

    grace_ms = milliseconds("--grace", grace)
    with call.session() as (session, settings):
        report = verify.run(session, settings, grace_ms=grace_ms, note=call.note)
    return call.show(report, found=report.fails(fail_on))


@verb(app, table_options, Plain)
def repair(
    call: Call,
    dry_run: DryRun = False,
    yes: Yes = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also correct roots that are not the computed ones.")
    ] = False,
    grace: GraceOfRepair = None,
    retries: Retries = 5,
) -> ExitCode:
    """Fill the roots that are missing. In batches, while the application reads and writes."""
    from llamactl import repair

    confirm = call.confirmation(needed=not (yes or dry_run))
    grace_ms = milliseconds("--grace", grace or "10m")
    with call.session() as (session, settings), call.progress() as progress:
        report = repair.run(
            session,
            settings,
            dry_run=dry_run,
            overwrite=overwrite,
            grace_ms=grace_ms,
            retries=retries,
            confirm=confirm,
            note=call.note,
            progress=progress,
        )
    return call.show(report, found=report.failed)


@verb(app, table_options, Plain)
def guard(
    call: Call,
    action: Annotated[GuardAction, typer.Argument(help="What to do.")],
    yes: Yes = False,
    retries: Retries = 5,
) -> ExitCode:
    """Have the database give new rows their root. A trigger, which refuses self-parents too."""
    from llamactl import guard

    confirm = call.confirmation(needed=not yes and action is not GuardAction.STATUS)
    with call.session() as (session, settings):
        report = guard.run(session, settings, action, retries=retries, confirm=confirm, note=call.note)
    fires = report.enabled and report.up_to_date
    return call.show(report, found=action is not GuardAction.REMOVE and not fires)


@verb(app, table_options, Plain)
def undo(call: Call, dry_run: DryRun = False, yes: Yes = False, retries: Retries = 5) -> ExitCode:
    """Take off what llamactl made. One transaction, all or nothing; the parents that it cleared come back."""
    from llamactl import undo

    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings):
        report = undo.run(
            session, settings, dry_run=dry_run, retries=retries, confirm=confirm, note=call.note
        )
    return call.show(report)


def _migrate_online(
    call: Call,
    dry_run: bool,
    yes: bool,
    grace_ms: int,
    check: CheckPolicy,
    retries: int,
    expect_filled: int | None,
    expect_orphans: int | None,
    keep_guard: bool,
) -> ExitCode:
    from llamactl import online

    options = online.OnlineOptions(check, retries, expect_filled, expect_orphans, keep_guard, grace_ms)
    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings), call.progress() as progress:
        report = online.run(
            session,
            settings,
            options,
            dry_run=dry_run,
            confirm=confirm,
            note=call.note,
            progress=progress,
        )
    return call.show(report, found=report.failed)
