"""`llamactl explain`: explains one finding or check, or lists all of them."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
from llamactl.cli.completion import complete_finding
from llamactl.cli.help import MORE
from llamactl.cli.options import Plain, no_options
from llamactl.model import ExitCode


@verb(
    app,
    no_options,
    Plain,
    panel=MORE,
    examples=(
        "llamactl explain LL105",
        "llamactl explain ambiguous-parents",
        "llamactl explain",
    ),
)
def explain(
    call: Call,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            autocompletion=complete_finding,
            help="Id or slug of a finding or check, for example LL105 or cycle. Without one, all are listed.",
        ),
    ] = None,
) -> ExitCode:
    """Explain a finding or a check, or list all of them.

    What it means, how to find the rows, and what to do.
    """
    from llamactl.findings.kinds import FINDINGS, Catalogue, find_kind

    return call.show(Catalogue(tuple(FINDINGS.values())) if name is None else find_kind(name))
