"""Reading commands are pure: nothing changes, nobody waits for them, and they wait for nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import Connection, Statement, dated_rows, dump, migrate_here, nothing_left, quick_look, run_here
from roles import Role, new_role

COMMANDS = [
    ["migrate", "--dry-run"],
    ["migrate", "--online", "--dry-run"],
    ["preflight", "--fail-on", "never"],
    ["verify", "--fail-on", "never"],
    ["tree", "d"],
    ["tree", "a", "--subtree"],
    ["tree", "d", "--up"],
    ["repair", "--dry-run"],
    ["repair", "--dry-run", "--overwrite"],
    ["guard", "status"],
    ["timeline", "--root", "a"],
    ["timeline", "--root", "a", "--limit", "2", "--category", "enriched", "--no-orphans"],
    ["stats"],
    ["status"],
    ["sql"],
]
"""As they change nothing, one database serves all of them."""
OF_THE_OWNER = [["undo", "--dry-run"]]
"""These read what is kept in the schema llamactl besides."""
NO_TABLES_NEEDED = ("timeline", "tree", "preflight", "stats", "status", "guard")


@pytest.fixture(params=["before", "partly", "after"])
def log(request: pytest.FixtureRequest, database: str, connection: Connection, insert: Any) -> str:
    """A log with every fault, before and after its migration, and filled in part: its conninfo."""
    insert(dated_rows())
    if request.param == "partly":
        connection.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
        connection.execute("""UPDATE "LlamaLog" SET "root_job_id" = 'a' WHERE "job_id" IN ('a', 'c', 'x')""")
    elif request.param == "after":
        assert migrate_here(database).code == 0
    return database


def succeeds(words: list[str], dsn: str, **hooks: Callable[[Statement], object]) -> Any:
    """Runs the command; returns its document where it has one."""
    plain = words == ["sql"]
    done = run_here(*words, "--dsn", dsn, *([] if plain else ["--format", "json"]), **hooks)
    if words[0] == "repair" and "not migrated yet" in done.err:
        assert done.code == 2
        return None
    # The guard is not there: its status is a problem.
    assert done.code == (1 if words[0] == "guard" else 0), done.err
    return None if plain else json.loads(done.out)


def test_nothing_changes(log: str, connection: Connection, pg_tool: Callable[[str], Path]) -> None:
    pg_dump = pg_tool("pg_dump")
    for words in COMMANDS + OF_THE_OWNER:
        before = dump(pg_dump, log, "-s"), quick_look(connection), everything(connection)
        succeeds(words, log)
        assert (dump(pg_dump, log, "-s"), quick_look(connection), everything(connection)) == before, words
    nothing_left(connection)


def everything(connection: Connection) -> list[Any]:
    """What a dump does not tell: sequences used, statistics gathered, settings that stay."""
    return connection.execute("""
        SELECT (SELECT count(*) FROM pg_statistic), (SELECT count(*) FROM pg_db_role_setting),
               (SELECT array_agg((relname, reltuples, relpages, relallvisible) ORDER BY oid)
                FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    """).fetchall()


LOCKS = """
SELECT mode FROM pg_locks
WHERE pid = %s AND (relation = '"LlamaLog"'::regclass
                    OR relation IN (SELECT indexrelid FROM pg_index WHERE indrelid = '"LlamaLog"'::regclass))
"""


def test_the_only_lock_is_access_share(log: str, connection: Connection) -> None:
    """Looked at after each statement: what a transaction has locked it holds until its end."""
    for words in COMMANDS + OF_THE_OWNER:
        seen: list[str] = []

        def look(statement: Statement, seen: list[str] = seen) -> None:
            seen.extend(mode for (mode,) in connection.execute(LOCKS, [statement.pid]))

        succeeds(words, log, after=look)
        assert set(seen) <= {"AccessShareLock"}, words
        assert seen or words[0] in MAY_READ_NO_ROW, words


MAY_READ_NO_ROW = ("sql", "verify", "status", "repair", "undo", "guard")


@contextmanager
def writer(dsn: str) -> Iterator[Connection]:
    """An application that has written to the table, and has yet to commit."""
    with psycopg.connect(dsn) as application:
        application.execute("""UPDATE "LlamaLog" SET "reason" = 'being written' WHERE "job_id" = 'a'""")
        application.execute("""
            INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id")
            VALUES ('x', 'CREATED', 'SUCCESS', 'new', 'a')
        """)
        yield application


def test_no_writer_waits_for_them(log: str) -> None:
    with psycopg.connect(log, autocommit=True) as application:
        application.execute("SET lock_timeout = '100ms'")
        write = """UPDATE "LlamaLog" SET "reason" = 'written' WHERE "job_id" = 'b'"""
        for words in COMMANDS + OF_THE_OWNER:
            succeeds(words, log, after=lambda _: application.execute(write.encode()))


def test_they_wait_for_no_writer(log: str) -> None:
    """EXCLUSIVE lets a reader pass, and nobody who asks for more than to read."""
    with writer(log) as application:
        for lock in ("SELECT", 'LOCK TABLE "LlamaLog" IN EXCLUSIVE MODE'):
            application.execute(lock.encode())
            for words in COMMANDS + OF_THE_OWNER:
                succeeds([*words, "--lock-timeout", "100ms"], log)


@pytest.mark.parametrize(
    "options", [[], ["--dangling", "null"], ["--no-trust-root-flag"]], ids=["default", "null", "untrusted"]
)
def test_counts_are_what_migrate_then_commits(log: str, connection: Connection, options: list[str]) -> None:
    held = held_roots(connection)
    planned = succeeds(["migrate", "--dry-run", *options], log)
    early = succeeds(["preflight", "--fail-on", "never", *options], log)
    assert early["counts"] == planned["counts"]
    done = migrate_here(log, "--format", "json", *options)
    assert done.code == 0
    report = json.loads(done.out)
    assert report["counts"] == planned["counts"]
    counts = report["counts"]
    assert counts["filled"] + counts["orphans"] == counts["total"]
    after = held_roots(connection)
    # Rows that hold a value: what they held, and what was computed and lacking.
    unexpected = sum(root is not None for root in held.values()) - counts["already_set"]
    assert counts["conflicts"] == unexpected
    verified = succeeds(["verify", "--fail-on", "never", *options], log)["counts"]
    assert verified["already_set"] + verified["conflicts"] == sum(root is not None for root in after.values())
    assert verified["conflicts"] == counts["conflicts"]
    assert {name: verified[name] for name in ("total", "filled", "orphans", "filled_by", "orphans_by")} == {
        name: counts[name] for name in ("total", "filled", "orphans", "filled_by", "orphans_by")
    }


def held_roots(connection: Connection) -> dict[str, str | None]:
    """Row id -> what the root column holds; None where there is no column."""
    rows = connection.execute("""SELECT "id"::text, to_jsonb(log) ->> 'root_job_id' FROM "LlamaLog" AS log""")
    return dict(rows.fetchall())


# --- with few rights ---------------------------------------------------------------------------------------


@pytest.fixture
def reader(log: str) -> Iterator[Role]:
    """A role with what docs/operating.md says that reading needs, and no more."""
    with new_role(log) as role, psycopg.connect(log, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC".encode())
        role.granted(f"GRANT TEMPORARY ON DATABASE {name} TO {{}}", log)
        role.granted("GRANT USAGE ON SCHEMA public TO {}", log)
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', log)
        yield role


def test_a_role_that_may_only_read(log: str, reader: Role, connection: Connection) -> None:
    before = quick_look(connection)
    for words in COMMANDS:
        theirs, ours = succeeds(words, reader.conninfo), succeeds(words, log)
        if ours:
            assert theirs.get("counts") == ours.get("counts"), words
            assert theirs.get("checks") == ours.get("checks"), words
            assert theirs.get("nodes") == ours.get("nodes"), words
            assert theirs.get("rows") == ours.get("rows"), words
    assert quick_look(connection) == before


def test_without_temporary_tables(log: str, reader: Role, connection: Connection) -> None:
    reader.granted(f"REVOKE TEMPORARY ON DATABASE {connection.info.dbname} FROM {{}}", log)
    for words in COMMANDS:
        done = run_here(*words, "--dsn", reader.conninfo)
        if words[0] in NO_TABLES_NEEDED or "not migrated yet" in done.err:
            assert done.code == {"guard": 1, "repair": 2}.get(words[0], 0), done.err
        else:
            assert (done.code, len(done.errors)) == (3, 1), words
            assert "GRANT TEMPORARY ON DATABASE" in done.err, words
