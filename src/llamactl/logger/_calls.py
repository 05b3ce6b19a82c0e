"""What is asked of the server, and what it answers: the words in which the writer's steps speak.

Steps are a generator that yields each call, and is sent the answer or thrown the error.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, TypeVar

import psycopg

from llamactl.logger._buffer import Row
from llamactl.sqlfiles.load import Query, load_query, parse_query, query_text
from llamactl.sqlfiles.names import Names

T = TypeVar("T")

SETTINGS = b"""SELECT pg_catalog.set_config('lock_timeout', '10s', true) AS a,
    pg_catalog.set_config('statement_timeout', '30s', true) AS b,
    pg_catalog.set_config('client_encoding', 'UTF8', true) AS c"""
"""The settings of each of the writer's transactions, so that it never waits forever."""
OWN_PATH = b", pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true) AS d"
"""An additional setting if only catalogs are read; the table's code sees the application's path."""


class Statement(NamedTuple):
    """A statement and its parameters."""

    sql: bytes
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class Call:
    """A statement to be run in a transaction of its own."""

    statement: Statement
    rows: Sequence[Row] = ()
    """The rows that it writes; in doubt once COMMIT has been sent."""
    check: Statement | None = None
    """To be run in the same transaction if the statement did not write all of them."""
    always_check: bool = False
    own_path: bool = False
    """It reads catalogs only."""


class Answer(NamedTuple):
    """The server's answer to a call."""

    rows: Sequence[Any]
    """Named tuples."""
    written: int
    """How many rows it wrote."""
    present: Sequence[int] | None
    """The positions in `Call.rows` of those that are in the table; None if that was not checked."""


Steps: TypeAlias = Generator[Call, Answer, T]


def ask(path: str, names: Names, values: Mapping[str, object]) -> Steps[Sequence[Any]]:
    """Returns the rows of a query."""
    own_path = path in _OF_CATALOGS
    return (yield Call(statement(load_query(path, names), values), own_path=own_path)).rows


_OF_CATALOGS = ("catalog/columns", "catalog/enum", "logger/shape")


def statement(query: Query, values: Mapping[str, object]) -> Statement:
    """Returns the one statement of a query with its values."""
    (only,) = query.statements
    return Statement(only.sql.encode(), [values[name] for name in only.parameters])


@lru_cache(maxsize=16)
def insert_query(names: Names, absent: frozenset[str], skips: bool) -> Query:
    """Returns the INSERT without the lines of the columns that the table lacks."""
    path = "logger/insert"
    source = _COLUMN_LINE.sub(lambda line: "" if line[1] in absent else line[0], query_text(path))
    return parse_query(path, source if skips else source.replace(_SKIP_LINE, ";"), names)


_COLUMN_LINE = re.compile(r'^ +(?:entry\.)?"(\w+)",\n', re.MULTILINE)
_SKIP_LINE = "\nON CONFLICT DO NOTHING;"


def said(error: Exception) -> str:
    """Returns what the server said, in one line."""
    message = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((message or str(error)).split())
