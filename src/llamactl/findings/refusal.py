"""Findings that refuse a command."""

from __future__ import annotations

from collections.abc import Iterable

from llamactl.model import ErrorCode, Finding, LlamactlError
from llamactl.wording import listed

RIGHTS = ("LL001", "LL002", "LL003", "LL004", "LL005", "LL017", "LL027")
"""What another role or server could do. The rest is wrong with the table itself."""


def refuse_findings(obstacles: Iterable[Finding]) -> None:
    """Raises LlamactlError for the first, if any: permission, with the hints of all rights; else config."""
    found = list(obstacles)
    if not found:
        return
    first, rights = found[0], [one for one in found if one.id in RIGHTS]
    what = f": {listed(first.sample)}" if first.sample else ""
    message = f"{first.title}{what}"
    if first not in rights:
        raise LlamactlError(ErrorCode.CONFIG, message, first.hint)
    raise LlamactlError(ErrorCode.PERMISSION, message, " ".join(one.hint for one in rights))
