"""`llamactl migrate`: in one transaction, or online."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, milliseconds, verb
from llamactl.cli.options import (
    CheckOption,
    DryRun,
    ExpectFilled,
    ExpectOrphans,
    GraceOfRepair,
    Plain,
    Retries,
    Yes,
    table_options,
)
from llamactl.model import (
    CheckPolicy,
    ErrorCode,
    ExitCode,
    LlamactlError,
)


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
    from llamactl.migrate.run import migrate_table

    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings):
        report = migrate_table(
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
    from llamactl.online import run as online

    options = online.OnlineOptions(check, retries, expect_filled, expect_orphans, keep_guard, grace_ms)
    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings), call.progress() as progress:
        report = online.migrate_online(
            session,
            settings,
            options,
            dry_run=dry_run,
            confirm=confirm,
            note=call.note,
            progress=progress,
        )
    return call.show(report, found=report.failed)
