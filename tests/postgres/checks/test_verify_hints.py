"""The commands that hints of verify name: each is run, turns its check green, and locks nobody out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from cutting import Connection, migrate_here, run_here
from llamactl.findings.kinds import FINDINGS

Insert = Callable[[Any], None]

ROOTS = 'UPDATE "LlamaLog" SET "root_job_id" = '
BROKEN = {
    "V02": f"""{ROOTS} NULL WHERE "job_id" = 'b'""",
    "V03": f"""{ROOTS} 'x' WHERE "job_id" = 'b'""",
    "V04": f"""{ROOTS} 'x' WHERE "job_id" = 'loop'""",
    "V05": f"""{ROOTS} 'x' WHERE "job_id" = 'a'""",
    "V06": f"""{ROOTS} 'x' WHERE "job_id" = 'c'""",
    "V07": f"""{ROOTS} 'x' WHERE "id" IN (SELECT "id" FROM "LlamaLog" WHERE "job_id" = 'c' LIMIT 1)""",
    "V08": 'DROP INDEX "LlamaLog_root_job_id_idx"',
    "V09": """ALTER TYPE "LlamaLogCategory" RENAME VALUE 'LINKED' TO 'OTHER'""",
    "V10": 'COMMENT ON COLUMN "LlamaLog"."root_job_id" IS NULL',
    "V11": 'ALTER TABLE "LlamaLog" DROP CONSTRAINT "LlamaLog_job_id_not_parent_check"',
}
"""What turns a check red on a migrated table."""


def verified(dsn: str) -> dict[str, Any]:
    """The checks by id."""
    done = run_here("verify", "--grace", "0", "--format", "json", "--dsn", dsn)
    return {check["id"]: check for check in json.loads(done.out)["checks"]}


def commands(hint: str) -> list[list[str]]:
    """The llamactl commands that a hint names."""
    return [found.split() for found in re.findall(r"llamactl ((?:migrate|repair)(?: --[a-z]+)*)", hint)]


def follow(dsn: str, hint: str) -> None:
    [command] = commands(hint)
    assert command[0] == "repair" or "--online" in command, f"locks the table: {hint}"
    done = run_here(*command, "--yes", "--grace", "0", "--dsn", dsn)
    assert done.code == 0, done.err


@pytest.fixture
def log(insert: Insert) -> None:
    insert([("a", None), ("b", "a"), ("c", "b"), ("c", "b"), ("x", None), ("loop", "pool"), ("pool", "loop")])


@pytest.mark.parametrize("id_", BROKEN)
def test_the_hint_of_a_failed_check_mends_it(
    database: str, connection: Connection, log: None, id_: str
) -> None:
    assert migrate_here(database).code == 0
    assert all(check["ok"] for check in verified(database).values())
    connection.execute(BROKEN[id_].encode())
    checks = verified(database)
    assert checks[id_]["ok"] is False
    assert checks[id_]["hint"] == FINDINGS[id_].hint
    if id_ in ("V05", "V06", "V07"):
        first = next(one for one in ("V02", "V03", "V04") if checks[one]["ok"] is False)
        assert "hints of V02" in checks[id_]["hint"]
        follow(database, checks[first]["hint"])
    else:
        follow(database, checks[id_]["hint"])
    assert [check["id"] for check in verified(database).values() if not check["ok"]] == []


def test_every_check_on_a_migrated_table_is_broken_above() -> None:
    assert [id_ for id_ in FINDINGS if id_.startswith("V") and id_ != "V01"] == [*BROKEN]


@pytest.mark.parametrize("command", range(2))
def test_both_commands_migrate_a_table_that_is_not_migrated(database: str, log: None, command: int) -> None:
    checks = verified(database)
    named = commands(checks["V01"]["hint"])
    assert named == [["migrate"], ["migrate", "--online"]]
    done = run_here(*named[command], "--yes", "--dsn", database)
    assert done.code == 0, done.err
    assert all(check["ok"] for check in verified(database).values())


def test_a_root_column_of_another_type_is_not_said_to_be_mended_by_migrate(
    database: str, connection: Connection, log: None
) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" text')
    hint = verified(database)["V01"]["hint"]
    assert commands(hint) == []
    assert "explain V01" in hint


def test_after_an_interrupted_online_run_the_hint_is_the_same_command(
    database: str, connection: Connection, log: None
) -> None:
    def stop() -> None:
        with psycopg.connect(database, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'llamactl migrate%' AND datname = current_database()"
            )

    seen = False

    def once(statement: Any) -> None:
        nonlocal seen
        if "ADD COLUMN" in statement.text:
            seen = True
        elif seen and "CREATE INDEX" in statement.text:
            stop()

    done = run_here("migrate", "--online", "--yes", "--grace", "0", "--dsn", database, before=once)
    assert done.code == 3, done.err
    failed = [check for check in verified(database).values() if check["ok"] is False]
    assert {"V02", "V08"} <= {check["id"] for check in failed}
    for check in failed:
        assert check["hint"].startswith("An online migration of this table was interrupted"), check
    follow(database, failed[0]["hint"])
    assert all(check["ok"] for check in verified(database).values())
    # A run that was completed since is not mentioned again.
    connection.execute("SET llamactl.filling = 'on'")  # so that the guard lets this pass
    connection.execute(BROKEN["V02"].encode())
    assert verified(database)["V02"]["hint"] == FINDINGS["V02"].hint
