"""How the buffer gets into the table: what is asked of the server, and what follows from its answers.

Written once for both loggers: a generator yields each call, and is sent the rows or thrown the error.
"""

from __future__ import annotations

import random
import re
import time
from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import psycopg

from llamactl import queries
from llamactl.ids import array_of
from llamactl.logger import _encoding as encoding
from llamactl.logger import _rules as rules
from llamactl.logger._buffer import Buffer, Row, Warnings
from llamactl.logger._context import Job
from llamactl.logger._rules import Category, EntityLike, Ids, LoggerError
from llamactl.model import ErrorCode
from llamactl.names import Names

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """A statement to be run in a transaction of its own."""

    sql: bytes
    values: Sequence[object]


Answer: TypeAlias = Sequence[tuple[Any, ...]]
Steps: TypeAlias = Generator[Call, Answer, T]

SETTINGS = b"""SELECT pg_catalog.set_config('lock_timeout', '10s', true),
    pg_catalog.set_config('statement_timeout', '30s', true),
    pg_catalog.set_config('client_encoding', 'UTF8', true)"""
"""Of each of the writer's transactions: it waits for nobody for ever."""

_BATCH_BYTES = 4 << 20
_LOOK_AGAIN_SECONDS = 5.0
"""For so long a column or a word that a migration added can go unnoticed."""
_ROOTS_KNOWN = 10_000
_ABOUT_ROWS = ("22", "23", "44", "54", "P0")
"""Classes of SQLSTATE that say that a row cannot be taken; after all others the write is tried again."""
_TOO_LONG, _NO_SUCH_ENTITY = "22001", "23503"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the logger needs to know of the table."""

    absent: frozenset[str]
    """Of our columns."""
    lengths: Mapping[str, int]
    """Of the user's columns that are bounded, in characters."""
    links: bool
    """The category can be LINKED."""


class Writer:
    """The writer's knowledge of the table and of roots, and its steps. One caller at a time."""

    def __init__(self, names: Names, buffer: Buffer, warn: Warnings) -> None:
        self._names, self._buffer, self._warn = names, buffer, warn
        self._columns = dict(names.columns)
        self._roots: OrderedDict[str, str] = OrderedDict()
        self.forget()

    def forget(self) -> None:
        """The table may be another now."""
        self._shape: Shape | None = None
        self._looked = 0.0

    def batch(self) -> Steps[None]:
        """Writes the oldest rows. Raises psycopg.Error where the server takes none now: they stay."""
        rows = self._buffer.batch(_BATCH_BYTES)
        if not rows:
            return
        try:
            shape = yield from self._look()
            yield from self._find_roots(rows, shape)
            refused, mended = yield from self._insert(rows, shape)
        except psycopg.Error:
            self.forget()
            raise
        self._buffer.done(rows, written=len(rows) - refused, refused=refused, mended=mended)

    def creator(self, entity: EntityLike) -> Steps[Ids | None]:
        """Returns the ids of the job that created an entity, None where the log does not tell."""
        entity_type, entity_id = entity
        values = {"entity_type": entity_type, "entity_id": None if entity_id is None else str(entity_id)}
        found = yield from self._ask("logger/creator", values)
        return rules.place(*found[0]) if found else None

    def _look(self) -> Steps[Shape]:
        """Returns the table's shape, looked at again every few seconds: a migration may have changed it."""
        if self._shape is None or time.monotonic() > self._looked + _LOOK_AGAIN_SECONDS:
            relation = self._names.quoted_table()
            columns = yield from self._ask("catalog/columns", {"relation": relation})
            types = {str(row[0]): str(row[1]) for row in columns}
            kind = next((row[3] for row in columns if row[0] == self._columns["id"]), None)
            if kind not in ("string", "uuid") or self._columns["job_id"] not in types:
                message = f"{relation} cannot be logged to: it needs a job id, and an id of type uuid or text"
                raise LoggerError(ErrorCode.CONFIG, message)
            category = {"relation": relation, "column": self._columns["category"]}
            enum = yield from self._ask("catalog/enum", category)
            self._shape = Shape(
                absent=frozenset(ours for ours, theirs in self._columns.items() if theirs not in types),
                lengths={name: int(found[1]) for name in types if (found := _LENGTH.search(types[name]))},
                links=not enum or any(label == Category.LINKED for *_, label in enum),
            )
            self._looked = time.monotonic()
        return self._shape

    def _find_roots(self, rows: Sequence[Row], shape: Shape) -> Steps[None]:
        """Gives rows without a root their parent's, where the log or a row of this process tells it."""
        for row in rows:
            if row.rooted and (root := row.job.root_job_id):
                self._remember(row.job.job_id, root)
        lacking = [row for row in rows if not row.rooted]
        if not lacking or "root_job_id" in shape.absent:
            return
        origins = {row.job._origin.job_id: row.job._origin for row in lacking if not row.job.root_job_id}
        for origin in origins.values():
            origin._found_root = self._roots.get(origin.parent_job_id or "")
        asked = [origin for origin in origins.values() if origin._found_root is None]
        if asked:
            yield from self._look_up(asked)
        column = self._columns["root_job_id"]
        for row in lacking:
            if root := row.job.root_job_id:
                row.text, row.rooted = encoding.with_root(row.text, column, root), True

    def _look_up(self, origins: Sequence[Job]) -> Steps[None]:
        """Asks the log for the roots of their parents; tells of those that it does not know."""
        parents = sorted({origin.parent_job_id or "" for origin in origins})
        try:
            answer = yield from self._ask("logger/roots", {"jobs": array_of(parents)})
        except psycopg.Error as error:
            if not isinstance(error, psycopg.errors.InsufficientPrivilege | psycopg.errors.QueryCanceled):
                raise
            self._warn("lookup", f"Roots cannot be looked up, so rows go without: {_said(error)}")
            return
        found: dict[str, str | None] = dict(answer)
        for origin in origins:
            parent = origin.parent_job_id or ""
            origin._found_root = found.get(parent)
            if origin._found_root:
                self._remember(parent, origin._found_root)
            else:
                why = "has no one root" if parent in found else "is not in the log"
                self._warn(why, f"Job {parent!r} {why}: rows of job {origin.job_id!r} go without a root")

    def _remember(self, job: str, root: str) -> None:
        self._roots[job] = root
        self._roots.move_to_end(job)
        if len(self._roots) > _ROOTS_KNOWN:
            self._roots.popitem(last=False)

    def _insert(self, rows: Sequence[Row], shape: Shape) -> Steps[tuple[int, int]]:
        """Writes the rows; returns how many were refused, and how many of the others changed to fit.

        1. All in one statement. Where the server can take none now, the error goes on: all stay.
        2. Where it refuses a row it does not say which: each half by itself, down to single rows.
        3. A single row is changed so that it fits, once for each complaint, or else is lost.
        """
        query = _insert_query(self._names, shape.absent)
        refused: list[Row] = []
        mended = 0
        parts = [[self._fitted(row, shape) for row in rows]]
        while parts:
            part = parts.pop()
            try:
                yield _call(query, {"entries": f"[{','.join(row.text for row in part)}]"})
                mended += sum(1 for row in part if row.mends)
            except psycopg.Error as error:
                if not (error.sqlstate or "").startswith(_ABOUT_ROWS):
                    raise
                if len(part) > 1:
                    half = len(part) // 2
                    parts += [part[half:], part[:half]]
                elif row := self._mended(part[0], error, shape):
                    parts.append([row])
                else:
                    refused.append(part[0])
                    self._warn("refused", f"{part[0].job.operation}: a row is refused: {_said(error)}")
        for row in refused:
            row.job._logged = False  # so that its next child opens it
        return len(refused), mended

    def _fitted(self, row: Row, shape: Shape) -> Row:
        if row.category != Category.LINKED or shape.links:
            return row
        self._warn("linked", "The category cannot be LINKED yet, so such rows say ENRICHED: llamactl migrate")
        return replace(
            row, text=encoding.unlinked(row.text, self._columns), mends=frozenset([Category.LINKED])
        )

    def _mended(self, row: Row, error: psycopg.Error, shape: Shape) -> Row | None:
        """Returns the row as the server may take it; None where there is nothing to change."""
        code = error.sqlstate or ""
        if code in row.mends:
            return None
        if code == _TOO_LONG:
            text = encoding.cut(row.text, self._columns, shape.lengths)
        elif code == _NO_SUCH_ENTITY and row.category == Category.FAILED:
            text = encoding.loosened(row.text, self._columns)
        else:
            return None
        if text == row.text:
            return None
        self._warn(code, f"{row.job.operation}: a row is changed so that it fits: {_said(error)}")
        return replace(row, text=text, mends=row.mends | {code})

    def _ask(self, path: str, values: Mapping[str, object]) -> Steps[Answer]:
        return (yield _call(queries.load(path, self._names), values))


def _call(query: queries.Query, values: Mapping[str, object]) -> Call:
    (statement,) = query.statements
    return Call(statement.sql.encode(), [values[name] for name in statement.parameters])


_LENGTH = re.compile(r"\((\d+)\)$")
_COLUMN_LINE = re.compile(r'^ +(?:entry\.)?"(\w+)",\n', re.MULTILINE)


@lru_cache(maxsize=16)
def _insert_query(names: Names, absent: frozenset[str]) -> queries.Query:
    """Returns the INSERT without the lines of the columns that the table lacks."""
    path = "logger/insert"
    source = _COLUMN_LINE.sub(lambda line: "" if line[1] in absent else line[0], queries.text(path))
    return queries.parse(path, source, names)


def _said(error: psycopg.Error) -> str:
    """What the server said, in one line."""
    return " ".join((error.diag.message_primary or str(error)).split())


def backoff_seconds(failures: int) -> float:
    """Returns how long to wait after so many failed writes in a row, jittered: up to 10 s."""
    return min(10.0, 0.25 * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)
