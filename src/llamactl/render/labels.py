"""The words on a tree for every output format. Nothing in here is escaped for a screen yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from llamactl.model import (
    FAILED,
    KNOWN_STATUSES,
    LogRow,
    Node,
    Omission,
    Tree,
    UnknownStatus,
    known_status,
)
from llamactl.model.words import plural
from llamactl.wording import listed

PARTIAL = "PARTIAL_SUCCESS"
WORDS = 5
"""The number of unknown statuses that are listed."""
NO_ROWS = "(no rows)"
ASKED = "the requested job"


def worst(statuses: Sequence[str | None], categories: Sequence[str | None]) -> str | None:
    """Returns the most important status of some rows, in the spelling of KNOWN_STATUSES if it is one of
    these.

    A failure comes first, then an unknown status, then a partial success, else that of the first row.
    """
    found = canonical(statuses)
    if FAILED in found or FAILED in map(known_status, categories):
        return FAILED
    unknown = next((word for word in found if word is not None and word not in KNOWN_STATUSES), None)
    return unknown or (PARTIAL if PARTIAL in found else found[0] if found else None)


def canonical(statuses: Iterable[str | None]) -> list[str | None]:
    """Returns the statuses, the known ones in the spelling of KNOWN_STATUSES."""
    return [known_status(word) or word for word in statuses]


def errors(rows: Iterable[LogRow]) -> Iterator[tuple[str, int, bool]]:
    """Yields each distinct error message, the number of its rows, and whether one of them failed."""
    found: dict[str, tuple[int, bool]] = {}
    for row in rows:
        if row.error_message:
            count, failed = found.get(row.error_message, (0, False))
            found[row.error_message] = (count + 1, failed or row.failed)
    for message, (count, failed) in found.items():
        yield message, count, failed


def failures(failed: int, unknown: UnknownStatus) -> list[str]:
    """Returns how many failed. "none failed" is only included if the status of every row is known."""
    parts = [f"{failed:,} failed"] if failed else [] if unknown.rows else ["none failed"]
    if unknown.words:
        parts.append(f"{plural(unknown.rows, 'row')} of unknown status ({listed(unknown.words, WORDS)})")
    return parts


def operation(operations: Sequence[str | None]) -> str:
    """Returns the first operation, and how many others there are."""
    if not operations:
        return NO_ROWS
    first, *others = distinct(operations) or ["-"]
    return first + (f" +{plural(len(others), 'other')}" if others else "")


def entity(rows: Sequence[LogRow]) -> tuple[str, str] | None:
    """Returns the rows' common entity type and id, `-` if they differ; None if no row has any."""
    if len(rows) == 1:
        (row,) = rows
        return (row.entity_type or "-", row.entity_id or "-") if row.entity_type or row.entity_id else None
    types, ids = distinct([row.entity_type for row in rows]), distinct([row.entity_id for row in rows])
    if not types and not ids:
        return None
    return types[0] if len(types) == 1 else "-", ids[0] if len(ids) == 1 else "-"


def distinct(values: Sequence[str | None]) -> list[str]:
    """Returns the distinct non-empty values in order."""
    if len(values) == 1:
        return [values[0]] if values[0] else []
    return list(dict.fromkeys(value for value in values if value))


def longest(rows: Sequence[LogRow]) -> str:
    """Returns the longest duration of a row; empty if none is known."""
    if len(rows) == 1:
        (row,) = rows
        return "" if row.duration_ms is None else duration(row.duration_ms)
    known = [row.duration_ms for row in rows if row.duration_ms is not None]
    return duration(max(known)) if known else ""


@lru_cache(maxsize=4096)
def duration(milliseconds: int) -> str:
    """`4ms`, `1.2s`, `2m27s`, `3h05m`."""
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f}s"
    seconds = round(milliseconds / 1000)
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"


def job_id(node: Node) -> str:
    """Returns the job id, or a replacement for a row without one."""
    return node.job_id or f"(no job id, row {node.logs[0].id})"


def left_out(omission: Omission) -> list[str]:
    """Returns in pieces what a flag left out at one place, and the flag's value that would show it."""
    what = f"... {omission.children:,} more"
    if omission.kinds > 1 and omission.operation is None:
        what += f" of {omission.kinds:,} kinds"
    elif omission.operation is not None:
        what += f" {omission.operation}"
    counts = ", ".join(f"{count:,} {name}" for name, count in omission.categories.items())
    deeper = omission.nodes - omission.children
    pieces = [what, f"({counts})" if counts else "", f"and {deeper:,} below them" if deeper else ""]
    return [*filter(None, pieces), f" {omission.flag} {omission.shown_by}"]


def filtered(tree: Tree) -> str:
    """Returns what --only left out; empty if nothing."""
    count = tree.omitted.get("--only")
    return f"... {count:,} more without --only" if count else ""


def counts(tree: Tree) -> str:
    """Returns the counts of the whole tree, and the operation of its first failure."""
    parts = [plural(tree.jobs, "job"), plural(tree.logs, "row"), f"depth {tree.depth:,}"]
    if tree.root_job_id is None:
        parts.append("no root")
    elif tree.root_job_id != tree.nodes[0].job_id:
        parts.append(f"root {tree.root_job_id}")
    parts += failures(tree.failed, tree.unknown_status)
    first = tree.first_failure
    return ", ".join(parts) + (f"; first failure: {first.operation or '-'}" if first else "")


def items(nodes: Iterable[Node]) -> Iterator[tuple[int, bool, Node | Omission]]:
    """Yields depth, whether more follows, and item: the nodes, and below each subtree its omissions."""
    pending: list[tuple[int, bool, Omission]] = []
    for node in nodes:
        while pending and pending[-1][0] > node.depth:
            yield pending.pop()
        yield node.depth, node.followed, node
        for place, omission in enumerate(reversed(node.omitted)):
            pending.append((node.depth + 1, place > 0, omission))
    yield from reversed(pending)
