"""`llamactl preflight`: what would block a migration."""

from __future__ import annotations

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
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
def preflight(call: Call, fail_on: FailOnOption = FailOn.ERROR) -> ExitCode:
    """Tell what stands in the way. Reads only: rights, locks, disk, cycles, and what the rows come to."""
    from llamactl.checks.preflight import run_preflight

    with call.session() as (session, settings):
        report = run_preflight(session, settings, note=call.note)
    return call.show(report, found=report.fails(fail_on))
