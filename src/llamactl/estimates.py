"""How long the migration's steps take, roughly: for the plan and the prompt, never for a decision.

Measured by `make bench` on two cores (1 M rows, 11 indexes); other machines differ by a factor.
"""

from __future__ import annotations

from llamactl.model import Relation
from llamactl.plan import Present

RESOLVE_SECONDS_PER_ROW = 9e-6
UPDATE_SECONDS_PER_ROW = 8e-6
UPDATE_SECONDS_PER_ROW_AND_INDEX = 4e-6
INDEX_SECONDS_PER_ROW = 1.5e-6
SCAN_SECONDS_PER_ROW = 0.4e-6


def rows_of(relation: Relation) -> int:
    """Returns about how many rows the table has."""
    if relation.rows_estimate >= 0:
        return relation.rows_estimate
    # Never analysed, as after a restore: from the size, at half a kilobyte a row.
    return (relation.bytes - relation.index_bytes) // 500


def estimate(
    step: str,
    relation: Relation,
    present: Present,
    missing: int,
    resolve_seconds: float | None = None,
) -> float:
    """Returns seconds. `missing`: rows to be filled; `resolve_seconds`: as measured, where a dry run did."""
    rows = max(relation.rows_estimate, missing)
    per_row = {
        "resolve": RESOLVE_SECONDS_PER_ROW,
        "save_parents": SCAN_SECONDS_PER_ROW,
        "clear_parents": SCAN_SECONDS_PER_ROW,
        "create_index": INDEX_SECONDS_PER_ROW,
        "add_check": SCAN_SECONDS_PER_ROW,
    }
    if step == "resolve" and resolve_seconds is not None:
        return round(resolve_seconds, 2)
    if step == "fill":
        row = UPDATE_SECONDS_PER_ROW + UPDATE_SECONDS_PER_ROW_AND_INDEX * present.index_count
        return round(missing * row, 2)
    return round(rows * per_row.get(step, 0.0), 2)
