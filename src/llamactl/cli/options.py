"""The options of the commands: their flags, defaults and help."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from llamactl.cli.completion import complete_column
from llamactl.cli.help import OUTPUT, TABLE
from llamactl.model import CheckPolicy, DanglingPolicy, FailOn

Plain = Annotated[
    Literal["text", "json"], typer.Option("--format", rich_help_panel=OUTPUT, help="Output format.")
]
Pictured = Annotated[
    Literal["text", "json", "html"],
    typer.Option("--format", rich_help_panel=OUTPUT, help="Output format; for html see -o."),
]
Output = Annotated[
    str | None,
    typer.Option(
        *("-o", "--output"),
        metavar="FILE",
        rich_help_panel=OUTPUT,
        help="File for --format html; - is stdout.",
    ),
]
Reporting = Annotated[
    Literal["text", "json", "github", "junit"],
    typer.Option(
        "--format",
        rich_help_panel=OUTPUT,
        help="Output format; github and junit are for CI.",
    ),
]

Dsn = Annotated[
    str | None,
    typer.Option(
        metavar="URL", rich_help_panel=TABLE, help="Postgres or Prisma URL, or libpq key=value pairs."
    ),
]
Schema = Annotated[
    str | None, typer.Option(metavar="NAME", rich_help_panel=TABLE, help="Schema of the table.")
]
Table = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", rich_help_panel=TABLE, help='The table (default: "LlamaLog" or llama_logs).'
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OURS=THEIRS",
        rich_help_panel=TABLE,
        autocompletion=complete_column,
        help="Map a column of another name; repeatable.",
    ),
]
Dangling = Annotated[
    DanglingPolicy | None,
    typer.Option(
        rich_help_panel=TABLE,
        help="Store an unlogged parent's id as root (default: fill).",
    ),
]
TrustRootFlag = Annotated[
    bool | None,
    typer.Option(
        "--trust-root-flag/--no-trust-root-flag",
        rich_help_panel=TABLE,
        help="Ignore the parent of root jobs (default: yes).",
    ),
]
LockTimeout = Annotated[
    str | None,
    typer.Option(metavar="DURATION", rich_help_panel=TABLE, help="Longest wait for a lock (default: 2s)."),
]
StatementTimeout = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION", rich_help_panel=TABLE, help="Maximum run time of a statement (default: none)."
    ),
]
Sample = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="N", rich_help_panel=TABLE, help="Show at most N samples and cycles (default: 10)."
    ),
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
    no_color: Annotated[
        bool, typer.Option("--no-color", rich_help_panel=OUTPUT, help="No colors; NO_COLOR=1 does the same.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            *("-v", "--verbose"),
            rich_help_panel=OUTPUT,
            help="Print settings, connection, and SQL of a plan.",
        ),
    ] = False,
) -> tuple[bool, bool]:
    """The options of every verb."""
    return no_color, verbose


FailOnOption = Annotated[
    FailOn, typer.Option("--fail-on", help="Exit with 1 for findings of this severity and above.")
]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; print the counts and the plan.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Retries = Annotated[int, typer.Option(min=0, metavar="N", help="How often to retry a lock timeout.")]
CheckOption = Annotated[CheckPolicy, typer.Option("--check", help="Add the self-parent CHECK.")]
ExpectFilled = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Do nothing and fail unless N rows have a root."),
]
ExpectOrphans = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Do nothing and fail unless N rows have no root."),
]

RootId = Annotated[str | None, typer.Option("--root", metavar="ID", help="All rows with this root.")]
AlbumId = Annotated[str | None, typer.Option("--album", metavar="ID", help="What happened to this album.")]
ArtistId = Annotated[str | None, typer.Option("--artist", metavar="ID", help="What happened to this artist.")]
TrackId = Annotated[str | None, typer.Option("--track", metavar="ID", help="What happened to this track.")]
NoOrphans = Annotated[bool, typer.Option("--no-orphans", help="Only rows that have a root.")]
Categories = Annotated[
    list[str] | None, typer.Option("--category", metavar="NAME", help="Only this category; repeatable.")
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this time on: ISO 8601, UTC if it has no offset."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this time.")]
PageLimit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Show at most N rows.")]
After = Annotated[
    str | None,
    typer.Option("--after", metavar="CURSOR", help="Continue where a page with --limit ended."),
]

GraceOfRepair = Annotated[
    str | None,
    typer.Option(
        "--grace",
        metavar="DURATION",
        help="Skip rows younger than this whose parent is not logged yet (default: 10m).",
    ),
]
