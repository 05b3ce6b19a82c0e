"""A log to migrate by one road or another: its names and types, its rows, and what is true of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from cutting import run_here
from graphs import IdStyle, make_table
from llamactl.model import DanglingPolicy
from llamactl.sqlfiles.names import Names
from oracle import Answer, Options, Row, ask, present
from servers import Server

COLUMNS = ("id", "job_id", "parent_job_id", "is_root_job", "root_job_id")
NEEDED = {"operation": "x", "category": "ENRICHED", "status": "SUCCESS", "created_at": "2026-01-01"}
"""What a row of the log table needs besides; old enough that none waits for its parent."""


@dataclass(frozen=True)
class Log:
    """A table to migrate: its names, and the types of its columns."""

    label: str
    names: Names
    types: Sequence[str] = ()
    """Of id, job_id, parent_job_id; none: it is the log table that is there."""
    style: IdStyle = IdStyle.TEXT
    absent: Sequence[str] = ()
    """Of the columns that a log may lack."""

    @property
    def flags(self) -> list[str]:
        if not self.types:
            return []
        named = [ours for ours in (*COLUMNS, "category") if ours not in self.absent]
        columns = [f"--column={ours}={self.names.columns[ours]}" for ours in named]
        return ["--schema", self.names.schema, "--table", self.names.table, *columns]

    def column(self, ours: str) -> sql.Identifier:
        return sql.Identifier(self.names.columns[ours])

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier(self.names.schema, self.names.table)

    def held(self, row: Row, filled: bool) -> Row:
        """The row as the table holds it; unless it is to be filled in part, without a root."""
        held = replace(row, root_job_id=row.root_job_id if filled else None)
        if "is_root_job" in self.absent:
            held = replace(held, is_root_job=None)
        if self.types:
            return held
        return replace(held, id=str(uuid.UUID(int=int(row.id))), is_root_job=bool(row.is_root_job))

    def create(self, connection: psycopg.Connection[Any]) -> None:
        if not self.types:
            return
        enum = sql.Identifier(self.names.enum_schema, self.names.enum)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.names.schema)))
        connection.execute(sql.SQL("CREATE TYPE {} AS ENUM ('ENRICHED')").format(enum))
        columns = dict(zip(COLUMNS, map(sql.SQL, self.types), strict=False))
        columns["id"] += sql.SQL(" PRIMARY KEY")
        columns["is_root_job"] = sql.SQL("boolean")
        columns["category"] = sql.SQL("{} DEFAULT 'ENRICHED'").format(enum)
        defined = [
            self.column(ours) + sql.SQL(" ") + type_
            for ours, type_ in columns.items()
            if ours not in self.absent
        ]
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(self.table, sql.SQL(", ").join(defined)))

    def fill(self, connection: psycopg.Connection[Any], rows: Sequence[Row], filled: bool) -> None:
        ours = [name for name in (COLUMNS if filled else COLUMNS[:-1]) if name not in self.absent]
        if filled:
            self.add_column(connection)
            # Dropped before the fill, and built anew.
            index = sql.SQL("CREATE INDEX {} ON {} ({})").format(
                sql.Identifier(self.names.index), self.table, self.column("root_job_id")
            )
            connection.execute(index)
        needed = {} if self.types else NEEDED
        names = sql.SQL(", ").join([*map(self.column, ours), *map(sql.Identifier, needed)])
        with connection.cursor() as cursor:
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(self.table, names)
            with cursor.copy(statement) as copy:
                for row in rows:
                    values = [getattr(row, name) for name in ours]
                    copy.write_row([*values, *needed.values()])

    def add_column(self, connection: psycopg.Connection[Any]) -> None:
        """The root column, bare."""
        statement = sql.SQL("ALTER TABLE {} ADD {} {}")
        type_ = self.types[1] if self.types else "varchar(100)"
        connection.execute(statement.format(self.table, self.column("root_job_id"), sql.SQL(type_)))

    def read(self, connection: psycopg.Connection[Any]) -> dict[str, tuple[str | None, str | None]]:
        """Row id -> its parent and its root."""
        statement = sql.SQL("SELECT {}::text, {}::text, {}::text FROM {}").format(
            *map(self.column, ("id", "parent_job_id", "root_job_id")), self.table
        )
        return {id_: (parent, root) for id_, parent, root in connection.execute(statement)}


ODD = Names(
    schema='of "odd" names',
    table="job logs; 50% of them",
    columns={
        "id": 'Primary "Key"',
        "job_id": "job id",
        "parent_job_id": "100% Parent's",
        "is_root_job": "is\\root?",
        "root_job_id": "root_$1_:'job'",
        "category": "k:i/n--d",
    },
    enum_schema='of "odd" names',
    enum="$kinds$",
)
LOGS = [
    Log("default", Names()),
    Log("odd", ODD, ("bigint", "text", "text")),
    Log("integer", ODD, ("integer", "integer", "bigint"), IdStyle.INTEGER),
    Log("char", ODD, ("smallint", "char(120)", 'char(110) COLLATE "POSIX"'), IdStyle.CHAR),
    Log("uuid", ODD, ("text", "uuid", "uuid"), IdStyle.UUID),
]
BARE = Log("bare", ODD, ("bigint", "text", "text"), absent=("is_root_job", "category"))


def flags_of(options: Options) -> list[str]:
    return [
        *(["--dangling", "null"] if options.dangling is DanglingPolicy.NULL else []),
        *([] if options.trust_root_flag else ["--no-trust-root-flag"]),
    ]


@dataclass
class Case:
    """A filled table, and what is true of it."""

    log: Log
    rows: Sequence[Row]
    options: Options
    answer: Answer

    def __post_init__(self) -> None:
        self.flags = [*self.log.flags, *flags_of(self.options)]
        self.counts = asdict(self.answer.counts)
        self.cleared = {row.id: row.parent_job_id for row in self.rows if self.disregarded(row)}
        self.expected = {
            row.id: (
                None if row.id in self.cleared else row.parent_job_id,
                self.answer.roots[row.id] if row.root_job_id is None else row.root_job_id,
            )
            for row in self.rows
        }

    def disregarded(self, row: Row) -> bool:
        both = present(row.job_id) is not None and present(row.parent_job_id) is not None
        return self.options.trust_root_flag and row.is_root_job is True and both

    def holds(self, dsn: str) -> None:
        """The table holds what it should, and so does the table of cleared parents."""
        with psycopg.connect(dsn) as connection:
            found = self.log.read(connection)
            wrong = {id_: found.get(id_) for id_ in self.expected if found.get(id_) != self.expected[id_]}
            assert {id_: (self.expected[id_], held) for id_, held in wrong.items()} == {}
            assert found.keys() == self.expected.keys()
            exists = connection.execute("SELECT to_regclass('llamactl.cleared_parent')").fetchone()
            saved = "SELECT row_id, parent_job_id FROM llamactl.cleared_parent"
            rows = connection.execute(saved.encode()).fetchall() if exists != (None,) else []
            assert dict(rows) == self.cleared
            assert (exists != (None,)) == bool(self.cleared)

    def verified(self, dsn: str) -> None:
        """verify finds the conflicts that there were, and nothing else."""
        done = run_here("verify", "--dsn", dsn, "--grace", "0", "--format", "json", *self.flags)
        document = json.loads(done.out)
        conflicts = self.counts["conflicts"]
        assert done.code == bool(conflicts), document
        failed = {
            check["id"]: check["violations"] for check in document["checks"] if check["status"] == "failed"
        }
        assert failed.get("V03", 0) + failed.get("V04", 0) == conflicts
        assert not failed.keys() - {"V03", "V04", "V05", "V06", "V07"}
        assert document["counts"]["conflicts"] == conflicts


def make_case(dsn: str, log: Log, seed: int, options: Options, filled: bool, graphs: int) -> Case:
    """Makes the table, where the log table is, with every fault."""
    rows = [log.held(row, filled) for row in make_table(seed, graphs, log.style).rows]
    with psycopg.connect(dsn, autocommit=True) as connection:
        if log.types:
            connection.execute('DROP TABLE "LlamaLog"')
        log.create(connection)
        log.fill(connection, rows, filled)
    return Case(log, rows, options, ask(rows, options))


@contextmanager
def copies(server: Server) -> Iterator[Callable[[str], str]]:
    """A function: the name of a copy of the database. They are dropped in the end."""
    with ExitStack() as stack:

        def copy(template: str) -> str:
            name = server.create(template)
            stack.callback(server.drop, name)
            return name

        yield copy
