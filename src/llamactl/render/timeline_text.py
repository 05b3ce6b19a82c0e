"""A timeline as text, one line per row of the log.

Off a terminal nothing is cut or wrapped. On one no line is longer than it is wide: what there is no room for
goes on below its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from llamactl.model import SubjectKind, Timeline, TimelineRow
from llamactl.model.words import plural
from llamactl.render import labels, safe
from llamactl.render.console import Screen
from llamactl.render.flow import Lines, Piece, columns
from llamactl.render.signs import ASCII, UNICODE

SAMPLE = 1000
"""The number of rows used to determine widths: the first line must not wait for the last row."""
WIDEST = (32, 60, 20, 60, 10)
"""The maximum widths of time, operation, category, entity and duration; a longer value shifts its line."""
DURATION = 4

ORIGIN_UNKNOWN = "Origin unknown"
ROOT = "root"
LEGEND = {
    ROOT: "written by the root job, from which all the others descend",
    ORIGIN_UNKNOWN: "has no root: the job that it comes from is unknown",
}

RED, YELLOW, DIM = "31", "33", "2"


def render(timeline: Timeline, screen: Screen) -> Iterator[str]:
    """Yields the lines: the subject, the figures, the rows, what was left out, and the legend."""
    return _Writer(timeline, screen).lines()


def counts(timeline: Timeline) -> str:
    """Returns the counts of all rows, shown or not, and the times of the subject."""
    figures = [
        plural(timeline.total, "row"),
        f"{timeline.orphans:,} of unknown origin" if timeline.orphans else "",
        *labels.failures(timeline.failed, timeline.unknown_status),
    ]
    times = [f"created {timeline.created_at}" if timeline.created_at else "creation not logged"]
    if timeline.of.kind is not SubjectKind.ROOT:
        linked = timeline.first_linked_at
        times.append(f"first linked {linked}" if linked else "never linked")
    return f"{', '.join(filter(None, figures))}; {', '.join(times)}"


def left_out(timeline: Timeline) -> Iterator[tuple[str, str]]:
    """Yields what is not shown with its exact count, and the cursor that shows it, if there is one."""
    for flag, count in timeline.omitted.items():
        if flag == "--limit":
            yield f"... {count:,} more with --after", timeline.next_cursor or ""
        else:
            yield f"... {count:,} more without {flag}", ""


def marks(row: TimelineRow) -> list[str]:
    """Yields the remarks on a row."""
    return [mark for mark, told in ((ROOT, row.is_root), (ORIGIN_UNKNOWN, row.origin_unknown)) if told]


def job_id(row: TimelineRow) -> str:
    """Returns the job id, or a replacement for a row without one."""
    return row.job_id or f"(no job id, row {row.id})"


class _Writer(Lines):
    def __init__(self, timeline: Timeline, screen: Screen) -> None:
        self._timeline = timeline
        self._signs = UNICODE if screen.unicode else ASCII
        super().__init__(screen, self._signs.cut)
        self._used: set[str] = set()
        """The signs and marks that were used, for the legend."""

    def lines(self) -> Iterator[str]:
        yield from self._head()
        rows = iter(self._timeline.rows)
        sample = [*islice(rows, SAMPLE)]
        cells = [self._cells(row) for row in sample]
        widths = self._widths(cells)
        for row in chain(sample, rows):
            yield from self._row(row, widths)
        yield from self._omissions()
        yield from self._legend()

    def _widths(self, cells: Sequence[Sequence[str]]) -> Sequence[int]:
        """The width of each column: for all cells, or if too wide for nine in ten, or 0 (not shown)."""
        found = [sorted(map(columns, column)) for column in zip(*cells, strict=True)]
        for place in (-1, 9 * (len(cells) - 1) // 10):
            widths = [min(column[place], most) for column, most in zip(found, WIDEST, strict=False)]
            if not self._screen.terminal or sum(2 + width for width in widths) <= self._screen.width:
                return widths
        return [0] * len(found)

    def _head(self) -> Iterator[str]:
        timeline = self._timeline
        name = f'  "{self._safe(timeline.of.name)}"' if timeline.of.name is not None else ""
        yield from self._words(f"{timeline.of.kind} {self._safe(timeline.of.id)}{name}", "", "  ")
        yield from self._words(self._safe(counts(timeline)), "  ", "  ")

    # Rows ------------------------------------------------------------------------------------------------

    def _row(self, row: TimelineRow, widths: Sequence[int]) -> Iterator[str]:
        cells = self._cells(row)
        style = RED if row.failed else DIM if row.origin_unknown else ""
        pieces: list[Piece] = []
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            blank = " " * (width - columns(cell))
            if cell or width:
                pieces.append((blank + cell if at == DURATION else cell + blank, style))
        self._used.update(marks(row))
        pieces += [(f"[{mark}]", YELLOW) for mark in marks(row)]
        pieces.append((self._safe(job_id(row)), style))
        yield from self._flow(pieces, "", "    ")
        if row.error_message:
            error = self._fitted(self._safe(row.error_message), self._screen.width - 4)
            yield f"    {self._styled(error, RED if row.failed else YELLOW)}\n"

    def _cells(self, row: TimelineRow) -> tuple[str, str, str, str, str]:
        """Returns the cells of a row."""
        status = labels.worst([row.status], [row.category])
        sign = self._signs.statuses.get(status or "", self._signs.other)
        self._used.add(sign)
        operation = f"{sign} {self._safe(row.operation or '-')}"
        if self._screen.terminal:
            operation = self._fitted(operation, WIDEST[1])
        return (
            self._safe(row.created_at or "-"),
            operation,
            self._safe(row.category or ""),
            self._entity(row),
            labels.longest([row]),
        )

    def _entity(self, row: TimelineRow) -> str:
        """Returns the entity's type, and its name if that is known, else its id."""
        if row.entity_type is None and row.entity_id is None:
            return ""
        called = row.entity_id or "-"
        if row.entity_name is not None:
            called = f'"{row.entity_name}"' if self._screen.terminal else f'{called} "{row.entity_name}"'
        text = self._safe(f"{row.entity_type or '-'} {called}")
        return self._fitted(text, WIDEST[3]) if self._screen.terminal else text

    # Below them ------------------------------------------------------------------------------------------

    def _omissions(self) -> Iterator[str]:
        for told, cursor in left_out(self._timeline):
            if not cursor:
                yield from self._words(told, "", "    ", DIM)
                continue
            # The cursor is there to be copied, so it is not wrapped.
            gap = "\n" if self._screen.terminal and len(told) + 1 + len(cursor) > self._screen.width else " "
            yield f"{self._styled(told, DIM)}{gap}{cursor}\n"

    def _legend(self) -> Iterator[str]:
        entries = [(sign, word) for sign, word in self._signs.words.items() if sign in self._used]
        entries += [(f"[{mark}]", word) for mark, word in LEGEND.items() if mark in self._used]
        yield from self._explained([*entries, *self._cut_explained()])

    # Text ------------------------------------------------------------------------------------------------

    def _safe(self, text: str) -> str:
        visible = safe.visible(text)
        return visible if self._screen.unicode else visible.encode("ascii", "backslashreplace").decode()
