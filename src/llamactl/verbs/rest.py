"""What needs no look at the rows."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from llamactl.command import Call, verb
from llamactl.model import (
    ExitCode,
    OutputFormat,
)
from llamactl.options import (
    Plain,
    no_options,
    table_options,
)
from llamactl.verbs.app import app


@verb(app, table_options, Plain)
def sql(call: Call) -> ExitCode:
    """Print the migration as one psql script. In the names of your table; changes nothing."""
    from llamactl import script

    with call.session() as (session, settings):
        text = script.run(session, settings)
    return call.show(text)


@verb(app, no_options, Plain)
def explain(
    call: Call,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of a finding or a check: LL105, V02.")],
) -> ExitCode:
    """Explain a finding or a check. What it means, how to find the rows, what to do."""
    from llamactl import findings

    return call.show(findings.find(id_))


@verb(app, no_options, Plain)
def demo(
    call: Call,
    faults: Annotated[
        bool, typer.Option("--faults", help="Rows with every fault of real logs besides.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running until Ctrl-C.")] = False,
) -> ExitCode:
    """Show it all on a private Postgres. Needs no database; prints each command as one would type it."""
    from llamactl import demo

    as_json = call.format is OutputFormat.JSON
    if call.no_color:
        os.environ["NO_COLOR"] = "1"  # the commands are processes of their own
    report = demo.run(faults=faults, keep=keep, capture=as_json, note=call.note)
    call.show(report)
    return ExitCode(report.exit_code)
