"""Which row a saved parent belongs to: never one that merely has the key of the row that it was saved of."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cutting import Statement, migrate_here, nothing_left, run_here
from pages import every_block
from roles import new_role
from sessions import with_options
from state_of_0_1 import CLEARED_PARENT, SCHEMA
from undoing import names_of, parents, undo_here

ROADS = pytest.mark.parametrize("road", [(), ("--online", "--no-guard")], ids=["one transaction", "online"])
TABLE = """
CREATE TABLE llama_logs (
  id {key} PRIMARY KEY, job_id {job}, parent_job_id {job}, is_root_job boolean NOT NULL DEFAULT false)
"""
ROW = "INSERT INTO llama_logs VALUES (%s, %s, %s, %s)"
Row = tuple[Any, Any, Any, bool]
FLAGGED: Row = (1, "a", "x", True)


@dataclass(frozen=True)
class Log:
    """A small log of its own."""

    dsn: str

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def create(self, *rows: Row, key: str = "integer", job: str = "text", name: str = "llama_logs") -> None:
        self.run(TABLE.format(key=key, job=job).replace("llama_logs", name))
        self.add(*rows, name=name)

    def add(self, *rows: Row, name: str = "llama_logs") -> None:
        with psycopg.connect(self.dsn) as connection:
            for row in rows:
                connection.execute(ROW.replace("llama_logs", name).encode(), row)

    def query(self, statement: str) -> list[Any]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(statement.encode()).fetchall()

    def parents(self, name: str = "llama_logs") -> list[Any]:
        return [parent for (parent,) in self.query(f"SELECT parent_job_id FROM {name} ORDER BY id")]

    def saved(self) -> list[Any]:
        """The saved parents, those of all tables; where nothing is kept, not even the schema is there."""
        if self.query("SELECT to_regclass('llamactl.cleared_parent')") == [(None,)]:
            assert self.query("SELECT to_regnamespace('llamactl')") == [(None,)]
            return []
        return [
            parent for (parent,) in self.query("SELECT parent_job_id FROM llamactl.cleared_parent ORDER BY 1")
        ]

    def migrate(self, *arguments: str) -> None:
        done = migrate_here(self.dsn, *arguments)
        assert done.code == 0, done.err

    def undo(self, *arguments: str) -> dict[str, int]:
        """What became of the saved parents: as the dry run said, and without an error."""
        done = [
            run_here("undo", flag, "--dsn", self.dsn, "--format", "json", *arguments)
            for flag in ("--dry-run", "--yes")
        ]
        assert [one.code for one in done] == [0, 0], done[0].err + done[1].err
        told, came = (json.loads(one.out) for one in done)
        assert told["parents"] == came["parents"]
        assert names_of(told) == names_of(came)
        return parents(came)


@pytest.fixture
def log(new_database: Callable[..., str]) -> Log:
    return Log(new_database(empty=True))


# --- another row under the same key -------------------------------------------------------------------------


@ROADS
@pytest.mark.parametrize("how", ["drop", "truncate"])
def test_a_table_that_was_filled_anew(how: str, road: Sequence[str], log: Log) -> None:
    log.create(FLAGGED, key="serial")
    log.migrate(*road)
    assert log.saved() == ["x"]
    if how == "drop":
        log.run("DROP TABLE llama_logs")
        log.create(key="serial")
    else:
        log.run("TRUNCATE llama_logs RESTART IDENTITY")
    log.add((1, "b", None, True), (2, "c", "b", False))
    before = log.parents()
    moved = {"other_oid": 1} if how == "drop" else {}
    assert log.undo() == {"unmatched": 1, "other_row": 1, **moved}
    assert log.parents() == before
    assert log.saved() == ["x"]
    # What is kept is no obstacle to what comes, and is counted again.
    log.run("UPDATE llama_logs SET parent_job_id = 'y' WHERE id = 1")
    log.migrate(*road)
    assert log.saved() == ["x", "y"]
    assert log.undo() == {"restored": 1, "unmatched": 1, "other_row": 1, **moved}
    assert log.parents() == ["y", "b"]
    assert log.undo() == {"unmatched": 1, "other_row": 1, **moved}
    assert log.saved() == ["x"]


def test_a_table_that_was_created_anew_with_the_same_jobs(log: Log) -> None:
    """Numbered jobs begin again as well: then only a flagged row without a parent can be the one."""
    log.create((1, 10, 5, True), (2, 11, 5, True), (3, 12, 5, True), job="integer")
    log.migrate()
    log.run("DROP TABLE llama_logs")
    log.create((1, 10, None, False), (2, 11, 7, True), (3, 12, None, True), job="integer")
    assert log.undo() == {"restored": 1, "kept": 1, "unmatched": 1, "other_row": 1, "other_oid": 3}
    assert log.parents() == [None, 7, 5]
    assert log.saved() == ["5"]


def test_a_flag_that_was_cleared_meanwhile(log: Log) -> None:
    """Of the very table: the row is the one that was saved, and its flag was wrong."""
    log.create(FLAGGED)
    log.migrate()
    log.run("UPDATE llama_logs SET is_root_job = false")
    assert log.undo() == {"restored": 1}
    assert log.parents() == ["x"]
    assert log.saved() == []


def test_a_job_id_that_was_changed(log: Log) -> None:
    log.create(FLAGGED)
    log.migrate()
    log.run("UPDATE llama_logs SET job_id = 'b'")
    assert log.undo() == {"unmatched": 1, "other_row": 1}
    log.run("UPDATE llama_logs SET job_id = 'a'")
    assert log.undo() == {"restored": 1}
    assert (log.parents(), log.saved()) == (["x"], [])


def test_rows_that_are_gone_or_have_a_parent(log: Log) -> None:
    log.create(FLAGGED, (2, "b", "x", True), (3, "c", "x", True))
    log.migrate()
    log.run("DELETE FROM llama_logs WHERE id = 1", "UPDATE llama_logs SET parent_job_id = 'y' WHERE id = 2")
    done = run_here("undo", "--yes", "--dsn", log.dsn)
    assert done.code == 0
    assert "1 saved parent matches no row, and remains in llamactl.cleared_parent (1: no row" in done.err
    assert log.parents() == ["y", "x"]
    assert log.saved() == ["x"]
    # The statement that is named removes it, and another undo what it was kept in.
    (statement,) = re.findall("If they are not needed: (.*)", done.err)
    (documented,) = (block.text for block in every_block("sql") if block.argument == "unmatched")
    assert statement == documented.strip().replace("LlamaLog", "llama_logs")
    log.run(statement)
    assert log.undo() == {}
    assert log.saved() == []


def test_two_tables(log: Log) -> None:
    log.create(FLAGGED)
    log.create((1, "a", "other's", True), name="others")
    log.migrate("--table", "llama_logs")
    log.migrate("--table", "others")
    assert log.undo("--table", "llama_logs") == {"restored": 1}
    assert (log.parents(), log.parents("others"), log.saved()) == (["x"], [None], ["other's"])
    assert log.undo("--table", "others") == {"restored": 1}
    assert (log.parents(), log.parents("others"), log.saved()) == (["x"], ["other's"], [])


def test_a_parent_that_was_cleared_again(log: Log) -> None:
    """By repair, in rounds: the newest comes back, once, and nothing of the former ones is kept."""
    log.create(FLAGGED)
    log.migrate()
    for parent in ("y", "z"):
        log.run(f"UPDATE llama_logs SET parent_job_id = '{parent}'")
        assert run_here("repair", "--yes", "--dsn", log.dsn).code == 0
    assert log.saved() == ["x", "y", "z"]
    assert log.undo() == {"restored": 1}
    assert (log.parents(), log.saved()) == (["z"], [])


# --- another table ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("move", "flags"),
    [
        ('ALTER TABLE llama_logs RENAME TO "it\'s"', ("--table", "it's")),
        ("CREATE SCHEMA s; ALTER TABLE llama_logs SET SCHEMA s", ("--schema", "s", "--table", "llama_logs")),
        ("ALTER SCHEMA public RENAME TO s; CREATE SCHEMA public", ("--schema", "s")),
    ],
    ids=["renamed", "moved", "its schema renamed"],
)
def test_a_table_that_was_renamed(move: str, flags: Sequence[str], log: Log) -> None:
    log.create(FLAGGED)
    log.migrate()
    log.run(*move.split("; "))
    assert log.undo(*flags) == {"renamed": 1}
    done = run_here("undo", "--yes", "--dsn", log.dsn, *flags)
    (note,) = [line for line in done.err.splitlines() if "run undo again after: " in line]
    assert "1 parent of this table was saved under the name public.llama_logs" in note
    log.run(note.partition("run undo again after: ")[2])
    assert log.undo(*flags) == {"restored": 1}
    assert log.saved() == []


def test_a_table_that_took_the_name(log: Log) -> None:
    """The rows that were saved are under another name by now."""
    log.create(FLAGGED)
    log.migrate()
    log.run("ALTER TABLE llama_logs RENAME TO former")
    log.create((1, "b", None, True))
    assert log.undo() == {"unmatched": 1, "other_row": 1, "other_oid": 1}
    assert log.undo("--table", "former") == {"renamed": 1}
    assert (log.parents(), log.parents("former"), log.saved()) == ([None], [None], ["x"])


@ROADS
def test_a_restored_copy(
    road: Sequence[str],
    log: Log,
    new_database: Callable[..., str],
    pg_tool: Callable[[str], Path],
    psql: Path,
) -> None:
    log.create(FLAGGED, (2, "b", "x", True))
    log.migrate(*road)
    copy = Log(new_database(empty=True))
    dumped = subprocess.run([pg_tool("pg_dump"), "-d", log.dsn], capture_output=True, check=True)
    command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", copy.dsn, "-f", "-"]
    subprocess.run(command, input=dumped.stdout, capture_output=True, check=True)
    assert copy.undo() == {"restored": 2, "other_oid": 2}
    assert (copy.parents(), copy.saved()) == (["x", "x"], [])
    assert (log.parents(), log.saved()) == ([None, None], ["x", "x"])


# --- another type -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "alter"),
    [
        ("integer", 1, "ALTER id TYPE bigint"),
        ("uuid", f"{1:032x}", "ALTER id TYPE text"),
        ("text", "1", "ALTER id TYPE integer USING id::integer"),
        ("text", "no number", "ALTER id TYPE integer USING 7"),
        ("timestamptz", "2026-01-31", "ALTER id TYPE date"),
    ],
    ids=["wider", "uuid to text", "text to integer", "no value of it", "moment to date"],
)
def test_a_key_of_another_type(key: str, value: Any, alter: str, log: Log) -> None:
    log.create((value, *FLAGGED[1:]), key=key)
    log.migrate()
    log.run(f"ALTER TABLE llama_logs {alter}")
    assert log.undo() == {"unmatched": 1, "other_key": 1}
    assert (log.parents(), log.saved()) == ([None], ["x"])


def test_a_key_of_a_type_of_the_users(log: Log) -> None:
    log.run("CREATE TYPE kind AS ENUM ('one', 'two')", "CREATE DOMAIN number AS integer CHECK (VALUE < 9)")
    log.create(("one", *FLAGGED[1:]), ("two", "b", "x", True), key="kind")
    log.create((8, *FLAGGED[1:]), key="number", name="numbers")
    log.migrate("--table", "llama_logs")
    log.migrate("--table", "numbers")
    # Neither a label nor a number that is no value any more is an error.
    log.run(
        "ALTER TYPE kind RENAME VALUE 'two' TO 'three'",
        "DELETE FROM numbers",
        "ALTER DOMAIN number DROP CONSTRAINT number_check",
        "ALTER DOMAIN number ADD CHECK (VALUE < 5)",
    )
    assert log.undo("--table", "llama_logs") == {"restored": 1, "unmatched": 1, "gone": 1}
    assert log.parents() == ["x", None]
    assert log.undo("--table", "numbers") == {"unmatched": 1, "gone": 1}


def test_a_key_column_that_was_renamed(log: Log) -> None:
    log.create(FLAGGED)
    log.migrate()
    log.run("ALTER TABLE llama_logs RENAME id TO number")
    assert log.undo() == {"restored": 1}
    assert log.query("SELECT parent_job_id FROM llama_logs") == [("x",)]


def test_another_key_column(log: Log) -> None:
    """The rows went by one column when their parents were saved, and go by another one now."""
    log.create(FLAGGED, (2, "a", "y", True))
    log.run("ALTER TABLE llama_logs ADD other integer UNIQUE", "UPDATE llama_logs SET other = 3 - id")
    log.run("ALTER TABLE llama_logs ALTER other SET NOT NULL")
    log.migrate()
    assert log.undo("--column", "id=other") == {"unmatched": 2, "other_key": 2}
    assert log.undo() == {"restored": 2}
    assert log.parents() == ["x", "y"]


@pytest.mark.parametrize(
    ("job", "parent", "alter"),
    [
        ("7", "far too long", "varchar(5)"),
        ("7", "x", "integer USING NULL"),
        ("7", "99999", "smallint USING NULL"),
        ("7", "99999999999999999999", "bigint USING NULL"),
        ("7", "x", "uuid USING NULL"),
        ("7", "x ", "char(9)"),
    ],
)
def test_a_parent_that_its_column_cannot_hold(job: str, parent: str, alter: str, log: Log) -> None:
    log.create((1, job, parent, True), (2, job, "5", True))
    log.migrate("--check", "no")
    log.run(f"ALTER TABLE llama_logs ALTER parent_job_id TYPE {alter}")
    number = "USING" in alter and "uuid" not in alter
    found = log.undo()
    if number or "char" in alter:
        assert found == {"restored": 1, "unmatched": 1, "misfit": 1}
        assert [str(one).strip() for one in log.parents()] == ["None", "5"]
    else:
        assert found == {"unmatched": 2, "misfit": 2}
    assert parent in log.saved()


@pytest.mark.parametrize(
    "key", ["integer", "uuid", "text", 'varchar(40) COLLATE "POSIX"', "char(40)", "timestamptz"]
)
def test_the_keys_index_serves(key: str, log: Log) -> None:
    """The table is locked while the rows are looked up."""
    log.run(TABLE.format(key=key, job="text"))
    values = {
        "integer": "n",
        "uuid": "lpad(to_hex(n), 32, '0')::uuid",
        "timestamptz": "to_timestamp(n / 7.0)",
    }
    log.run(
        f"INSERT INTO llama_logs SELECT {values.get(key, 'to_hex(n)')}, 'job' || n, "
        "CASE WHEN n = 7 THEN 'x' END, n = 7 FROM generate_series(1, 20000) AS n",
        "ANALYZE llama_logs",
    )
    log.migrate()
    read = b"SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'llama_logs'"
    counted: list[Any] = []

    def count(statement: Statement) -> None:
        if re.search(r"INSERT INTO pg_temp\.matched|^UPDATE ", statement.text, re.MULTILINE):
            counted.append(statement.connection.execute(read).fetchone())

    assert undo_here(log.dsn, after=count).code == 0
    assert len(counted) >= 3
    assert max(rows for (rows,) in counted) < 10
    assert log.query("SELECT parent_job_id FROM llama_logs WHERE is_root_job") == [("x",)]


# --- what 0.1 saved -----------------------------------------------------------------------------------------

SAVED_BY_0_1 = """
INSERT INTO llamactl.cleared_parent (table_schema, table_name, row_id, parent_job_id)
SELECT 'public', 'llama_logs', id::text, parent_job_id FROM llama_logs WHERE is_root_job;
"""


def saved_by_0_1(log: Log) -> None:
    """As 0.1 did it; the root column need not be there."""
    log.run(
        SCHEMA, CLEARED_PARENT, SAVED_BY_0_1, "UPDATE llama_logs SET parent_job_id = NULL WHERE is_root_job"
    )


def test_what_0_1_saved(log: Log) -> None:
    log.create(FLAGGED, (2, "b", "x", True), (3, "c", "x", True), (4, "d", "x", True), (5, "e", None, False))
    saved_by_0_1(log)
    log.run(
        "UPDATE llama_logs SET parent_job_id = 'y' WHERE id = 2",  # has one by now
        "UPDATE llama_logs SET is_root_job = false WHERE id = 3",  # may be another row by now
        "DELETE FROM llama_logs WHERE id = 4",
    )
    expected = {"restored": 1, "kept": 1, "unmatched": 2, "other_row": 1, "gone": 1}
    assert log.undo() == {**expected, "restored_from_0_1": 1, "unmatched_from_0_1": 2}
    assert log.parents() == ["x", "y", None, None]
    assert log.saved() == ["x", "x"]


def test_only_its_owner_upgrades_it(log: Log) -> None:
    """Said before anything is written, with nothing to be granted."""
    log.create(FLAGGED)
    log.run(SCHEMA, CLEARED_PARENT)
    with new_role(log.dsn) as role:
        role.granted("ALTER TABLE llama_logs OWNER TO {}", log.dsn)
        for grant in ("ALL ON SCHEMA public", "ALL ON SCHEMA llamactl", "ALL ON llamactl.cleared_parent"):
            role.granted(f"GRANT {grant} TO {{}}", log.dsn)
        for road in ((), ("--online", "--no-guard")):
            done = migrate_here(role.conninfo, *road)
            assert (done.code, "nothing was changed" in done.errors[0]) == (3, True)
            assert "connect as its owner postgres" in done.err
        assert log.parents() == ["x"]
        role.granted("ALTER TABLE llamactl.cleared_parent OWNER TO {}", log.dsn)
        assert migrate_here(role.conninfo).code == 0
        log.run(
            "ALTER TABLE llama_logs OWNER TO CURRENT_USER",
            "ALTER TABLE llamactl.cleared_parent OWNER TO CURRENT_USER",
        )
        for grant in ("ALL ON SCHEMA public", "ALL ON SCHEMA llamactl"):
            role.granted(f"REVOKE {grant} FROM {{}}", log.dsn)
    assert log.saved() == ["x"]


@ROADS
def test_what_0_1_saved_is_kept_in_place(road: Sequence[str], log: Log) -> None:
    log.create(FLAGGED, (2, "b", None, False))
    saved_by_0_1(log)
    log.run("UPDATE llama_logs SET parent_job_id = 'y', is_root_job = true WHERE id = 2")
    # Commands that read leave the table as it is.
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'llamactl.cleared_parent'::regclass"
    before = log.query(columns)
    for command in (["preflight"], ["undo", "--dry-run"], ["migrate", "--dry-run"], ["status"]):
        assert run_here(*command, "--dsn", log.dsn).code == 0
    assert log.query(columns) == before
    log.migrate(*road)
    kept = "SELECT row_id, job_id, key_type, table_oid IS NULL FROM llamactl.cleared_parent ORDER BY 1"
    assert log.query(kept) == [("1", None, None, True), ("2", "b", "integer", False)]
    assert log.undo() == {"restored": 2, "restored_from_0_1": 1}
    assert (log.parents(), log.saved()) == (["x", "y"], [])


def test_the_printed_script_upgrades_it_too(log: Log, psql: Path) -> None:
    log.create(FLAGGED, (2, "b", None, False))
    saved_by_0_1(log)
    log.run("UPDATE llama_logs SET parent_job_id = 'y', is_root_job = true WHERE id = 2")
    script = run_here("sql", "--dsn", log.dsn).out
    command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", log.dsn, "-f", "-"]
    subprocess.run(command, input=script, check=True, text=True, capture_output=True)
    assert log.query("SELECT job_id, key_column FROM llamactl.cleared_parent ORDER BY 1") == [
        ("b", "id"),
        (None, None),
    ]
    assert log.undo() == {"restored": 2, "restored_from_0_1": 1}


def test_a_long_key(log: Log) -> None:
    """Twice as long as text: an index of ours would refuse it."""
    log.create((os.urandom(2400), *FLAGGED[1:]), key="bytea")
    log.migrate()
    assert log.undo() == {"restored": 1}


# --- other settings -----------------------------------------------------------------------------------------

SAVING = {"TimeZone": "UTC", "DateStyle": "ISO", "bytea_output": "hex", "extra_float_digits": "1"}
UNDOING = {
    "TimeZone": "Asia/Tokyo",
    "DateStyle": "German,DMY",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-3",
    "lc_monetary": "POSIX",
}


@pytest.mark.parametrize(
    "road",
    [
        pytest.param((), id="one transaction"),
        pytest.param(("--online", "--no-guard"), id="online", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timestamptz", "2026-01-31 23:45:06.789+00"),
        ("timestamp", "2026-01-31 23:45:06.789"),
        ("date", "2026-02-01"),
        ("tstzrange", "[2026-01-31 23:00+00,2026-02-01 01:00+00)"),
        ("timestamptz[]", "{2026-01-31 23:45+00}"),
        ("interval", "-1 mon +2 days -03:04:05.6"),
        ("float8", "0.30000000000000004"),
        ("float4", "0.1"),
        ("money", "1234.56"),
        ("bytea", r"\x00ff5c41"),
    ],
)
def test_a_key_whose_text_depends_on_settings(key: str, value: str, road: Sequence[str], log: Log) -> None:
    log.create((value, *FLAGGED[1:]), key=key)
    assert migrate_here(with_options(log.dsn, **SAVING), *road).code == 0
    done = run_here("undo", "--yes", "--dsn", with_options(log.dsn, **UNDOING), "--format", "json")
    assert done.code == 0, done.err
    assert parents(json.loads(done.out)) == {"restored": 1}
    assert (log.parents(), log.saved()) == (["x"], [])


@ROADS
def test_the_users_triggers_see_the_users_settings(road: Sequence[str], log: Log) -> None:
    """A local time that one of them stores is the application's."""
    log.create(FLAGGED)
    names = [*UNDOING]
    shown = ", ".join(f"current_setting('{name}')" for name in names)
    log.run(
        "CREATE TABLE seen (settings text[])",
        f"""CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.seen VALUES (ARRAY[{shown}]); RETURN NEW; END $$""",
        "CREATE TRIGGER see BEFORE UPDATE ON llama_logs FOR EACH ROW EXECUTE FUNCTION see()",
        "CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON llama_logs DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION see()",
    )
    dsn = with_options(log.dsn, **UNDOING)
    expected = [([value.replace("n,D", "n, D") for value in UNDOING.values()],)]
    for done in (migrate_here(dsn, *road), run_here("undo", "--yes", "--dsn", dsn)):
        assert done.code == 0, done.err
        assert log.query("SELECT DISTINCT settings FROM seen") == expected
    assert log.query("SELECT count(*) >= 4 FROM seen") == [(True,)]


# --- the run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part", ["INSERT INTO pg_temp.matched", 'SET "parent_job_id" = CAST', "DELETE FROM llamactl"]
)
def test_an_undo_that_was_terminated(part: str, log: Log) -> None:
    log.create(FLAGGED, (2, "b", "y", True))
    log.migrate()
    log.run("DELETE FROM llama_logs WHERE id = 2")

    with psycopg.connect(log.dsn, autocommit=True) as connection:

        def terminate(statement: Statement) -> None:
            if part in statement.text and statement.inside:
                connection.execute("SELECT pg_terminate_backend(%s)", [statement.pid])

        assert undo_here(log.dsn, after=terminate).code == 3
        nothing_left(connection)
    assert (log.parents(), log.saved()) == ([None], ["x", "y"])
    assert log.undo() == {"restored": 1, "unmatched": 1, "gone": 1}
    assert (log.parents(), log.saved()) == (["x"], ["y"])


def test_a_trigger_that_keeps_a_parent(log: Log) -> None:
    """What was not cleared is not saved, by an online run."""
    log.create(FLAGGED, (2, "b", "y", True))
    log.run(
        """CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF OLD.id = 1 THEN NEW.parent_job_id := OLD.parent_job_id; END IF; RETURN NEW; END $$""",
        "CREATE TRIGGER keep BEFORE UPDATE ON llama_logs FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    migrate_here(log.dsn, "--online", "--no-guard", "--retries", "1")
    assert log.parents() == ["x", None]
    assert log.saved() == ["y"]


def test_without_the_right_to_temporary_tables(log: Log) -> None:
    log.create(FLAGGED)
    log.migrate()
    with psycopg.connect(log.dsn, autocommit=True) as connection:
        name = connection.info.dbname
        role = f"owner_{name[-12:]}"
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            connection.execute(f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC'.encode())
            for grant in (
                "USAGE ON SCHEMA llamactl",
                "SELECT ON ALL TABLES IN SCHEMA llamactl",
                "SELECT ON llama_logs",
            ):
                connection.execute(f"GRANT {grant} TO {role}".encode())
            done = run_here("undo", "--dry-run", "--dsn", make_conninfo(log.dsn, user=role))
            assert (done.code, "temporary tables" in done.errors[0]) == (3, True)
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
