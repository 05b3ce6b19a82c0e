"""Small phrases that several renderings share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llamactl.model import PreflightReport
from llamactl.model.steps import StepName
from llamactl.model.words import plural

_PLAINER: dict[str, str] = {StepName.PROVE: "check rows", StepName.ADD_LABEL: "add enum value"}


def sampled(sample: Sequence[str], count: int) -> str:
    """Returns the sample, and how many it leaves out."""
    left_out = count - len(sample)
    if not sample:
        return ""
    separator = "; " if any(", " in text for text in sample) else ", "
    shown = [f'"{text}"' if text != text.strip() else text for text in sample]
    return separator.join(shown) + (f"{separator}... {left_out:,} more" if left_out > 0 else "")


def not_logged(rows: int | None) -> str:
    """Returns how many rows store a root that is not logged as a job; empty if none, or if unknown."""
    return f"{plural(rows, 'row')} with a root that is not logged as a job" if rows else ""


def unlooked(report: PreflightReport) -> Iterator[str]:
    """Yields the findings that were not looked for, by reason."""
    by_reason: dict[str, list[str]] = {}
    for one in report.skipped:
        by_reason.setdefault(one.reason, []).append(one.id)
    for reason, ids in by_reason.items():
        yield f"{', '.join(ids)}: {reason}"


def step_words(name: str) -> str:
    """Returns a step's name for people: `create index`. Most names only lose their underscores."""
    return _PLAINER.get(name, name.replace("_", " "))


def joined(*parts: str) -> str:
    """Returns the non-empty parts as one line."""
    return " | ".join(part for part in parts if part)
