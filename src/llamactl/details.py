"""Whole rows of the log, for the HTML report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llamactl import catalog, queries
from llamactl.db import Session
from llamactl.ids import array
from llamactl.model import WholeRow
from llamactl.settings import Settings

LONGEST = 10_000
"""Characters of one value that are read."""


class Details:
    """Reads whole rows by their ids, in the snapshot that is open."""

    def __init__(self, session: Session, settings: Settings) -> None:
        relation = catalog.locate(session, settings)
        names = catalog.names_for(relation, settings)
        self._session = session
        self._id = relation.columns["id"]
        self._query = queries.load("report/rows", names)
        self.source = f"{names.quoted_table()} of database {session.database}"
        """Where they are, for a person."""

    def __call__(self, ids: Sequence[str]) -> Iterator[WholeRow]:
        """Yields the rows that have these ids, in any order."""
        return self._session.stream(self._query, WholeRow, ids=array(self._id, ids), most=LONGEST)
