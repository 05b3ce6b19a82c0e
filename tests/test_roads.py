"""By every road the same: dry run, update, rewrite, and the script run by psql, each equal to the oracle."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from cutting import Connection, dated_rows, dump, nothing_left, quick_look, run_here
from graphs import IdStyle, make_table
from llamactl.model import DanglingPolicy
from llamactl.names import Names
from oracle import ALL_OPTIONS, Answer, Options, Row, ask, present
from servers import Server

COLUMNS = ("id", "job_id", "parent_job_id", "is_root_job", "root_job_id")


@dataclass(frozen=True)
class Log:
    """A table to migrate: its names, and the types of its columns."""

    label: str
    names: Names
    types: Sequence[str] = ()
    """Of id, job_id, parent_job_id; none: it is the log table that is there."""
    style: IdStyle = IdStyle.TEXT

    @property
    def flags(self) -> list[str]:
        if not self.types:
            return []
        columns = [f"--column={ours}={self.names.columns[ours]}" for ours in (*COLUMNS, "category")]
        return ["--schema", self.names.schema, "--table", self.names.table, *columns]

    def column(self, ours: str) -> sql.Identifier:
        return sql.Identifier(self.names.columns[ours])

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier(self.names.schema, self.names.table)

    def held(self, row: Row, filled: bool) -> Row:
        """The row as the table holds it; unless it is to be filled in part, without a root."""
        held = replace(row, root_job_id=row.root_job_id if filled else None)
        if self.types:
            return held
        return replace(held, id=str(uuid.UUID(int=int(row.id))), is_root_job=bool(row.is_root_job))

    def create(self, connection: psycopg.Connection[Any]) -> None:
        if not self.types:
            return
        enum = sql.Identifier(self.names.enum_schema, self.names.enum)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.names.schema)))
        connection.execute(sql.SQL("CREATE TYPE {} AS ENUM ('ENRICHED')").format(enum))
        statement = "CREATE TABLE {} ({} {} PRIMARY KEY, {} {}, {} {}, {} boolean, {} {} DEFAULT 'ENRICHED')"
        types = map(sql.SQL, self.types)
        parts: list[sql.Composable] = [self.table]
        for ours, type_ in zip(COLUMNS, types, strict=False):
            parts += [self.column(ours), type_]
        parts += [self.column("is_root_job"), self.column("category"), enum]
        connection.execute(sql.SQL(statement).format(*parts))

    def fill(self, connection: psycopg.Connection[Any], rows: Sequence[Row], filled: bool) -> None:
        ours = COLUMNS if filled else COLUMNS[:-1]
        if filled:
            statement = sql.SQL("ALTER TABLE {} ADD {} {}")
            type_ = self.types[1] if self.types else "varchar(100)"
            connection.execute(statement.format(self.table, self.column("root_job_id"), sql.SQL(type_)))
            # Dropped before the fill, and built anew.
            index = sql.SQL("CREATE INDEX {} ON {} ({})").format(
                sql.Identifier(self.names.index), self.table, self.column("root_job_id")
            )
            connection.execute(index)
        needed = () if self.types else ("operation", "category", "status")
        names = sql.SQL(", ").join([*map(self.column, ours), *map(sql.Identifier, needed)])
        with connection.cursor() as cursor:
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(self.table, names)
            with cursor.copy(statement) as copy:
                for row in rows:
                    values = [getattr(row, name) for name in ours]
                    copy.write_row([*values, *(("x", "ENRICHED", "SUCCESS") if needed else ())])

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
        failed = {check["id"]: check["violations"] for check in document["checks"] if not check["ok"]}
        assert failed.get("V03", 0) + failed.get("V04", 0) == conflicts
        assert not failed.keys() - {"V03", "V04", "V05", "V06", "V07"}
        assert document["counts"]["conflicts"] == conflicts


Travel = Callable[..., None]


@pytest.fixture
def travel(psql: Path, pg_tool: Callable[[str], Path]) -> Travel:
    """A function: by every road, on a server, for a seed."""

    def by_every_road(
        server: Server, log: Log, seed: int, options: Options, filled: bool, graphs: int = 15
    ) -> None:
        with ExitStack() as stack:

            def database(template: str) -> str:
                name = server.create(template)
                stack.callback(server.drop, name)
                return name

            origin = database(server.template)
            made = make_table(seed, graphs, log.style)
            rows = [log.held(row, filled) for row in made.rows]
            with psycopg.connect(server.conninfo(origin), autocommit=True) as connection:
                if log.types:
                    connection.execute('DROP TABLE "LlamaLog"')
                log.create(connection)
                log.fill(connection, rows, filled)
            case = Case(log, rows, options, ask(rows, options))
            migrate(case, server.conninfo(origin), "--dry-run")
            schemas = []
            for road in (update, rewrite, script(psql)):
                dsn = server.conninfo(database(origin))
                road(case, dsn)
                case.holds(dsn)
                case.verified(dsn)
                schemas.append(dump(pg_tool("pg_dump"), dsn, "-s"))
            assert schemas == [schemas[0]] * 3

    return by_every_road


def migrate(case: Case, dsn: str, *arguments: str) -> None:
    done = run_here("migrate", "--dsn", dsn, "--format", "json", *arguments, *case.flags)
    assert done.code == 0, done.err
    assert json.loads(done.out)["counts"] == case.counts


def update(case: Case, dsn: str) -> None:
    migrate(case, dsn, "--yes")


def rewrite(case: Case, dsn: str) -> None:
    migrate(case, dsn, "--yes", "--strategy", "rewrite")


def script(psql: Path) -> Callable[[Case, str], None]:
    def road(case: Case, dsn: str) -> None:
        text = run_here("sql", "--dsn", dsn, *case.flags)
        assert text.code == 0, text.err
        command = [psql, "-X", "-q", "-d", dsn, "-f", "-"]
        done = subprocess.run(command, input=text.out, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    return road


@pytest.mark.parametrize("filled", [False, True], ids=["bare", "partly filled"])
@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.label)
def test_every_road(travel: Travel, server: Server, log: Log, filled: bool) -> None:
    """Each of the four options at least twice; the long test has them all."""
    number = 2 * LOGS.index(log) + filled
    travel(server, log, 20 + number, ALL_OPTIONS[number % 4], filled)


def test_every_road_on_every_version(travel: Travel, each_server: Server) -> None:
    odd = next(log for log in LOGS if log.label == "odd")
    travel(each_server, odd, 7, Options(), filled=True)


def test_a_script_that_stops_at_any_step(
    database: str, connection: Connection, insert: Callable[[Any], None], psql: Path
) -> None:
    """Psql cut off at each step, and stopped by an error at each: the table is as it was."""
    insert(dated_rows())
    text = run_here("sql", "--dsn", database).out
    before = quick_look(connection)
    first, *steps = text.split("-- Step: ")
    assert len(steps) > 8
    for number in range(1, len(steps) + 1):
        begun = "-- Step: ".join([first, *steps[:number]]).removesuffix("COMMIT;\n")
        for ending, code in (("", 0), ("SELECT 1 / 0;\nCOMMIT;\n", 3)):
            command = [psql, "-X", "-q", "-d", database, "-f", "-"]
            done = subprocess.run(command, input=begun + ending, capture_output=True, text=True)
            assert done.returncode == code
            nothing_left(connection)
            assert quick_look(connection) == before


@pytest.mark.slow
@pytest.mark.parametrize("options", ALL_OPTIONS, ids=str)
@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.label)
def test_every_road_many_times(travel: Travel, server: Server, log: Log, options: Options) -> None:
    for filled in (False, True):
        travel(server, log, 100 + filled, options, filled, graphs=60)
