"""Lines of styled text: wrapped with a hanging indent on a terminal, whole and plain elsewhere."""

from __future__ import annotations

import io
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from llamactl.model import Severity
from llamactl.render import safe
from llamactl.render.console import Screen
from llamactl.render.flow import columns

if TYPE_CHECKING:
    from rich.text import Text

Part = str | tuple[str, str]
"""A string, or a string and its style."""

SEVERITY_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}

DETAIL = " " * 9
"""The indentation below a finding's id."""

WIDEST = 120
"""The maximum width of wrapped prose."""


def plain(*parts: Part) -> str:
    """Returns the parts as safe text without styles."""
    return "".join(safe.visible(part if isinstance(part, str) else part[0]) for part in parts)


def apart(*sections: Iterable[str]) -> Iterator[str]:
    """Yields the non-empty sections, separated by empty lines."""
    between = ""
    for section in sections:
        for line in section:
            yield between + line
            between = ""
        between = "\n"


class Page:
    """Creates the lines of a report."""

    def __init__(self, screen: Screen) -> None:
        self._terminal = _Terminal(screen) if screen.terminal else None

    def line(self, *parts: Part) -> str:
        """Returns one line, never wrapped."""
        return self._terminal.line(parts) if self._terminal else plain(*parts).rstrip() + "\n"

    def hanging(self, prefix: Sequence[Part], *parts: Part) -> Iterator[str]:
        """Yields the prefix and the parts, on a terminal wrapped with the prefix's width as indentation."""
        if self._terminal:
            yield from self._terminal.hanging(prefix, parts)
        else:
            yield self.line(*prefix, *parts)

    def entry(self, prefix: Sequence[Part], head: Sequence[Part], details: Sequence[str]) -> Iterator[str]:
        """Yields a head with its details below; without a terminal all on one line, for grep."""
        if not self._terminal:
            yield self.line(*prefix, *head, *(f" | {detail}" for detail in details if detail))
            return
        yield from self.hanging(prefix, *head)
        for detail in filter(None, details):
            yield from self.hanging([DETAIL], detail)

    def table(self, rows: Sequence[Sequence[Part]], numeric: Container[int] = ()) -> Iterator[str]:
        """Yields aligned columns, those in `numeric` to the right; the last column wraps."""
        widths = [max(columns(plain(cell)) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            prefix: list[Part] = []
            for number, cell in enumerate(row[:-1]):
                gap = " " * (widths[number] - columns(plain(cell)))
                prefix += [*((gap, cell) if number in numeric else (cell, gap)), "  "]
            yield from self.hanging(prefix, row[-1])


class _Terminal:
    """Creates the lines of a terminal, with rich: wrapped, and styled if it has colours."""

    def __init__(self, screen: Screen) -> None:
        # Imported late: reports that are piped must not wait for it.
        from rich.console import Console
        from rich.text import Text

        self._text = Text
        self._console = Console(
            file=io.StringIO(),
            force_terminal=True,
            color_system="auto" if screen.colour else None,
            width=min(screen.width, WIDEST),
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )

    def line(self, parts: Sequence[Part]) -> str:
        """Returns one line, never wrapped."""
        return self._shown(self._text_of(parts))

    def hanging(self, prefix: Sequence[Part], parts: Sequence[Part]) -> Iterator[str]:
        """Yields the prefix and the parts, wrapped with the prefix's width as indentation."""
        lead, body = self._text_of(prefix), self._text_of(parts)
        for wrapped in body.wrap(self._console, max(20, self._console.width - lead.cell_len)):
            wrapped.rstrip()
            yield self._shown(lead + wrapped)
            lead = self._text(" " * lead.cell_len)

    def _text_of(self, parts: Sequence[Part]) -> Text:
        """Returns the parts as safe text. Nothing in them is interpreted as markup."""
        styled = [(part, "") if isinstance(part, str) else part for part in parts]
        return self._text.assemble(*((safe.visible(text), style) for text, style in styled))

    def _shown(self, text: Text) -> str:
        text.rstrip()
        with self._console.capture() as capture:
            self._console.print(text, soft_wrap=True)
        return capture.get()
