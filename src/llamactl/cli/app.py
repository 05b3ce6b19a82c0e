"""The program that the verbs belong to."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl import __version__
from llamactl.model import (
    ErrorCode,
    ExitCode,
    LlamactlError,
)
from llamactl.render.console import Streams

app = typer.Typer(
    name="llamactl",
    help="Adds root_job_id to a job log in Postgres, backfills it exactly, and proves it.",
    epilog="Options stand after the command: llamactl COMMAND --help. `llamactl demo` needs no database.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def start(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version, and exit.")] = False,
) -> None:
    streams = ctx.find_object(Streams)
    assert streams is not None
    if version:
        streams.data([f"llamactl {__version__}\n"])
        raise typer.Exit(ExitCode.OK)
    if ctx.invoked_subcommand is None:
        streams.diagnose(ctx.get_help() + "\n\n")
        raise LlamactlError(ErrorCode.USAGE, "No command was given", "llamactl --help lists them")
