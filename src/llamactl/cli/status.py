"""`llamactl status`: the progress of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
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


@verb(app, table_options, Plain)
def status(
    call: Call,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again each second, until it ends.")] = False,
) -> ExitCode:
    """Show how far an online run has come. Step, rows, rate, what it waits for, who blocks it."""
    from llamactl.monitor.status import read_status, watch_status

    if watch and call.format is OutputFormat.JSON:
        raise LlamactlError(ErrorCode.USAGE, "--format json is one document: --watch cannot show it again")
    with call.session() as (session, settings):
        if watch:
            return call.watch(watch_status(session, settings))
        report = read_status(session, settings)
    return call.show(report)
