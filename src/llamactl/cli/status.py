"""`llamactl status`: the progress of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
from llamactl.cli.help import KEEP
from llamactl.cli.options import (
    Plain,
    table_options,
)
from llamactl.model import (
    ErrorCode,
    ExitCode,
    LlamactlError,
    OutputFormat,
)


@verb(
    app,
    table_options,
    Plain,
    panel=KEEP,
    examples=(
        "llamactl status",
        "llamactl status --watch",
    ),
)
def status(
    call: Call,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second until the run ends.")] = False,
) -> ExitCode:
    """Show the progress of a migration or repair.

    Step, rows, rate, and the sessions that block it.
    """
    from llamactl.monitor.status import read_status, watch_status

    if watch and call.format is OutputFormat.JSON:
        raise LlamactlError(ErrorCode.USAGE, "--watch cannot be combined with --format json")
    with call.session() as (session, settings):
        if watch:
            return call.watch(watch_status(session, settings))
        report = read_status(session, settings)
    return call.show(report)
