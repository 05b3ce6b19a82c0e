"""A small log with one of every fault, and what is true of it, worked out by hand."""

from __future__ import annotations

from typing import Any

Fault = tuple[str | None, str | None, bool, str | None]

# job, parent, flag -> the root that the row is to hold
FAULTY_LOG: list[Fault] = [
    ("a", None, True, "a"),
    ("b", "a", False, "a"),
    ("c", "b", False, "a"),  # several rows, and
    ("c", "a", False, "a"),  # two parents with one root
    ("d", "c", False, "a"),
    ("x", "y", False, None),  # a cycle
    ("y", "x", False, None),
    ("z", "y", False, None),  # below it
    ("s", "s", False, None),  # its own parent
    ("w", "x", False, None),  # a cycle with a way out
    ("w", "a", False, None),
    ("v", "w", False, None),
    ("k", "c", True, "k"),  # the flag wins
    ("l", "k", False, "k"),
    ("m", "a", False, None),  # two roots
    ("m", "k", False, None),
    ("n", "m", False, None),  # below it
    ("q", "gone", False, "gone"),  # a dangling parent
    (None, "c", False, "a"),  # no job, but a parent
    (None, "far", False, "far"),
    (None, "y", False, None),
    (None, None, True, None),  # untracked
    (" \t", "\n", False, None),  # blank ids
    ("A", "a ", False, "a "),  # other bytes, another id
]

TOTAL = len(FAULTY_LOG)
FILLED = sum(root is not None for *_, root in FAULTY_LOG)


def faulty_rows() -> list[dict[str, Any]]:
    """As insert_log takes them, with ids in their order."""
    return [
        {"id": row_id(number), "job_id": job, "parent_job_id": parent, "is_root_job": flag}
        for number, (job, parent, flag, _) in enumerate(FAULTY_LOG)
    ]


def row_id(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


def expected_roots() -> dict[str, str | None]:
    """Row id -> root."""
    return {row_id(number): root for number, (*_, root) in enumerate(FAULTY_LOG)}
