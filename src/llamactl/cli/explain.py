"""`llamactl explain`: one finding or check explained."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
from llamactl.cli.completion import complete_finding
from llamactl.cli.help import MORE
from llamactl.cli.options import Plain, no_options
from llamactl.model import (
    ExitCode,
)


@verb(
    app,
    no_options,
    Plain,
    panel=MORE,
    examples=(
        "llamactl explain LL105",
        "llamactl explain V02 --format json",
    ),
)
def explain(
    call: Call,
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID", autocompletion=complete_finding, help="Finding or check, for example LL105."
        ),
    ],
) -> ExitCode:
    """Explain a finding or a check.

    What it means, how to find the rows, and what to do.
    """
    from llamactl.findings.kinds import find_kind

    return call.show(find_kind(id_))
