"""The strokes that lead from a tree's nodes to their parents: iterative, and bounded however deep it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guides:
    """The strokes; `bar`, `branch`, `last` and `blank` are of one width."""

    branch: str
    last: str
    bar: str
    deeper: str
    """Before the number of a depth that is not indented any more."""
    blank: str = "    "

    def width(self, depth: int, cap: int) -> int:
        """Columns before a node of this depth."""
        if depth <= cap:
            return len(self.blank) * depth
        return len(self.blank) * cap + len(self._number(depth))

    def of(self, depths: Sequence[int], cap: int) -> Iterator[tuple[str, str]]:
        """For each node, from the depths of all in preorder: what stands before it, and before its details.

        Below `cap` levels the depth is written as a number in place of the strokes.
        """
        open_: list[bool] = []  # for each level above, whether more comes on it
        for depth, more in zip(depths, _followed(depths), strict=True):
            if depth == 0:
                yield "", ""
                continue
            above = open_[: min(depth, cap) - 1]
            stem = "".join(self.bar if followed else self.blank for followed in above)
            number = self._number(depth) if depth > cap else ""
            below = " " * len(number) + (self.bar if more else self.blank)
            yield stem + number + (self.branch if more else self.last), stem + below
            if depth < cap:
                open_[depth - 1 :] = [more]

    def _number(self, depth: int) -> str:
        return f"{self.deeper}{depth} "


def _followed(depths: Sequence[int]) -> Sequence[bool]:
    """For each node whether a sibling comes after it."""
    followed = [False] * len(depths)
    ahead: list[bool] = []  # for each depth, whether a node of it comes next before a shallower one
    for at in range(len(depths) - 1, -1, -1):
        depth = depths[at]
        if depth < len(ahead):
            followed[at] = ahead[depth]
            del ahead[depth:]
        else:
            ahead += [False] * (depth - len(ahead))
        ahead.append(True)
    return followed
