"""`llamactl migrate`: in one transaction, or online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, milliseconds, verb
from llamactl.cli.help import MIGRATE
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

if TYPE_CHECKING:
    from llamactl.online.run import OnlineOptions


Online = Annotated[bool, typer.Option("--online", help="Work in batches; the application keeps running.")]
KeepGuard = Annotated[
    bool | None, typer.Option("--guard/--no-guard", help="With --online: keep the guard (default: yes).")
]

KeepIndexes = Annotated[
    bool,
    typer.Option("--keep-indexes", help="Keep all indexes, instead of building some again afterwards."),
]


@verb(
    app,
    table_options,
    Plain,
    panel=MIGRATE,
    examples=(
        "llamactl migrate --dry-run",
        "llamactl migrate --expect-filled 1567 --expect-orphans 2485",
        "llamactl migrate --online",
    ),
)
def migrate(
    call: Call,
    dry_run: DryRun = False,
    yes: Yes = False,
    retries: Retries = 5,
    check: CheckOption = CheckPolicy.AUTO,
    expect_filled: ExpectFilled = None,
    expect_orphans: ExpectOrphans = None,
    keep_indexes: KeepIndexes = False,
    online: Online = False,
    guard: KeepGuard = None,
    grace: GraceOfRepair = None,
) -> ExitCode:
    """Add the root column and fill it.

    In one transaction, all or nothing, which blocks the table until it ends. With --online in batches, while
    the application reads and writes.
    """
    if online and keep_indexes:
        raise LlamactlError(ErrorCode.USAGE, "--keep-indexes cannot be combined with --online")
    if online:
        from llamactl.online.run import OnlineOptions

        grace_ms = milliseconds("--grace", grace or "10m")
        wanted = OnlineOptions(
            check, retries, expect_filled, expect_orphans, guard is not False, grace_ms, dry_run=dry_run
        )
        return _migrate_online(call, wanted, yes)
    if guard is not None or grace is not None:
        raise LlamactlError(ErrorCode.USAGE, "--guard and --grace require --online")
    from llamactl.cli.next_steps import look_around
    from llamactl.migrate.dry_run import MigrateOptions
    from llamactl.migrate.run import migrate_table

    options = MigrateOptions(check, retries, expect_filled, expect_orphans, keep_indexes)
    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings):
        around = None if dry_run else look_around(session, settings, online=False)
        report = migrate_table(session, settings, options, dry_run=dry_run, confirm=confirm, note=call.note)
    return call.show(report, found=report.failed, around=around)


def _migrate_online(call: Call, options: OnlineOptions, yes: bool) -> ExitCode:
    from llamactl.cli.next_steps import look_around
    from llamactl.online import run as online

    confirm = call.confirmation(needed=not (yes or options.dry_run))
    with call.session() as (session, settings), call.progress() as progress:
        around = None if options.dry_run else look_around(session, settings, online=True)
        report = online.migrate_online(
            session, settings, options, confirm=confirm, note=call.note, progress=progress
        )
    return call.show(report, found=report.failed, around=around)
