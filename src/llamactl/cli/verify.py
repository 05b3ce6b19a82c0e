"""`llamactl verify`: every stored root compared with the computed one."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, milliseconds, verb
from llamactl.cli.options import (
    FailOnOption,
    Reporting,
    table_options,
)
from llamactl.model import (
    ExitCode,
    FailOn,
)


@verb(app, table_options, Reporting)
def verify(
    call: Call,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="Rows younger than this may still lack their root.")
    ] = "10m",
    fail_on: FailOnOption = FailOn.ERROR,
) -> ExitCode:
    """Prove that the roots are right. Every row is computed again and compared; 1 where one differs."""
    from llamactl.checks.verify import verify_lineage

    grace_ms = milliseconds("--grace", grace)
    with call.session() as (session, settings):
        report = verify_lineage(session, settings, grace_ms=grace_ms, note=call.note)
    return call.show(report, found=report.fails(fail_on))
