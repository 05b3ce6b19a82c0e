"""The user's table: its session, its settings, its catalog entries, and its names in SQL files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.model import Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table import catalog

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Table:
    """The table that a command works on. Create it with open()."""

    session: Session
    settings: Settings
    relation: Relation
    names: Names

    @classmethod
    def open(cls, session: Session, settings: Settings) -> Table:
        """Returns the table that the settings name.

        Raises LlamactlError: config if the table or a required column does not exist or is of an unsupported
        kind; permission; lock.
        """
        table = cls.seen(session, settings)
        catalog.refuse_unsupported(table.relation)
        return table

    @classmethod
    def seen(cls, session: Session, settings: Settings) -> Table:
        """Like open(), but accepts a relation of any kind; the caller reports what is wrong with it."""
        relation = catalog.locate(session, settings)
        return cls(session, settings, relation, catalog.names_for(relation, settings))

    @property
    def shown(self) -> str:
        """The table's name with its schema, quoted."""
        return self.names.quoted_table()

    def rows(self, path: str, as_: type[T], **values: object) -> list[T]:
        """Returns the rows of sql/<path>.sql as dataclasses. Raises LlamactlError."""
        return self.session.rows(load_query(path, self.names), as_, **values)

    def row(self, path: str, as_: type[T], **values: object) -> T:
        """Returns the one row of sql/<path>.sql. Raises LlamactlError."""
        return self.session.row(load_query(path, self.names), as_, **values)

    def run(self, path: str, **values: object) -> int:
        """Runs the statements of sql/<path>.sql; returns the last one's row count. Raises LlamactlError."""
        return self.session.run(load_query(path, self.names), **values)

    def tuples(self, path: str, **values: object) -> Iterator[tuple[Any, ...]]:
        """Yields the rows of sql/<path>.sql page by page. Needs an open transaction."""
        return self.session.tuples(load_query(path, self.names), **values)
