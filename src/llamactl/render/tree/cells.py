"""The cells of a node's line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from llamactl.model import LogRow, MarkKind, Node, Tree
from llamactl.render import labels, safe
from llamactl.render.console import Screen
from llamactl.render.signs import ASCII, UNICODE

BAR = 10
"""The number of parts of the bar for the time of the whole tree."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class Cells(NamedTuple):
    """The cells of a node's line, without marks and id."""

    label: str
    category: str
    entity: str
    duration: str
    when: str


class Reader:
    """Creates cells, and records which signs were used."""

    def __init__(self, tree: Tree, screen: Screen) -> None:
        self._screen = screen
        self.safe: Callable[[str], str] = safe.visible if screen.unicode else _ascii
        """Returns a text in a form that can be shown."""
        self.signs = UNICODE if screen.unicode else ASCII
        self.used: set[str] = set()
        """The signs that were used, for the legend."""
        self.cut_ids = False
        """Whether a uuid was shortened."""
        # Many rows share few combinations of operation, category and status.
        self._told = lru_cache(maxsize=1000)(self._tell)
        self._span = _span(tree) if screen.terminal else None

    def cells(self, node: Node) -> Cells:
        """Returns the cells of the node's line."""
        rows = node.logs
        label, category = self._told(tuple([(row.status, row.operation, row.category) for row in rows]))
        if node.marks and node.depth and is_asked(node):
            label = f"{self.signs.asked} {label}"
        when = self._when(rows) if self._span else ""
        return Cells(label, category, self._entity(rows), labels.longest(rows), when)

    def _tell(self, rows: Sequence[tuple[str | None, str | None, str | None]]) -> tuple[str, str]:
        """Returns label and category, from the status, operation and category of each row."""
        if not rows:
            return f"{self.signs.no_rows} {labels.NO_ROWS}", ""
        statuses, operations, categories = zip(*rows, strict=True)
        sign = self.signs.statuses.get(labels.worst(statuses, categories) or "", self.signs.other)
        self.used.add(sign)
        times = f" x{len(rows):,}" if len(rows) > 1 else ""
        label = f"{sign} {self.safe(labels.operation(operations))}{times}"
        return label, self.safe(",".join(labels.distinct(categories)))

    def _entity(self, rows: Sequence[LogRow]) -> str:
        found = labels.entity(rows)
        if found is None:
            return ""
        type_, id_ = found
        if self._screen.terminal and _UUID.fullmatch(id_):
            id_ = id_[:8] + self.signs.cut
            self.cut_ids = True
        return f"{self.safe(type_)} {self.safe(id_)}"

    def _when(self, rows: Sequence[LogRow]) -> str:
        """Returns a bar that shows when the job ran within the time of the whole tree."""
        assert self._span is not None
        began, ended = self._span
        begins = [at for at in (row.began for row in rows) if at is not None]
        if not begins:
            return " " * (BAR + 2)
        ends = [at for at in (row.ended for row in rows) if at is not None]
        whole = (ended - began).total_seconds()
        first = min(int(BAR * (min(begins) - began).total_seconds() / whole), BAR - 1)
        last = max(-int(-BAR * (max(ends) - began).total_seconds() // whole), first + 1)
        left, right = self.signs.frame
        return left + (" " * first + self.signs.ran * (last - first)).ljust(BAR) + right


def _ascii(text: str) -> str:
    return safe.visible(text).encode("ascii", "backslashreplace").decode()


def is_asked(node: Node) -> bool:
    """Returns whether the node is the requested job."""
    return any(mark.kind == MarkKind.ASKED for mark in node.marks)


def _span(tree: Tree) -> tuple[datetime, datetime] | None:
    """Returns when the tree began and ended; None if that is unknown, or the same time."""
    if tree.began_at is None or tree.ended_at is None or tree.began_at == tree.ended_at:
        return None
    return datetime.fromisoformat(tree.began_at), datetime.fromisoformat(tree.ended_at)
