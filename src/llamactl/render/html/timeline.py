"""A timeline as a report, one line per row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llamactl.model import LogRow, MarkKind, Timeline, TimelineRow
from llamactl.model.words import plural
from llamactl.render import safe, timeline_text
from llamactl.render.html.lines import Line, Span, head, line, omission

_COLUMNS = (
    ("when", "When"),
    ("tree", "Operation"),
    ("status", "Status"),
    ("category", "Category"),
    ("entity", "Entity"),
    ("duration", "Took"),
    ("id", "Job"),
)


_CLASSES = {timeline_text.ROOT: "root", timeline_text.ORIGIN_UNKNOWN: MarkKind.ORIGIN_UNKNOWN.value}
"""The marks' names in the page."""
_LEGEND = {_CLASSES[mark]: meaning for mark, meaning in timeline_text.LEGEND.items()}
_SIGNS = [(_CLASSES[mark], mark, meaning) for mark, meaning in timeline_text.LEGEND.items()]


class TimelineReport:
    """A timeline's report; its lines are created while the rows are read."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._span = Span.of(timeline.rows)
        self._first_failure: int | None = None
        self._widest_id = 0
        self.notes = timeline.notes
        self.counts = plural(len(timeline.rows), "row")
        subject = timeline.of
        named = f"{subject.name} ({subject.id})" if subject.name else subject.id
        common = head()
        self.head: dict[str, Any] = {
            **common,
            **self._span.head(),
            "role": "option",
            "what": f"Timeline of {subject.kind}",
            "subject": safe.visible(named),
            "facts": safe.visible(timeline_text.counts(timeline)),
            "signs": [*common["signs"], *_SIGNS],
            "legend": _LEGEND,
            "counted": "rows",
            "columns": _COLUMNS,
        }

    def lines(self) -> Iterator[Line]:
        """The rows, and then what a flag left out."""
        for number, row in enumerate(self._timeline.rows):
            if self._first_failure is None and row.failed:
                self._first_failure = number
            self._widest_id = max(self._widest_id, len(timeline_text.job_id(row)))
            yield self._line(row)
        for told, cursor in timeline_text.left_out(self._timeline):
            yield omission(0, f"{told} {cursor}".rstrip())

    def rows(self) -> Iterator[LogRow]:
        """The rows that are shown."""
        return iter(self._timeline.rows)

    def tail(self) -> dict[str, Any]:
        """What is known once the lines are made."""
        return {"firstFailure": self._first_failure, "widestId": self._widest_id}

    def _line(self, row: TimelineRow) -> Line:
        marks = [(_CLASSES[mark], mark) for mark in timeline_text.marks(row)]
        when = row.created_at.replace("T", " ")[:19] if row.created_at else ""
        entity = " ".join(filter(None, [row.entity_type, row.entity_name or row.entity_id]))
        shown = line(0, timeline_text.job_id(row), [row], self._span, entity=entity, marks=marks)
        return [*shown, safe.visible(when)]
