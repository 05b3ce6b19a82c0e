"""The lines of a report for report.js: arrays, whose positions are named there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from llamactl.model import LogRow, MarkKind
from llamactl.render import labels, safe
from llamactl.render.signs import ASCII, LEGEND, MARKS, UNICODE

Line = list[Any]
JOB, OMISSION = 0, 1
"""Kinds of line."""
LONGEST = 300
"""The maximum number of characters of a cell; the details have more."""
ASKED = "requested"
_TICKS = 4
"""The number of parts of the waterfall's axis."""


class Report(Protocol):
    """A report for the page."""

    head: dict[str, Any]
    counts: str
    """How much of what the file shows."""
    notes: tuple[str, ...]

    def lines(self) -> Iterator[Line]:
        """Yields the lines in the order of the report."""

    def rows(self) -> Iterator[LogRow]:
        """Yields the rows of all lines, in order."""

    def tail(self) -> dict[str, Any]:
        """Returns the data that is known once the lines are created."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time range of the waterfall; None if no row has a time."""

    began: datetime | None = None
    ended: datetime | None = None

    @classmethod
    def between(cls, began_at: str | None, ended_at: str | None) -> Span:
        """Creates the range between two ISO 8601 times."""
        if began_at is None or ended_at is None:
            return cls()
        return cls(datetime.fromisoformat(began_at), datetime.fromisoformat(ended_at))

    @classmethod
    def of(cls, rows: Iterable[LogRow]) -> Span:
        """Creates the range from the first row's beginning to the last row's end."""
        span = cls()
        for row in rows:
            began, ended = row.began, row.ended
            if began is not None and ended is not None:
                span = cls(min(span.began or began, began), max(span.ended or ended, ended))
        return span

    def head(self) -> dict[str, Any]:
        """Returns the data that the page needs to draw the axis."""
        if self.began is None or self.ended is None:
            return {"span_ms": None, "ticks": []}
        length = self.since(self.ended)
        ticks = (
            [(n / _TICKS, labels.duration(length * n // _TICKS)) for n in range(_TICKS + 1)] if length else []
        )
        return {"span_ms": length, "ticks": ticks}

    def since(self, moment: datetime) -> int:
        """Returns the milliseconds since the beginning."""
        assert self.began is not None
        return round((moment - self.began).total_seconds() * 1000)


def head() -> dict[str, Any]:
    """Returns the part that all reports have in common: the signs and words of the text output."""
    statuses = {status: (sign, ASCII.statuses[status]) for status, sign in UNICODE.statuses.items()}
    signs = [(sign, sign, meaning) for sign, meaning in UNICODE.words.items()]
    marks = [(kind, MARKS[kind].format("id"), meaning) for kind, meaning in LEGEND.items()]
    asked = (MarkKind.ASKED, ASKED, labels.ASKED)
    return {
        "statuses": statuses,
        "noStatus": (UNICODE.other, "none"),
        "noRows": (UNICODE.no_rows, "no rows"),
        "signs": [*signs, *marks, asked],
        "legend": {kind: meaning for kind, _, meaning in (*marks, asked)},
        "deeper": UNICODE.guides.deeper,
    }


def shown(text: str) -> str:
    """Returns the text on one line; a long one truncated, with the number of further characters."""
    visible = safe.visible(text)
    if len(visible) <= LONGEST:
        return visible
    return f"{visible[:LONGEST]}{UNICODE.cut} {len(visible) - LONGEST:,} more characters"


def line(
    depth: int,
    id_: str,
    rows: Sequence[LogRow],
    span: Span,
    *,
    entity: str,
    marks: Sequence[tuple[str, str]] = (),
) -> Line:
    """Returns the line of a job or a row, without its last position, the time of the row."""
    statuses, categories = [row.status for row in rows], [row.category for row in rows]
    begins = [began for row in rows if (began := row.began) is not None]
    ends = [ended for row in rows if (ended := row.ended) is not None]
    errors = [message for message, *_ in labels.errors(rows)]
    return [
        depth,
        JOB,
        safe.visible(id_),
        shown(labels.operation([row.operation for row in rows])),
        len(rows),
        labels.distinct([labels.worst(statuses, categories), *labels.canonical(statuses)]),
        [shown(category) for category in labels.distinct(categories)],
        shown(entity),
        labels.longest(rows),
        span.since(min(begins)) if begins else None,
        span.since(max(ends)) if ends else None,
        shown(" | ".join(errors)) if errors else None,
        [(kind, shown(text)) for kind, text in marks],
    ]


def omission(depth: int, text: str) -> Line:
    """Returns the line on what is not in the file."""
    return [depth, OMISSION, None, shown(text)]
