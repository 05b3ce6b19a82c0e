"""Small phrases that several renderings share."""

from __future__ import annotations

from collections.abc import Sequence


def plural(count: int, noun: str) -> str:
    """`1 row`, `2 rows`, `4,052 rows`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def sampled(sample: Sequence[str], count: int) -> str:
    """The sample, and how many it leaves out."""
    left_out = count - len(sample)
    if not sample:
        return ""
    separator = "; " if any(", " in text for text in sample) else ", "
    shown = [f'"{text}"' if text != text.strip() else text for text in sample]
    return separator.join(shown) + (f"{separator}... {left_out:,} more" if left_out > 0 else "")


def joined(*parts: str) -> str:
    """The parts that say something, as one line."""
    return " | ".join(part for part in parts if part)
