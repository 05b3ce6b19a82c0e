"""Temporary views of version 0.1 that a server crash left in the catalog, where they depend on the table.

While one is there, nobody can drop the table or its columns, and no session lives that would drop it. Version
0.1 held the claim on the table as long as such a view was there: where this session holds it, they are
nobody's.
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
    """A line of leftovers.sql."""

    oid: int
    name: str
    """Quoted, with its schema."""
    droppable: bool
    """The role may drop it by name. Who may not, as its schema is the server's, drops it with the column."""


def find_leftovers(session: Session, oid: int) -> tuple[Leftover, ...]:
    """Returns those that depend on the table. Reads catalogs only."""
    return tuple(session.rows(load_query("catalog/leftovers", _NO_NAMES), Leftover, relation=oid))


def drop_leftovers(session: Session, found: Sequence[Leftover]) -> None:
    """Drops those that the role may drop, in the open transaction. For who holds the claim on the table."""
    oids = ",".join(str(one.oid) for one in found if one.droppable)
    if oids:
        session.set_local(**{"llamactl.leftovers": f"{{{oids}}}"})
        session.run(load_query("undo/drop_leftovers", _NO_NAMES))


def describe_leftover(leftover: Leftover) -> str:
    """Returns what it is and how to be rid of it, in a line."""
    view = leftover.name
    return (
        f"View {view} was left by version 0.1 in a server crash: nobody can drop the table or its columns; "
        f"as a superuser: DROP VIEW {view}; or drop the table with CASCADE"
    )
