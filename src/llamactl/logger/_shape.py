"""What the logger needs to know of the table."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from llamactl.logger import _encoding as encoding
from llamactl.logger._calls import Steps, ask
from llamactl.logger._rules import Category, LoggerError
from llamactl.model import Column, ErrorCode, IdKind
from llamactl.model.ids import as_stored, text_array_literal
from llamactl.sqlfiles.names import Names


@dataclass(frozen=True, slots=True)
class Shape:
    """The table as it was a few seconds ago."""

    absent: frozenset[str]
    """Those of llamactl's columns that the table does not have."""
    lengths: Mapping[str, int]
    """Maximum lengths of the user's columns, in characters; for a list, of each item."""
    links: bool
    """The category can be LINKED."""
    job_id: Column
    keyed: bool
    """Ids are unique, so a row can be sent again."""
    ruled: bool
    """It has rules, which decide what an INSERT does and what the server reports about it."""
    skips: bool
    """An INSERT can skip existing rows with ON CONFLICT; otherwise they are errors."""
    readable: bool
    """The role can read the ids."""
    others: Sequence[str]
    """What can keep a row out without an error, apart from a row with the same id."""
    encoding: str
    """The encoding of the database, by the server's name."""
    codec: str
    """The same by Python's name; what cannot be encoded in it cannot be stored."""

    def stored(self, job_id: str) -> str | None:
        """Returns a job id as the table stores it; None if it cannot."""
        return as_stored(self.job_id, job_id.translate(encoding.unencodable(job_id, self.codec)))


def look(names: Names) -> Steps[Shape]:
    """Returns the table's shape. Raises LoggerError (config) if it cannot be logged to."""
    relation, columns = names.quoted_table(), names.columns
    found: dict[str, Any] = {
        row.name: row for row in (yield from ask("catalog/columns", names, {"relation": relation}))
    }
    kind = found[columns["id"]].kind if columns["id"] in found else None
    if kind not in ("string", "uuid") or columns["job_id"] not in found:
        message = f"{relation} needs a job id column, and an id column of type uuid or text, to be logged to"
        raise LoggerError(ErrorCode.CONFIG, message)
    enum = yield from ask("catalog/enum", names, {"relation": relation, "column": columns["category"]})
    given = {
        "relation": relation,
        "key": columns["id"],
        "columns": text_array_literal(list(columns.values())),
    }
    ((keyed, ruled, deferrable, readable, encoding, others),) = yield from ask("logger/shape", names, given)
    return Shape(
        absent=frozenset(ours for ours, theirs in columns.items() if theirs not in found),
        lengths={name: int(length[1]) for name in found if (length := _LENGTH.search(found[name].type_name))},
        links=not enum or any(row.label == Category.LINKED for row in enum),
        job_id=_column(found[columns["job_id"]]),
        keyed=keyed,
        ruled=ruled,
        skips=not ruled and not deferrable,
        readable=readable,
        others=others,
        encoding=encoding,
        codec=_codec(encoding),
    )


def _column(row: Any) -> Column:
    facts = {field.name: getattr(row, field.name) for field in fields(Column)}
    return Column(**facts | {"kind": IdKind(facts["kind"])})


_LENGTH = re.compile(r"\((\d+)\)(?:\[\])?$")
_CODECS = {"UTF8": "utf-8", "SQL_ASCII": "utf-8", "KOI8R": "koi8_r", "KOI8U": "koi8_u", "EUC_CN": "gb2312"}
"""Encodings that have another name in Python. SQL_ASCII accepts any bytes, and gets UTF-8."""


def _codec(encoding: str) -> str:
    """Returns Python's name of a server's encoding: that of ASCII for those that it does not have."""
    name = _CODECS.get(encoding) or re.sub(r"^WIN(?=\d)", "cp", encoding)
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "ascii"
