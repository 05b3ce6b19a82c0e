"""What others put in migrate's way: triggers, tables and functions of their own, indexes, odd names."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from llamactl.cli.main import main

Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]
CHAIN = [("a", None), ("b", "a"), ("c", "b")]


def migrate(database: str, *arguments: str) -> int:
    return main(["migrate", "--yes", "--dsn", database, *arguments])


def trigger(connection: Connection, body: str, when: str = "BEFORE UPDATE", each: str = "ROW") -> None:
    connection.execute(f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $f${body}$f$".encode())
    connection.execute(
        f'CREATE TRIGGER meddle {when} ON "LlamaLog" FOR EACH {each} EXECUTE FUNCTION meddle()'.encode()
    )


def test_a_trigger_that_fills_other_roots(
    insert: Insert, connection: Connection, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    insert(CHAIN)
    connection.execute('ALTER TABLE "LlamaLog" ADD COLUMN root_job_id varchar(100)')
    trigger(
        connection,
        "BEGIN NEW.root_job_id := coalesce(NEW.parent_job_id, NEW.job_id); RETURN NEW; END",
    )
    assert migrate(database) == 2
    assert "rolled back; nothing was changed" in capsys.readouterr().err
    assert connection.execute('SELECT count(root_job_id) FROM "LlamaLog"').fetchone() == (0,)


def test_a_trigger_that_brings_the_cleared_parent_back(
    insert: Insert, connection: Connection, database: str
) -> None:
    insert([("a", None), ("b", "a", True)])
    trigger(connection, "BEGIN NEW.parent_job_id := OLD.parent_job_id; RETURN NEW; END")
    assert migrate(database) == 2
    assert not connection.execute("SELECT FROM pg_namespace WHERE nspname = 'llamactl'").fetchall()


def test_a_trigger_uses_its_own_tables(insert: Insert, connection: Connection, database: str) -> None:
    """Temporary tables of ours have the names of these, and must not stand before them."""
    insert(CHAIN)
    connection.execute("CREATE TABLE edge (job text, parent text)")
    connection.execute("CREATE TABLE setting (name text, value text)")
    connection.execute("INSERT INTO edge VALUES ('b', 'stale')")
    trigger(
        connection,
        "BEGIN PERFORM value FROM setting; "
        "UPDATE edge SET parent = NEW.parent_job_id WHERE job = NEW.job_id; RETURN NULL; END",
        when="AFTER UPDATE",
    )
    assert migrate(database) == 0
    assert connection.execute("SELECT parent FROM edge").fetchone() == ("a",)


def test_a_trigger_has_the_planner_to_itself(insert: Insert, connection: Connection, database: str) -> None:
    insert(CHAIN)
    connection.execute("CREATE TABLE seen (setting text)")
    trigger(
        connection,
        "BEGIN INSERT INTO seen VALUES (current_setting('enable_nestloop')); RETURN NULL; END",
        when="AFTER UPDATE",
        each="STATEMENT",
    )
    assert migrate(database) == 0
    assert connection.execute("SELECT DISTINCT setting FROM seen").fetchall() == [("on",)]


def test_functions_of_others_are_not_called(insert: Insert, connection: Connection, database: str) -> None:
    insert([*CHAIN, ("d", "a"), ("d", "b")])
    for signature in ("cardinality(text[])", "array_fill(integer, integer[])", "btrim(text, text)"):
        returns = "text" if "btrim" in signature else "integer" if "card" in signature else "integer[]"
        connection.execute(
            f"CREATE FUNCTION public.{signature} RETURNS {returns} LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE 'called'; END $$".encode()
        )
    connection.execute(
        f'ALTER DATABASE "{connection.info.dbname}" SET search_path = public, pg_catalog'.encode()
    )
    assert migrate(database) == 0
    assert main(["verify", "--dsn", database]) == 0


def test_a_lock_not_got_after_the_tables_is_not_tried_again(
    insert: Insert, connection: Connection, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    insert(CHAIN)
    connection.execute("CREATE TABLE other (x integer)")
    connection.execute("INSERT INTO other VALUES (1)")
    trigger(
        connection,
        "BEGIN UPDATE other SET x = x + 1; RETURN NULL; END",
        when="AFTER UPDATE",
        each="STATEMENT",
    )
    with psycopg.connect(database) as holder:
        holder.execute("UPDATE other SET x = 5")
        assert migrate(database, "--lock-timeout", "200ms", "--retries", "3") == 3
    said = capsys.readouterr().err
    assert said.count("Holding ACCESS EXCLUSIVE") == 1
    assert "rolled back; nothing was changed" in said


def test_an_index_of_the_users_making_is_kept(insert: Insert, connection: Connection, database: str) -> None:
    insert([("a", None), ("b", None)])
    connection.execute('ALTER TABLE "LlamaLog" ADD COLUMN root_job_id varchar(100)')
    connection.execute(
        'CREATE INDEX "LlamaLog_root_job_id_idx" ON "LlamaLog" (root_job_id DESC) WITH (fillfactor = 50)'
    )
    assert migrate(database) == 0
    definition = "SELECT indexdef FROM pg_indexes WHERE indexname = 'LlamaLog_root_job_id_idx'"
    assert "fillfactor" in str(connection.execute(definition).fetchone())


def test_each_parent_that_was_cleared_is_kept(insert: Insert, connection: Connection, database: str) -> None:
    insert([("a", None), ("b", "a", True)])
    assert migrate(database) == 0
    connection.execute("""UPDATE "LlamaLog" SET "parent_job_id" = 'z' WHERE "job_id" = 'b'""")
    assert migrate(database) == 0
    saved = connection.execute("SELECT parent_job_id FROM llamactl.cleared_parent ORDER BY cleared_at")
    assert saved.fetchall() == [("a",), ("z",)]


def test_no_name_gets_out_of_a_comment_of_the_script(
    new_database: Callable[..., str], psql: Path, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    dsn = new_database(empty=True)
    name = "a\ndrop table victim; --"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE victim (x integer)")
        connection.execute(
            f'CREATE TABLE "{name}" (id serial PRIMARY KEY, job_id text, parent_job_id text)'.encode()
        )
        script = run_cli("sql", "--dsn", dsn, "--table", name).stdout
        done = subprocess.run([psql, "-X", "-q", "-d", dsn, "-f", "-"], input=script, text=True, check=False)
        assert done.returncode == 0
        assert connection.execute("SELECT to_regclass('victim') IS NOT NULL").fetchone() == (True,)


def test_a_url_in_the_wrong_option_keeps_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--lock-timeout", "--column"):
        assert main(["preflight", option, "postgresql://u:hunter2@h/db", "--format", "json"]) == 2
        printed = capsys.readouterr()
        assert "hunter2" not in printed.out + printed.err


@pytest.mark.parametrize("flagged", [False, True])
def test_deferred_triggers(database: str, connection: Connection, insert: Insert, flagged: bool) -> None:
    """What they hold back is fired before the table is altered, whichever UPDATE it came from."""
    insert([("a", None), ("b", "a", flagged), ("c", "b")])
    connection.execute("""
        CREATE TABLE heard (job text);
        CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN INSERT INTO heard VALUES (new.job_id); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER hear AFTER UPDATE ON "LlamaLog" DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION hear()
    """)
    assert migrate(database) == 0
    heard = {job for (job,) in connection.execute("SELECT job FROM heard")}
    assert heard == {"a", "b", "c"}
    roots = connection.execute('SELECT "root_job_id" FROM "LlamaLog" ORDER BY "job_id"').fetchall()
    assert roots == [("a",), ("b" if flagged else "a",), ("b" if flagged else "a",)]
