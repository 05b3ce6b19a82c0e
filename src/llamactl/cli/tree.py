"""`llamactl tree`: one job's tree."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
from llamactl.cli.help import SEE
from llamactl.cli.options import (
    Output,
    Pictured,
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
    Pictured,
    panel=SEE,
    examples=(
        "llamactl tree JOB",
        "llamactl tree JOB --only failed",
        "llamactl tree JOB --format html -o tree.html",
    ),
)
def tree(
    call: Call,
    job: Annotated[str, typer.Argument(metavar="JOB", help="Any job's id; put -- before an id like -x.")],
    subtree: Annotated[bool, typer.Option("--subtree", help="Only the job and the jobs below it.")] = False,
    depth: Annotated[int | None, typer.Option(min=0, metavar="N", help="Show N levels.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most N siblings of a kind, and N kinds.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="failed|KIND", help="Failed jobs, or a kind, and the jobs above them."),
    ] = None,
    up: Annotated[bool, typer.Option("--up", help="Only the chain from the root to the job.")] = False,
    ascii_: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")] = False,
    output: Output = None,
) -> ExitCode:
    """Show the tree of a job.

    The whole tree of its root, with the job marked. Works before the migration too.
    """
    from llamactl.tree import read_tree
    from llamactl.tree.cuts import View
    from llamactl.tree.whole_rows import Details

    if up and (subtree or depth is not None or limit is not None or only is not None):
        raise LlamactlError(
            ErrorCode.USAGE, "--up cannot be combined with --subtree, --depth, --limit or --only"
        )
    fold = call.format is OutputFormat.TEXT and call.streams.screen().terminal
    with call.page(output) as page, call.session(one_snapshot=page is not None) as (session, settings):
        found = read_tree(session, settings, View(job, subtree, depth, limit, only, up, fold))
        if page:
            return page.write(found, Details(session, settings))
    return call.show(found, ascii_only=ascii_)
