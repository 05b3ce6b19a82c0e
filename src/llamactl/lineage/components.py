"""Strongly connected components of a graph, by Tarjan's algorithm without recursion.

1. Visit depth first; a node's low link is the earliest node on the stack that it can reach.
2. A node that reaches nothing earlier than itself closes a component: all above it on the stack.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence


def strong_components(children: Sequence[int], parents: Sequence[int]) -> Iterable[Sequence[int]]:
    """Yields the cycles of a graph: strongly connected components of two or more nodes, and self-parents.

    Nodes are numbered from 1. Members come sorted. Iterative, because a cycle may hold 100,000 jobs.
    """
    size = max((*children, *parents), default=0)
    first, targets = _adjacency(children, parents, size)
    order, low = array("i", [0]) * (size + 1), array("i", [0]) * (size + 1)
    on_stack = bytearray(size + 1)
    position = array("i", first)
    stack, path = array("i"), array("i")
    visited = 0
    for start in range(1, size + 1):
        if order[start]:
            continue
        path.append(start)
        while path:
            node = path[-1]
            if not order[node]:
                visited += 1
                order[node] = low[node] = visited
                stack.append(node)
                on_stack[node] = 1
            if position[node] < first[node + 1]:
                target = targets[position[node]]
                position[node] += 1
                if not order[target]:
                    path.append(target)
                elif on_stack[target]:
                    low[node] = min(low[node], order[target])
                continue
            path.pop()
            if path:
                low[path[-1]] = min(low[path[-1]], low[node])
            if low[node] == order[node]:
                members = _close(stack, on_stack, node)
                if len(members) > 1 or node in targets[first[node] : first[node + 1]]:
                    yield members


def _close(stack: array[int], on_stack: bytearray, node: int) -> Sequence[int]:
    """Removes a complete component from the stack and returns it, sorted."""
    members = array("i")
    while True:
        member = stack.pop()
        on_stack[member] = 0
        members.append(member)
        if member == node:
            return sorted(members)


def _adjacency(children: Sequence[int], parents: Sequence[int], size: int) -> tuple[array[int], array[int]]:
    """Returns the parents of each node: those of `n` are targets[first[n]:first[n + 1]]."""
    first = array("i", [0]) * (size + 2)
    for child in children:
        first[child + 1] += 1
    for node in range(1, size + 2):
        first[node] += first[node - 1]
    position = array("i", first)
    targets = array("i", [0]) * len(children)
    for child, parent in zip(children, parents, strict=True):
        targets[position[child]] = parent
        position[child] += 1
    return first, targets
