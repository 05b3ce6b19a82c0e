"""Whole rows of the log, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WholeRow:
    """A row of the log with all its columns, in the table's order; the tuples are of one length."""

    id: str
    names: tuple[str, ...]
    """Of the columns, as the user calls them."""
    texts: tuple[str | None, ...]
    """The values, None for NULL; of a long one the beginning."""
    sizes: tuple[int | None, ...]
    """The values' characters, uncut."""
    structured: tuple[bool, ...]
    """Which values are JSON arrays or objects."""
