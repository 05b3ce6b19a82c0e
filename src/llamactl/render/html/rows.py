"""The whole rows of a report, in blocks that the browser parses one by one, and a count of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from llamactl.model import LogRow, WholeRow
from llamactl.model.words import plural
from llamactl.render import safe
from llamactl.render.html.blocks import block, encoded
from llamactl.wording import size

Read = Callable[[Sequence[str]], Iterable[WholeRow]]
"""Returns the whole rows with these ids, in any order."""

IN_BLOCK = 200
"""The number of rows, in the report's order, per block; a block contains those that fit."""
ROOM = 50 * 1024**2
"""The maximum number of characters of all blocks."""
FOR_FAILURES = 10 * 1024**2
"""The part of these that is reserved for failed rows."""


class WholeRows:
    """Writes the blocks of some rows, and remembers what it left out."""

    def __init__(self, rows: Iterator[LogRow], read: Read) -> None:
        self._rows = rows
        self._read = read
        self._written = self._left_out = 0
        self._room = {False: ROOM - FOR_FAILURES, True: ROOM}
        """For failed rows and others; once a row does not fit, none of its kind comes after it."""
        self._cut_values = self._cut_characters = 0

    def blocks(self) -> Iterator[str]:
        """Yields them: the columns, and by its number in the report what each row holds in them."""
        number = 0
        while batch := [*islice(self._rows, IN_BLOCK)]:
            # Rows that do not fit are not even read.
            wanted = {
                row.id: (at, row.failed) for at, row in enumerate(batch, number) if self._room[row.failed]
            }
            yield block('class="rows"', self._body(wanted))
            self._left_out += len(batch) - len(wanted)
            number += len(batch)

    def notes(self) -> Iterator[str]:
        """Yields what is not in the file, with counts."""
        if self._left_out:
            yield (
                f"The details of {plural(self._left_out, 'row')} are not in the file: it takes {size(ROOM)}, "
                f"the last {size(FOR_FAILURES)} of them for failed rows only"
            )
        if self._cut_values:
            yield (
                f"Of {plural(self._cut_values, 'long value')} only the beginning is in the file: "
                f"{self._cut_characters:,} characters are not"
            )

    def _body(self, wanted: Mapping[str, tuple[int, bool]]) -> dict[str, Any]:
        columns: list[str] = []
        rows: dict[int, list[Any]] = {}
        for row in self._read([*wanted]) if wanted else ():
            number, failed = wanted[row.id]
            values = [self._value(row, at) for at in range(len(row.names))]
            size = len(encoded(values))
            if self._written + size > self._room[failed]:
                self._room[failed] = 0
                self._left_out += 1
                continue
            self._written += size
            self._count_cuts(row)
            columns = columns or [safe.visible(name) for name in row.names]
            rows[number] = values
        return {"columns": columns, "rows": rows}

    def _count_cuts(self, row: WholeRow) -> None:
        for text, length in zip(row.texts, row.sizes, strict=True):
            if text is not None and length is not None and length > len(text):
                self._cut_values += 1
                self._cut_characters += length - len(text)

    @staticmethod
    def _value(row: WholeRow, at: int) -> Any:
        """Returns None for NULL, a text, or an object if the value is JSON or was truncated."""
        text, length = row.texts[at], row.sizes[at]
        if text is None or length is None:
            return None
        shown, cut = safe.visible_lines(text), length - len(text)
        return {"text": shown, "json": row.structured[at], "cut": cut} if cut or row.structured[at] else shown
