"""The options of the commands: their flags, defaults and help."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from llamactl.model import CheckPolicy, DanglingPolicy, FailOn

Plain = Annotated[Literal["text", "json"], typer.Option("--format", help="Of stdout.")]
Pictured = Annotated[
    Literal["text", "json", "html"],
    typer.Option("--format", help="Of stdout; html: one file, see --output."),
]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where --format html goes; -: to stdout."),
]
Reporting = Annotated[
    Literal["text", "json", "github", "junit"],
    typer.Option("--format", help="Of stdout; github: annotations, junit: XML."),
]


Dsn = Annotated[
    str | None, typer.Option(metavar="URL", help="Postgres or Prisma URL, or libpq's key=value pairs.")
]
Schema = Annotated[str | None, typer.Option(metavar="NAME", help="Schema of the table.")]
Table = Annotated[
    str | None,
    typer.Option(metavar="NAME", help='Default: whichever of "LlamaLog" and llama_logs is there.'),
]
Columns = Annotated[
    list[str] | None, typer.Option(metavar="OURS=THEIRS", help="A column of another name; repeatable.")
]
Dangling = Annotated[
    DanglingPolicy | None,
    typer.Option(help="Below a parent that is not logged: fill in its id (the default), or leave NULL."),
]
TrustRootFlag = Annotated[
    bool | None,
    typer.Option(
        "--trust-root-flag/--no-trust-root-flag",
        help="Whether is_root_job disregards a row's parent (the default).",
    ),
]
LockTimeout = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Longest wait for a lock; default 2s.")
]
StatementTimeout = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Limit of a statement; default 0, none.")
]
Sample = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Most samples and cycles shown; default 10.")
]


def table_options(
    dsn: Dsn = None,
    schema: Schema = None,
    table: Table = None,
    column: Columns = None,
    dangling: Dangling = None,
    trust_root_flag: TrustRootFlag = None,
    lock_timeout: LockTimeout = None,
    statement_timeout: StatementTimeout = None,
    sample: Sample = None,
) -> dict[str, Any]:
    """The options of every verb that reads the database, as settings.Flags takes them."""
    return {
        "dsn": dsn,
        "schema": schema,
        "table": table,
        "columns": column or (),
        "dangling": dangling,
        "trust_root_flag": trust_root_flag,
        "lock_timeout": lock_timeout,
        "statement_timeout": statement_timeout,
        "sample": sample,
    }


def no_options() -> dict[str, Any]:
    """For the verbs that need no database."""
    return {}


def output_options(
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours; so does NO_COLOR.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tell more on stderr.")] = False,
) -> tuple[bool, bool]:
    """The options of every verb."""
    return no_color, verbose


FailOnOption = Annotated[FailOn, typer.Option("--fail-on", help="Exit with 1 from this severity on.")]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; show counts and plan.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Retries = Annotated[int, typer.Option(min=0, metavar="N", help="How often to try again for a lock.")]
CheckOption = Annotated[CheckPolicy, typer.Option("--check", help="The CHECK against self-parents.")]
ExpectFilled = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Else change nothing, and exit with 1.")
]
ExpectOrphans = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="The same, for the rows that stay without a root.")
]

RootId = Annotated[str | None, typer.Option("--root", metavar="ID", help="All rows of this root.")]
AlbumId = Annotated[str | None, typer.Option("--album", metavar="ID", help="What happened to this album.")]
ArtistId = Annotated[str | None, typer.Option("--artist", metavar="ID", help="The same, for an artist.")]
TrackId = Annotated[str | None, typer.Option("--track", metavar="ID", help="The same, for a track.")]
NoOrphans = Annotated[bool, typer.Option("--no-orphans", help="Only rows that have a root.")]
Categories = Annotated[
    list[str] | None, typer.Option("--category", metavar="NAME", help="Only this category; repeatable.")
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this time on; ISO 8601, UTC unless it says."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this time.")]
PageLimit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Most rows shown.")]
After = Annotated[
    str | None, typer.Option("--after", metavar="CURSOR", help="Go on where a page with --limit ended.")
]

GraceOfRepair = Annotated[
    str | None,
    typer.Option(
        "--grace",
        metavar="DURATION",
        help="Younger rows whose chain leaves the log are left alone; default 10m.",
    ),
]
