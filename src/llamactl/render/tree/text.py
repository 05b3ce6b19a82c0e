"""A tree as text: one job a line, however deep and wide it is.

Indentation is capped: on a terminal by its width, elsewhere at INDENTED levels, since each line of a chain of
100,000 jobs would else be longer than the one before. Below the cap the depth stands as a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich import cells

from llamactl.model import LogRow, MarkKind, Node, Omission, Tree
from llamactl.render import safe
from llamactl.render.console import Screen
from llamactl.render.tree.signs import ASCII, LEGEND, MARKS, UNICODE
from llamactl.render.words import plural

INDENTED = 40
"""Levels that are indented off a terminal."""

LABEL = 60
"""Columns that guides and operation are padded to, at most, off a terminal; a longer one shifts its line."""

RED, YELLOW, BOLD, DIM = "31", "33", "1", "2"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def render(tree: Tree, screen: Screen) -> Iterator[str]:
    """Yields the lines: the tree, its figures below the first one, and what its signs mean."""
    return _Writer(tree, screen).lines()


@dataclass(frozen=True, slots=True)
class _Cells:
    """What stands in columns on a node's line."""

    label: str
    category: str
    entity: str
    duration: str


class _Writer:
    def __init__(self, tree: Tree, screen: Screen) -> None:
        self._tree = tree
        self._screen = screen
        self._signs = UNICODE if screen.unicode else ASCII
        # Half of a terminal's width is left to what is indented.
        self._cap = max(2, screen.width // 8) if screen.terminal else INDENTED
        self._used: set[str] = set()
        """Signs that may need a word."""

    def lines(self) -> Iterator[str]:
        items = list(_items(self._tree.nodes))
        depths = [depth for depth, _ in items]
        rows = [self._cells(item, depth) for depth, item in items]
        widths = self._widths(depths, rows)
        guides = self._signs.guides.of(depths, self._cap)
        for (depth, item), cell, (lead, below) in zip(items, rows, guides, strict=True):
            if isinstance(item, Omission):
                yield self._styled(lead + _omission(item), DIM) + "\n"
                continue
            yield self._line(item, cell, lead, widths) + "\n"
            yield from self._error(item, below)
            if depth == 0:
                yield f"  {self._figures()}\n"
        yield from self._legend()

    # Columns ---------------------------------------------------------------------------------------------

    def _cells(self, item: Node | Omission, depth: int) -> _Cells:
        if isinstance(item, Omission):
            return _Cells("", "", "", "")
        logs = item.logs
        pointer = f"{self._signs.asked} " if depth and _is_asked(item) else ""
        times = f" x{len(logs)}" if len(logs) > 1 else ""
        durations = [log.duration_ms for log in logs if log.duration_ms is not None]
        return _Cells(
            label=f"{pointer}{self._status(logs)} {self._operation(logs)}{times}",
            category=self._safe(",".join(_distinct(log.category for log in logs))),
            entity=self._entity(logs),
            duration=_duration(max(durations)) if durations else "",
        )

    def _status(self, logs: Sequence[LogRow]) -> str:
        """The worst counts: a failure, then a partial success; else that of the first row."""
        if not logs:
            return self._signs.no_rows
        found = [log.status or "" for log in logs]
        shown = found[0]
        if any(log.failed for log in logs):
            shown = "FAILED"
        elif "PARTIAL_SUCCESS" in found:
            shown = "PARTIAL_SUCCESS"
        sign = self._signs.statuses.get(shown, self._signs.other)
        self._used.add(sign)
        return sign

    def _operation(self, logs: Sequence[LogRow]) -> str:
        if not logs:
            return "(no rows)"
        first, *others = _distinct(log.operation for log in logs) or ["-"]
        return self._safe(first) + (f" +{plural(len(others), 'other')}" if others else "")

    def _entity(self, logs: Sequence[LogRow]) -> str:
        """What all rows agree on: the entity, or at least its type."""
        types, ids = _distinct(log.entity_type for log in logs), _distinct(log.entity_id for log in logs)
        if not types and not ids:
            return ""
        id_ = ids[0] if len(ids) == 1 else "-"
        if self._screen.terminal and _UUID.fullmatch(id_):
            id_ = id_[:8] + self._signs.cut
        return self._safe(f"{types[0] if len(types) == 1 else '-'} {id_}")

    def _widths(self, depths: Sequence[int], rows: Sequence[_Cells]) -> _Cells:
        """The widest of each column, as blanks."""
        most = max(40, self._screen.width // 2) if self._screen.terminal else LABEL
        label = max(
            min(most, self._signs.guides.width(depth, self._cap) + _columns(cell.label))
            for depth, cell in zip(depths, rows, strict=True)
        )
        return _Cells(
            label=" " * label,
            category=" " * min(20, max(_columns(cell.category) for cell in rows)),
            entity=" " * min(44, max(_columns(cell.entity) for cell in rows)),
            duration=" " * max(len(cell.duration) for cell in rows),
        )

    def _line(self, node: Node, cell: _Cells, lead: str, widths: _Cells) -> str:
        style = RED if any(log.failed for log in node.logs) else BOLD if _is_asked(node) else ""
        columns = [lead + self._styled(cell.label, style) + widths.label[len(lead) + _columns(cell.label) :]]
        if widths.category:
            columns.append(cell.category + widths.category[_columns(cell.category) :])
        if widths.entity:
            columns.append(cell.entity + widths.entity[_columns(cell.entity) :])
        if widths.duration:
            columns.append(cell.duration.rjust(len(widths.duration)))
        for mark in node.marks:
            if mark.kind in MARKS:
                columns.append(self._styled(self._safe(f"[{MARKS[mark.kind].format(mark.job_id)}]"), YELLOW))
        columns.append(self._safe(node.job_id or f"(no job id, row {node.logs[0].id})"))
        return "  ".join(columns)

    # Below the lines -------------------------------------------------------------------------------------

    def _error(self, node: Node, below: str) -> Iterator[str]:
        """The first error of a failed job."""
        errors = [log.error_message for log in node.logs if log.failed and log.error_message]
        if errors:
            more = f" (and {len(errors) - 1:,} more)" if len(errors) > 1 else ""
            room = self._screen.width - len(below) - 2 - len(more)
            yield f"{below}  {self._styled(self._fitted(errors[0], room), RED)}{more}\n"

    def _figures(self) -> str:
        tree = self._tree
        parts = [plural(tree.jobs, "job"), plural(tree.logs, "row"), f"depth {tree.depth:,}"]
        if tree.root_job_id is None:
            parts.append("no root")
        elif tree.root_job_id != tree.nodes[0].job_id:
            parts.append(f"root {self._safe(tree.root_job_id)}")
        parts.append(f"{tree.failed:,} failed" if tree.failed else "none failed")
        figures = ", ".join(parts)
        if tree.first_failure:
            figures += f"; first failure: {self._safe(tree.first_failure.operation or '-')}"
            if tree.first_failure.error_message:
                room = self._screen.width - _columns(figures) - 5
                figures += f' "{self._fitted(tree.first_failure.error_message, room)}"'
        return figures

    def _legend(self) -> Iterator[str]:
        kinds = {mark.kind for node in self._tree.nodes for mark in node.marks}
        below_first = any(_is_asked(node) for node in self._tree.nodes[1:])
        entries = [(self._signs.asked, "the job that was asked for")] if below_first else []
        entries += [(sign, word) for sign, word in self._signs.words.items() if sign in self._used]
        entries += [(f"[{MARKS[kind].format('id')}]", word) for kind, word in LEGEND.items() if kind in kinds]
        if entries:
            yield "\n"
        width = max((len(sign) for sign, _ in entries), default=0)
        for sign, word in entries:
            yield f"{sign.ljust(width)}  {word}\n"

    # Text ------------------------------------------------------------------------------------------------

    def _safe(self, text: str) -> str:
        visible = safe.visible(text)
        return visible if self._screen.unicode else visible.encode("ascii", "backslashreplace").decode()

    def _fitted(self, text: str, room: int) -> str:
        """The text; on a terminal what there is room for, and how much more there is."""
        shown = self._safe(text)
        if not self._screen.terminal or _columns(shown) <= max(room, 20):
            return shown
        end = f"{self._signs.cut} {len(shown):,} more characters: --format json"
        kept = cells.set_cell_size(shown, max(room - len(end), 20)).rstrip()
        if cells.cell_len(kept) + len(end) >= _columns(shown):
            return shown  # the cut would take more than it gives
        return kept + end.replace(f"{len(shown):,}", f"{len(shown) - len(kept):,}")

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if style and self._screen.colour else text


def _columns(text: str) -> int:
    """Columns that the text takes."""
    return len(text) if text.isascii() else cells.cell_len(text)


def _items(nodes: Iterable[Node]) -> Iterator[tuple[int, Node | Omission]]:
    """The nodes, and after what is shown below a node what is not, each with its depth."""
    pending: list[tuple[int, Omission]] = []
    for node in nodes:
        while pending and pending[-1][0] > node.depth:
            yield pending.pop()
        yield node.depth, node
        pending += [(node.depth + 1, omission) for omission in reversed(node.omitted)]
    yield from reversed(pending)


def _omission(omission: Omission) -> str:
    deeper = omission.nodes - omission.children
    below = f" and {deeper:,} below them" if deeper else ""
    return f"... {omission.children:,} more{below}  {omission.flag} {omission.shown_by}"


def _is_asked(node: Node) -> bool:
    return any(mark.kind == MarkKind.ASKED for mark in node.marks)


def _distinct(values: Iterable[str | None]) -> list[str]:
    """Those that say something, each once, in their order."""
    return list(dict.fromkeys(value for value in values if value))


def _duration(milliseconds: int) -> str:
    """`4ms`, `1.2s`, `2m27s`, `3h05m`."""
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f}s"
    seconds = round(milliseconds / 1000)
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
