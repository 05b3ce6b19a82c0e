"""What a root column may store: right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from oracle import Options, Row, ask, edges, parent_of, present


def stored_roots(rows: Sequence[Row], options: Options, rng: Random) -> dict[str, str | None]:
    """What the root column stores: often right, often not.

    Right where no parent of the job is logged: there it says what was deleted.
    """
    answer, graph = ask(rows, options), edges(rows, options)
    if rng.random() < 0.3:
        return dict(answer.roots)
    jobs: list[str | None] = [None, *sorted(job for job in answer.logged if job.strip() == job)]
    stored: dict[str, str | None] = {}
    for row in rows:
        job = present(row.job_id)
        above = set(graph.successors(job)) if job is not None else {parent_of(row, options)} - {None}
        trusted = bool(above) and not above & answer.logged
        how = "right" if trusted else rng.choice(["right", "right", "wrong", "missing"])
        stored[row.id] = {"right": answer.roots[row.id], "wrong": rng.choice(jobs), "missing": None}[how]
    return stored
