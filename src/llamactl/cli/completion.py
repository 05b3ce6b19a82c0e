"""What a shell completes besides commands, options and the words of options."""

from __future__ import annotations


def complete_column(incomplete: str) -> list[str]:
    """Returns the columns that have a name of ours, as `--column` takes them."""
    from llamactl.sqlfiles.names import DEFAULT_COLUMNS

    return [f"{name}=" for name in DEFAULT_COLUMNS if name.startswith(incomplete)]


def complete_finding(incomplete: str) -> list[tuple[str, str]]:
    """Returns the ids of findings and checks with their titles, in the case that was begun with."""
    from llamactl.findings.kinds import FINDINGS

    lower = incomplete[:1].islower()
    listed = [(id_.lower() if lower else id_, kind.title) for id_, kind in FINDINGS.items()]
    return [(id_, title) for id_, title in listed if id_.startswith(incomplete)]
