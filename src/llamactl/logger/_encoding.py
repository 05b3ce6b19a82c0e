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
        mended.append("text or metadata that Postgres cannot store was replaced")
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


def cut(
    text: str,
    columns: Mapping[str, str],
    lengths: Mapping[str, int],
    codec: str = "utf-8",
    in_bytes: bool = False,
) -> str:
    """Returns a row with its texts cut to their columns; ids stay whole, since cut ids would be others'.

    Lengths are in characters; in bytes where the database has no encoding (SQL_ASCII).
    """
    row = json.loads(text)
    mark = "..." if unencodable("\u2026", codec) else "\u2026"

    def fitted(value: Any, most: int) -> Any:
        if isinstance(value, list):
            return [fitted(item, most) for item in value]
        if not isinstance(value, str):
            return value
        if in_bytes:
            whole, end = value.encode(), mark.encode()
            return value if len(whole) <= most else (whole[: most - len(end)] + end).decode(errors="ignore")
        return value if len(value) <= most else value[: most - len(mark)] + mark

    for ours, theirs in columns.items():
        if theirs in row and theirs in lengths and not ours.endswith("id"):
            row[theirs] = fitted(row[theirs], lengths[theirs])
    return _ENCODER.encode(row)


def unencodable(text: str, codec: str) -> dict[int, str]:
    """Returns how to write the characters that the codec does not have: for str.translate(), as \\u65e5."""
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        pass
    else:
        return {}
    missing: dict[int, str] = {}
    for character in set(text):
        try:
            character.encode(codec)
        except UnicodeEncodeError:
            missing[ord(character)] = character.encode("ascii", "backslashreplace").decode()
    return missing


def escaped(text: str, codec: str) -> str:
    """Returns a row with the characters that the codec does not have written as escapes, in all values."""
    written = {character: f"\\{escape}" for character, escape in unencodable(text, codec).items()}
    if not written:
        return text
    values = (
        f"{_ENCODER.encode(name)}: {_ENCODER.encode(value).translate(written)}"
        for name, value in json.loads(text).items()
    )
    return "{" + ", ".join(values) + "}"


def loosened(text: str, columns: Mapping[str, str]) -> str:
    """Returns a row without its references: of a failure, whose entity never came to be."""
    row = json.loads(text)
    for ours in OWN_COLUMN.values():
        row.pop(columns[ours], None)
    return _ENCODER.encode(row)
