"""DDL of another session during a run: code 3 and what happened, never "a bug in llamactl"."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from commands import CHAIN, NEW_ROOTS
from cutting import Statement, at, run_here

Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]
ONLINE = ("migrate", "--online", "--yes", "--grace", "0s")
REPLACE = """ALTER TABLE "LlamaLog" RENAME TO former;
             CREATE TABLE "LlamaLog" (LIKE former INCLUDING ALL);
             INSERT INTO "LlamaLog" SELECT * FROM former"""
DDL = {
    "rename the table": 'ALTER TABLE "LlamaLog" RENAME TO former',
    "rename a column": 'ALTER TABLE "LlamaLog" RENAME job_id TO jid',
    "rename the root column": 'ALTER TABLE "LlamaLog" RENAME root_job_id TO rid',
    "rename the schema": "ALTER SCHEMA public RENAME TO former",
    "drop the state": "DROP SCHEMA llamactl CASCADE",
    "drop the table": 'DROP TABLE "LlamaLog"',
    "drop the root column": 'ALTER TABLE "LlamaLog" DROP root_job_id',
    "replace the table": REPLACE,
    "rename the parent column": 'ALTER TABLE "LlamaLog" RENAME parent_job_id TO pid',
    "change the type of the job's column": 'ALTER TABLE "LlamaLog" ALTER job_id TYPE varchar(200)',
}
GUARDED = (("migrate", "--yes"), ("guard", "install", "--yes"))
COMMANDS = {
    "repair": (GUARDED[:1], ("repair", "--overwrite", "--grace", "0s", "--yes"), (20, 150, 300)),
    "undo": (GUARDED, ("undo", "--yes"), (26, 16, 45)),
    "guard install": (GUARDED[:1], ("guard", "install", "--yes"), (17, 25, 39)),
    "guard remove": (GUARDED, ("guard", "remove", "--yes"), (17, 25, 41)),
}
"""What comes before, the command, and the statements before which another session acts."""


@pytest.mark.parametrize(
    "number", [45, 90, *(pytest.param(number, marks=pytest.mark.slow) for number in (150, 190))]
)
@pytest.mark.parametrize("case", DDL)
def test_during_an_online_run(case: str, number: int, insert: Insert, database: str) -> None:
    insert(CHAIN)
    done = False

    def meddle(_: Statement) -> None:
        nonlocal done
        with psycopg.connect(database, autocommit=True) as other, suppress(psycopg.Error):
            other.execute("SET lock_timeout = '100ms'")
            other.execute(DDL[case].encode())
            done = True

    outcome = run_here(*ONLINE, "--dsn", database, before=at(number, meddle, outside=True))
    assert outcome.code in ((0, 3) if done else (0,)), (case, number, outcome.err)
    assert "bug in llamactl" not in outcome.err
    if outcome.code == 3:
        assert "another session" in outcome.err.lower(), outcome.err
        assert "rerun the same command" in outcome.err.lower(), outcome.err


def test_a_replaced_table_is_left_alone(insert: Insert, database: str, connection: Connection) -> None:
    """Between the first look and the lock of the one transaction."""
    insert(CHAIN)
    done = False

    def replace(statement: Statement) -> None:
        nonlocal done
        if "IN ACCESS EXCLUSIVE MODE" in statement.text and not done:
            done = True
            with psycopg.connect(database, autocommit=True) as other:
                other.execute(REPLACE.encode())

    outcome = run_here("migrate", "--yes", "--dsn", database, before=replace)
    assert (outcome.code, done) == (3, True), outcome.err
    assert "the name belongs to another table" in outcome.err
    assert "nothing was changed" in outcome.err
    left = """SELECT FROM pg_attribute WHERE attrelid = '"LlamaLog"'::regclass AND attname = 'root_job_id'"""
    assert not connection.execute(left.encode()).fetchall()


@pytest.mark.parametrize(
    ("command", "number"),
    [
        pytest.param(command, number, marks=() if number == numbers[0] else pytest.mark.slow)
        for command, (_, _, numbers) in COMMANDS.items()
        for number in numbers
    ],
)
@pytest.mark.parametrize("case", DDL)
def test_during_another_command(
    case: str, command: str, number: int, insert: Insert, database: str, connection: Connection
) -> None:
    insert(CHAIN)
    before, words, _ = COMMANDS[command]
    for arguments in before:
        assert run_here(*arguments, "--dsn", database).code == 0
    connection.execute(NEW_ROOTS.encode())
    rows: list[Any] = []
    done = False

    def meddle(_: Statement) -> None:
        nonlocal done
        with suppress(psycopg.Error):
            connection.execute("SET lock_timeout = '100ms'")
            connection.execute(DDL[case].encode())
            done = True
            rows.extend(connection.execute(ROWS).fetchall() if case == "replace the table" else [])

    outcome = run_here(*words, "--dsn", database, before=at(number, meddle, outside=True))
    assert outcome.code in ((0, 3) if done else (0,)), outcome.err
    assert "bug in llamactl" not in outcome.err
    if outcome.code == 3:
        assert "another session" in outcome.err.lower(), outcome.err
        assert "rerun the same command" in outcome.err.lower(), outcome.err
    if rows:
        assert connection.execute(ROWS).fetchall() == rows
        triggers = """SELECT FROM pg_trigger WHERE tgrelid = '"LlamaLog"'::regclass"""
        assert not connection.execute(triggers.encode()).fetchall()


ROWS = b'SELECT * FROM "LlamaLog" ORDER BY "id"'
LAST = 'ANALYZE "public"."LlamaLog"'
"""The last step of an online run."""
TAKEN_AWAY = {
    "the index": (LAST, 'DROP INDEX "LlamaLog_root_job_id_idx"'),
    "the CHECK": (LAST, 'ALTER TABLE "LlamaLog" DROP CONSTRAINT "LlamaLog_job_id_not_parent_check"'),
    "the trigger": (LAST, 'DROP TRIGGER zz_llamactl_guard ON "LlamaLog"'),
    "the function": (LAST, 'DROP FUNCTION llamactl."LlamaLog_guard" CASCADE'),
    "the CHECK, unproven": (
        "VALIDATE CONSTRAINT",
        'ALTER TABLE "LlamaLog" DROP CONSTRAINT "LlamaLog_job_id_not_parent_check"',
    ),
}


@pytest.mark.parametrize("case", TAKEN_AWAY)
def test_what_an_online_run_made_is_dropped(case: str, insert: Insert, database: str) -> None:
    where, ddl = TAKEN_AWAY[case]
    insert(CHAIN)
    outcome = run_here(*ONLINE, "--dsn", database, before=once(where, database, ddl))
    assert outcome.code == 3, outcome.err
    assert "another session" in outcome.err.lower(), outcome.err
    assert run_here(*ONLINE, "--dsn", database).code == 0
    assert run_here("verify", "--dsn", database).code == 0


def test_the_root_column_gets_another_type(insert: Insert, database: str) -> None:
    insert(CHAIN)
    ddl = 'ALTER TABLE "LlamaLog" ALTER root_job_id TYPE text'
    outcome = run_here(*ONLINE, "--no-guard", "--dsn", database, before=once(LAST, database, ddl))
    assert outcome.code == 3, outcome.err
    assert "another session changed the table" in outcome.err.lower()


def test_a_row_that_comes_once_the_guard_of_the_run_is_gone(insert: Insert, database: str) -> None:
    insert(CHAIN)
    ddl = """DROP TRIGGER zz_llamactl_guard ON "LlamaLog";
             INSERT INTO "LlamaLog" (entity_type, operation, category, status, job_id, parent_job_id)
             VALUES ('ALBUM', 'ENRICH', 'ENRICHED', 'SUCCESS', 'late', 'a')"""
    words = (*ONLINE, "--no-guard")
    outcome = run_here(*words, "--dsn", database, before=once("VALIDATE CONSTRAINT", database, ddl))
    assert outcome.code == 3, outcome.err
    assert "dropped the guard's trigger" in outcome.err
    assert run_here(*words, "--dsn", database).code == 0
    assert run_here("verify", "--grace", "0s", "--dsn", database).code == 0


def test_undo_keeps_the_column_where_the_saved_parents_are_gone(insert: Insert, database: str) -> None:
    """Somebody drops them between the first look, which promises to put them back, and the lock."""
    insert(CHAIN)
    assert run_here("migrate", "--yes", "--dsn", database).code == 0
    drop = once("BEGIN ISOLATION LEVEL READ COMMITTED", database, "DROP SCHEMA llamactl CASCADE")
    outcome = run_here("undo", "--yes", "--dsn", database, before=drop)
    assert outcome.code == 3, outcome.err
    assert "Another session changed the schema llamactl" in outcome.err
    assert run_here("verify", "--dsn", database).code == 0


def once(text: str, dsn: str, ddl: str) -> Callable[[Statement], None]:
    """A hook: another session runs the DDL before the first statement that has the text."""
    done = False

    def hook(statement: Statement) -> None:
        nonlocal done
        if text in statement.text and not done:
            done = True
            try:
                with psycopg.connect(dsn, autocommit=True) as other:
                    other.execute(ddl.encode())
            except psycopg.Error as exc:  # else it would count as the command's own
                raise AssertionError(ddl) from exc

    return hook
