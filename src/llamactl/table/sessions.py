"""Other sessions that hold a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from llamactl.db.session import Session
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table.locks import is_llamactl, look_again
from llamactl.table.redaction import redacted
from llamactl.wording import duration


@dataclass(frozen=True, slots=True)
class SnapshotHolder:
    """Another session that holds a snapshot."""

    pid: int
    user_name: str | None
    application: str
    state: str | None
    age_seconds: float | None
    query: str | None
    """The query, redacted()."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", redacted(self.query))

    def sentence(self) -> str:
        """Returns one line: who, for how long, which query."""
        program = f" ({self.application})" if self.application else ""
        state = f", {self.state}" if self.state else ""
        age = f", in a transaction for {duration(self.age_seconds)}" if self.age_seconds is not None else ""
        query = f": {self.query}" if self.query and not is_llamactl(self.application) else ""
        return f"pid {self.pid} {self.user_name}{program}{state}{age}{query}"


def snapshot_holders(session: Session) -> list[SnapshotHolder]:
    """Returns the other sessions that hold a snapshot now, the oldest first."""
    look_again(session)
    return session.rows(load_query("preflight/snapshots", Names()), SnapshotHolder)
