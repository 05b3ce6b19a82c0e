"""What a run, the log and its jobs look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from llamactl.command import Call, milliseconds, moment, verb
from llamactl.model import (
    ErrorCode,
    ExitCode,
    LlamactlError,
    OutputFormat,
    Subject,
    SubjectKind,
)
from llamactl.options import (
    After,
    AlbumId,
    ArtistId,
    Categories,
    NoOrphans,
    Output,
    PageLimit,
    Pictured,
    Plain,
    RootId,
    Since,
    TrackId,
    Until,
    table_options,
)
from llamactl.verbs.app import app


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
def stats(
    call: Call,
    since: Annotated[
        str, typer.Option(metavar="DURATION", help="How far back depth and missing roots are watched.")
    ] = "24h",
) -> ExitCode:
    """Watch depth, size, timeline queries and missing roots. Reads only; exits with 1 past a threshold."""
    from llamactl import stats

    since_ms = milliseconds("--since", since)
    with call.session() as (session, settings):
        report = stats.run(session, settings, since_ms=since_ms, note=call.note)
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
