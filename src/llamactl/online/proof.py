"""Proves by counting rows that nobody else wrote to the table since a snapshot, instead of resolving again.

1. With the snapshot, count its rows, and those that a transaction wrote that may still have been running
   then (new rows). Without new rows, all rows of the snapshot have an older xmin.
2. Each batch replaces rows of the snapshot by as many of its own transaction, and compares what they store
   with what was to be written.
3. In the end, count the rows that have an older xmin, or that of a batch. If these are as many as before, no
   row of the snapshot was changed or deleted by others; and if there are no other rows, none was added.

It is no proof if triggers or rules fire on the UPDATE, since they may write other rows in a batch. A batch
has no subtransactions, whose xids nobody would know.
"""

from __future__ import annotations

from dataclasses import dataclass

from llamactl.online.batches import Done, Work
from llamactl.table.locks import refuse_replaced, with_lock_retries


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The result of snapshot.sql."""

    rows: int
    fresh: int
    oldest: str


@dataclass(frozen=True, slots=True)
class _Proof:
    known: int
    fresh: int
    tried: int
    shape: tuple[str, ...] | None


def prove_unchanged(work: Work, snapshot: Snapshot, rows: int, filling: Done) -> int | None:
    """Returns None unless the batches filled `rows` rows, and nobody else wrote since the snapshot.

    Otherwise the number of rows that the session has recorded as tried.

    Raises LlamactlError, also if the table stays locked.
    """
    if snapshot.fresh or filling.rewritten or filling.altered or filling.rows != rows:
        return None

    def attempt() -> _Proof:
        with work.table.session.transaction(temporary=True):
            found = work.table.row(
                "online/prove",
                _Proof,
                oldest=snapshot.oldest,
                ours=filling.xids,
                relation=work.table.relation.oid,
            )
            refuse_replaced(work.table)
        return found

    oids = [work.table.relation.oid]
    found = with_lock_retries(work.table.session, oids, attempt, work.retries, work.note)
    unchanged = found.known == snapshot.rows and not found.fresh and found.shape == filling.shape
    return found.tried if unchanged else None
