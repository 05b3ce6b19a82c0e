"""A row as JSON by the names of the user's columns, and how one is changed so that it fits. No I/O.

It is made at the moment of recording: what the job does with its lists and dictionaries afterwards does not
change it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from llamactl.logger._rules import OWN_COLUMN, Category, storable


def encode(row: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[str, list[str]]:
    """Returns the row as JSON by the user's column names, and what had to be changed, in words.

    Columns that there are not are left out; NUL, lone surrogates, NaN and what JSON has no word for are
    replaced.
    """
    mended: list[str] = []
    try:
        named = {columns[name]: value for name, value in row.items()}
    except KeyError:
        mended = [f"there is no column {name!r}" for name in row if name not in columns]
        named = {columns[name]: value for name, value in row.items() if name in columns}
    try:
        text = _ENCODER.encode(named)
        if "\\u0000" not in text:
            text.encode()
            return text, mended
    except (TypeError, ValueError, RecursionError):
        text = ""
    cleaned = _ENCODER.encode({name: _cleaned(value, 0) for name, value in named.items()})
    if cleaned != text:
        mended.append("text or metadata that Postgres cannot hold was replaced")
    return cleaned, mended


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        # A column without time zone takes the wall clock as it stands: UTC, as the application writes it.
        return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)
_DEEPEST = 100


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, int):
        return value
    if depth == _DEEPEST:  # it may hold itself
        return "..."
    if isinstance(value, Mapping):
        return {storable(str(key)): _cleaned(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item, depth + 1) for item in value]
    return _cleaned(_plain(value), depth + 1)


def with_root(text: str, column: str, root: str) -> str:
    """Returns a row that lacks its root with it."""
    return f"{text[:-1]}, {json.dumps(column)}: {json.dumps(root)}}}"


def unlinked(text: str, columns: Mapping[str, str]) -> str:
    """Returns a LINKED row as a log takes it that has no such word yet: ENRICHED, the metadata tells."""
    row = json.loads(text)
    row[columns["category"]] = Category.ENRICHED
    metadata = row.get(columns["metadata"])
    row[columns["metadata"]] = {
        **(metadata if isinstance(metadata, dict) else {}),
        "category": Category.LINKED,
    }
    return _ENCODER.encode(row)


def cut(text: str, columns: Mapping[str, str], lengths: Mapping[str, int]) -> str:
    """Returns a row with its texts cut to their columns; ids stay whole, since cut ids would be others'."""
    row = json.loads(text)
    for ours, theirs in columns.items():
        value, most = row.get(theirs), lengths.get(theirs)
        if isinstance(value, str) and most and len(value) > most and not ours.endswith("id"):
            row[theirs] = value[: most - 1] + "\u2026"
    return _ENCODER.encode(row)


def loosened(text: str, columns: Mapping[str, str]) -> str:
    """Returns a row without its references: of a failure, whose entity never came to be."""
    row = json.loads(text)
    for ours in OWN_COLUMN.values():
        row.pop(columns[ours], None)
    return _ENCODER.encode(row)
