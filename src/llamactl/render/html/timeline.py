"""A timeline as a report: a row a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llamactl.model import LogRow, MarkKind, SubjectKind, Timeline, TimelineRow
from llamactl.render import safe
from llamactl.render.html.lines import Line, Span, head, line, omission
from llamactl.render.tree.signs import MARKS
from llamactl.render.words import plural

_COLUMNS = (
    ("when", "When"),
    ("tree", "Operation"),
    ("status", "Status"),
    ("category", "Category"),
    ("entity", "Entity"),
    ("duration", "Took"),
    ("id", "Job"),
)


class TimelineReport:
    """Its lines are made while the rows are read."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._span = Span.of(timeline.rows)
        self._first_failure: int | None = None
        self._widest_id = 0
        self.notes = timeline.notes
        self.counts = plural(len(timeline.rows), "row")
        subject = timeline.of
        named = f"{subject.name} ({subject.id})" if subject.name else subject.id
        self.head: dict[str, Any] = {
            **head(),
            **self._span.head(),
            "role": "option",
            "what": f"Timeline of {subject.kind}",
            "subject": safe.visible(named),
            "facts": _facts(timeline),
            "counted": "rows",
            "columns": _COLUMNS,
        }

    def lines(self) -> Iterator[Line]:
        """The rows, and then what a flag left out."""
        for number, row in enumerate(self._timeline.rows):
            if self._first_failure is None and row.failed:
                self._first_failure = number
            self._widest_id = max(self._widest_id, len(row.job_id or ""))
            yield self._line(row)
        for flag, count in self._timeline.omitted.items():
            yield omission(0, f"... {count:,} more without {flag}")

    def rows(self) -> Iterator[LogRow]:
        """The rows that are shown."""
        return iter(self._timeline.rows)

    def tail(self) -> dict[str, Any]:
        """What is known once the lines are made."""
        return {"firstFailure": self._first_failure, "widestId": self._widest_id}

    def _line(self, row: TimelineRow) -> Line:
        marks = [(MarkKind.ORIGIN_UNKNOWN, MARKS[MarkKind.ORIGIN_UNKNOWN])] if row.origin_unknown else []
        when = row.created_at.replace("T", " ")[:19] if row.created_at else ""
        entity = " ".join(filter(None, [row.entity_type, row.entity_name or row.entity_id]))
        return line(
            0, row.job_id or "-", [row], self._span, entity=entity, marks=marks, when=safe.visible(when)
        )


def _facts(timeline: Timeline) -> str:
    parts = [plural(timeline.total, "row")]
    parts += [f"{timeline.orphans:,} of unknown origin"] if timeline.orphans else []
    parts.append(f"{timeline.failed:,} failed" if timeline.failed else "none failed")
    parts += [f"created {timeline.created_at}"] if timeline.created_at else []
    if timeline.of.kind is not SubjectKind.ROOT:
        parts.append(
            f"first linked {timeline.first_linked_at}" if timeline.first_linked_at else "never linked"
        )
    return safe.visible(", ".join(parts))
