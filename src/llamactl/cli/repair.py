"""`llamactl repair`: fills missing roots in batches."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, milliseconds, verb
from llamactl.cli.help import MIGRATE
from llamactl.cli.options import (
    DryRun,
    GraceOfRepair,
    Plain,
    Retries,
    Yes,
    table_options,
)
from llamactl.model import (
    ExitCode,
)


@verb(
    app,
    table_options,
    Plain,
    panel=MIGRATE,
    examples=(
        "llamactl repair --dry-run",
        "llamactl repair --overwrite --yes",
    ),
)
def repair(
    call: Call,
    dry_run: DryRun = False,
    yes: Yes = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also correct roots that differ from the computed ones.")
    ] = False,
    grace: GraceOfRepair = None,
    retries: Retries = 5,
) -> ExitCode:
    """Fill missing roots.

    In batches, while the application reads and writes.
    """
    from llamactl.online.repair import RepairOptions, repair_roots

    confirm = call.confirmation(needed=not (yes or dry_run))
    options = RepairOptions(overwrite, milliseconds("--grace", grace or "10m"), retries, dry_run)
    with call.session() as (session, settings), call.progress() as progress:
        report = repair_roots(session, settings, options, confirm=confirm, note=call.note, progress=progress)
    return call.show(report, found=report.failed)
