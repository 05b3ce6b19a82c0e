"""The guard's trigger, on rows that are written: true roots or none, and never a write that fails."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from psycopg import sql

from guarding import Connection, guard, insert, make_many, unguarded, with_column
from llamactl.model import DanglingPolicy
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from odd_names import ODD_NAMES, rename
from oracle import Options, Row, ask, parent_of, present
from roles import new_role
from servers import Server


@pytest.fixture
def log(connection: Connection, database: str) -> Connection:
    """An empty log with a guard."""
    with_column(connection)
    guard(database)
    return connection


def roots(connection: Connection) -> dict[str, str | None]:
    return dict(connection.execute('SELECT "job_id", "root_job_id" FROM "LlamaLog"').fetchall())


# --- against the oracle -----------------------------------------------------------------------------------

# Few, so that they meet; those of the second list are missing, or ids where white space is a part of one.
JOBS = st.sampled_from(
    [*("a", "b", "c", "d") * 4, *(None, None, "", "\t", " \n\r\f\x0b", "e", "a ", "A", "\u00a0")]
)
FLAGS = st.sampled_from([False, False, False, None, True])
GIVEN = st.sampled_from([None, None, None, None, "a", "z"])
CELLS = st.tuples(JOBS, JOBS, FLAGS, GIVEN)
NUMBERS = st.integers(0, 30)
STEPS = st.one_of(
    st.tuples(st.just("insert"), st.lists(CELLS, min_size=1, max_size=3)),
    st.tuples(st.just("update"), NUMBERS, CELLS),
    st.tuples(st.just("touch"), NUMBERS),
    st.tuples(st.just("delete"), NUMBERS),
)
TABLE = """
CREATE TABLE guarded
  (id int PRIMARY KEY, job_id {0}, parent_job_id {0}, is_root_job boolean, root_job_id {0});
CREATE INDEX ON guarded (job_id, parent_job_id);
CREATE SCHEMA IF NOT EXISTS llamactl;
"""
LONGEST = 64
"""Steps from a row's job to the root, each from a job to its parent, up to which the guard must find it."""

Cells = tuple[str | None, str | None, bool | None, str | None]


def as_text(id_: str | None) -> str | None:
    return id_


def as_integer(id_: str | None) -> str | None:
    """Another one for each id; NULL for a blank, which such a column cannot hold."""
    return None if present(id_) is None else str(int.from_bytes(str(id_).encode()))


def as_uuid(id_: str | None) -> str | None:
    return None if present(id_) is None else str(uuid.uuid5(uuid.NAMESPACE_OID, str(id_)))


def as_char(id_: str | None) -> str | None:
    """As such a column gives it back: without the blanks at its end."""
    return id_.rstrip(" ") if id_ is not None else None


STYLES = {"text": as_text, "char(9)": as_char, "bigint": as_integer, "uuid": as_uuid}
Style = Callable[[str | None], str | None]


class Model:
    """The rows of a small log, told from what was written and what the guard is allowed to give."""

    def __init__(self, connection: Connection, options: Options, style: Style = as_text) -> None:
        self.connection, self.options, self.style = connection, options, style
        self.rows: dict[str, Row] = {}
        self.count = 0
        connection.execute("TRUNCATE guarded")

    def take(self, step: tuple[object, ...]) -> None:
        match step:
            case ("insert", list(cells)):
                self.insert([self.styled(cell) for cell in cells])
            case ("update", int(number), tuple(cells)) if self.rows:
                self.update(self.nth(number), self.styled(cells))
            case ("touch", int(number)) if self.rows:
                row = self.nth(number)
                self.update(row, (row.job_id, row.parent_job_id, row.is_root_job, row.root_job_id))
            case ("delete", int(number)) if self.rows:
                row = self.rows.pop(self.nth(number).id)
                self.connection.execute("DELETE FROM guarded WHERE id = %s", [row.id])

    def styled(self, cells: tuple[Any, ...]) -> Cells:
        job, parent, flag, root = cells
        return self.style(job), self.style(parent), flag, self.style(root)

    def nth(self, number: int) -> Row:
        return list(self.rows.values())[number % len(self.rows)]

    def before(self, rows: Iterable[Cells]) -> None:
        """Rows that the guard did not see, with whatever root."""
        with unguarded(self.connection), self.connection.cursor() as cursor:
            for cells in rows:
                row = Row(str(self.count), *self.styled(cells))
                self.rows[row.id] = row
                self.count += 1
                cursor.execute("INSERT INTO guarded VALUES (%s, %s, %s, %s, %s)", values_of(row))

    def insert(self, cells: list[Cells]) -> None:
        """One statement; each row sees those before it."""
        rows = [Row(str(self.count + place), *cell) for place, cell in enumerate(cells)]
        self.count += len(rows)
        places = ", ".join(["(%s, %s, %s, %s, %s)"] * len(rows))
        statement = f"INSERT INTO guarded VALUES {places} RETURNING id::text, root_job_id::text"
        refused = any(self_parent(row) for row in rows)
        held = self.written(statement, [value for row in rows for value in values_of(row)], refused)
        for row in rows if held else ():
            self.check(row, held[row.id])

    def update(self, old: Row, cells: Cells) -> None:
        job, parent, flag, root = cells
        new = replace(old, job_id=job, parent_job_id=parent, is_root_job=flag, root_job_id=root)
        changed = (old.job_id, old.parent_job_id) != (job, parent)
        statement = (
            "UPDATE guarded SET job_id = %s, parent_job_id = %s, is_root_job = %s, root_job_id = %s"
            " WHERE id = %s RETURNING id::text, root_job_id::text"
        )
        held = self.written(statement, [*cells, old.id], changed and self_parent(new))
        if held:
            self.check(new, held[old.id])

    def written(self, statement: str, values: list[Any], refused: bool) -> dict[str, str | None]:
        try:
            found = dict(self.connection.execute(statement.encode(), values).fetchall())
        except psycopg.errors.CheckViolation:
            assert refused
            return {}
        assert not refused
        return found

    def check(self, row: Row, held: str | None) -> None:
        """What is true of the rows that are there at this moment, or nothing, where that may be."""
        self.rows[row.id] = replace(row, root_job_id=held)
        if row.root_job_id is not None:
            assert held == row.root_job_id
            return
        true = ask(self.rows.values(), self.options).roots[row.id]
        assert held == true if self.plain(row) else held in (None, true)

    def plain(self, row: Row) -> bool:
        """Whether each job on the way up has one parent (blank and disregarded ones aside), in few steps."""
        asked, walked = present(row.job_id) or parent_of(row, self.options), set()
        while asked is not None and asked not in walked:
            walked.add(asked)
            rows = [other for other in self.rows.values() if other.job_id == asked]
            parents = {parent_of(other, self.options) for other in rows} - {None}
            if len(parents) > 1:
                return False
            asked = parents.pop() if parents else None
        return len(walked) <= LONGEST + 1


def values_of(row: Row) -> list[Any]:
    return [row.id, row.job_id, row.parent_job_id, row.is_root_job, row.root_job_id]


def self_parent(row: Row) -> bool:
    return present(row.job_id) is not None and row.job_id == row.parent_job_id


@pytest.fixture(params=STYLES)
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["trusted", "not trusted"])
def new_model(request: pytest.FixtureRequest, connection: Connection, style: str) -> Callable[[], Model]:
    """A function: an empty log under the guard, for each type of ids and each trust in the root flag."""
    connection.execute(TABLE.format(style).encode())
    for path in ("create_function", "create_trigger"):
        query = load_query(f"guard/{path}", Names(table="guarded")).literal(trust_root_flag=request.param)
        for statement in query.statements:
            connection.execute(statement.sql.encode())
    options = Options(DanglingPolicy.NULL, request.param)
    return lambda: Model(connection, options, STYLES[style])


ANY = list(HealthCheck)


def test_true_at_its_moment_or_nothing(new_model: Callable[[], Model]) -> None:
    """Any writes, in any order: the guard's roots are the oracle's for the rows that were there then."""

    @profile(max_examples=150, deadline=None, suppress_health_check=ANY)
    @given(st.lists(STEPS, max_size=14))
    def holds(steps: list[tuple[object, ...]]) -> None:
        model = new_model()
        for step in steps:
            model.take(step)

    holds()


LENGTHS = st.integers(LONGEST - 3, LONGEST + 8)
PLACES = st.integers(0, LONGEST + 8)
TWISTS = st.one_of(
    st.tuples(st.sampled_from([None, "", "\t", " \x0b", "s", "c0", "c3"]), FLAGS),
    # To a job of the chain, upwards or down: a cycle, or two ways to one root.
    st.tuples(PLACES.map(lambda place: f"c{place}"), FLAGS),
)


def chain_of(length: int, top: str | None = None) -> list[Cells]:
    """c0, which perhaps hangs below another, and one job below the other, each with c0 for its root."""
    return [("c0", top, None, "c0"), *((f"c{n}", f"c{n - 1}", None, "c0") for n in range(1, length))]


def test_long_chains_with_a_twist(new_model: Callable[[], Model]) -> None:
    """Around the longest way, with more rows of some of its jobs; the rows hold a root that may be wrong."""

    @profile(max_examples=60, deadline=None, suppress_health_check=ANY)
    @given(LENGTHS, st.sampled_from([None, None, "", "top"]), st.lists(st.tuples(PLACES, TWISTS), max_size=3))
    def holds(length: int, top: str | None, twists: list[tuple[int, tuple[str | None, bool | None]]]) -> None:
        model = new_model()
        model.before(chain_of(length, top))
        model.before((f"c{place % length}", parent, flag, "c0") for place, (parent, flag) in twists)
        model.take(("insert", [("new", f"c{length - 1}", False, None), (None, f"c{length - 1}", True, None)]))
        model.take(("update", model.count - 2, (None, f"c{length - 1}", None, None)))
        model.take(("update", model.count - 1, ("new", f"c{length - 2}", None, None)))

    holds()


@pytest.mark.parametrize("steps", [LONGEST - 1, LONGEST, LONGEST + 1, LONGEST + 2, 3 * LONGEST])
def test_the_longest_way(new_model: Callable[[], Model], steps: int) -> None:
    """A step leads from a job to its parent, the first one from the row's own job."""
    model = new_model()
    model.before(chain_of(steps + 1))
    root = model.style("c0") if steps <= LONGEST else None
    model.take(("insert", [("new", f"c{steps - 1}", None, None), (None, f"c{steps}", None, None)]))
    assert [row.root_job_id for row in model.rows.values()][-2:] == [root, root]
    model.take(("touch", 0))
    model.take(("update", steps, (f"c{steps}", f"c{steps - 1}", None, None)))
    assert model.nth(steps).root_job_id == root


def test_a_root_that_rows_hold_is_not_trusted(new_model: Callable[[], Model]) -> None:
    """c3 gets a second parent, and nothing below it a root any more, whatever the rows below hold."""
    model = new_model()
    model.before([*chain_of(71), ("c3", "s", None, None)])
    for parent in ("c70", "c67", "c64", "c10", "c3"):
        model.take(("insert", [(f"n{parent}", parent, None, None), (None, parent, None, None)]))
        assert [row.root_job_id for row in model.rows.values()][-2:] == [None, None]


@pytest.mark.parametrize("place", ["own", "parent", "further up"])
def test_parents_that_do_not_count(new_model: Callable[[], Model], place: str) -> None:
    """Blank ones, and under trust those beside a root flag, in other rows of a job; they sort anywhere."""
    model = new_model()
    trusted = model.options.trust_root_flag
    model.before(
        [("r", None, True, None), ("m", "r", None, None), ("p", "m", None, None), ("x", "y", None, None)]
    )
    job = {"own": "new", "parent": "p", "further up": "m"}[place]
    above = {"own": "p", "parent": "m", "further up": "r"}[place]
    for blank in ("", " ", "\t\n\r\f\x0b", None):
        model.before([(job, blank, None, None), (job, blank, True, None)])
    model.take(("insert", [("new", "p", None, None)]))
    assert model.nth(model.count - 1).root_job_id == model.style("r")
    model.before((job, other, True, None) for other in ("a", "x", "zzz", above, job))
    model.take(("insert", [("new", "p", None, None), (None, "new", True, None)]))
    root = model.style("r") if trusted else None
    assert [row.root_job_id for row in model.rows.values()][-2:] == [root, root]
    # A job whose parents are all disregarded or blank is a root.
    model.before([("top", "a", True, None), ("top", "b", True, None), ("top", "", None, None)])
    model.take(("insert", [("under", "top", None, None)]))
    assert model.nth(model.count - 1).root_job_id == (model.style("top") if trusted else None)


# --- ways to write ----------------------------------------------------------------------------------------


def test_on_each_version(each_database: str) -> None:
    with psycopg.connect(each_database, autocommit=True) as connection:
        with_column(connection)
        guard(each_database)
        assert insert(connection, "a") == "a"
        assert insert(connection, "b", "a") == "a"
        assert insert(connection, "c", "b") == "a"
        assert insert(connection, None, "c") == "a"
        assert insert(connection, "d", "not logged") is None
        assert insert(connection, "e", "a", True) == "e"
        with pytest.raises(psycopg.errors.CheckViolation, match="its own parent"):
            insert(connection, "f", "f")
        connection.execute("""UPDATE "LlamaLog" SET "parent_job_id" = 'b' WHERE "job_id" = 'd'""")
        assert roots(connection)["d"] == "a"


ROWS = [("a", None), ("b", "a"), ("c", "b"), ("x", "y"), ("y", "z")]
HELD = {"a": "a", "b": "a", "c": "a", "x": None, "y": None}


def test_many_rows_in_one_statement(log: Connection) -> None:
    """Parents and children together: a row sees the earlier ones of its own statement."""
    values = sql.SQL(", ").join(
        sql.SQL("('x', 'CREATED', 'SUCCESS', {}, {})").format(*map(sql.Literal, row)) for row in ROWS
    )
    columns = '("operation", "category", "status", "job_id", "parent_job_id")'
    log.execute(sql.SQL(f'INSERT INTO "LlamaLog" {columns} VALUES ' + "{}").format(values))
    assert roots(log) == HELD
    log.execute('CREATE TABLE copied AS SELECT * FROM "LlamaLog" ORDER BY job_id')
    log.execute('TRUNCATE "LlamaLog"')
    names = '"id", "operation", "category", "status", "job_id", "parent_job_id"'
    log.execute(f'INSERT INTO "LlamaLog" ({names}) SELECT {names} FROM copied'.encode())
    assert roots(log) == HELD
    log.execute('TRUNCATE "LlamaLog"')
    with log.cursor() as cursor, cursor.copy(f'COPY "LlamaLog" {columns} FROM STDIN'.encode()) as copy:
        for row in ROWS:
            copy.write_row(("x", "CREATED", "SUCCESS", *row))
    assert roots(log) == HELD


def test_upsert(log: Connection) -> None:
    insert(log, "a")
    log.execute(
        """
        INSERT INTO "LlamaLog" AS log ("id", "operation", "category", "status", "job_id", "parent_job_id")
        SELECT "id", 'x', 'CREATED', 'SUCCESS', 'b', 'a' FROM "LlamaLog"
        ON CONFLICT ("id") DO UPDATE SET "job_id" = excluded."job_id", "root_job_id" = excluded."root_job_id"
        """
    )
    assert roots(log) == {"b": "a"}


def test_a_cleared_root_is_given_again(log: Connection) -> None:
    insert(log, "a")
    insert(log, "b", "a")
    log.execute('UPDATE "LlamaLog" SET "root_job_id" = NULL')
    assert roots(log) == {"a": "a", "b": "a"}


def test_what_the_application_gives_stays(log: Connection) -> None:
    with_root = '("operation", "category", "status", "job_id", "root_job_id")'
    log.execute(
        f"""INSERT INTO "LlamaLog" {with_root} VALUES ('x', 'CREATED', 'SUCCESS', 'a', 'other')""".encode()
    )
    assert roots(log) == {"a": "other"}


def test_llamactls_own_writes_pass(log: Connection) -> None:
    with unguarded(log):
        assert insert(log, "a") is None
        assert insert(log, "s", "s") is None
    log.execute('UPDATE "LlamaLog" SET "reason" = %s', ["touched"])
    assert roots(log) == {"a": "a", "s": None}


# --- self-parents -----------------------------------------------------------------------------------------


def test_self_parents_are_refused(log: Connection) -> None:
    given_too = '("operation", "category", "status", "job_id", "parent_job_id", "root_job_id")'
    values = "('x', 'CREATED', 'SUCCESS', 's', 's', 'r')"
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        log.execute(f'INSERT INTO "LlamaLog" {given_too} VALUES {values}'.encode())
    said = refused.value.diag
    assert (said.table_name, said.constraint_name) == ("LlamaLog", "zz_llamactl_guard")
    insert(log, "a")
    with pytest.raises(psycopg.errors.CheckViolation):
        log.execute('UPDATE "LlamaLog" SET "parent_job_id" = "job_id"')
    # A blank is no job.
    assert insert(log, " ", " ") is None


def test_faulty_rows_from_before_can_be_updated(log: Connection) -> None:
    with unguarded(log):
        insert(log, "s", "s")
    log.execute("""UPDATE "LlamaLog" SET "reason" = 'touched'""")
    assert roots(log) == {"s": None}
    with pytest.raises(psycopg.errors.CheckViolation):
        log.execute("""UPDATE "LlamaLog" SET "job_id" = 't', "parent_job_id" = 't'""")
    log.execute("""UPDATE "LlamaLog" SET "parent_job_id" = NULL""")
    assert roots(log) == {"s": "s"}


# --- much above a row -------------------------------------------------------------------------------------


def best_ms(action: Callable[[], object], times: int = 5) -> float:
    """The shortest of so many, in ms."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        found.append(time.perf_counter() - begun)
    return min(found) * 1000


@pytest.fixture
def quick_ms(log: Connection) -> float:
    """What an insert takes that the guard has next to nothing to do for."""
    return best_ms(lambda: insert(log, "quick"), 20)


def test_a_parent_with_10_000_unfilled_rows(log: Connection, quick_ms: float) -> None:
    make_many(log, 10_000, "'p'", "'g'")
    make_many(log, 1, "'g'")
    assert insert(log, "c", "p") == "g"
    assert best_ms(lambda: insert(log, "c", "p")) < quick_ms + 5
    with unguarded(log):
        insert(log, "p", "h")
    assert insert(log, "d", "p") is None
    assert best_ms(lambda: insert(log, "d", "p")) < quick_ms + 5


def test_a_parent_with_10_000_children(log: Connection, quick_ms: float) -> None:
    make_many(log, 10_000, "'c' || i", "'p'")
    make_many(log, 1, "'p'")
    assert insert(log, "c5", "p") == "p"
    assert best_ms(lambda: insert(log, "new", "p")) < quick_ms + 5


def test_a_chain_of_100_000_unfilled_above(log: Connection, quick_ms: float) -> None:
    make_many(log, 100_000, "'j' || i", "'j' || nullif(i - 1, 0)")
    assert insert(log, "k", "j100000") is None
    assert best_ms(lambda: insert(log, "k", "j100000")) < quick_ms + 50
    assert insert(log, "l", "j64") == "j1"
    assert insert(log, "l", "j65") is None


def test_a_chain_of_100_000_filled_above(log: Connection, quick_ms: float) -> None:
    """What rows hold is not trusted, right or wrong: repair computes it."""
    make_many(log, 100_000, "'j' || i", "'j' || nullif(i - 1, 0)", "'j1'")
    assert insert(log, "k", "j100000") is None
    assert best_ms(lambda: insert(log, "k", "j100000")) < quick_ms + 50


def test_a_long_cycle(log: Connection) -> None:
    make_many(log, 200, "'j' || i", "'j' || i % 200 + 1", "'j1'")
    assert insert(log, "k", "j7") is None


def test_a_plan_of_a_small_table_does_not_stay(log: Connection) -> None:
    """The session has planned when the table was empty; the table grows without ANALYZE."""
    for _ in range(10):
        insert(log, "a")
    with unguarded(log):
        log.execute(
            'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id") '
            "SELECT 'x', 'CREATED', 'SUCCESS', 'j' || i % 50000, 'a' FROM generate_series(1, 200000) AS i"
        )
    assert best_ms(lambda: insert(log, "b", "j7")) < 20


# --- never a write that fails -----------------------------------------------------------------------------


def test_who_may_not_read(log: Connection, database: str) -> None:
    insert(log, "a")
    with new_role(database) as role:
        role.granted('GRANT INSERT ON "LlamaLog" TO {}', database)
        with psycopg.connect(role.conninfo, autocommit=True) as writer:
            writer.execute(
                'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id") '
                "VALUES ('x', 'CREATED', 'SUCCESS', 'b', 'a')"
            )
            with pytest.raises(psycopg.errors.CheckViolation):
                writer.execute(
                    'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id") '
                    "VALUES ('x', 'CREATED', 'SUCCESS', 's', 's')"
                )
        assert roots(log) == {"a": "a", "b": None}
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        with psycopg.connect(role.conninfo, autocommit=True) as writer:
            assert insert(writer, "c", "a") == "a"


def test_under_row_security(log: Connection, database: str) -> None:
    """The parent's second parent is hidden: what is seen would make a root that is none."""
    insert(log, "a")
    insert(log, "m", "a")
    with unguarded(log):
        insert(log, "m", "hidden")
    log.execute('ALTER TABLE "LlamaLog" ENABLE ROW LEVEL SECURITY')
    log.execute("""CREATE POLICY shown ON "LlamaLog" USING ("parent_job_id" IS DISTINCT FROM 'hidden')""")
    with new_role(database) as role:
        role.granted('GRANT INSERT, SELECT ON "LlamaLog" TO {}', database)
        with psycopg.connect(role.conninfo, autocommit=True) as writer:
            assert insert(writer, "c", "m") is None
            assert insert(writer, "d") is None
        assert insert(log, "c", "m") is None
        assert insert(log, "d") == "d"


def test_serializable_writers_are_left_alone(log: Connection, database: str) -> None:
    """Two that insert children of different parents: without the guard they do not meet."""
    insert(log, "a")
    insert(log, "b")
    with psycopg.connect(database) as one, psycopg.connect(database) as two:
        for number, (writer, parent) in enumerate([(one, "a"), (two, "b")]):
            writer.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
            assert insert(writer, f"c{number}", parent) is None
        one.commit()
        two.commit()


@pytest.mark.parametrize(
    "change",
    [
        'ALTER TABLE "LlamaLog" RENAME TO other',
        'CREATE SCHEMA elsewhere; ALTER TABLE "LlamaLog" SET SCHEMA elsewhere; SET search_path = elsewhere',
        'ALTER TABLE "LlamaLog" RENAME COLUMN "job_id" TO other',
        'ALTER TABLE "LlamaLog" RENAME COLUMN "parent_job_id" TO other',
        'ALTER TABLE "LlamaLog" RENAME COLUMN "is_root_job" TO other',
        'ALTER TABLE "LlamaLog" RENAME COLUMN "id" TO other',
        'ALTER TABLE "LlamaLog" ALTER COLUMN "is_root_job" DROP DEFAULT; '
        'ALTER TABLE "LlamaLog" ALTER COLUMN "is_root_job" TYPE text',
        'ALTER TABLE "LlamaLog" ALTER COLUMN "id" DROP DEFAULT, ALTER COLUMN "id" TYPE text; '
        'ALTER TABLE "LlamaLog" ALTER COLUMN "id" SET DEFAULT gen_random_uuid()',
        'DROP INDEX "LlamaLog_job_id_parent_job_id_idx"',
    ],
)
@pytest.mark.parametrize("fresh", [True, False], ids=["new session", "old session"])
def test_a_table_that_was_altered_since(log: Connection, database: str, change: str, fresh: bool) -> None:
    insert(log, "a")
    insert(log, "b", "a")
    table = '"LlamaLog"'
    for statement in change.split("; "):
        log.execute(statement.encode())
    if "RENAME TO" in change:
        table = "other"
    elif "SET SCHEMA" in change:
        table = 'elsewhere."LlamaLog"'
    flag = ', "is_root_job"' if "is_root_job" in change and "RENAME" not in change else ""
    columns = f'"operation", "category", "status"{flag}'
    with psycopg.connect(database, autocommit=True) as other:
        writer = other if fresh else log
        values = "'x', 'CREATED', 'SUCCESS'" + (", 'true'" if flag else "")
        assert writer.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})".encode()).rowcount == 1
        assert writer.execute(f"UPDATE {table} SET \"reason\" = 'touched'".encode()).rowcount == 3


def test_dropped_columns_do_not_stop_it(log: Connection) -> None:
    insert(log, "a")
    log.execute('ALTER TABLE "LlamaLog" DROP COLUMN "user_id"')
    assert insert(log, "b", "a") == "a"


# --- columns ----------------------------------------------------------------------------------------------

DOMAINS = """
CREATE DOMAIN job AS varchar(20) NOT NULL CHECK (value ~ '^[a-z]');
CREATE DOMAIN parent AS text CHECK (value <> '');
"""


@pytest.mark.parametrize(
    ("job", "parent", "ids"),
    [
        ("integer", "bigint", ["1", "2", "3", "99999999999"]),
        ("uuid", "uuid", [f"00000000-0000-0000-0000-00000000000{n}" for n in range(4)]),
        ("text", "varchar(50)", ["a", "b", "c", "d"]),
        ("varchar(3)", "text", ["a", "b", "c", "much too long"]),
        ("varchar(3)", "text", ["abc", "b", "c", "abc "]),
        ("char(5)", "char(9)", ["a", "b", "c", "d"]),
        ('text COLLATE "POSIX"', 'text COLLATE "POSIX"', ["a", "b", "c", "d"]),
        ("job", "parent", ["a", "b", "c", "1"]),
        ("job", "parent", ["a", "b", "c", "d" * 30]),
    ],
)
def test_types_of_the_columns(
    new_database: Callable[..., str], job: str, parent: str, ids: list[str]
) -> None:
    dsn = new_database(empty=True)
    first, second, third, unlogged = ids
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(DOMAINS.encode())
        root = {"job": "varchar(20)"}.get(job, job)
        connection.execute(
            f'CREATE TABLE "LlamaLog" (id text COLLATE "C" PRIMARY KEY, job_id {job}, '
            f"parent_job_id {parent}, root_job_id {root})".encode()
        )
        guard(dsn)
        rows = [(first, None), (second, first), (third, second), (third, None), (second, unlogged)]
        found = [
            connection.execute(
                'INSERT INTO "LlamaLog" VALUES (gen_random_uuid(), %s, %s) RETURNING root_job_id::text',
                [one, above],
            ).fetchone()
            for one, above in rows
        ]
        assert [row and (row[0] or "").strip() for row in found] == [first, first, first, first, ""]
        touched = connection.execute('UPDATE "LlamaLog" SET root_job_id = NULL RETURNING root_job_id::text')
        assert {(row[0] or "").strip() for row in touched} == {first, ""}


@pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES)
def test_odd_names(new_database: Callable[..., str], names: Names) -> None:
    dsn = new_database()
    columns = [f"--column={ours}={theirs}" for ours, theirs in names.columns.items() if ours != theirs]
    named = ("--schema", names.schema, "--table", names.table, *columns)
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        rename(connection, names)
        with_column(connection, names)
        guard(dsn, *named)
        table = sql.Identifier(names.schema, names.table)
        fields = [
            sql.Identifier(names.columns[ours])
            for ours in ("operation", "category", "status", "job_id", "parent_job_id", "root_job_id")
        ]
        for job, above, root in [("a", None, "a"), ("b", "a", "a"), ("c", "b", "a"), ("d", "x", None)]:
            row = connection.execute(
                sql.SQL("INSERT INTO {} ({}) VALUES ('x', 'CREATED', 'SUCCESS', {}, {}) RETURNING {}").format(
                    table, sql.SQL(", ").join(fields[:5]), sql.Literal(job), sql.Literal(above), fields[5]
                )
            ).fetchone()
            assert row == (root,)


@pytest.mark.parametrize("name", ["job", "own_parent", "old_id", "asked", "step", "parent", "trusted"])
def test_columns_with_the_names_of_its_variables(new_database: Callable[..., str], name: str) -> None:
    dsn = new_database(empty=True)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            f'CREATE TABLE "LlamaLog" ({name} int, id serial PRIMARY KEY, job_id text, parent_job_id text, '
            "root_job_id text)".encode()
        )
        guard(dsn)
        statement = 'INSERT INTO "LlamaLog" (job_id, parent_job_id) VALUES (%s, %s) RETURNING root_job_id'
        assert connection.execute(statement, ["a", None]).fetchone() == ("a",)
        assert connection.execute(statement, ["b", "a"]).fetchone() == ("a",)
        connection.execute('UPDATE "LlamaLog" SET root_job_id = NULL')
        assert roots(connection) == {"a": "a", "b": "a"}


@pytest.fixture
def without_index(connection: Connection, database: str) -> Connection:
    with_column(connection)
    guard(database)
    connection.execute('DROP INDEX "LlamaLog_job_id_parent_job_id_idx"')
    return connection


def test_right_without_its_index(without_index: Connection) -> None:
    assert insert(without_index, "a") == "a"
    assert insert(without_index, "b", "a") == "a"


def test_an_index_on_the_job_alone(connection: Connection, database: str, server: Server) -> None:
    """The user's own: the guard makes none, and the index on the parents does not tempt the planner."""
    with_column(connection)
    connection.execute('CREATE INDEX mine ON "LlamaLog" ("job_id") WHERE "job_id" IS NOT NULL')
    guard(database)
    connection.execute('ALTER TABLE "LlamaLog" SET (autovacuum_enabled = off)')
    with unguarded(connection):
        connection.execute(
            'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id") '
            "SELECT 'x', 'CREATED', 'SUCCESS', 'j' || i, 'p' FROM generate_series(1, 50000) AS i"
        )
        insert(connection, "p")
    assert insert(connection, "b", "j7") == "p"
    assert best_ms(lambda: insert(connection, "b", "j7")) < 20
