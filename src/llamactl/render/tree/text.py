"""A tree as text, a job a line, however deep and wide it is. Lines come while the tree is read.

Off a terminal nothing is cut or wrapped. On one no line is longer than it is wide: columns that there is no
room for are left out and named below the tree, long texts are cut and say by how much, and what stays whole
(ids, marks) goes on below its line.

Indentation is capped: on a terminal by its width, elsewhere at INDENTED levels, since each line of a chain of
100,000 jobs would else be longer than the one before. Below the cap the depth stands as a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from llamactl.model import LogRow, Mark, MarkKind, Node, Omission, Tree
from llamactl.render import labels
from llamactl.render.console import Screen
from llamactl.render.flow import Lines, columns, padded
from llamactl.render.signs import LEGEND, MARKS
from llamactl.render.tree.cells import Cells, Reader, is_asked

INDENTED = 40
"""The number of levels that are indented if the output is not a terminal."""
LABEL = 60
"""Without a terminal, the maximum width of guides and operation; a longer one shifts its line."""
SAMPLE = 1000
"""The number of lines used to determine widths: the first line must not wait for the last."""
CATEGORY, ENTITY, DURATION, WHEN = 1, 2, 3, 4
LEFT_OUT_FIRST = (WHEN, ENTITY, CATEGORY, DURATION)
NAMES = {CATEGORY: "category", ENTITY: "entity", DURATION: "duration", WHEN: "when it ran"}
WIDEST = {CATEGORY: 20, ENTITY: 44, DURATION: 10, WHEN: 12}

RED, YELLOW, BOLD, DIM = "31", "33", "1", "2"


def render(tree: Tree, screen: Screen) -> Iterator[str]:
    """Yields the lines: the tree, with its figures below the first line, and the legend."""
    return _Writer(tree, screen).lines()


class _Writer(Lines):
    def __init__(self, tree: Tree, screen: Screen) -> None:
        self._tree = tree
        self._reader = Reader(tree, screen)
        self._signs = self._reader.signs
        super().__init__(screen, self._signs.cut)
        self._kinds: set[MarkKind] = set()
        self._asked_below = False
        self._label = 0
        """The width of guides and label."""
        self._columns: dict[int, int] = {}
        """The columns that are shown, with their widths."""
        self._absent: tuple[int, ...] = ()
        """The columns that do not fit."""

    def lines(self) -> Iterator[str]:
        items = labels.items(self._tree.nodes)
        sample = [*islice(items, SAMPLE)]
        cap = self._choose([(depth, item) for depth, _, item in sample if isinstance(item, Node)])
        for item, lead, below in self._signs.guides.of(chain(sample, items), cap):
            if isinstance(item, Omission):
                yield from self._omission(item, lead, below)
                continue
            yield from self._node(item, lead, below)
            if item.depth == 0:
                yield from self._figures()
        yield from self._legend()

    # Columns ---------------------------------------------------------------------------------------------

    def _choose(self, nodes: Sequence[tuple[int, Node]]) -> int:
        """Sets the columns and their widths; returns how many levels are indented.

        On a terminal what most ids take is kept free, then what most labels do. Indentation gets half of the
        width at most, or what these leave. Columns that the rest does not hold are left out.
        """
        rows = [self._reader.cells(node) for _, node in nodes]
        labels = [columns(cells.label) for cells in rows]
        self._columns = {
            at: min(widest, max(columns(cells[at]) for cells in rows)) for at, widest in WIDEST.items()
        }
        self._columns = {at: widest for at, widest in self._columns.items() if widest}
        guides, width = self._signs.guides, self._screen.width
        if not self._screen.terminal:
            self._label = max(
                min(LABEL, guides.width(depth, INDENTED) + label)
                for (depth, _), label in zip(nodes, labels, strict=True)
            )
            return INDENTED
        id_ = 2 + _most([columns(self._id(node)) for _, node in nodes])
        free = width - id_ - _most(labels) - guides.width(self._tree.depth, 0)
        cap = max(4, min(width // 8, free // len(guides.blank)))
        leads = [guides.width(depth, cap) for depth, _ in nodes]
        wide = [lead + label for lead, label in zip(leads, labels, strict=True)]
        self._label = min(_most(wide), width - id_ if width - id_ >= 40 else width)
        room = width - self._label - (id_ if self._label + id_ <= width else 0)
        for at in LEFT_OUT_FIRST:
            if at in self._columns and sum(2 + widest for widest in self._columns.values()) > room:
                del self._columns[at]
                self._absent += (at,)
        if max(wide) + sum(2 + widest for widest in self._columns.values()) + id_ <= width:
            self._label = max(wide)
        return cap

    def _cells(self, cells: Cells, label: int) -> str:
        """The cells after the label, each in its column; `label` is the width of what comes before.

        On a terminal a label that is wider than its column has them close together, or below.
        """
        if self._screen.terminal and (label > self._label or not any(cells[at] for at in self._columns)):
            return "  ".join(cells[at] for at in self._columns if cells[at])
        shown = [padded(cells[at], widest, right=at == DURATION) for at, widest in self._columns.items()]
        return " " * (self._label - label) + "  ".join(shown)

    # Lines -----------------------------------------------------------------------------------------------

    def _node(self, node: Node, lead: str, below: str) -> Iterable[str]:
        cells = self._reader.cells(node)
        asked = bool(node.marks) and is_asked(node)
        self._asked_below |= asked and node.depth > 0
        label, style = cells.label, ""
        if self._screen.terminal:
            label = self._fitted(label, self._screen.width - len(lead))
            style = RED if any(row.failed for row in node.logs) else BOLD if asked else ""
        pieces = [(label, style)]
        shown = self._cells(cells, len(lead) + columns(label))
        if shown:
            pieces.append((shown, ""))
        elif not self._columns:
            pieces[0] = (label + " " * (self._label - len(lead) - columns(label)), pieces[0][1])
        if node.marks:
            pieces += [(self._mark(mark), YELLOW) for mark in node.marks if mark.kind in MARKS]
        pieces.append((self._id(node), ""))
        lines = self._flow(pieces, lead, below + "  ")
        for row in node.logs:
            if row.error_message:
                return chain(lines, self._errors(node.logs, below + "  "))
        return lines

    def _id(self, node: Node) -> str:
        return self._reader.safe(labels.job_id(node))

    def _mark(self, mark: Mark) -> str:
        self._kinds.add(mark.kind)
        return self._reader.safe(f"[{MARKS[mark.kind].format(mark.job_id)}]")

    def _errors(self, rows: Sequence[LogRow], below: str) -> Iterator[str]:
        """Yields each error message of a job's rows, and how many of them have it."""
        for message, count, failed in labels.errors(rows):
            times = f"x{count:,}" if count > 1 else ""
            room = self._screen.width - len(below) - len(times) - bool(times)
            pieces = [(self._fitted(self._reader.safe(message), room), RED if failed else YELLOW)]
            yield from self._flow([*pieces, (times, "")] if times else pieces, below, below, gap=" ")

    def _omission(self, omission: Omission, lead: str, below: str) -> Iterable[str]:
        pieces = [(self._reader.safe(piece), DIM) for piece in labels.left_out(omission)]
        return self._flow(pieces, lead, below + "  ", gap=" ")

    def _figures(self) -> Iterator[str]:
        """Yields the counts of the whole tree, and the first failure."""
        figures, first = self._reader.safe(labels.counts(self._tree)), self._tree.first_failure
        if first and first.error_message:
            error = self._reader.safe(first.error_message)
            figures += f' "{self._fitted(error, self._screen.width - 4)}"'
        yield from self._words(figures, "  ", "  ")
        if filtered := labels.filtered(self._tree):
            yield from self._words(filtered, "  ", "  ", DIM)

    def _legend(self) -> Iterator[str]:
        """Yields the legend of the signs that were used, and the columns that did not fit."""
        signs = self._signs
        entries = [(signs.asked, labels.ASKED)] if self._asked_below else []
        entries += [(sign, word) for sign, word in signs.words.items() if sign in self._reader.used]
        entries += [
            (f"[{MARKS[kind].format('id')}]", word) for kind, word in LEGEND.items() if kind in self._kinds
        ]
        entries += self._cut_explained()
        if self._reader.cut_ids and ENTITY in self._columns:
            entries.append((signs.cut, "28 more characters of a uuid: --format json"))
        if self._absent:
            names = ", ".join(NAMES[at] for at in sorted(self._absent))
            entries.append((f"({len(self._absent)})", f"no room for {names}: --format json"))
        yield from self._explained(entries)


def _most(widths: Sequence[int]) -> int:
    """Returns the width that suffices for three in four, so that a few wide ones do not take the space."""
    return sorted(widths)[3 * (len(widths) - 1) // 4]
