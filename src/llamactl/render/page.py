"""Lines of styled text: wrapped with a hanging indent on a terminal, whole and plain elsewhere."""

from __future__ import annotations

import io
from collections.abc import Container, Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from llamactl.model import Severity
from llamactl.render import safe
from llamactl.render.console import Screen

Part = str | tuple[str, str]
"""A string, or a string and its style."""

SEVERITY_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}

DETAIL = " " * 9
"""The indentation below a finding's id."""

WIDEST = 120
"""The maximum width of wrapped prose."""


def text_of(*parts: Part) -> Text:
    """Returns the parts as safe text. Nothing in them is interpreted as markup."""
    return Text.assemble(
        *(safe.visible(part) if isinstance(part, str) else (safe.visible(part[0]), part[1]) for part in parts)
    )


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
        self._screen = screen
        self._console = Console(
            file=io.StringIO(),
            force_terminal=screen.terminal,
            color_system="auto" if screen.colour else None,
            width=min(screen.width, WIDEST),
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )

    def line(self, *parts: Part) -> str:
        """Returns one line, never wrapped."""
        return self._shown(text_of(*parts))

    def hanging(self, prefix: Sequence[Part], *parts: Part) -> Iterator[str]:
        """Yields the prefix and the parts, on a terminal wrapped with the prefix's width as indentation."""
        return self._hung(text_of(*prefix), text_of(*parts))

    def entry(self, prefix: Sequence[Part], head: Sequence[Part], details: Sequence[str]) -> Iterator[str]:
        """Yields a head with its details below; without a terminal all on one line, for grep."""
        if not self._screen.terminal:
            yield self.line(*prefix, *head, *(f" | {detail}" for detail in details if detail))
            return
        yield from self.hanging(prefix, *head)
        for detail in filter(None, details):
            yield from self.hanging([DETAIL], detail)

    def table(self, rows: Sequence[Sequence[Part]], numeric: Container[int] = ()) -> Iterator[str]:
        """Yields aligned columns, those in `numeric` to the right; the last column wraps."""
        cells = [[text_of(part) for part in row] for row in rows]
        widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
        for row in cells:
            prefix = Text()
            for number, cell in enumerate(row[:-1]):
                gap = Text(" " * (widths[number] - cell.cell_len))
                prefix += gap + cell if number in numeric else cell + gap
                prefix.append("  ")
            yield from self._hung(prefix, row[-1])

    def _hung(self, prefix: Text, body: Text) -> Iterator[str]:
        if not self._screen.terminal:
            yield self._shown(prefix + body)
            return
        for wrapped in body.wrap(self._console, max(20, self._console.width - prefix.cell_len)):
            wrapped.rstrip()
            yield self._shown(prefix + wrapped)
            prefix = Text(" " * prefix.cell_len)

    def _shown(self, text: Text) -> str:
        text.rstrip()
        with self._console.capture() as capture:
            self._console.print(text, soft_wrap=True)
        return capture.get()
