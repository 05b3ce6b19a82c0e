"""The program that the verbs belong to."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl import __version__
from llamactl.cli.help import OF_THE_PROGRAM, WIDEST, ProgramHelp, write_start
from llamactl.model import (
    ErrorCode,
    ExitCode,
    LlamactlError,
)
from llamactl.render.console import Streams

app = typer.Typer(
    name="llamactl",
    cls=ProgramHelp,
    help="Adds root_job_id to a job log in Postgres, fills it exactly, and verifies the result.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
    options_metavar="",
    subcommand_metavar="COMMAND [OPTIONS]",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def start(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("-V", "--version", help="Show the version and exit.")] = False,
) -> None:
    streams = ctx.find_object(Streams)
    assert streams is not None
    if version:
        streams.data([f"llamactl {__version__}\n"])
        raise typer.Exit(ExitCode.OK)
    if ctx.invoked_subcommand is None:
        formatter = ctx.make_formatter()
        write_start(formatter, OF_THE_PROGRAM)
        streams.diagnose(formatter.getvalue() + "\n")
        raise LlamactlError(ErrorCode.USAGE, "No command was given")
