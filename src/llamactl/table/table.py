"""The user's table, opened: the session, the settings, what the catalogs say, and the names in SQL files."""

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
    """What every command works on; open() gives one."""

    session: Session
    settings: Settings
    relation: Relation
    names: Names

    @classmethod
    def open(cls, session: Session, settings: Settings) -> Table:
        """Returns the table that the settings name.

        Raises LlamactlError: config where it, or a required column, does not exist or is of a kind that
        cannot be read; permission; lock.
        """
        table = cls.seen(session, settings)
        catalog.refuse_unsupported(table.relation)
        return table

    @classmethod
    def seen(cls, session: Session, settings: Settings) -> Table:
        """As open(), for a relation of any kind: what is wrong with it is for the caller to report."""
        relation = catalog.locate(session, settings)
        return cls(session, settings, relation, catalog.names_for(relation, settings))

    @property
    def shown(self) -> str:
        """Its name with the schema, quoted."""
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
