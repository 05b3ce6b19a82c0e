"""No command runs what others put into a schema of the search path, whatever comes first in it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import shadows
from cutting import Connection, run_here
from faults import expected_roots, faulty_rows
from llamactl.logger import LlamaLogger
from llamactl.sqlfiles.load import query_text
from roles import Role, new_role
from servers import Server

InsertInto = Callable[[str, Any], None]

TRIGGERS = """
CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER each_row BEFORE INSERT OR UPDATE ON "LlamaLog"
  FOR EACH ROW EXECUTE FUNCTION public.nothing();
CREATE TRIGGER statement BEFORE INSERT OR UPDATE ON "LlamaLog" EXECUTE FUNCTION public.nothing();
CREATE CONSTRAINT TRIGGER deferred AFTER UPDATE ON "LlamaLog" DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION public.nothing();
"""
READING = (
    ["preflight", "--fail-on", "never"],
    ["migrate", "--dry-run"],
    ["migrate", "--online", "--dry-run"],
    ["verify"],
    ["tree", "a"],
    ["timeline", "--root", "a"],
    ["status"],
    ["stats"],
    ["guard", "status"],
    ["sql"],
)
OF_MIGRATED = (["repair", "--dry-run"], ["undo", "--dry-run"])
DAMAGE = """UPDATE public."LlamaLog" SET "root_job_id" = CASE WHEN "job_id" < 'b' THEN 'wrong' END
WHERE "job_id" <> 's'"""


@pytest.fixture
def connection(each_database: str, insert_into: InsertInto) -> Iterator[Connection]:
    """To a database with the log of every fault, and triggers on it."""
    insert_into(each_database, [{**row, "created_at": "2026-01-01"} for row in faulty_rows()])
    with psycopg.connect(each_database, autocommit=True) as connection:
        connection.execute(TRIGGERS.encode())
        yield connection


def run(dsn: str, *words: str) -> str:
    """What the command prints. That it finds something is no failure."""
    done = run_here(*words, "--dsn", dsn)
    assert done.code in (0, 1), (words, done.err)
    assert "error:" not in done.err, (words, done.err)
    return done.out


def test_no_shadow_runs(
    connection: Connection, each_server: Server, each_database: str, psql: Path, tmp_path: Path
) -> None:
    assert each_server.private
    log, made = each_server.private.log, shadows.install(connection)
    with psycopg.connect(each_database, autocommit=True) as probing:
        assert {shadow.name for shadow in made} - shadows.that_run(probing, log, made) == set()
    name = connection.info.dbname
    connection.execute(f'ALTER DATABASE "{name}" SET search_path = {shadows.PATH}'.encode())
    before = log.stat().st_size
    every_command(each_database, connection, psql, tmp_path)
    assert shadows.reported(log, before) == []


def every_command(dsn: str, connection: Connection, psql: Path, folder: Path) -> None:
    script = run(dsn, "sql")
    for words in READING:
        run(dsn, *words)
    subprocess.run([psql, "-X", "-q", "-d", dsn, "-f", "-"], input=script, text=True, check=True)
    as_it_should_be(connection)
    for words in (*READING, *OF_MIGRATED, ["undo", "--yes"]):
        run(dsn, *words)
    run(dsn, "migrate", "--online", "--yes")
    as_it_should_be(connection)
    for words in (["guard", "remove", "--yes"], ["guard", "install", "--yes"], ["guard", "status"]):
        run(dsn, *words)
    write(dsn)
    connection.execute(DAMAGE.encode())
    run(dsn, "repair", "--yes", "--overwrite", "--grace", "0s")
    as_it_should_be(connection)
    run(dsn, "tree", "a", "--format", "html", "-o", str(folder / "tree.html"))
    run(dsn, "timeline", "--root", "a", "--format", "html", "-o", str(folder / "timeline.html"))
    run(dsn, "undo", "--yes")
    run(dsn, "migrate", "--yes")
    as_it_should_be(connection)


def as_it_should_be(connection: Connection) -> None:
    """Rows with roots that are not theirs would be a success of a shadow, too."""
    query = """SELECT "id"::text, "root_job_id" FROM public."LlamaLog" WHERE "operation" <> 'late'"""
    assert dict(connection.execute(query).fetchall()) == expected_roots()


def write(dsn: str) -> None:
    """Rows of the logger's, and one of an application, which the guard fills."""
    with LlamaLogger(dsn) as logger:
        job = logger.root("late", ("ALBUM", None))
        job.enriched(fields_enriched=["title"])
        job.child("late", ("ALBUM", None)).enriched(fields_enriched=["title"])
    assert (logger.counters.written, logger.counters.lost) == (logger.counters.recorded, 0)
    with psycopg.connect(dsn, autocommit=True) as application:
        application.execute(
            """INSERT INTO public."LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id")
            VALUES ('late', 'CREATED', 'SUCCESS', 'late', 'a')"""
        )


# --- the reported case -----------------------------------------------------------------------------------

BETTER_MATCHES = {
    "pg_indexes_size(oid)": ("bigint", "0"),
    "pg_total_relation_size(oid)": ("bigint", "0"),
    "pg_relation_size(oid)": ("bigint", "0"),
    "array_position(int2[], int2)": ("integer", "1"),
}
LOWLY = """
CREATE FUNCTION public.{} RETURNS {} LANGUAGE plpgsql AS $$
BEGIN EXECUTE 'ALTER ROLE {} SUPERUSER'; RETURN {}; EXCEPTION WHEN OTHERS THEN RETURN {}; END $$
"""


@pytest.fixture
def lowly(connection: Connection, each_database: str) -> Iterator[Role]:
    """A role with functions in public that are a better match than pg_catalog's, and make it a superuser."""
    with new_role(each_database) as role:
        role.granted("GRANT CREATE ON SCHEMA public TO {}", each_database)
        with psycopg.connect(role.conninfo, autocommit=True) as theirs:
            for signature, (returns, value) in BETTER_MATCHES.items():
                theirs.execute(LOWLY.format(signature, returns, role.name, value, value).encode())
        yield role


def superuser(connection: Connection, role: Role) -> bool:
    found = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [role.name]).fetchone()
    assert found
    return bool(found[0])


def test_a_role_that_may_create_functions_stays_what_it_is(
    connection: Connection, each_database: str, lowly: Role
) -> None:
    changing = (["migrate", "--yes"], ["guard", "install", "--yes"], ["undo", "--yes"])
    for words in (*READING, *changing[:1], *READING, *OF_MIGRATED, *changing[1:]):
        run(each_database, *words)
        assert not superuser(connection, lowly), words


def test_its_functions_would_run(connection: Connection, lowly: Role) -> None:
    """Else the test above could not fail."""
    connection.execute("SELECT pg_indexes_size(c.oid) FROM pg_class AS c LIMIT 1")
    assert superuser(connection, lowly)


RUNS_AS_A_VIEW = """
CREATE FUNCTION llamactl.seen() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN RAISE LOG 'shadow of llamactl.run'; RETURN true; END $$;
ALTER TABLE llamactl.run RENAME TO base;
CREATE VIEW llamactl.run AS
  SELECT base.*, base.tableoid FROM (SELECT llamactl.seen() AS seen OFFSET 0) AS reporting
  LEFT JOIN llamactl.base ON true WHERE reporting.seen;
"""


def test_a_view_in_the_place_of_the_recorded_runs_is_not_read(
    connection: Connection, each_server: Server, each_database: str
) -> None:
    assert each_server.private
    log = each_server.private.log
    with new_role(each_database) as lowly:
        dbname = connection.info.dbname
        lowly.granted(f'GRANT CREATE ON DATABASE "{dbname}" TO {{}}', each_database)
        with psycopg.connect(lowly.conninfo, autocommit=True) as theirs:
            theirs.execute("CREATE SCHEMA llamactl")
            theirs.execute(query_text("online/create_state").encode())
            theirs.execute(RUNS_AS_A_VIEW.encode())
        before = log.stat().st_size
        for words in READING:
            run_here(*words, "--dsn", each_database)
        assert shadows.reported(log, before) == []
