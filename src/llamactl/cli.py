"""The command line: each verb takes its settings, calls, and renders; main() is the one error boundary.

Whatever is heavy (psycopg, sqlglot, rich, the verbs themselves) is imported where it is used, so that `--help`
does not wait for it.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from llamactl import __version__
from llamactl.command import OUTPUT_ONLY, TABLE, Call, Plain, Reporting, verb
from llamactl.model import (
    CheckPolicy,
    ErrorCode,
    ExitCode,
    FailOn,
    LlamactlError,
    OutputFormat,
    StrategyName,
)
from llamactl.render import failure, safe
from llamactl.render.console import Streams

app = typer.Typer(
    name="llamactl",
    help="Adds root_job_id to a job log in Postgres, backfills it exactly, and proves it.",
    epilog="Options stand after the command: llamactl COMMAND --help. `llamactl demo` needs no database.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

FailOnOption = Annotated[FailOn, typer.Option("--fail-on", help="Exit with 1 from this severity on.")]
Count = Annotated[int | None, typer.Option(min=0, metavar="N")]


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
        raise LlamactlError(ErrorCode.USAGE, "no command was given", "llamactl --help lists them")


@verb(app, TABLE, Reporting)
def preflight(call: Call, fail_on: FailOnOption = FailOn.ERROR) -> ExitCode:
    """Look before you leap: what stands in the way, and what the rows come to. Reads only."""
    from llamactl import preflight

    with call.session() as (session, settings):
        report = preflight.run(session, settings, note=call.note)
    return call.show(report, found=report.fails(fail_on))


@verb(app, TABLE, Plain)
def migrate(
    call: Call,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show counts and plan.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    retries: Annotated[int, typer.Option(min=0, help="How often to try again for a lock.")] = 5,
    strategy: Annotated[StrategyName, typer.Option(help="How to fill the column.")] = StrategyName.UPDATE,
    check: Annotated[CheckPolicy, typer.Option(help="The CHECK against self-parents.")] = CheckPolicy.AUTO,
    expect_filled: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Change nothing, and exit with 1, if it is not so.")
    ] = None,
    expect_orphans: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The same, for the rows that stay without a root.")
    ] = None,
) -> ExitCode:
    """Add the root column, fill it, index it: in one transaction, all or nothing."""
    from llamactl import migrate

    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings):
        report = migrate.run(
            session,
            settings,
            dry_run=dry_run,
            strategy=strategy,
            check=check,
            retries=retries,
            expect_filled=expect_filled,
            expect_orphans=expect_orphans,
            confirm=confirm,
            note=call.note,
        )
    return call.show(report, found=bool(report.unmet))


@verb(app, TABLE, Reporting)
def verify(
    call: Call,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="Rows younger than this may still lack their root.")
    ] = "10m",
    fail_on: FailOnOption = FailOn.ERROR,
) -> ExitCode:
    """Prove that every row holds its computed root, and that what keeps it so is there. Reads only."""
    from llamactl import verify

    grace_ms = call.duration_ms("--grace", grace)
    with call.session() as (session, settings):
        report = verify.run(session, settings, grace_ms=grace_ms, note=call.note)
    return call.show(report, found=report.fails(fail_on))


@verb(app, TABLE, Plain)
def tree(
    call: Call,
    job: Annotated[str, typer.Argument(help="Any job id; after -- where it starts with a dash.")],
    subtree: Annotated[bool, typer.Option("--subtree", help="Only what is below the job.")] = False,
    depth: Annotated[int | None, typer.Option(min=0, metavar="N", help="Only so many levels.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only so many jobs.")] = None,
    ascii_: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")] = False,
) -> ExitCode:
    """Show the tree of a job's root, with the job marked. Works before the migration too. Reads only."""
    from llamactl import tree

    with call.session() as (session, settings):
        found = tree.run(session, settings, job, subtree=subtree, depth=depth, limit=limit)
    return call.show(found, ascii_=ascii_, quiet_pipe=True)


@verb(app, TABLE, Plain)
def sql(call: Call) -> ExitCode:
    """Print the migration as one script for psql, in your names. Reads only."""
    from llamactl import script

    with call.session() as (session, settings):
        text = script.run(session, settings)
    return call.show(text)


@verb(app, OUTPUT_ONLY, Plain)
def explain(
    call: Call,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of a finding or a check: LL105, V02.")],
) -> ExitCode:
    """Tell what a finding or a check means, how to find the rows, and what to do."""
    from llamactl import findings

    return call.show(findings.find(id_))
