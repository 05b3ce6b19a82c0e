"""What a node's line says, cell by cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from llamactl.model import LogRow, MarkKind, Node, Tree
from llamactl.render import labels, safe
from llamactl.render.console import Screen
from llamactl.render.signs import ASCII, UNICODE

BAR = 10
"""Parts of the time that the whole tree took."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class Cells(NamedTuple):
    """What stands on a node's line, but for marks and id."""

    label: str
    category: str
    entity: str
    duration: str
    when: str


class Reader:
    """Makes cells, and remembers which signs it used."""

    def __init__(self, tree: Tree, screen: Screen) -> None:
        self._screen = screen
        self.signs = UNICODE if screen.unicode else ASCII
        self.used: set[str] = set()
        """Signs that may need a word."""
        self.cut_ids = False
        """A uuid was cut."""
        # Few operations, categories and statuses make many rows.
        self._told = lru_cache(maxsize=1000)(self._tell)
        self._span = _span(tree) if screen.terminal else None

    def safe(self, text: str) -> str:
        """The text as it can be shown."""
        visible = safe.visible(text)
        return visible if self._screen.unicode else visible.encode("ascii", "backslashreplace").decode()

    def cells(self, node: Node) -> Cells:
        """The cells of the node's line."""
        rows = node.logs
        label, category = self._told(tuple([(row.status, row.operation, row.category) for row in rows]))
        if node.marks and node.depth and is_asked(node):
            label = f"{self.signs.asked} {label}"
        return Cells(
            label, category, self._entity(rows), labels.longest(rows), self._when(rows) if self._span else ""
        )

    def _tell(self, rows: Sequence[tuple[str | None, str | None, str | None]]) -> tuple[str, str]:
        """Label and category, from the status, operation and category of each row."""
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
        """A bar: when the job ran, within the time that the whole tree took."""
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


def is_asked(node: Node) -> bool:
    """Whether the node is the job that was asked for."""
    return any(mark.kind == MarkKind.ASKED for mark in node.marks)


def _span(tree: Tree) -> tuple[datetime, datetime] | None:
    """When the tree began and ended; None where that is not known, or is one moment."""
    if tree.began_at is None or tree.ended_at is None or tree.began_at == tree.ended_at:
        return None
    return datetime.fromisoformat(tree.began_at), datetime.fromisoformat(tree.ended_at)
