"""Converts ids that come from outside to the form in which a column stores them."""

from __future__ import annotations

import re
from collections.abc import Collection
from uuid import UUID

from llamactl.model import Column, IdKind

BLANKS = " \t\n\r\f\x0b"
"""An id that consists only of these characters counts as missing."""


def as_stored(column: Column, id_: str) -> str | None:
    """Returns the id in the column type's notation; None if it is missing or does not fit the type."""
    if column.kind is IdKind.OTHER:
        return None
    if column.kind is IdKind.INTEGER:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", id_):
            return None
        number, bound = int(id_), column.bound
        return str(number) if bound is not None and -bound <= number < bound else None
    if column.kind is IdKind.UUID:
        try:
            return str(UUID(id_))
        except ValueError:
            return None
    if not id_.strip(BLANKS) or re.search("[\0\ud800-\udfff]", id_):
        return None
    return id_.rstrip(" ") if column.bare_type == "bpchar" else id_


def exact(column: Column, id_: str) -> str | None:
    """Returns the id if the column can store it unchanged, else None."""
    return id_ if as_stored(column, id_) == id_ else None


def array_literal(column: Column, ids: Collection[str]) -> str:
    """Returns an array literal of the ids, without those that do not fit the column's type."""
    if column.kind is IdKind.INTEGER or column.bare_type == "bpchar":
        ids = [id_ for id_ in ids if as_stored(column, id_) == id_]
    return text_array_literal(ids)


def text_array_literal(ids: Collection[str]) -> str:
    """Returns an array literal in the server's notation. It is text, so that it adopts the column's type."""
    escaped = (id_.replace("\\", "\\\\").replace('"', '\\"') for id_ in ids)
    return "{" + ",".join(f'"{id_}"' for id_ in escaped) + "}"
