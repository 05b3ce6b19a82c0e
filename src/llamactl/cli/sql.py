"""`llamactl sql`: the migration as a psql script."""

from __future__ import annotations

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
from llamactl.cli.help import MORE
from llamactl.cli.options import Plain, table_options
from llamactl.model import (
    ExitCode,
)


@verb(
    app,
    table_options,
    Plain,
    panel=MORE,
    examples=(
        "llamactl sql > migration.sql",
        "psql -f migration.sql",
    ),
)
def sql(call: Call) -> ExitCode:
    """Print the migration as one psql script.

    With the names of your table and columns. Changes nothing.
    """
    from llamactl.migrate.script import build_script

    with call.session() as (session, settings):
        text = build_script(session, settings)
    return call.show(text)
