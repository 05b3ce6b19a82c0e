"""`llamactl explain`: one finding or check explained."""

from __future__ import annotations

from typing import Annotated

import typer

from llamactl.cli.app import app
from llamactl.cli.call import Call, verb
from llamactl.cli.options import Plain, no_options
from llamactl.model import (
    ExitCode,
)


@verb(app, no_options, Plain)
def explain(
    call: Call,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of a finding or a check: LL105, V02.")],
) -> ExitCode:
    """Explain a finding or a check. What it means, how to find the rows, what to do."""
    from llamactl.findings.kinds import find_kind

    return call.show(find_kind(id_))
