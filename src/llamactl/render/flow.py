"""Fits lines into the columns of a terminal. What does not fit continues below; nothing is lost.

Columns are counted as the terminal does: a wide character takes two, a combining one none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from rich import cells

from llamactl.render.console import Screen

Piece = tuple[str, str]
"""A text that is never broken, and its style."""


def columns(text: str) -> int:
    """Returns the number of columns that the text occupies."""
    return len(text) if text.isascii() else cells.cell_len(text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Returns the text with blanks up to this width; longer texts unchanged."""
    if text.isascii():
        return text.rjust(width) if right else text.ljust(width)
    blank = " " * (width - columns(text))
    return blank + text if right else text + blank


def flow(
    pieces: Iterable[Piece],
    width: int,
    styled: Callable[[str, str], str],
    *,
    lead: str = "",
    below: str = "",
    gap: str = "  ",
) -> Iterator[str]:
    """Yields lines: the pieces with gaps between them, as many on each line as fit; `lead` comes before them.

    Lines after the first begin with `below`, or with as much of it as leaves room. A piece that is wider than
    the terminal is broken into parts.
    """
    line, used, fresh = lead, columns(lead), True
    for text, style in pieces:
        wanted = columns(text)
        if used + (0 if fresh else len(gap)) + wanted <= width:
            line += ("" if fresh else gap) + styled(text, style)
            used += (0 if fresh else len(gap)) + wanted
            fresh = False
            continue
        if line.strip() and not (fresh and line == below):
            yield line.rstrip(" ")
        *parts, text = cells.chop_cells(text, width) if wanted > width else [text]
        yield from (styled(part, style) for part in parts)
        wanted = columns(text)
        stem = cells.set_cell_size(below, min(columns(below), max(width - wanted, 0))) if not parts else ""
        line, used, fresh = stem + styled(text, style), columns(stem) + wanted, False
    if line.strip():
        yield line.rstrip(" ")


def shortened(text: str, room: int, sign: str) -> tuple[str, bool]:
    """The text, or as much of it as there is room for and how many characters are not shown (`… +136`); and
    whether it is cut. The cut takes no less than it gives.
    """
    if columns(text) <= room:
        return text, False
    longest = f"{sign} +{len(text):,}"
    kept = cells.set_cell_size(text, max(room - columns(longest), 1)).rstrip(" ")
    end = f"{sign} +{len(text) - len(kept):,}"
    if columns(kept) + columns(end) >= columns(text):
        return text, False
    return kept + end, True


class Lines:
    """Writes lines for a screen: fitted to a terminal, elsewhere never broken."""

    def __init__(self, screen: Screen, cut: str) -> None:
        self._screen = screen
        self._cut = cut
        """Returns the sign for shortened text."""
        self._texts_cut = False

    def _flow(self, pieces: Iterable[Piece], lead: str, below: str, gap: str = "  ") -> Iterable[str]:
        """Returns lines of pieces; a single line if the output is not a terminal."""
        if not self._screen.terminal:
            return (lead + gap.join([text for text, _ in pieces]) + "\n",)
        lines = flow(pieces, self._screen.width, self._styled, lead=lead, below=below, gap=gap)
        return (line + "\n" for line in lines)

    def _words(self, text: str, lead: str, below: str, style: str = "") -> Iterable[str]:
        """Returns lines of words."""
        return self._flow([(word, style) for word in text.split(" ")], lead, below, gap=" ")

    def _fitted(self, text: str, room: int) -> str:
        """Returns the text; on a terminal, as much as fits, and how much is not shown."""
        if not self._screen.terminal:
            return text
        shown, cut = shortened(text, room, self._cut)
        self._texts_cut |= cut
        return shown

    def _cut_explained(self) -> list[tuple[str, str]]:
        """Yields the legend entry of shortened texts, if there are any."""
        return [(f"{self._cut} +N", "N more characters: --format json")] if self._texts_cut else []

    def _explained(self, entries: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Yields the legend: signs with their meanings."""
        if entries:
            yield "\n"
        width = max((columns(sign) for sign, _ in entries), default=0) + 2
        for sign, word in entries:
            yield from self._words(word, sign + " " * (width - columns(sign)), " " * width)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if style and self._screen.colour else text
