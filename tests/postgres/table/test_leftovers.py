"""What a server crash leaves of llamactl's temporary objects: nothing that depends on what is the user's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from cutting import Connection, Statement, batches_of, dated_rows, run_here
from online_cuts import many_rows
from servers import Server

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


# --- after a server crash ----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3])
def test_a_server_crash_during_an_online_run(own_server: Server, insert_into: Any, batch: int) -> None:
    """Everybody can go on with the table, and with a copy of the database; so does the run."""
    template = own_server.create(own_server.template)
    insert_into(own_server.conninfo(template), many_rows(2))
    words = ["migrate", "--online", "--yes", "--grace", "0s"]
    batches = 0

    def crash(statement: Statement) -> None:
        nonlocal batches
        batches += 'SET "root_job_id" = CAST' in statement.text
        if batches == batch:
            assert own_server.private
            own_server.private.stop("immediate")

    with batches_of(1):
        done = run_here(*words, "--dsn", own_server.conninfo(template), before=crash)
    assert (done.code, batches) == (3, batch), done.err
    assert own_server.private
    own_server.private.start()
    for commands in (["undo", "--yes"], words):
        dsn = own_server.conninfo(own_server.create(template))
        done = run_here(*commands, "--dsn", dsn)
        assert done.code == 0, done.err
        with psycopg.connect(dsn) as connection:
            connection.execute('DROP TABLE "LlamaLog"')
    with psycopg.connect(own_server.conninfo(template)) as connection:
        assert connection.execute("SELECT 1 FROM llamactl.run WHERE ended_at IS NULL").fetchall()
        connection.execute('DROP TABLE "LlamaLog"')


SETTING, ENTRY, TARGET = re.split(
    "(?=CREATE TEMPORARY VIEW)", (Path(__file__).parents[2] / "views_of_0_1.sql").read_text()
)
LEFT = "SELECT relname FROM pg_class WHERE relkind = 'v' AND relpersistence = 't' ORDER BY 1"


@pytest.fixture
def crashed(own_server: Server, insert_into: Any) -> Callable[..., str]:
    """A function: a migrated log in whose database a session of version 0.1 was ended by a server crash."""

    def make(*before: str, made: str = ENTRY + TARGET, owner: str = "postgres", migrated: bool = True) -> str:
        name = own_server.create(own_server.template)
        dsn = own_server.conninfo(name)
        insert_into(dsn, dated_rows())
        if migrated:
            assert run_here("migrate", "--yes", "--dsn", dsn).code == 0
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in before:
                connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
        assert own_server.private
        with closing(psycopg.connect(own_server.conninfo(name, user=owner), autocommit=True)) as theirs:
            theirs.execute((SETTING + made).encode())
            own_server.private.stop("immediate")
        own_server.private.start()
        return dsn

    return make


def left(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [name for (name,) in connection.execute(LEFT)]


def dropped(dsn: str) -> None:
    """As a user drops the table."""
    with psycopg.connect(dsn) as connection:
        connection.execute('DROP TABLE "LlamaLog"')


def test_undo_drops_what_version_0_1_left(crashed: Callable[..., str]) -> None:
    dsn = crashed()
    assert left(dsn) == ["entry", "target"]
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        dropped(dsn)
    done = run_here("undo", "--dry-run", "--dsn", dsn)
    assert (done.code, "drop leftovers" in done.out) == (0, True), done.err
    assert left(dsn) == ["entry", "target"]
    done = run_here("undo", "--yes", "--dsn", dsn)
    assert done.code == 0, done.err
    assert left(dsn) == []
    dropped(dsn)


OF_THE_OWNER = (
    "CREATE ROLE owning LOGIN",
    'ALTER TABLE "LlamaLog" OWNER TO owning',
    "GRANT ALL ON SCHEMA public TO owning",
    "GRANT ALL ON DATABASE {} TO owning",
    "ALTER SCHEMA llamactl OWNER TO owning",
    "ALTER TABLE llamactl.cleared_parent OWNER TO owning",
)


def test_an_owner_who_is_no_superuser(crashed: Callable[..., str]) -> None:
    """May not use the temporary schema of another session: the views go with the column."""
    dsn = crashed(*OF_THE_OWNER, owner="owning")
    done = run_here("undo", "--yes", "--dsn", make_conninfo(dsn, user="owning"))
    assert done.code == 0, done.err
    assert left(dsn) == []
    dropped(dsn)


def test_another_view_still_stops_an_owner(crashed: Callable[..., str]) -> None:
    dsn = crashed(*OF_THE_OWNER, 'CREATE VIEW mine AS SELECT root_job_id FROM "LlamaLog"', owner="owning")
    for user in ("owning", "postgres"):
        done = run_here("undo", "--yes", "--dsn", make_conninfo(dsn, user=user))
        assert done.code == 2
        assert done.errors[0].endswith("is used by view public.mine; nothing was changed")
    assert left(dsn) == ["entry", "mine", "target"][::2]


def test_a_column_of_the_users_own(crashed: Callable[..., str]) -> None:
    """It stays: the view goes where the role may drop it, and is named where not."""
    own = ('COMMENT ON COLUMN "LlamaLog"."root_job_id" IS NULL',)
    dsn = crashed(*own, *OF_THE_OWNER, owner="owning")
    done = run_here("undo", "--yes", "--dsn", make_conninfo(dsn, user="owning"))
    assert done.code == 0, done.err
    statements = re.findall(r"DROP VIEW pg_temp_\d+\.\w+", done.err)
    assert len(statements) == 2, done.err
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statements[0].encode())
    done = run_here("undo", "--yes", "--dsn", dsn)
    assert done.code == 0, done.err
    assert left(dsn) == []
    dropped(dsn)


def test_nothing_else_to_undo(crashed: Callable[..., str]) -> None:
    """Before the column was there."""
    dsn = crashed(migrated=False, made=TARGET)
    done = run_here("undo", "--yes", "--dsn", dsn)
    assert done.code == 0, done.err
    assert left(dsn) == []
    dropped(dsn)


@pytest.mark.parametrize(
    "command", [["migrate", "--online", "--yes"], ["repair", "--yes"], ["migrate", "--yes"]], ids=" ".join
)
def test_what_writes_drops_it_too(crashed: Callable[..., str], command: list[str]) -> None:
    dsn = crashed('UPDATE "LlamaLog" SET "root_job_id" = NULL')
    done = run_here(*command, "--dsn", dsn)
    assert done.code == 0, done.err
    assert left(dsn) == []


def test_it_is_told(crashed: Callable[..., str]) -> None:
    dsn = crashed()
    found = json.loads(run_here("preflight", "--format", "json", "--dsn", dsn).out)["findings"]
    (finding,) = [one for one in found if one["id"] == "LL127"]
    assert len(finding["sample"]) == 2
    told = re.findall(r"The view pg_temp_\d+\.(?:entry|target) remains", run_here("status", "--dsn", dsn).err)
    assert len(told) == 2
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in finding["hint"].partition(": ")[2].split("; "):
            connection.execute(statement.encode())
    dropped(dsn)


# --- of a session that lives -------------------------------------------------------------------------------

CLAIM = (
    """SELECT pg_try_advisory_lock(1819042145, ('"LlamaLog"'::regclass::oid::bigint - 2147483648)::integer)"""
)


def test_a_live_session_of_version_0_1_is_named(database: str, connection: Connection) -> None:
    """It holds the claim, as long as its views are there."""
    assert run_here("migrate", "--yes", "--dsn", database).code == 0
    with psycopg.connect(database, autocommit=True, application_name="llamactl migrate") as theirs:
        theirs.execute((SETTING + TARGET).encode())
        theirs.execute(CLAIM)
        for words in (["undo", "--yes"], ["repair", "--yes"], ["migrate", "--online", "--yes"]):
            done = run_here(*words, "--dsn", database)
            assert (done.code, len(done.errors)) == (3, 1), done.err
            assert (
                f"Another llamactl run is working on the table: pid {theirs.info.backend_pid} "
                in done.errors[0]
            )
        assert "LL127" not in run_here("preflight", "--dsn", database).out
        assert "remains from version 0.1" not in run_here("status", "--dsn", database).err
        assert left(database) == ["target"]
    assert run_here("undo", "--yes", "--dsn", database).code == 0


def test_a_view_of_the_users_own_is_none_of_ours(database: str) -> None:
    assert run_here("migrate", "--yes", "--dsn", database).code == 0
    with psycopg.connect(database, autocommit=True) as theirs:
        theirs.execute(
            'CREATE TEMPORARY VIEW target AS SELECT root_job_id AS root, job_id AS job FROM "LlamaLog"'
        )
        done = run_here("undo", "--yes", "--dsn", database)
        assert done.code == 2
        assert "is used by view pg_temp" in done.errors[0]
        assert left(database) == ["target"]
