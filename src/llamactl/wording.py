"""Formats names, lists, sizes and durations for use in a sentence."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from llamactl.model import Estimate

LISTED = 10


def listed(items: Sequence[str], most: int = LISTED) -> str:
    """Returns at most `most` of the items, separated by commas, and how many were left out."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")


def near(wanted: str, names: Iterable[str]) -> list[str]:
    """Returns the names closest to the wanted one; those that differ only in case and underscores first."""
    spelled: dict[str, list[str]] = {}
    for name in names:
        spelled.setdefault(folded(name), []).append(name)
    close = difflib.get_close_matches(folded(wanted), list(spelled), n=3, cutoff=0.6)
    return [name for key in close for name in spelled[key]]


def shortened(text: str, most: int = 100) -> str:
    """Returns the text in one line of at most `most` characters, with `...` if it was truncated."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."


def duration(seconds: float) -> str:
    """Returns a duration in the unit that a person would use."""
    if seconds < 120:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def span(seconds: Estimate) -> str:
    """Returns a range of seconds: `4 to 9`, or `up to 0.4` if it begins near zero."""
    low, high = _figure(seconds.low), _figure(seconds.high)
    if low == "0":
        return f"up to {high}"
    return low if low == high else f"{low} to {high}"


def about(seconds: Estimate | None) -> str:
    """Returns a range with its unit for a sentence: `about 4 to 9 s`, `up to 0.4 s`, `about 3 to 11 min`."""
    if seconds is None:
        return "an unknown time"
    unit = "s"
    if seconds.high >= 600:
        seconds, unit = Estimate(seconds.low / 60, seconds.high / 60), "min"
    text = span(seconds)
    return f"{text} {unit}" if text.startswith("up to") else f"about {text} {unit}"


def _figure(value: float) -> str:
    """Returns the value without decimals, or with one if it is below ten."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def folded(name: str) -> str:
    """Returns the name in lower case without underscores, so that jobId and job_id compare equal."""
    return name.lower().replace("_", "")


def shell(word: str) -> str:
    """Returns the word quoted for a shell where necessary."""
    return word if re.fullmatch(r"[\w.=-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def size(count: int) -> str:
    """Returns a number of bytes in the unit that a person would use."""
    value, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 10 * 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}"
