"""A tree or a timeline as one HTML file, with all that it needs inside. Knows no database.

1. The page is hand-written: report.html, report.css, report.js. Its content security policy allows these by
   their hashes and nothing else: no request leaves the page, and no script that stands in the data runs.
2. The data stand in blocks of JSON: the head, the lines, the whole rows, the tail. A browser keeps a block of
   rows as text until somebody looks at one of them.

The file is ASCII, so that it is the same in every encoding; it is made while the rows are read.
"""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TypeVar

from llamactl.model import Timeline, Tree
from llamactl.render import safe
from llamactl.render.html.blocks import block
from llamactl.render.html.lines import Report
from llamactl.render.html.rows import IN_BLOCK, Read, WholeRows
from llamactl.wording import size

T = TypeVar("T")
LINES_IN_BLOCK = 10_000
"""Browsers limit the length of a text: the lines of a million jobs would not fit in one block."""
_HERE = Path(__file__).parent
_POLICY = "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'"


class File:
    """A report's file, in pieces; and, once these are taken, what is in it and what is not.

    `read` gives whole rows by their ids; `made` says by what, when and from what the file was made.
    """

    def __init__(self, report: Tree | Timeline, read: Read, made: str) -> None:
        self._report = _report(report)
        self._rows = WholeRows(self._report.rows(), read)
        self._made = made
        self._size = 0

    def pieces(self) -> Iterator[str]:
        """Yields the file in pieces."""
        for piece in self._pieces():
            self._size += len(piece)
            yield piece

    def told(self) -> str:
        """Returns what was written: `612 jobs, 640 rows, 1.2 MB`."""
        return f"{self._report.counts}, {size(self._size)}"

    def notes(self) -> list[str]:
        """Yields what was left out, with counts."""
        return [*self._rows.notes()]

    def _pieces(self) -> Iterator[str]:
        report = self._report
        style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
        before, after = (_HERE / "report.html").read_text(encoding="utf-8").split("{{data}}\n")
        title = html.escape(f"{report.head['what']} {report.head['subject']}")
        yield (
            before.replace("{{policy}}", _POLICY.format(_hash(script), _hash(style)))
            .replace("{{style}}", style)
            .replace("{{title}}", title.encode("ascii", "xmlcharrefreplace").decode())
        )
        yield block('id="head"', {**report.head, "rowsInBlock": IN_BLOCK})
        for lines in _batches(report.lines(), LINES_IN_BLOCK):
            yield block('class="nodes"', lines)
        yield from self._rows.blocks()
        notes = [*self.notes(), *report.notes, self._made]
        yield block('id="tail"', {**report.tail(), "notes": [safe.visible(note) for note in notes]})
        yield after.replace("{{script}}", script)


def _report(report: Tree | Timeline) -> Report:
    if isinstance(report, Tree):
        from llamactl.render.html.tree import TreeReport

        return TreeReport(report)
    from llamactl.render.html.timeline import TimelineReport

    return TimelineReport(report)


def _hash(text: str) -> str:
    """Returns the CSP source expression that allows an inline script or style with this text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := [*islice(rest, size)]:
        yield batch
