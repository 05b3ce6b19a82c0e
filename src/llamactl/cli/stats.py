"""`llamactl stats`: figures of the log, with thresholds."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, milliseconds, verb
from llamactl.cli.help import KEEP
from llamactl.cli.options import (
    Plain,
    table_options,
)
from llamactl.model import (
    ExitCode,
)


@verb(
    app,
    table_options,
    Plain,
    panel=KEEP,
    examples=(
        "llamactl stats",
        "llamactl stats --since 7h --format json",
    ),
)
def stats(
    call: Call,
    since: Annotated[
        str, typer.Option(metavar="DURATION", help="Period in which depth and missing roots are measured.")
    ] = "24h",
) -> ExitCode:
    """Measure depth, table size, query time and missing roots.

    Reads only. Exits with 1 if a value exceeds its threshold.
    """
    from llamactl.monitor.stats import read_stats

    since_ms = milliseconds("--since", since)
    with call.session() as (session, settings):
        report = read_stats(session, settings, since_ms=since_ms, note=call.note)
    return call.show(report, found=not report.ok)
