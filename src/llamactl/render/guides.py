"""The lines that connect a tree's nodes with their parents: iterative, with a bounded width at any depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Guides:
    """The line segments; `bar`, `branch`, `last` and `blank` have the same width."""

    branch: str
    last: str
    bar: str
    deeper: str
    """Precedes the number of a depth beyond the maximum indentation."""
    blank: str = "    "

    def width(self, depth: int, cap: int) -> int:
        """Returns the number of columns before a node of this depth."""
        if depth <= cap:
            return len(self.blank) * depth
        return len(self.blank) * cap + len(self._number(depth))

    def of(self, items: Iterable[tuple[int, bool, T]], cap: int) -> Iterator[tuple[T, str, str]]:
        """For each item in preorder (depth, whether a sibling follows it, what it is): what it is, and what
        stands before it and before its details.

        Below `cap` levels the depth is written as a number in place of the strokes.
        """
        stems = [""]  # for each open level, the prefix of its lines
        for depth, followed, item in items:
            if depth == 0:
                yield item, "", ""
                continue
            stem = stems[min(depth, cap) - 1]
            number = self._number(depth) if depth > cap else ""
            below = self.bar if followed else self.blank
            branch = self.branch if followed else self.last
            yield item, f"{stem}{number}{branch}", stem + " " * len(number) + below
            if depth < cap:
                stems[depth:] = [stem + below]

    def _number(self, depth: int) -> str:
        return f"{self.deeper}{depth} "
