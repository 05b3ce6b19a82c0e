"""`llamactl guard`: the trigger that gives new rows their root."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
from llamactl.cli.help import KEEP
from llamactl.cli.options import (
    Plain,
    Retries,
    Yes,
    table_options,
)
from llamactl.model import (
    ExitCode,
    GuardAction,
)


@verb(
    app,
    table_options,
    Plain,
    panel=KEEP,
    examples=(
        "llamactl guard status",
        "llamactl guard install",
    ),
)
def guard(
    call: Call,
    action: Annotated[GuardAction, typer.Argument(metavar="ACTION", help="install, remove or status.")],
    yes: Yes = False,
    retries: Retries = 5,
) -> ExitCode:
    """Manage the trigger that gives new rows their root.

    The guard also refuses new rows whose job is its own parent.
    """
    from llamactl.guard import run as guard

    confirm = call.confirmation(needed=not yes and action is not GuardAction.STATUS)
    with call.session() as (session, settings):
        report = guard.manage_guard(
            session, settings, action, retries=retries, confirm=confirm, note=call.note
        )
    fires = report.enabled and report.up_to_date
    return call.show(report, found=action is not GuardAction.REMOVE and not fires)
