"""`llamactl timeline`: what happened to one entity, or below one root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llamactl.cli.app import app
from llamactl.cli.call import Call, moment, verb
from llamactl.cli.help import SEE
from llamactl.cli.options import (
    After,
    AlbumId,
    ArtistId,
    Categories,
    NoOrphans,
    Output,
    PageLimit,
    Pictured,
    RootId,
    Since,
    TrackId,
    Until,
    table_options,
)
from llamactl.model import (
    ErrorCode,
    ExitCode,
    LlamactlError,
)

if TYPE_CHECKING:
    from llamactl.model import Subject


@verb(
    app,
    table_options,
    Pictured,
    panel=SEE,
    examples=(
        "llamactl timeline --album 42 --since 2025-06-01",
        "llamactl timeline --root JOB --format json",
    ),
)
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
    """Show what happened to an album, an artist or a track, in order.

    Or, with --root, everything that happened under one root job.
    """
    from llamactl.timeline import read_timeline
    from llamactl.timeline.filters import Filters
    from llamactl.tree.whole_rows import Details

    subject = _subject({"root": root, "album": album, "artist": artist, "track": track})
    begin, end = moment("--since", since), moment("--until", until)
    filters = Filters(no_orphans, tuple(category or ()), begin, end, limit, after)
    with call.page(output) as page, call.session(one_snapshot=page is not None) as (session, settings):
        found = read_timeline(session, settings, subject, filters)
        if page:
            return page.write(found, Details(session, settings))
    return call.show(found)


def _subject(given: Mapping[str, str | None]) -> Subject:
    """Returns the subject of the timeline. Raises LlamactlError (usage) unless exactly one is given."""
    from llamactl.model import Subject, SubjectKind

    named = [(kind, id_) for kind, id_ in given.items() if id_ is not None]
    if len(named) != 1:
        flags = " and ".join(f"--{kind}" for kind, _ in named)
        message = f"{flags} cannot be combined" if named else "No subject was given for the timeline"
        hint = "Give exactly one of --root ID, --album ID, --artist ID and --track ID"
        raise LlamactlError(ErrorCode.USAGE, message, hint)
    ((kind, id_),) = named
    return Subject(SubjectKind(kind), id_)
