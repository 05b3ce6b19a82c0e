"""`llamactl undo`: removes what llamactl made."""

from __future__ import annotations

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
from llamactl.cli.help import MIGRATE
from llamactl.cli.options import (
    DryRun,
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
        "llamactl undo --dry-run",
        "llamactl undo --yes",
    ),
)
def undo(call: Call, dry_run: DryRun = False, yes: Yes = False, retries: Retries = 5) -> ExitCode:
    """Remove what llamactl added to the table.

    In one transaction, all or nothing. Restores the parents that the migration cleared.
    """
    from llamactl.undo.run import undo_migration

    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings):
        report = undo_migration(
            session, settings, dry_run=dry_run, retries=retries, confirm=confirm, note=call.note
        )
    return call.show(report)
