"""What a shell completes besides commands, options and the words of options."""

from __future__ import annotations


def complete_column(incomplete: str) -> list[str]:
    """Returns the columns that have a name of ours, as `--column` takes them."""
    from llamactl.sqlfiles.names import DEFAULT_COLUMNS

    return [f"{name}=" for name in DEFAULT_COLUMNS if name.startswith(incomplete)]


def complete_finding(incomplete: str) -> list[tuple[str, str]]:
    """Returns the ids and slugs of findings and checks with their titles."""
    from llamactl.findings.kinds import complete_name

    return complete_name(incomplete)
