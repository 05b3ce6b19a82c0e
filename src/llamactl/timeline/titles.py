"""The names of albums, artists and tracks, found through the log's foreign keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from llamactl.db.session import Session
from llamactl.model import Column, Relation, Subject, SubjectKind
from llamactl.model.ids import array_literal, as_stored
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident, qualified

Entity = tuple[str, str | None]
"""The column by llamactl's name, and the id."""

_COLUMNS = {f"{kind}_id": kind for kind in SubjectKind if kind is not SubjectKind.ROOT}


@dataclass(frozen=True, slots=True)
class _Reference:
    """A row of references.sql."""

    column_name: str
    schema_name: str
    table_name: str
    key_name: str
    label_name: str
    usable: bool
    """The role may use the schema."""
    granted: bool
    """The role may read both columns."""
    hidden: bool
    """Row security hides rows from the role."""

    @property
    def readable(self) -> bool:
        return self.usable and self.granted and not self.hidden

    @property
    def names(self) -> Names:
        """The names that retarget names.sql to the table."""
        return Names(self.schema_name, self.table_name, {"id": self.key_name, "operation": self.label_name})

    def unread(self, user: str) -> str:
        """Returns the note for a role that may not read the table."""
        table, role = qualified(self.schema_name, self.table_name), ident(user)
        if self.hidden:
            return f"Row security hides rows of {table} from {user}, so ids are shown without names"
        columns = ", ".join(dict.fromkeys((ident(self.key_name), ident(self.label_name))))
        needed = [
            "" if self.usable else f"GRANT USAGE ON SCHEMA {ident(self.schema_name)} TO {role};",
            "" if self.granted else f"GRANT SELECT ({columns}) ON {table} TO {role};",
        ]
        return (
            f"{user} may not read {ident(self.label_name)} of {table}, so ids are shown without names: "
            f"{' '.join(filter(None, needed))}"
        )


@dataclass(frozen=True, slots=True)
class _Title:
    """A row of names.sql."""

    id: str
    name: str


@dataclass(slots=True)
class Library:
    """The tables that the log's foreign keys refer to. Create it with open()."""

    session: Session
    columns: Mapping[str, Column]
    references: Mapping[str, _Reference]
    """The references that the role may read, by llamactl's name of the column."""
    notes: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, session: Session, relation: Relation) -> Library:
        """Reads the catalogs."""
        query = load_query("timeline/references", Names())
        ours = {column.name: our for our, column in relation.columns.items()}
        found = {
            ours[one.column_name]: one
            for one in session.rows(query, _Reference, relation=relation.oid)
            if ours.get(one.column_name) in (*_COLUMNS, "entity_id")
        }
        unread = {one.unread(session.user): None for one in found.values() if not one.readable}
        readable = {our: one for our, one in found.items() if one.readable}
        return cls(session, relation.columns, readable, [*unread])

    def entity_column(self, entity_type: str | None) -> str:
        """Returns the column whose foreign key refers to the entity's table: entity_id, or that of its
        type."""
        own = "entity_id" in self.references
        return "entity_id" if own or entity_type is None else f"{entity_type.lower()}_id"

    def titles(self, wanted: Iterable[Entity]) -> dict[Entity, str]:
        """Returns the names of these entities, as far as they are known."""
        ids: dict[str, set[str]] = {}
        for column, id_ in wanted:
            if id_ is not None and column in self.references and as_stored(self.columns[column], id_):
                ids.setdefault(column, set()).add(id_)
        return {
            (column, title.id): title.name
            for column, held in ids.items()
            for title in self._look(column, held)
        }

    def title(self, subject: Subject) -> str | None:
        """Returns the name of a subject; None for a root, and if the name is not known."""
        own = f"{subject.kind}_id"
        column = own if own in self.references else self.entity_column(subject.kind)
        return self.titles([(column, subject.id)]).get((column, subject.id))

    def _look(self, column: str, ids: set[str]) -> list[_Title]:
        query = load_query("timeline/names", self.references[column].names)
        return self.session.rows(query, _Title, ids=array_literal(self.columns[column], ids))
