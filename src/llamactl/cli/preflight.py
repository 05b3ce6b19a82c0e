"""`llamactl preflight`: what would block a migration."""

from __future__ import annotations

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
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
        "llamactl preflight",
        "llamactl preflight --dsn postgresql://app@db.example.com/app",
        "llamactl preflight --fail-on warning --format github",
    ),
)
def preflight(call: Call, fail_on: FailOnOption = FailOn.ERROR) -> ExitCode:
    """Check what would prevent or slow down the migration.

    Reads only. Reports missing privileges, locks of other sessions, disk space, triggers, cycles, and how
    many rows would get a root.
    """
    from llamactl.checks.preflight import run_preflight

    with call.session() as (session, settings):
        report = run_preflight(session, settings, note=call.note)
    return call.show(report, found=report.fails(fail_on))
