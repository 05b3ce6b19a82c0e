"""`llamactl verify`: every stored root compared with the computed one."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, milliseconds, verb
from llamactl.cli.help import MIGRATE
from llamactl.cli.options import (
    FailOnOption,
    Reporting,
    table_options,
)
from llamactl.model import (
    ExitCode,
    FailOn,
)


@verb(
    app,
    table_options,
    Reporting,
    panel=MIGRATE,
    examples=(
        "llamactl verify",
        "llamactl verify --format junit > llamactl.xml",
    ),
)
def verify(
    call: Call,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="Rows younger than this may have no root yet.")
    ] = "10m",
    fail_on: FailOnOption = FailOn.ERROR,
) -> ExitCode:
    """Check that every stored root is the computed one.

    Computes the root of every row again and compares. Exits with 1 if one differs.
    """
    from llamactl.checks.verify import verify_lineage

    grace_ms = milliseconds("--grace", grace)
    with call.session() as (session, settings):
        report = verify_lineage(session, settings, grace_ms=grace_ms, note=call.note)
    return call.show(report, found=report.fails(fail_on))
