"""DDL of another session during a run: code 3 and what happened, never "a fault of llamactl's own"."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from commands import CHAIN
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
}


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
    assert "fault of llamactl" not in outcome.err
    if outcome.code == 3:
        assert "another session" in outcome.err.lower(), outcome.err
        assert "run the same command again" in outcome.err, outcome.err


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
    assert "another table has its name" in outcome.err
    assert "nothing was changed" in outcome.err
    left = """SELECT FROM pg_attribute WHERE attrelid = '"LlamaLog"'::regclass AND attname = 'root_job_id'"""
    assert not connection.execute(left.encode()).fetchall()
