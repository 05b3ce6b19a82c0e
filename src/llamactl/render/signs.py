"""The signs and words in the text output of a tree, in Unicode and in ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llamactl.model import MarkKind
from llamactl.render.guides import Guides

MARKS: Mapping[MarkKind, str] = {
    MarkKind.CYCLE: "cycle -> {}",
    MarkKind.PARENT_NOT_LOGGED: "parent not logged: {}",
    MarkKind.ALSO_UNDER: "also under {}",
    MarkKind.ORIGIN_UNKNOWN: "origin unknown",
    MarkKind.STORED_ROOT_DIFFERS: "stored root differs: {}",
}
LEGEND: Mapping[MarkKind, str] = {
    MarkKind.CYCLE: "also a parent of that job, which is shown elsewhere in this tree: a cycle",
    MarkKind.PARENT_NOT_LOGGED: "no row of the log has that job id",
    MarkKind.ALSO_UNDER: "also has that parent",
    MarkKind.ORIGIN_UNKNOWN: "has no root: the root of its rows stays NULL",
    MarkKind.STORED_ROOT_DIFFERS: "its parents do not lead to that root: run llamactl repair --overwrite",
}


@dataclass(frozen=True, slots=True)
class Signs:
    """A set of signs."""

    guides: Guides
    asked: str
    cut: str
    """Marks omitted text."""
    no_rows: str
    other: str
    """Any other status, or none."""
    statuses: Mapping[str, str]
    words: Mapping[str, str]
    """The meaning of the less common signs."""
    frame: tuple[str, str]
    """On either side of a bar."""
    ran: str
    """One part of a bar."""


UNICODE = Signs(
    guides=Guides(branch="├── ", last="└── ", bar="│   ", deeper="⋯"),
    asked="▶",
    cut="…",
    no_rows="?",
    other="·",
    statuses={
        "SUCCESS": "✔",
        "FAILED": "✘",
        "PARTIAL_SUCCESS": "◐",
        "NO_DATA_AVAILABLE": "∅",
        "SKIPPED": "»",
    },
    words={"◐": "partial success", "∅": "no data available", "»": "skipped", "·": "another status, or none"},
    frame=("▕", "▏"),
    ran="█",
)
ASCII = Signs(
    guides=Guides(branch="|-- ", last="`-- ", bar="|   ", deeper="..."),
    asked=">",
    cut="...",
    no_rows="?",
    other="-",
    statuses={
        "SUCCESS": "ok",
        "FAILED": "failed",
        "PARTIAL_SUCCESS": "partial",
        "NO_DATA_AVAILABLE": "no-data",
        "SKIPPED": "skipped",
    },
    words={"-": "another status, or none"},
    frame=("|", "|"),
    ran="#",
)
