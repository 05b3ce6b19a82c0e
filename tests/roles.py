"""Roles with few rights, for the tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo


@dataclass(frozen=True)
class Role:
    """A role of the test's own."""

    name: str
    conninfo: str
    """As this role, to the database that it was made for."""

    def granted(self, statement: str, database: str) -> None:
        """Runs a GRANT, or the like, as the superuser; {} is the role."""
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self.name)))


@contextmanager
def new_role(database: str, attributes: str = "") -> Iterator[Role]:
    """A role that may log in, and nothing else but what everybody may; gone at the end."""
    name, password = f"llamactl_test_{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    role = Role(name, make_conninfo(database, user=name, password=password))
    role.granted(f"CREATE ROLE {{}} LOGIN {attributes} PASSWORD '{password}'", database)
    try:
        yield role
    finally:
        role.granted("DROP OWNED BY {} CASCADE", database)
        role.granted("DROP ROLE {}", database)
