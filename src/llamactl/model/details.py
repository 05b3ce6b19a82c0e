"""Whole rows of the log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WholeRow:
    """A row of the log with all its columns in the table's order; all tuples have the same length."""

    id: str
    names: tuple[str, ...]
    """The names of the columns in the user's table."""
    texts: tuple[str | None, ...]
    """The values, None for NULL; long ones are truncated."""
    sizes: tuple[int | None, ...]
    """The length of each whole value, in characters."""
    structured: tuple[bool, ...]
    """Whether the value is a JSON array or object."""
