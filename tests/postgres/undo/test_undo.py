"""undo: what llamactl made is gone, what others made is not, and the parents that were cleared are back."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import Statement, dated_rows, dump, migrate_here, run_here, wait_until
from llamactl.model import Blocks, ErrorCode, Estimate, Parents, ParentsFrom01, Step, UndoReport
from llamactl.render import undo_text
from llamactl.render.console import Screen
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table.table import Table
from llamactl.undo.run import undo_migration
from llamactl.undo.saved_parents import prepare_saved_parents
from llamactl.undo.steps import plan_undo_steps, read_standing
from odd_names import ODD_NAMES, rename
from pages import CHECKOUT, blocks
from reports import NASTY, PIPE, TERMINAL, same_as_golden
from roles import new_role
from servers import Server
from sessions import refused, session, settings_for
from undoing import (
    ADD_COLUMN,
    ADD_INDEX,
    FLAGGED,
    GUARD,
    JOB_INDEX_FILES,
    PARENT,
    Log,
    names_of,
    parents,
    run_files,
    seen,
    undo_here,
)

COMMON_ODD_NAMES = ("camelCase", "double quote", "closes a body", "each other's")


@pytest.fixture
def pg_dump(pg_tool: Callable[[str], Path]) -> Path:
    return pg_tool("pg_dump")


@pytest.fixture
def log(database: str, insert: Callable[[Any], None], pg_dump: Path) -> Log:
    insert(dated_rows())
    return seen(database, pg_dump)


# --- the migration, in one transaction ---------------------------------------------------------------------


def test_as_it_was(each_database: str, insert_into: Callable[[str, Any], None], pg_dump: Path) -> None:
    insert_into(each_database, dated_rows())
    log = seen(each_database, pg_dump)
    assert migrate_here(log.dsn, "--check", "not-valid").code == 0
    document = log.undone()
    log.as_it_was()
    assert parents(document) == {"restored": 1}
    assert names_of(document) == [
        *("lock_state", "lock", "drop_check", "restore_parents", "drop_index", "drop_column"),
        *("drop_parents", "drop_schema"),
    ]
    assert any("LINKED" in note and "cannot drop" in note for note in document["notes"])


def test_again_there_is_nothing_to_undo(log: Log) -> None:
    for _ in range(2):
        # Not even a lock: a reader in an open transaction would be in its way.
        with psycopg.connect(log.dsn) as reader:
            reader.execute('SELECT count(*) FROM "LlamaLog"')
            document = log.undone("--retries", "0")
        assert (document["steps"], document["parents"]["restored"]) == ([], 0)
        assert "drop_column" in document["skipped"]
        assert undo_here(log.dsn).out.startswith("Nothing to undo")
        log.as_it_was()
        assert migrate_here(log.dsn).code == 0
        log.undone()


def test_a_dry_run_shows_what_is_then_done(log: Log) -> None:
    migrate_here(log.dsn, "--check", "not-valid")
    before = dump(log.pg_dump, log.dsn)
    with psycopg.connect(log.dsn) as writer:
        writer.execute('UPDATE "LlamaLog" SET "reason" = NULL WHERE false')
        projected = json.loads(
            run_here("undo", "--dry-run", "--dsn", log.dsn, "--format", "json", "--lock-timeout=100ms").out
        )
    assert dump(log.pg_dump, log.dsn) == before
    done = log.undone()
    assert (projected["dry_run"], done["dry_run"]) == (True, False)
    assert [(step["name"], step["sql"]) for step in projected["steps"]] == [
        (step["name"], step["sql"]) for step in done["steps"]
    ]
    assert projected["parents"] == done["parents"]
    assert all("estimate_seconds" in step and "seconds" not in step for step in projected["steps"])
    assert all("seconds" in step and "estimate_seconds" not in step for step in done["steps"])


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(names, id=label, marks=() if label in COMMON_ODD_NAMES else pytest.mark.slow)
        for label, names in ODD_NAMES.items()
    ],
)
def test_under_odd_names(
    names: Names, new_database: Callable[..., str], insert_into: Callable[[str, Any], None], pg_dump: Path
) -> None:
    dsn = new_database()
    insert_into(dsn, dated_rows())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("""ALTER TYPE "LlamaLogCategory" ADD VALUE 'LINKED'""")
        rename(connection, names)
    columns = {ours: theirs for ours, theirs in names.columns.items() if ours != theirs}
    flags = ["--schema", names.schema, "--table", names.table]
    flags += [f"--column={ours}={theirs}" for ours, theirs in columns.items()]
    before = dump(pg_dump, dsn)
    assert migrate_here(dsn, *flags, "--check", "not-valid").code == 0
    run_files(
        dsn, {"schema": names.schema, "table": names.table, "columns": columns}, *JOB_INDEX_FILES, *GUARD
    )
    done = undo_here(dsn, *flags)
    assert done.code == 0, done.err
    after = dump(pg_dump, dsn)
    assert sorted(after.splitlines()) == sorted(before.splitlines())  # the rows have other places


def test_the_printed_script(log: Log, psql: Path) -> None:
    script = run_here("sql", "--dsn", log.dsn).out
    command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", log.dsn, "-f", "-"]
    subprocess.run(command, input=script, check=True, text=True, capture_output=True)
    document = log.undone()
    assert {"drop_column", "drop_index", "restore_parents"} <= set(names_of(document))
    log.as_it_was()


# --- what is the user's ------------------------------------------------------------------------------------


@pytest.mark.parametrize("comment", ["", "ours to keep"])
@pytest.mark.parametrize("index", [False, True])
def test_a_column_that_was_there_before(comment: str, index: bool, log: Log) -> None:
    log.run(ADD_COLUMN, *([ADD_INDEX] if index else []))
    if comment:
        log.run(f"""COMMENT ON COLUMN "LlamaLog"."root_job_id" IS '{comment}'""")
    schema = dump(log.pg_dump, log.dsn, "-s")
    done = migrate_here(log.dsn)
    assert done.code == 0
    document = log.undone()
    assert dump(log.pg_dump, log.dsn, "-s") == schema
    assert ("drop_comment" in names_of(document)) is not bool(comment)
    assert any("root_job_id is kept" in note for note in document["notes"])
    with log.connect() as connection:
        assert connection.execute('SELECT count("root_job_id") > 5 FROM "LlamaLog"').fetchone() == (True,)
        assert connection.execute(PARENT.encode(), [FLAGGED]).fetchone() == ("c",)


def test_an_index_of_ours_stays_ours_when_it_is_built_anew(log: Log) -> None:
    log.run(ADD_COLUMN)
    schema = dump(log.pg_dump, log.dsn, "-s")
    migrate_here(log.dsn)
    log.run('UPDATE "LlamaLog" SET "root_job_id" = NULL')
    again = json.loads(migrate_here(log.dsn, "--format", "json").out)
    assert {"drop_index", "create_index"} <= set(names_of(again))
    log.undone()
    assert dump(log.pg_dump, log.dsn, "-s") == schema


def test_an_index_that_would_lose_something_is_not_built_anew(log: Log) -> None:
    log.run(ADD_COLUMN, ADD_INDEX, """COMMENT ON INDEX "LlamaLog_root_job_id_idx" IS 'for the timeline'""")
    done = json.loads(migrate_here(log.dsn, "--format", "json").out)
    assert {"drop_index", "create_index"} <= set(done["skipped"])
    assert "drop_index" in log.undone()["skipped"]


def test_a_check_that_was_there_before(log: Log) -> None:
    log.run(
        """DELETE FROM "LlamaLog" WHERE "job_id" = 's'""",
        'ALTER TABLE "LlamaLog" ADD CONSTRAINT "LlamaLog_job_id_not_parent_check" '
        'CHECK ("job_id" <> "parent_job_id")',
    )
    schema = dump(log.pg_dump, log.dsn, "-s")
    migrate_here(log.dsn)
    assert "drop_check" in log.undone()["skipped"]
    assert dump(log.pg_dump, log.dsn, "-s") == schema


def test_what_others_made_on_the_column_is_named(log: Log) -> None:
    migrate_here(log.dsn)
    log.run(
        'CREATE INDEX "mine" ON "LlamaLog" ("root_job_id", "created_at")',
        """ALTER TABLE "LlamaLog" ADD CONSTRAINT "short" CHECK (length("root_job_id") < 90)""",
    )
    projected = json.loads(run_here("undo", "--dry-run", "--dsn", log.dsn, "--format", "json").out)
    (told,) = [note for note in projected["notes"] if note.startswith("Dropping the column also drops")]
    assert "index public.mine" in told
    assert "constraint short" in told
    assert "LlamaLog_root_job_id_idx" not in told
    log.undone()
    log.as_it_was()


BLOCKERS = {
    "view": ('CREATE VIEW "timeline" AS SELECT "root_job_id" FROM "LlamaLog"', "view public.timeline"),
    "materialized": (
        'CREATE MATERIALIZED VIEW "roots" AS SELECT "root_job_id" FROM "LlamaLog"',
        "view public.roots",
    ),
    "trigger": (
        'CREATE TRIGGER "watch" AFTER UPDATE OF "root_job_id" ON "LlamaLog" '
        "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "trigger watch",
    ),
    "generated": (
        'ALTER TABLE "LlamaLog" ADD "upper" text GENERATED ALWAYS AS (upper("root_job_id")) STORED',
        "column upper",
    ),
    "foreign key": (
        'ALTER TABLE "LlamaLog" ADD CONSTRAINT "once" UNIQUE ("id", "root_job_id"); '
        'CREATE TABLE "other" ("i" uuid, "r" varchar(100), '
        'FOREIGN KEY ("i", "r") REFERENCES "LlamaLog" ("id", "root_job_id"))',
        "on table public.other",
    ),
    "policy": ("""CREATE POLICY "mine" ON "LlamaLog" USING ("root_job_id" = 'a')""", "policy mine"),
}


@pytest.mark.parametrize("what", BLOCKERS)
def test_what_depends_on_the_column_is_never_dropped(what: str, database: str, pg_dump: Path) -> None:
    log = seen(database, pg_dump)
    migrate_here(log.dsn)
    statement, named = BLOCKERS[what]
    log.run(*statement.split("; "))
    before = dump(pg_dump, log.dsn)
    for flag in ("--yes", "--dry-run"):
        done = run_here("undo", flag, "--dsn", log.dsn)
        assert done.code == 2, done.err
        assert named in done.errors[0]
        assert "nothing was changed" in done.errors[0]
    assert dump(pg_dump, log.dsn) == before


def test_a_publications_list_of_columns(each_server: Server, each_database: str, pg_dump: Path) -> None:
    if each_server.version_num < 150000:
        pytest.skip("lists of columns came with Postgres 15")
    log = seen(each_database, pg_dump)
    migrate_here(log.dsn)
    log.run('CREATE PUBLICATION "feed" FOR TABLE "LlamaLog" ("id", "root_job_id")')
    done = undo_here(log.dsn)
    assert done.code == 2
    assert "publication feed" in done.errors[0]
    log.run('DROP PUBLICATION "feed"')
    log.undone()
    log.as_it_was()


# --- parents -----------------------------------------------------------------------------------------------


def test_a_parent_that_is_there_by_now_is_kept(log: Log) -> None:
    migrate_here(log.dsn)
    log.run(f"""UPDATE "LlamaLog" SET "parent_job_id" = 'b' WHERE "id" = '{FLAGGED}'""")
    document = log.undone()
    assert parents(document) == {"kept": 1}
    assert any("keeps it" in note for note in document["notes"])
    with log.connect() as connection:
        assert connection.execute(PARENT.encode(), [FLAGGED]).fetchone() == ("b",)
        assert not connection.execute("SELECT FROM pg_namespace WHERE nspname = 'llamactl'").fetchall()


def test_a_row_that_is_no_more(log: Log) -> None:
    migrate_here(log.dsn)
    log.run(f"""DELETE FROM "LlamaLog" WHERE "id" = '{FLAGGED}'""")
    document = log.undone()
    assert parents(document) == {"unmatched": 1, "gone": 1}
    assert any("no row has the key any more" in note for note in document["notes"])


def test_of_parents_cleared_twice_the_newest_comes_back(log: Log) -> None:
    migrate_here(log.dsn)
    log.run(f"""UPDATE "LlamaLog" SET "parent_job_id" = 'b' WHERE "id" = '{FLAGGED}'""")
    migrate_here(log.dsn)
    assert parents(log.undone()) == {"restored": 1}
    with log.connect() as connection:
        assert connection.execute(PARENT.encode(), [FLAGGED]).fetchone() == ("b",)


def test_a_flagged_job_that_was_its_own_parent(
    database: str, insert: Callable[[Any], None], pg_dump: Path
) -> None:
    insert([("a", "a", True), ("b", "a", False)])
    log = seen(database, pg_dump)
    migrate_here(log.dsn)
    document = log.undone()
    assert {"drop_check", "restore_parents"} <= set(names_of(document))
    log.as_it_was()


@pytest.mark.parametrize(
    ("job", "parent"), [("integer", "bigint"), ("uuid", "uuid"), ("char(40)", "varchar(50)")]
)
def test_parents_of_other_types(
    job: str, parent: str, new_database: Callable[..., str], pg_dump: Path
) -> None:
    dsn = new_database(empty=True)
    ids = {"integer": ("1", "2"), "uuid": (f"{1:032x}", f"{2:032x}"), "char(40)": ("a", "b")}[job]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE llama_logs (id serial PRIMARY KEY, job_id {job}, parent_job_id {parent}, "
            f"is_root_job boolean)".encode()
        )
        insert = "INSERT INTO llama_logs (job_id, parent_job_id, is_root_job) VALUES (%s, %s, true)"
        connection.execute(insert, [*ids])
    before = dump(pg_dump, dsn)
    assert migrate_here(dsn).code == 0
    assert undo_here(dsn).code == 0
    assert dump(pg_dump, dsn) == before


@pytest.mark.parametrize(
    ("key", "value", "setting"),
    [("bytea", r"\x0001ff", "bytea_output = escape"), ("float8", 0.1 + 0.2, "extra_float_digits = -3")],
    ids=["bytea", "float8"],
)
def test_a_key_that_is_written_otherwise_by_now(
    key: str, value: object, setting: str, new_database: Callable[..., str]
) -> None:
    """As a setting of role or database has it: its parent comes back all the same."""
    dsn = new_database(empty=True)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE llama_logs (id {key} PRIMARY KEY, job_id text, parent_job_id text, "
            "is_root_job boolean)"
        )
        connection.execute("INSERT INTO llama_logs VALUES (%s, 'flagged', 'parent', true)", [value])
        assert run_here("migrate", "--yes", "--dsn", dsn).code == 0
        connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET {setting}'.encode())
        done = run_here("undo", "--yes", "--format", "json", "--dsn", dsn)
        assert parents(json.loads(done.out)) == {"restored": 1}
        assert connection.execute("SELECT parent_job_id FROM llama_logs").fetchall() == [("parent",)]


@pytest.mark.parametrize(
    "body", ["RETURN NULL;", "NEW.parent_job_id := 'z'; RETURN NEW;"], ids=["suppresses", "changes"]
)
def test_a_trigger_that_keeps_a_parent_from_coming_back(body: str, log: Log) -> None:
    migrate_here(log.dsn)
    log.run(
        f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
        'CREATE TRIGGER "meddle" BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION meddle()',
    )
    before = dump(log.pg_dump, log.dsn)
    assert "fires the trigger meddle" in run_here("undo", "--dry-run", "--dsn", log.dsn).err
    done = undo_here(log.dsn)
    assert done.code == 2
    assert "rolled back; nothing was changed" in done.errors[0]
    assert dump(log.pg_dump, log.dsn) == before


def test_deferred_triggers_do_not_stop_it(log: Log) -> None:
    log.run(
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        'CREATE CONSTRAINT TRIGGER look AFTER UPDATE ON "LlamaLog" DEFERRABLE INITIALLY DEFERRED '
        "FOR EACH ROW EXECUTE FUNCTION look()",
    )
    before = dump(log.pg_dump, log.dsn, "-s")
    migrate_here(log.dsn)
    log.undone()
    assert dump(log.pg_dump, log.dsn, "-s") == before


# --- refusals, questions, locks ----------------------------------------------------------------------------


def test_it_asks_with_what_it_will_do(log: Log) -> None:
    migrate_here(log.dsn)
    log.run('CREATE INDEX "mine" ON "LlamaLog" ("root_job_id", "created_at")')
    before = dump(log.pg_dump, log.dsn)
    asked: list[str] = []

    def declined(question: str) -> bool:
        asked.append(question)
        return False

    with session(log.dsn) as opened, refused(ErrorCode.INTERRUPTED, "nothing was changed"):
        undo_migration(
            opened, settings_for(log.dsn), dry_run=False, retries=0, confirm=declined, note=asked.append
        )
    (question,) = asked
    for part in (
        '"public"."LlamaLog"',
        "root_job_id is dropped",
        "1 parent is restored",
        "index public.mine",
    ):
        assert part in question
    assert dump(log.pg_dump, log.dsn) == before


def test_without_a_terminal_it_needs_yes(log: Log) -> None:
    assert run_here("undo", "--dsn", log.dsn).code == 2


def test_without_the_rights_nothing_is_changed(log: Log) -> None:
    migrate_here(log.dsn)
    before = dump(log.pg_dump, log.dsn)
    with new_role(log.dsn) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', log.dsn)
        assert "may not read the tables" in undo_here(role.conninfo).errors[0]
        role.granted("GRANT USAGE ON SCHEMA llamactl TO {}", log.dsn)
        role.granted("GRANT SELECT ON ALL TABLES IN SCHEMA llamactl TO {}", log.dsn)
        assert run_here("undo", "--dry-run", "--dsn", role.conninfo).code == 0
        done = undo_here(role.conninfo)
        assert (done.code, "cannot alter the table" in done.errors[0]) == (3, True)
        role.granted('ALTER TABLE "LlamaLog" OWNER TO {}', log.dsn)
        done = undo_here(role.conninfo)
        assert (done.code, "not the owner of schema llamactl" in done.errors[0]) == (3, True)
        log.run('ALTER TABLE "LlamaLog" OWNER TO CURRENT_USER')
        role.granted("REVOKE ALL ON ALL TABLES IN SCHEMA llamactl FROM {}", log.dsn)
        role.granted("REVOKE ALL ON SCHEMA llamactl FROM {}", log.dsn)
        role.granted('REVOKE ALL ON "LlamaLog" FROM {}', log.dsn)
        assert dump(log.pg_dump, log.dsn) == before


def test_a_lock_not_got_names_who_is_in_the_way(log: Log) -> None:
    migrate_here(log.dsn)
    before = dump(log.pg_dump, log.dsn)
    arguments = ("--lock-timeout", "100ms", "--retries", "1")
    for table in ('"LlamaLog"', "llamactl.cleared_parent"):
        with psycopg.connect(log.dsn, application_name="somebody") as other:
            other.execute(f"SELECT count(*) FROM {table}".encode())
            done = undo_here(log.dsn, *arguments)
            assert (done.code, "attempt 1 of 2" in done.err) == (3, True)
            assert f"pid {other.info.backend_pid}" in done.errors[0]
            assert "nothing was changed" in done.errors[0]
    assert dump(log.pg_dump, log.dsn) == before


def test_a_lock_got_at_a_later_attempt(log: Log) -> None:
    migrate_here(log.dsn)
    with psycopg.connect(log.dsn) as other:
        other.execute('SELECT count(*) FROM "LlamaLog"')
        timer = threading.Timer(1, other.rollback)
        timer.start()
        log.undone("--lock-timeout", "200ms", "--retries", "8")
        timer.join()
    log.as_it_was()


def test_never_beside_another_run(log: Log) -> None:
    migrate_here(log.dsn)
    with psycopg.connect(log.dsn) as other:
        claim = load_query("online/claim", Names()).statements[0].sql
        other.execute(claim.replace("$1", "%s").encode(), ['"LlamaLog"'])
        done = undo_here(log.dsn)
    assert (done.code, "Another llamactl run is working" in done.errors[0]) == (3, True)


def test_access_exclusive_is_the_first_lock_on_the_table(log: Log) -> None:
    """A session that has read the table, and then writes to it, must not die of a deadlock."""
    migrate_here(log.dsn)
    with log.connect() as connection, psycopg.connect(log.dsn) as application:
        application.execute('SELECT count(*) FROM "LlamaLog"')
        run = threading.Thread(target=undo_here, args=(log.dsn, "--lock-timeout=3s"))
        run.start()
        wait_until(connection, "SELECT FROM pg_locks WHERE NOT granted")
        application.execute("""UPDATE "LlamaLog" SET "reason" = 'still alive' WHERE false""")
        application.commit()
        run.join()
    log.as_it_was()


def test_the_schema_changed_by_somebody_else_meanwhile(log: Log) -> None:
    migrate_here(log.dsn, "--no-trust-root-flag")
    migrate_here(log.dsn, "--check", "not-valid")

    def meddle(statement: Statement) -> None:
        if 'LOCK TABLE "public"' in statement.text:
            log.files("online/create_state")

    done = undo_here(log.dsn, before=meddle)
    assert (done.code, "changed the schema llamactl" in done.errors[0]) == (3, True)
    log.undone()
    log.as_it_was()


# --- what is told ------------------------------------------------------------------------------------------

MOMENT = Estimate(0.0, 0.1)
STEPS = (
    Step("lock_state", "LOCK TABLE llamactl.cleared_parent;", "", Blocks.NONE, MOMENT, 0.001),
    Step("lock", 'LOCK TABLE "public"."LlamaLog";', "AccessExclusiveLock", Blocks.ALL, MOMENT, 1.25),
    Step("restore_parents", "-- Why.\nUPDATE ...;", "RowExclusiveLock", Blocks.ALL, Estimate(0.4, 1.6), 0.75),
    Step(
        "drop_column",
        f"ALTER TABLE ... DROP COLUMN {NASTY};",
        "AccessExclusiveLock",
        Blocks.ALL,
        MOMENT,
        0.01,
    ),
)
REPORTS = {
    "undo": UndoReport(
        False,
        STEPS,
        ("drop_trigger", "drop_check"),
        Parents(1234, 1, unmatched=2, gone=2, renamed=3),
        blocked_seconds=0.7612,
    ),
    "undo_dry_run": UndoReport(
        True,
        STEPS,
        (),
        Parents(12, unmatched=5, from_0_1=ParentsFrom01(12, 4)),
        blocked_estimate_seconds=Estimate(0.4, 1.7),
    ),
    "undo_nothing": UndoReport(False, (), ("lock_state", "lock"), Parents(), blocked_seconds=0.0),
}


@pytest.mark.parametrize("screen", [pytest.param(TERMINAL, id="terminal"), pytest.param(PIPE, id="pipe")])
@pytest.mark.parametrize("name", REPORTS)
def test_what_a_person_sees(name: str, screen: Screen) -> None:
    kind = "terminal" if screen.terminal else "pipe"
    same_as_golden(f"{name}.{kind}.txt", undo_text.render(REPORTS[name], screen))


def test_the_documented_steps_are_those_of_the_code(log: Log) -> None:
    with session(log.dsn) as opened:
        table = Table.open(opened, settings_for(log.dsn))
        with opened.snapshot():
            prepare_saved_parents(opened)
            steps = plan_undo_steps(read_standing(table))
    (table,) = [
        block for block in blocks(CHECKOUT / "docs" / "undo.md") if block.lines[0].startswith("| step |")
    ]
    listed = [(row[0].strip("`"), row[2]) for row in table.cells()]
    assert listed == [(step.name, step.lock or "-") for step in steps]
