"""`llamactl demo`: the whole migration on a private Postgres."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
from llamactl.cli.help import MORE
from llamactl.cli.options import Plain, no_options
from llamactl.model import (
    ExitCode,
    OutputFormat,
)


@verb(
    app,
    no_options,
    Plain,
    panel=MORE,
    examples=(
        "llamactl demo",
        "llamactl demo --faults --keep",
    ),
)
def demo(
    call: Call,
    faults: Annotated[
        bool, typer.Option("--faults", help="Add rows with every fault found in real logs.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the server running until Ctrl-C.")] = False,
) -> ExitCode:
    """Show the whole migration on a private Postgres server.

    Needs no database. Prints each command as you would type it.
    """
    from llamactl.demo import run_demo

    as_json = call.format is OutputFormat.JSON
    if call.no_color:
        os.environ["NO_COLOR"] = "1"  # the commands are processes of their own
    report = run_demo(faults=faults, keep=keep, capture=as_json, whole=call.verbose, note=call.note)
    call.show(report)
    return ExitCode(report.exit_code)
