"""How a row is changed so that the table takes it: before it is sent, and once for each complaint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import psycopg

from llamactl.logger import _encoding as encoding
from llamactl.logger._buffer import Row, Warnings
from llamactl.logger._calls import said
from llamactl.logger._rules import Category
from llamactl.logger._shape import Shape

_TOO_LONG, _NO_SUCH_ENTITY, _NO_SUCH_CHARACTER = "22001", "23503", "22P05"


@dataclass(frozen=True, slots=True)
class Draft:
    """A row as it is sent."""

    row: Row
    text: str
    mends: frozenset[str] = frozenset()
    """What was changed."""


class Fitting:
    """What is changed for this table."""

    def __init__(self, columns: Mapping[str, str], warn: Warnings) -> None:
        self._columns, self._warn = columns, warn

    def draft(self, row: Row, shape: Shape) -> Draft:
        """Returns a row in the words and characters that the database has."""
        draft = Draft(row, row.text)
        if row.category == Category.LINKED and not shape.links:
            self._warn(
                "linked",
                "The category LINKED does not exist yet, so ENRICHED is logged instead: run llamactl migrate",
            )
            draft = Draft(row, encoding.unlinked(row.text, self._columns), frozenset([Category.LINKED]))
        if shape.codec != "utf-8":
            draft = self._changed(draft, encoding.escaped(draft.text, shape.codec), _NO_SUCH_CHARACTER, shape)
        return draft

    def mended(self, draft: Draft, error: psycopg.Error, shape: Shape) -> Draft | None:
        """Returns the row as the server may take it after this complaint; None where nothing is to change."""
        code, text = error.sqlstate or "", draft.text
        if code == _TOO_LONG and code not in draft.mends:
            in_bytes = shape.encoding == "SQL_ASCII"
            text = encoding.cut(text, self._columns, shape.lengths, shape.codec, in_bytes)
        elif code == _NO_SUCH_ENTITY and draft.row.category == Category.FAILED:
            text = encoding.loosened(text, self._columns)
        elif code == _NO_SUCH_CHARACTER:  # Python's table of the encoding is not quite the server's
            text = encoding.escaped(text, "ascii")
        if text == draft.text:
            return None
        if code != _NO_SUCH_CHARACTER:
            self._warn(code, f"{draft.row.job.operation}: a row was changed to fit the table: {said(error)}")
        return self._changed(draft, text, code, shape)

    def _changed(self, draft: Draft, text: str, code: str, shape: Shape) -> Draft:
        if text == draft.text:
            return draft
        if code == _NO_SUCH_CHARACTER:
            self._warn(
                code,
                f"Characters that {shape.encoding} cannot represent are written as escapes such as \\u65e5",
            )
        return replace(draft, text=text, mends=draft.mends | {code})
