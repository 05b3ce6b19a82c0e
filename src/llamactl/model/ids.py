"""Ids from outside, as the columns of a log write them."""

from __future__ import annotations

import re
from collections.abc import Collection
from uuid import UUID

from llamactl.model import Column, IdKind

BLANKS = " \t\n\r\f\x0b"
"""An id of these alone is missing."""


def as_stored(column: Column, id_: str) -> str | None:
    """The id as the column's type writes it; None where it is missing, or the type cannot hold it."""
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
    """The id where the column can hold it as it is; else None."""
    return id_ if as_stored(column, id_) == id_ else None


def array_literal(column: Column, ids: Collection[str]) -> str:
    """As array_of(), without those that the column's type cannot hold."""
    if column.kind is IdKind.INTEGER or column.bare_type == "bpchar":
        ids = [id_ for id_ in ids if as_stored(column, id_) == id_]
    return text_array_literal(ids)


def text_array_literal(ids: Collection[str]) -> str:
    """An array in the server's notation: as text, so that it takes the column's type."""
    escaped = (id_.replace("\\", "\\\\").replace('"', '\\"') for id_ in ids)
    return "{" + ",".join(f'"{id_}"' for id_ in escaped) + "}"
