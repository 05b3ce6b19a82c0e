"""What a server crash leaves of llamactl's temporary objects: nothing that depends on what is the user's."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from cutting import Connection, Statement, dated_rows, run_here

DEPENDING = """
SELECT own.identity, theirs.identity
FROM pg_catalog.pg_depend AS d
CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) AS own
CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) AS theirs
WHERE d.objid >= 16384 AND d.refobjid >= 16384
  AND own.identity OPERATOR(pg_catalog.~) '\\mpg_temp'
  AND theirs.identity OPERATOR(pg_catalog.!~) '\\mpg_temp'
"""
"""What lives in the temporary schema of any session, and what of the user's it depends on."""


def depending(connection: Connection) -> list[Any]:
    # A cursor of ours, and no raw one as llamactl's are: the hooks pass it by.
    with psycopg.Cursor(connection) as cursor:
        return cursor.execute(DEPENDING).fetchall()


MIGRATED = ["migrate", "--yes"]
COMMANDS = [
    (MIGRATED,),
    (["migrate", "--dry-run"],),
    (["migrate", "--online", "--yes", "--grace", "0s"],),
    (["migrate", "--online", "--dry-run"],),
    (["preflight", "--fail-on", "never"],),
    (["sql"],),
    (MIGRATED, ["verify"]),
    (MIGRATED, ["repair", "--yes", "--overwrite", "--grace", "0s"]),
    (MIGRATED, ["stats"]),
    (MIGRATED, ["status"]),
    (
        MIGRATED,
        ["tree", "d"],
        ["timeline", "--root", "a"],
        ["timeline", "--album", "00000000-0000-0000-0000-000000000000"],
    ),
    (MIGRATED, ["guard", "install", "--yes"], ["guard", "status"], ["guard", "remove", "--yes"]),
    (MIGRATED, ["undo", "--dry-run"], ["undo", "--yes"]),
]


@pytest.mark.parametrize("commands", COMMANDS, ids=lambda commands: " ".join(commands[-1]))
def test_no_temporary_object_depends_on_the_users(
    commands: tuple[list[str], ...], database: str, insert: Any
) -> None:
    """At each statement boundary, as the session itself sees it: what it is yet to commit included."""
    insert(dated_rows())
    found: dict[str, list[Any]] = {}
    looked = 0

    def look(statement: Statement) -> None:
        nonlocal looked
        status = statement.connection.info.transaction_status
        if status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
            looked += 1
            if seen := depending(statement.connection):
                found[str(statement)] = seen

    for words in commands:
        done = run_here(*words, "--dsn", database, after=look)
        assert done.code in (0, 1), done.err
    assert looked
    assert found == {}


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE TEMPORARY VIEW v AS SELECT FROM "LlamaLog"',
        'CREATE TEMPORARY TABLE t (c "LlamaLogCategory")',
        'CREATE TEMPORARY TABLE t (c "LlamaLog"[])',
        "CREATE TEMPORARY TABLE t (n bigint DEFAULT nextval('s'))",
        'CREATE TEMPORARY TABLE t (); CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM "LlamaLog"',
        "CREATE FUNCTION pg_temp.f(id \"LlamaLog\") RETURNS int LANGUAGE sql AS 'SELECT 1'",
        """CREATE FUNCTION pg_temp.f() RETURNS bigint LANGUAGE sql
        BEGIN ATOMIC SELECT count(*) FROM "LlamaLog"; END""",
    ],
)
def test_the_check_has_teeth(statement: str, connection: Connection) -> None:
    connection.execute("CREATE SEQUENCE s")
    assert depending(connection) == []
    connection.execute(statement.encode())
    assert depending(connection)
