"""Whether an UPDATE or a bulk rewrite of the whole table is sound, and what speaks for the one or the other.

A rewrite gives the table new files, and whoever holds a snapshot older than its commit sees it empty. So it
is refused while another session holds one, or may hold one unseen, and wherever the catalogs tell that the
server would refuse it or its readers would miss it (sql/preflight/soundness.sql).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from llamactl import queries
from llamactl.db import Session
from llamactl.locks import look_again
from llamactl.model import Relation
from llamactl.names import Names
from llamactl.redaction import redacted
from llamactl.wording import duration


class Verdict(StrEnum):
    """What follows from a reason."""

    REFUSE = "refuse"
    """Neither way can work."""
    UPDATE = "update"
    """Only the UPDATE is sound."""
    REWRITE = "rewrite"
    """The UPDATE does, or risks, what a rewrite would not."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A line of soundness.sql."""

    verdict: str
    """A Verdict's word."""
    subject: str
    """Of one kind of reasons: `trigger`, `publication`, ..."""
    name: str
    """Of the object; empty where the reason is the table itself."""
    why: str


@dataclass(frozen=True, slots=True)
class SnapshotHolder:
    """Another session that holds a snapshot, or that the role may not see."""

    pid: int
    user_name: str | None
    application: str
    state: str | None
    age_seconds: float | None
    query: str | None
    """As redacted() shows it."""
    holds: bool
    """False: the role may not see the session."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", redacted(self.query))

    def sentence(self) -> str:
        """Returns one line: who, since when, which query."""
        program = f" ({self.application})" if self.application else ""
        state = f", {self.state}" if self.state else ""
        age = f", in a transaction for {duration(self.age_seconds)}" if self.age_seconds is not None else ""
        query = f": {self.query}" if self.query else ""
        return f"pid {self.pid} {self.user_name}{program}{state}{age}{query}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What speaks against which way, as sentences."""

    against_both: tuple[str, ...]
    lasting: tuple[str, ...]
    """Against a rewrite, by the catalogs; what is against both is against a rewrite too."""
    for_rewrite: tuple[str, ...]
    passing: tuple[str, ...] = ()
    """Against a rewrite just now: other sessions."""

    @property
    def against_rewrite(self) -> tuple[str, ...]:
        return (*self.lasting, *self.passing)

    @property
    def reasons(self) -> tuple[str, ...]:
        """For model.Strategy: why a rewrite is not sound, then what else weighs, each begun with `note: `."""
        return (*self.against_rewrite, *(f"note: {why}" for why in self.for_rewrite))


def judge(session: Session, names: Names, relation: Relation) -> Judgement:
    """Returns what speaks against each way just now; a session's snapshot may be gone a moment later."""
    reasons = catalog_reasons(session, names, relation)
    both = _whys(reasons, Verdict.REFUSE)
    sessions = [against(holder) for holder in snapshot_holders(session)]
    return Judgement(
        against_both=both,
        lasting=(*both, *_whys(reasons, Verdict.UPDATE)),
        passing=tuple(sessions),
        for_rewrite=_whys(reasons, Verdict.REWRITE),
    )


def catalog_reasons(session: Session, names: Names, relation: Relation) -> list[Reason]:
    """Returns what the catalogs tell: it lasts, other than a session's snapshot."""
    query = queries.load("preflight/soundness", Names())
    columns = {"root": names.columns["root_job_id"], "parent": names.columns["parent_job_id"]}
    return session.rows(query, Reason, relation=relation.oid, **columns)


def snapshot_holders(session: Session) -> list[SnapshotHolder]:
    """Returns the other sessions that hold a snapshot or are hidden, as they are now, the oldest first.

    Those that wait for the table are among them: after a rewrite's commit a REPEATABLE READ transaction, or a
    pg_dump, sees no rows, though it waited. So this is asked before the rewrite, and last before its commit.
    """
    look_again(session)
    return session.rows(queries.load("preflight/snapshots", Names()), SnapshotHolder)


def against(holder: SnapshotHolder) -> str:
    """Returns why the session speaks against a rewrite."""
    if holder.holds:
        return f"{holder.sentence()} holds a snapshot, which would see the table empty"
    return f"{holder.sentence()} is invisible to us and may hold a snapshot (pg_read_all_stats shows it)"


def _whys(reasons: Iterable[Reason], verdict: Verdict) -> tuple[str, ...]:
    return tuple(reason.why for reason in reasons if reason.verdict == verdict)
