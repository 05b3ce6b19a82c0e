"""What a node's line says, cell by cell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from llamactl.model import LogRow, MarkKind, Node, Tree
from llamactl.render import safe
from llamactl.render.console import Screen
from llamactl.render.tree.signs import ASCII, UNICODE
from llamactl.render.words import plural

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
            label, category, self._entity(rows), duration_text(rows), self._when(rows) if self._span else ""
        )

    def _tell(self, rows: Sequence[tuple[str | None, str | None, str | None]]) -> tuple[str, str]:
        """Label and category, from the status, operation and category of each row.

        The worst status counts: a failure, then a partial success; else that of the first row.
        """
        if not rows:
            return f"{self.signs.no_rows} (no rows)", ""
        statuses = [status or "" for status, _, _ in rows]
        shown = statuses[0]
        if any("FAILED" in (status, category) for status, _, category in rows):
            shown = "FAILED"
        elif "PARTIAL_SUCCESS" in statuses:
            shown = "PARTIAL_SUCCESS"
        sign = self.signs.statuses.get(shown, self.signs.other)
        self.used.add(sign)
        first, *others = distinct([operation for _, operation, _ in rows]) or ["-"]
        more = f" +{plural(len(others), 'other')}" if others else ""
        times = f" x{len(rows):,}" if len(rows) > 1 else ""
        categories = ",".join(distinct([category for _, _, category in rows]))
        return f"{sign} {self.safe(first)}{more}{times}", self.safe(categories)

    def _entity(self, rows: Sequence[LogRow]) -> str:
        """What all rows agree on: the entity, or at least its type."""
        types, ids = distinct([row.entity_type for row in rows]), distinct([row.entity_id for row in rows])
        if not types and not ids:
            return ""
        id_ = ids[0] if len(ids) == 1 else "-"
        if self._screen.terminal and _UUID.fullmatch(id_):
            id_ = id_[:8] + self.signs.cut
            self.cut_ids = True
        return f"{self.safe(types[0]) if len(types) == 1 else '-'} {self.safe(id_)}"

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


def distinct(values: Sequence[str | None]) -> list[str]:
    """Those that say something, each once, in their order."""
    if len(values) == 1:
        return [values[0]] if values[0] else []
    return list(dict.fromkeys(value for value in values if value))


def _span(tree: Tree) -> tuple[datetime, datetime] | None:
    """When the tree began and ended; None where that is not known, or is one moment."""
    if tree.began_at is None or tree.ended_at is None or tree.began_at == tree.ended_at:
        return None
    return datetime.fromisoformat(tree.began_at), datetime.fromisoformat(tree.ended_at)


def duration_text(rows: Iterable[LogRow]) -> str:
    """The longest, as `4ms`, `1.2s`, `2m27s`, `3h05m`."""
    known = [row.duration_ms for row in rows if row.duration_ms is not None]
    if not known:
        return ""
    milliseconds = max(known)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f}s"
    seconds = round(milliseconds / 1000)
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
