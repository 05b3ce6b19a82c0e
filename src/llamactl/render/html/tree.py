"""A tree as a report, one line per job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llamactl.model import LogRow, Mark, MarkKind, Node, Omission, Tree
from llamactl.model.words import plural
from llamactl.render import labels, safe
from llamactl.render.html.lines import ASKED, Line, Span, head, line, omission, shown
from llamactl.render.signs import MARKS

_COLUMNS = (
    ("tree", "Operation"),
    ("status", "Status"),
    ("category", "Category"),
    ("entity", "Entity"),
    ("duration", "Took"),
    ("id", "Job"),
)


class TreeReport:
    """A tree's report; its lines are created while the tree is read."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._span = Span.between(tree.began_at, tree.ended_at)
        self._first_failure: int | None = None
        self._widest_id = 0
        self.notes = (*filter(None, [labels.filtered(tree)]), *tree.notes)
        self.counts = f"{plural(tree.jobs, 'job')}, {plural(tree.logs, 'row')}"
        self.head: dict[str, Any] = {
            **head(),
            **self._span.head(),
            "role": "treeitem",
            "what": "Tree of",
            "subject": safe.visible(tree.root_job_id or labels.job_id(tree.nodes[0])),
            "facts": _facts(tree),
            "counted": "jobs",
            "columns": _COLUMNS,
        }

    def lines(self) -> Iterator[Line]:
        """The jobs, and below them what a flag left out."""
        failure = self._tree.first_failure
        for number, (depth, _, item) in enumerate(labels.items(self._tree.nodes)):
            if isinstance(item, Omission):
                yield omission(depth, " ".join(labels.left_out(item)))
                continue
            if self._first_failure is None and failure is not None and failure in item.logs:
                self._first_failure = number
            self._widest_id = max(self._widest_id, len(labels.job_id(item)))
            yield self._line(item)

    def rows(self) -> Iterator[LogRow]:
        """All rows of the jobs that are shown."""
        for node in self._tree.nodes:
            yield from node.logs

    def tail(self) -> dict[str, Any]:
        """What is known once the lines are made."""
        return {"firstFailure": self._first_failure, "widestId": self._widest_id}

    def _line(self, node: Node) -> Line:
        marks = [(mark.kind, _mark(mark)) for mark in node.marks]
        entity = " ".join(labels.entity(node.logs) or ())
        job = line(node.depth, labels.job_id(node), node.logs, self._span, entity=entity, marks=marks)
        return [*job, None]


def _facts(tree: Tree) -> str:
    first = tree.first_failure
    error = f' "{shown(first.error_message)}"' if first and first.error_message else ""
    return safe.visible(labels.counts(tree)) + error


def _mark(mark: Mark) -> str:
    return ASKED if mark.kind is MarkKind.ASKED else MARKS[mark.kind].format(mark.job_id)
