"""The verbs: each takes its settings, calls, and renders.

What is heavy (psycopg, sqlglot, rich, the verbs) is imported where it is used: `--help` must not wait.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from llamactl import __version__
from llamactl.command import Call, milliseconds, moment, verb
from llamactl.model import (
    CheckPolicy,
    ErrorCode,
    ExitCode,
    FailOn,
    GuardAction,
    LlamactlError,
    OutputFormat,
    StrategyName,
    Subject,
    SubjectKind,
)
from llamactl.options import (
    After,
    AlbumId,
    ArtistId,
    Categories,
    CheckOption,
    DryRun,
    ExpectFilled,
    ExpectOrphans,
    FailOnOption,
    GraceOfRepair,
    NoOrphans,
    Output,
    PageLimit,
    Pictured,
    Plain,
    Reporting,
    Retries,
    RootId,
    Since,
    StrategyOption,
    TrackId,
    Until,
    Yes,
    no_options,
    table_options,
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


@verb(app, table_options, Reporting)
def preflight(call: Call, fail_on: FailOnOption = FailOn.ERROR) -> ExitCode:
    """Tell what stands in the way. Reads only: rights, locks, disk, cycles, and what the rows come to."""
    from llamactl import preflight

    with call.session() as (session, settings):
        report = preflight.run(session, settings, note=call.note)
    return call.show(report, found=report.fails(fail_on))


@verb(app, table_options, Plain)
def migrate(
    call: Call,
    dry_run: DryRun = False,
    yes: Yes = False,
    retries: Retries = 5,
    strategy: StrategyOption = StrategyName.UPDATE,
    check: CheckOption = CheckPolicy.AUTO,
    expect_filled: ExpectFilled = None,
    expect_orphans: ExpectOrphans = None,
    online: Annotated[
        bool, typer.Option("--online", help="In batches, while the application reads and writes.")
    ] = False,
    guard: Annotated[
        bool | None,
        typer.Option(
            "--guard/--no-guard", help="With --online: the guard stays afterwards (the default), or goes."
        ),
    ] = None,
    grace: GraceOfRepair = None,
) -> ExitCode:
    """Add the root column and fill it. One transaction, all or nothing; --online: beside the application."""
    if online:
        if strategy is StrategyName.REWRITE:
            raise LlamactlError(
                ErrorCode.USAGE, "--online does not go with --strategy rewrite, which keeps everybody out"
            )
        options = (check, retries, expect_filled, expect_orphans, guard is not False)
        return _migrate_online(call, dry_run, yes, milliseconds("--grace", grace or "10m"), *options)
    if guard is not None or grace is not None:
        raise LlamactlError(ErrorCode.USAGE, "--guard and --grace go with --online only")
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


@verb(app, table_options, Reporting)
def verify(
    call: Call,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="Rows younger than this may still lack their root.")
    ] = "10m",
    fail_on: FailOnOption = FailOn.ERROR,
) -> ExitCode:
    """Prove that the roots are right. Every row is computed again and compared; 1 where one differs."""
    from llamactl import verify

    grace_ms = milliseconds("--grace", grace)
    with call.session() as (session, settings):
        report = verify.run(session, settings, grace_ms=grace_ms, note=call.note)
    return call.show(report, found=report.fails(fail_on))


@verb(app, table_options, Plain)
def repair(
    call: Call,
    dry_run: DryRun = False,
    yes: Yes = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also correct roots that are not the computed ones.")
    ] = False,
    grace: GraceOfRepair = None,
    retries: Retries = 5,
) -> ExitCode:
    """Fill the roots that are missing. In batches, while the application reads and writes."""
    from llamactl import repair

    confirm = call.confirmation(needed=not (yes or dry_run))
    grace_ms = milliseconds("--grace", grace or "10m")
    with call.session() as (session, settings), call.progress() as progress:
        report = repair.run(
            session,
            settings,
            dry_run=dry_run,
            overwrite=overwrite,
            grace_ms=grace_ms,
            retries=retries,
            confirm=confirm,
            note=call.note,
            progress=progress,
        )
    return call.show(report)


@verb(app, table_options, Plain)
def guard(
    call: Call,
    action: Annotated[GuardAction, typer.Argument(help="What to do.")],
    yes: Yes = False,
    retries: Retries = 5,
) -> ExitCode:
    """Have the database give new rows their root. A trigger, which refuses self-parents too."""
    from llamactl import guard

    confirm = call.confirmation(needed=not yes and action is not GuardAction.STATUS)
    with call.session() as (session, settings):
        report = guard.run(session, settings, action, retries=retries, confirm=confirm, note=call.note)
    return call.show(report, found=action is not GuardAction.REMOVE and not report.enabled)


@verb(app, table_options, Plain)
def undo(call: Call, dry_run: DryRun = False, yes: Yes = False, retries: Retries = 5) -> ExitCode:
    """Take off what llamactl made. One transaction, all or nothing; the parents that it cleared come back."""
    from llamactl import undo

    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings):
        report = undo.run(
            session, settings, dry_run=dry_run, retries=retries, confirm=confirm, note=call.note
        )
    return call.show(report)


def _migrate_online(
    call: Call,
    dry_run: bool,
    yes: bool,
    grace_ms: int,
    check: CheckPolicy,
    retries: int,
    expect_filled: int | None,
    expect_orphans: int | None,
    keep_guard: bool,
) -> ExitCode:
    from llamactl import online

    options = online.OnlineOptions(check, retries, expect_filled, expect_orphans, keep_guard, grace_ms)
    confirm = call.confirmation(needed=not (yes or dry_run))
    with call.session() as (session, settings), call.progress() as progress:
        report = online.run(
            session,
            settings,
            options,
            dry_run=dry_run,
            confirm=confirm,
            note=call.note,
            progress=progress,
        )
    return call.show(report, found=bool(report.unmet))


@verb(app, table_options, Plain)
def status(
    call: Call,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again each second, until it ends.")] = False,
) -> ExitCode:
    """Show how far an online run has come. Step, rows, rate, what it waits for, who blocks it."""
    from llamactl import status

    if watch and call.format is OutputFormat.JSON:
        raise LlamactlError(ErrorCode.USAGE, "--format json is one document: --watch cannot show it again")
    with call.session() as (session, settings):
        if watch:
            return call.watch(status.watch(session, settings))
        report = status.run(session, settings)
    return call.show(report)


@verb(app, table_options, Plain)
def stats(call: Call) -> ExitCode:
    """Watch depth, size, timeline queries and rows without a root. Reads only; 1 past a threshold."""
    from llamactl import stats

    with call.session() as (session, settings):
        report = stats.run(session, settings, note=call.note)
    return call.show(report, found=not report.ok)


@verb(app, table_options, Pictured)
def tree(
    call: Call,
    job: Annotated[str, typer.Argument(help="Any job id; after -- where it starts with a dash.")],
    subtree: Annotated[bool, typer.Option("--subtree", help="Only what is below the job.")] = False,
    depth: Annotated[int | None, typer.Option(min=0, metavar="N", help="Only so many levels.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Most siblings of one kind, and most kinds.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="failed|KIND", help="Failed jobs, or those of a kind, and those above."),
    ] = None,
    up: Annotated[bool, typer.Option("--up", help="Only the chain from the root to the job.")] = False,
    ascii_: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")] = False,
    output: Output = None,
) -> ExitCode:
    """Show a job's tree. Of its root, with the job marked; before the migration too."""
    from llamactl import tree
    from llamactl.details import Details

    if up and (subtree or depth is not None or limit is not None or only is not None):
        raise LlamactlError(ErrorCode.USAGE, "--up shows one chain: no --subtree, --depth, --limit or --only")
    fold = call.format is OutputFormat.TEXT and call.streams.screen().terminal
    with call.page(output) as page, call.session(one_snapshot=page is not None) as (session, settings):
        found = tree.run(
            session, settings, job, subtree=subtree, depth=depth, limit=limit, only=only, up=up, fold=fold
        )
        if page:
            return page.write(found, Details(session, settings))
    return call.show(found, ascii_only=ascii_)


@verb(app, table_options, Pictured)
def timeline(
    call: Call,
    root: RootId = None,
    album: AlbumId = None,
    artist: ArtistId = None,
    track: TrackId = None,
    no_orphans: NoOrphans = False,
    category: Categories = None,
    since: Since = None,
    until: Until = None,
    limit: PageLimit = None,
    after: After = None,
    output: Output = None,
) -> ExitCode:
    """Show what happened, in order. To an album, an artist or a track; or all of one root."""
    from llamactl import timeline
    from llamactl.details import Details
    from llamactl.timeline.filters import Filters

    subject = _subject({"root": root, "album": album, "artist": artist, "track": track})
    begin, end = moment("--since", since), moment("--until", until)
    filters = Filters(no_orphans, tuple(category or ()), begin, end, limit, after)
    with call.page(output) as page, call.session(one_snapshot=page is not None) as (session, settings):
        found = timeline.run(session, settings, subject, filters)
        if page:
            return page.write(found, Details(session, settings))
    return call.show(found)


def _subject(given: Mapping[str, str | None]) -> Subject:
    """The one thing that a timeline is of. Raises LlamactlError (usage) unless there is exactly one."""
    named = [(kind, id_) for kind, id_ in given.items() if id_ is not None]
    if len(named) != 1:
        flags = " and ".join(f"--{kind}" for kind, _ in named)
        message = f"A timeline is of one thing, not of {flags}" if named else "A timeline of what?"
        hint = "Give one of --root ID, --album ID, --artist ID and --track ID"
        raise LlamactlError(ErrorCode.USAGE, message, hint)
    ((kind, id_),) = named
    return Subject(SubjectKind(kind), id_)


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
