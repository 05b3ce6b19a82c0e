"""Temporary views of version 0.1 that a server crash left in the catalogs, and that depend on the table.

While such a view exists, nobody can drop the table or its columns, and its session, which would have dropped
it, is gone. Version 0.1 held the claim on the table while it used such views: if this session holds the
claim, no other session uses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llamactl.db.session import Session
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names

_NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class Leftover:
    """A row of leftovers.sql."""

    oid: int
    name: str
    """Quoted and qualified with the schema."""
    droppable: bool
    """Whether the role may drop it by name.

    Its schema is the server's; else it is dropped with the column.
    """


def find_leftovers(session: Session, oid: int) -> tuple[Leftover, ...]:
    """Returns the leftover views that depend on the table. Reads only the catalogs."""
    return tuple(session.rows(load_query("catalog/leftovers", _NO_NAMES), Leftover, relation=oid))


def drop_leftovers(session: Session, found: Sequence[Leftover]) -> None:
    """Drops those that the role may drop, in the open transaction. The caller must hold the table's claim."""
    oids = ",".join(str(one.oid) for one in found if one.droppable)
    if oids:
        session.set_local(**{"llamactl.leftovers": f"{{{oids}}}"})
        session.run(load_query("undo/drop_leftovers", _NO_NAMES))


def describe_leftover(leftover: Leftover) -> str:
    """Returns one line on what it is and how to remove it."""
    view = leftover.name
    return (
        f"The view {view} remains from version 0.1 after a server crash. While it exists, neither the table "
        f"nor its columns can be dropped. As a superuser: DROP VIEW {view}; or drop the table with CASCADE"
    )
