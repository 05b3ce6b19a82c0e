"""When a tree began and ended: as if each row were looked at."""

from __future__ import annotations

import random

import pytest

from llamactl.model import LogRow
from llamactl.tree.graph import Entry, Graph

ORDINARY = [f"2025-06-{day:02}T{hour:02}:00:00.5" for day in range(1, 29) for hour in range(0, 24, 6)]
BEFORE = ["-infinity", "0044-03-15T00:00:00 BC", "0001-01-01T00:00:00"]
AFTER = ["9999-12-30T23:00:00", "9999-12-31T22:00:00", "10000-01-01T00:00:00", "infinity", None]
DURATIONS = [None, -5, 0, 1, 20, 7_200_000, 10**9, 10**14, 10**18]


@pytest.mark.parametrize("seed", range(30))
def test_the_end_is_the_latest_end_of_a_row(seed: int) -> None:
    draw = random.Random(seed)
    created = [*draw.choices(BEFORE, k=seed % 3), *sorted(draw.choices(ORDINARY, k=30))]
    created += AFTER if seed % 2 else []
    rows = [
        LogRow(str(number), None, None, None, None, None, draw.choice(DURATIONS[: 7 + seed % 3]), None, at)
        for number, at in enumerate(created)
    ]
    graph = Graph.of(Entry(f"job {draw.randrange(9)}", None, None, row) for row in rows)
    assert graph.began == next((row.began for row in rows if row.began), None)
    assert graph.ended == max(row.ended for row in rows if row.ended)
