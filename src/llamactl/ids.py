"""Ids from outside, as the columns of a log write them."""

from __future__ import annotations

import re
from collections.abc import Collection
from uuid import UUID

from llamactl.model import Column, IdKind

_BLANKS = " \t\n\r\f\x0b"
_BOUNDS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}


def as_held(column: Column, id_: str) -> str | None:
    """The id as the column's type writes it; None where it is missing, or the type cannot hold it."""
    if column.kind is IdKind.OTHER:
        return None
    if column.kind is IdKind.INTEGER:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", id_):
            return None
        number, bound = int(id_), _BOUNDS[column.bare_type]
        return str(number) if -bound <= number < bound else None
    if column.kind is IdKind.UUID:
        try:
            return str(UUID(id_))
        except ValueError:
            return None
    if not id_.strip(_BLANKS) or re.search("[\0\ud800-\udfff]", id_):
        return None
    return id_.rstrip(" ") if column.bare_type == "bpchar" else id_


def array(column: Column, ids: Collection[str]) -> str:
    """An array in the server's notation, without those that the column's type cannot hold.

    As text, so that it takes the column's type; the driver would make it an array of text.
    """
    held = ids if column.kind is not IdKind.INTEGER else [id_ for id_ in ids if as_held(column, id_)]
    escaped = (id_.replace("\\", "\\\\").replace('"', '\\"') for id_ in held)
    return "{" + ",".join(f'"{id_}"' for id_ in escaped) + "}"
