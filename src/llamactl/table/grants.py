"""The GRANTs that a role lacks for the objects in the schema llamactl: exactly what it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from llamactl.db.session import Session
from llamactl.model import ErrorCode, LlamactlError
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident

USE, CREATE = "USAGE", "CREATE"
READ: Collection[str] = ("SELECT",)
WRITE: Collection[str] = ("SELECT", "INSERT", "UPDATE")
RUNS = ("run", "step")
PARENTS = ("cleared_parent",)


@contextmanager
def naming_temporary(session: Session) -> Iterator[None]:
    """For statements that create temporary tables: a permission error names the GRANT."""
    try:
        yield
    except LlamactlError as exc:
        if exc.code is not ErrorCode.PERMISSION:
            raise
        hint = f"GRANT TEMPORARY ON DATABASE {ident(session.database)} TO {ident(session.user)};"
        raise LlamactlError(exc.code, exc.message, hint) from exc


@dataclass(frozen=True, slots=True)
class _Object:
    """A row of kept_rights.sql."""

    kind: str
    name: str
    held: tuple[str, ...]


def missing_grants(
    session: Session, schema: Collection[str], tables: Mapping[str, Collection[str]] = {}
) -> str:
    """Returns the GRANTs that the role lacks; empty if it lacks none.

    `schema`: the privileges that it needs on the schema llamactl; if that does not exist yet, CREATE on the
    database instead. `tables`: the privileges on the tables in that schema, if they exist.
    """
    found = session.rows(load_query("catalog/kept_rights", Names()), _Object)
    return " ".join(_grants(ident(session.user), found, schema, tables))


def _grants(
    user: str, found: Sequence[_Object], schema: Collection[str], tables: Mapping[str, Collection[str]]
) -> Iterator[str]:
    there = any(one.kind == "schema" for one in found)
    for one in found:
        wanted: Collection[str] = tables.get(one.name, ()) if one.kind == "table" else ()
        if one.kind == "schema":
            wanted = schema
        elif one.kind == "database" and not there and CREATE in schema:
            wanted = (CREATE,)
        if lacks := ", ".join(right for right in wanted if right not in one.held):
            on = {"database": "DATABASE ", "schema": "SCHEMA "}.get(one.kind, "llamactl.") + ident(one.name)
            yield f"GRANT {lacks} ON {on} TO {user};"
