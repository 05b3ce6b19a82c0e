"""Whole rows of the log, for the HTML report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.model import WholeRow
from llamactl.model.ids import array_literal
from llamactl.sqlfiles.load import load_query
from llamactl.table.table import Table

LONGEST = 10_000
"""Characters of one value that are read."""


class Details:
    """Reads whole rows by their ids, in the snapshot that is open."""

    def __init__(self, session: Session, settings: Settings) -> None:
        table = Table.open(session, settings)
        self._session = session
        self._id = table.relation.columns["id"]
        self._query = load_query("report/rows", table.names)
        self.source = f"{table.shown} in database {session.database}"
        """Where they are, for a person."""

    def __call__(self, ids: Sequence[str]) -> Iterator[WholeRow]:
        """Yields the rows that have these ids, in any order."""
        return self._session.stream(self._query, WholeRow, ids=array_literal(self._id, ids), most=LONGEST)
