"""Numbers in sentences, for every package."""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """Returns `1 row`, `2 rows`, `4,052 rows`; `many` where a verb follows: `row has`, `rows have`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
