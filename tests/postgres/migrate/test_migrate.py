"""migrate, from outside: what the table holds afterwards, what is said, and that a failure leaves nothing."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from faults import FAULTY_LOG, FILLED, TOTAL, expected_roots, faulty_rows, row_id

Cli = Callable[..., subprocess.CompletedProcess[str]]
Connection = psycopg.Connection[Any]
Migrate = Callable[..., tuple[int, Any]]

ROOTS = 'SELECT "id"::text, "root_job_id" FROM "LlamaLog"'
CHECKS = "SELECT convalidated FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0"


@pytest.fixture
def faulty(insert: Callable[[Any], None]) -> None:
    insert(faulty_rows())


@pytest.fixture
def migrate(run_cli: Cli, database: str) -> Migrate:
    """A function: `migrate --yes --format json ...` -> exit code and document."""

    def run(*arguments: str, dsn: str = database) -> tuple[int, Any]:
        done = run_cli("migrate", "--yes", "--format", "json", "--dsn", dsn, *arguments)
        return done.returncode, json.loads(done.stdout)

    return run


def verified(run_cli: Cli, dsn: str, *arguments: str) -> tuple[int, set[str]]:
    """Exit code of verify, and the checks that failed."""
    done = run_cli("verify", "--grace", "0", "--format", "json", "--dsn", dsn, *arguments)
    return done.returncode, {
        check["id"] for check in json.loads(done.stdout)["checks"] if check["status"] == "failed"
    }


def state(psql: Path, pg_tool: Callable[[str], Path], dsn: str) -> str:
    """Everything that is in the database: schema and rows."""
    dump = subprocess.run([pg_tool("pg_dump"), "-d", dsn], capture_output=True, text=True, check=True).stdout
    random_tokens = ("\\restrict", "\\unrestrict")
    return "\n".join(line for line in dump.splitlines() if not line.startswith(random_tokens))


@contextmanager
def holding(dsn: str, *statements: str) -> Iterator[Connection]:
    """Another session, in a transaction that has run the statements."""
    with psycopg.connect(dsn, application_name="somebody") as other:
        for statement in statements:
            other.execute(statement.encode())
        yield other


@pytest.mark.usefixtures("faulty")
def test_every_fault_gets_its_true_root(
    migrate: Migrate, connection: Connection, run_cli: Cli, database: str
) -> None:
    code, document = migrate()
    assert code == 0
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()
    assert document["counts"]["total"] == TOTAL
    assert document["counts"]["filled"] == FILLED
    assert document["counts"]["orphans_by"] == {"untracked": 2, "cyclic": 8, "ambiguous": 3, "dangling": 0}
    assert document["counts"]["dangling"] == 3
    assert verified(run_cli, database) == (0, set())


@pytest.mark.usefixtures("faulty")
def test_dry_run_says_what_migrate_then_does(migrate: Migrate, run_cli: Cli, database: str) -> None:
    projected = json.loads(run_cli("migrate", "--dry-run", "--format", "json", "--dsn", database).stdout)
    code, done = migrate()
    assert code == 0
    assert projected["dry_run"] is True
    assert done["dry_run"] is False
    assert projected["counts"] == done["counts"]
    assert [step["name"] for step in projected["steps"]] == [step["name"] for step in done["steps"]]
    assert [step["sql"] for step in projected["steps"]] == [step["sql"] for step in done["steps"]]
    assert all("estimate_seconds" in step and "seconds" not in step for step in projected["steps"])
    assert all("seconds" in step and "estimate_seconds" not in step for step in done["steps"])


@pytest.mark.usefixtures("faulty")
def test_what_stands_beside_the_rows(migrate: Migrate, connection: Connection) -> None:
    migrate()
    column = connection.execute(
        "SELECT format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum) "
        """FROM pg_attribute WHERE attrelid = '"LlamaLog"'::regclass AND attname = 'root_job_id'"""
    ).fetchone()
    assert column is not None
    assert column[:2] == ("character varying(100)", False)
    assert "NULL: origin unknown" in column[2]
    assert time.strftime("[llamactl:column %Y-%m-%d]", time.gmtime()) in column[2]
    query = "SELECT indexdef FROM pg_indexes WHERE indexname = 'LlamaLog_root_job_id_idx'"
    assert "(root_job_id)" in str(connection.execute(query).fetchall())
    labels = connection.execute("""SELECT unnest(enum_range(NULL::"LlamaLogCategory"))::text""").fetchall()
    assert ("LINKED",) in labels
    # A row is its own parent, so the CHECK is left out.
    assert not connection.execute(CHECKS).fetchall()


def test_check_where_no_row_violates_it(
    insert: Callable[[Any], None], migrate: Migrate, connection: Connection
) -> None:
    insert([("a", None), ("b", "a")])
    migrate()
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id") '
            "VALUES ('x', 'LINKED', 'SUCCESS', 'c', 'c')"
        )


@pytest.mark.parametrize(("policy", "validated"), [("auto", []), ("not-valid", [False]), ("no", [])])
def test_check_policies_where_a_row_violates_it(
    policy: str,
    validated: list[bool],
    insert: Callable[[Any], None],
    migrate: Migrate,
    connection: Connection,
) -> None:
    insert([("a", "a"), ("b", None)])
    assert migrate("--check", policy)[0] == 0
    assert [row[0] for row in connection.execute(CHECKS)] == validated


def test_a_flagged_self_parent_is_no_violation(
    insert: Callable[[Any], None], migrate: Migrate, connection: Connection
) -> None:
    insert([("a", "a", True)])
    assert migrate()[0] == 0
    assert connection.execute(CHECKS).fetchall() == [(True,)]
    held = connection.execute('SELECT "parent_job_id", "root_job_id" FROM "LlamaLog"').fetchall()
    assert held == [(None, "a")]


@pytest.mark.usefixtures("faulty")
def test_flagged_parents_are_saved_and_cleared(migrate: Migrate, connection: Connection) -> None:
    migrate()
    number = next(n for n, (job, parent, flag, _) in enumerate(FAULTY_LOG) if flag and job and parent)
    saved = connection.execute(
        "SELECT table_schema, table_name, row_id, parent_job_id FROM llamactl.cleared_parent"
    ).fetchall()
    assert saved == [("public", "LlamaLog", row_id(number), "c")]
    left = connection.execute(
        'SELECT count(*) FROM "LlamaLog" '
        'WHERE "is_root_job" AND "job_id" IS NOT NULL AND "parent_job_id" IS NOT NULL'
    ).fetchone()
    assert left == (0,)


@pytest.mark.usefixtures("faulty")
def test_untrusted_flags_change_no_parent(
    migrate: Migrate, connection: Connection, run_cli: Cli, database: str
) -> None:
    assert migrate("--no-trust-root-flag")[0] == 0
    roots = dict(connection.execute('SELECT "job_id", "root_job_id" FROM "LlamaLog"').fetchall())
    assert (roots["k"], roots["l"], roots["m"]) == ("a", "a", "a")
    assert not connection.execute("SELECT FROM pg_namespace WHERE nspname = 'llamactl'").fetchall()
    again = run_cli("migrate", "--yes", "--dsn", database, "--no-trust-root-flag")
    assert "trust_root_flag = false" in again.stderr
    assert verified(run_cli, database, "--no-trust-root-flag") == (0, set())
    assert verified(run_cli, database)[0] == 1


@pytest.mark.usefixtures("faulty")
def test_dangling_null(migrate: Migrate, connection: Connection, run_cli: Cli, database: str) -> None:
    code, document = migrate("--dangling", "null")
    assert code == 0
    assert (document["counts"]["dangling"], document["counts"]["orphans_by"]["dangling"]) == (3, 3)
    dangling = ("gone", "far", "a ")
    expected = {id_: None if root in dangling else root for id_, root in expected_roots().items()}
    assert dict(connection.execute(ROOTS).fetchall()) == expected
    assert verified(run_cli, database, "--dangling", "null") == (0, set())
    assert verified(run_cli, database) == (1, {"V02"})


@pytest.mark.usefixtures("faulty")
def test_again_on_a_migrated_table_does_nothing(
    migrate: Migrate, database: str, psql: Path, pg_tool: Callable[[str], Path]
) -> None:
    migrate()
    before = state(psql, pg_tool, database)
    # Not even a lock: a reader in an open transaction would be in its way.
    with holding(database, 'SELECT count(*) FROM "LlamaLog"'):
        code, document = migrate("--retries", "0")
    assert (code, document["steps"]) == (0, [])
    assert "fill" in document["skipped"]
    assert document["counts"]["already_set"] == FILLED
    assert state(psql, pg_tool, database) == before


@pytest.mark.usefixtures("faulty")
def test_only_what_is_missing_and_never_overwritten(
    migrate: Migrate, connection: Connection, run_cli: Cli, database: str
) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD COLUMN "root_job_id" varchar(100)')
    connection.execute("""UPDATE "LlamaLog" SET "root_job_id" = 'a' WHERE "job_id" = 'c'""")
    connection.execute("""UPDATE "LlamaLog" SET "root_job_id" = 'wrong' WHERE "job_id" IN ('d', 'x')""")
    code, document = migrate()
    assert code == 0
    assert (document["counts"]["already_set"], document["counts"]["conflicts"]) == (2, 2)
    assert document["counts"]["filled"] == FILLED
    changed = {row_id(n): "wrong" for n, (job, *_) in enumerate(FAULTY_LOG) if job in ("d", "x")}
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots() | changed
    code, failed = verified(run_cli, database)
    assert code == 1
    assert {"V03", "V04"} <= failed


@pytest.mark.parametrize(
    ("filled", "orphans", "code"), [(FILLED, TOTAL - FILLED, 0), (FILLED + 1, None, 1), (None, 0, 1)]
)
@pytest.mark.parametrize("dry", [["--dry-run"], []])
@pytest.mark.usefixtures("faulty")
def test_expectations(
    filled: int | None,
    orphans: int | None,
    code: int,
    dry: list[str],
    migrate: Migrate,
    database: str,
    psql: Path,
    pg_tool: Callable[[str], Path],
) -> None:
    before = state(psql, pg_tool, database)
    expected = [] if filled is None else ["--expect-filled", str(filled)]
    expected += [] if orphans is None else ["--expect-orphans", str(orphans)]
    found, document = migrate(*expected, *dry)
    assert found == code
    assert document["counts"]["filled"] == FILLED
    if dry or code:
        assert state(psql, pg_tool, database) == before


def test_a_dangling_parent_that_does_not_fit(
    connection: Connection,
    migrate: Migrate,
    insert: Callable[[Any], None],
    database: str,
    psql: Path,
    pg_tool: Callable[[str], Path],
) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ALTER COLUMN "parent_job_id" TYPE text')
    # An assignment would cut the spaces without a word.
    insert([("a", "x" * 100 + "  "), ("b", None)])
    before = state(psql, pg_tool, database)
    for arguments in ([], ["--dry-run"]):
        code, document = migrate(*arguments)
        assert (code, document["error"]["code"]) == (2, "config")
        assert "does not fit" in document["error"]["message"]
    assert state(psql, pg_tool, database) == before
    assert migrate("--dangling", "null")[0] == 0


@pytest.mark.usefixtures("faulty")
def test_a_parent_that_could_not_be_cleared(
    connection: Connection, migrate: Migrate, database: str, psql: Path, pg_tool: Callable[[str], Path]
) -> None:
    connection.execute("""UPDATE "LlamaLog" SET "parent_job_id" = '' WHERE "parent_job_id" IS NULL""")
    connection.execute('ALTER TABLE "LlamaLog" ALTER COLUMN "parent_job_id" SET NOT NULL')
    before = state(psql, pg_tool, database)
    for arguments in ([], ["--dry-run"]):
        code, document = migrate(*arguments)
        assert (code, document["error"]["code"]) == (2, "config")
        assert "nothing was changed" in document["error"]["message"]
    assert state(psql, pg_tool, database) == before
    assert migrate("--no-trust-root-flag")[0] == 0


@pytest.mark.parametrize(
    "trigger",
    [
        "BEGIN RETURN NULL; END",
        "BEGIN NEW.root_job_id := NULL; RETURN NEW; END",
    ],
    ids=["suppresses", "clears"],
)
@pytest.mark.usefixtures("faulty")
def test_a_trigger_that_undoes_the_fill_is_noticed(
    trigger: str,
    connection: Connection,
    migrate: Migrate,
    database: str,
    psql: Path,
    pg_tool: Callable[[str], Path],
) -> None:
    connection.execute('UPDATE "LlamaLog" SET "is_root_job" = false')
    connection.execute(f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS '{trigger}'".encode())
    connection.execute(
        'CREATE TRIGGER meddle BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION meddle()'
    )
    before = state(psql, pg_tool, database)
    code, document = migrate("--no-trust-root-flag")
    assert (code, document["error"]["code"]) == (2, "config")
    assert "rolled back" in document["error"]["message"]
    assert state(psql, pg_tool, database) == before


@pytest.mark.usefixtures("faulty")
def test_deferred_constraint_triggers_do_not_stop_it(connection: Connection, migrate: Migrate) -> None:
    connection.execute("CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    connection.execute(
        'CREATE CONSTRAINT TRIGGER look AFTER UPDATE ON "LlamaLog" DEFERRABLE INITIALLY DEFERRED '
        "FOR EACH ROW EXECUTE FUNCTION look()"
    )
    assert migrate()[0] == 0
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()


@pytest.mark.usefixtures("faulty")
def test_lock_not_got_names_who_is_in_the_way(
    run_cli: Cli, database: str, psql: Path, pg_tool: Callable[[str], Path]
) -> None:
    before = state(psql, pg_tool, database)
    with holding(database, 'SELECT count(*) FROM "LlamaLog"') as other:
        done = run_cli(
            *("migrate", "--yes", "--format", "json", "--dsn", database),
            *("--lock-timeout", "200ms", "--retries", "1"),
        )
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"]) == (3, "lock")
        assert f"pid {other.info.backend_pid}" in error["message"]
        assert "somebody" in error["message"]
        assert "idle in transaction" in error["message"]
        assert "nothing was changed" in error["message"]
        assert "attempt 1 of 2" in done.stderr
    assert state(psql, pg_tool, database) == before


@pytest.mark.usefixtures("faulty")
def test_lock_got_at_a_later_attempt(migrate: Migrate, database: str) -> None:
    with holding(database, 'SELECT count(*) FROM "LlamaLog"') as other:
        timer = threading.Timer(1.5, other.rollback)
        timer.start()
        code, _ = migrate("--lock-timeout", "200ms", "--retries", "8")
        timer.join()
    assert code == 0


@pytest.mark.usefixtures("faulty")
def test_one_run_at_a_time(run_cli: Cli, migrate: Migrate, database: str) -> None:
    with holding(database, 'SELECT count(*) FROM "LlamaLog"'):
        first = threading.Thread(
            target=run_cli, args=("migrate", "--yes", "--dsn", database, "--lock-timeout=60s", "--retries=0")
        )
        first.start()
        with psycopg.connect(database, autocommit=True) as watch:
            while not watch.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchall():
                time.sleep(0.05)
        code, document = migrate()
        assert (code, document["error"]["code"]) == (3, "busy")
        assert "llamactl migrate" in document["error"]["message"]
        assert "nothing was changed" in document["error"]["message"]
    first.join()


@pytest.mark.usefixtures("faulty")
def test_access_exclusive_is_the_first_lock_on_the_table(
    run_cli: Cli, database: str, connection: Connection
) -> None:
    """A session that has read the table, and then writes to it, must not die of a deadlock."""
    with psycopg.connect(database) as application:
        application.execute('SELECT count(*) FROM "LlamaLog"')
        arguments = ("migrate", "--yes", "--dsn", database, "--lock-timeout=3s")
        run = threading.Thread(target=run_cli, args=arguments)
        run.start()
        while not connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
            time.sleep(0.02)
        application.execute("""UPDATE "LlamaLog" SET "reason" = 'still alive'""")
        application.commit()
        run.join()
    assert dict(connection.execute(ROOTS).fetchall()) == expected_roots()


def test_empty_table(migrate: Migrate, run_cli: Cli, database: str) -> None:
    code, document = migrate()
    assert (code, document["counts"]["total"], document["counts"]["max_depth"]) == (0, 0, 0)
    assert verified(run_cli, database) == (0, set())


@pytest.mark.parametrize(
    ("job_type", "parent_type", "values"),
    [
        ("integer", "bigint", [("1", None, "1"), ("2", "1", "1"), ("3", "77", "77")]),
        (
            "uuid",
            "uuid",
            [
                (f"{1:032x}", None, f"{1:032x}"),
                (f"{2:032x}", f"{1:032x}", f"{1:032x}"),
                (f"{3:032x}", f"{9:032x}", f"{9:032x}"),
            ],
        ),
        ('varchar(20) COLLATE "C"', "text", [("ä", None, "ä"), ("b", "ä", "ä"), ("c", "Ä", "Ä")]),
    ],
)
def test_other_types_and_names(
    job_type: str,
    parent_type: str,
    values: list[tuple[str, str | None, str]],
    new_database: Callable[..., str],
    run_cli: Cli,
) -> None:
    dsn = new_database(empty=True)
    table = '"of ""odd"" names"."job logs; 100%"'
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute('CREATE SCHEMA "of ""odd"" names"')
        connection.execute(
            f"CREATE TABLE {table} "
            f'(n serial PRIMARY KEY, "the job" {job_type}, "it\'s parent" {parent_type})'.encode()
        )
        for job, parent, _ in values:
            connection.execute(f"INSERT INTO {table} VALUES (DEFAULT, $1, $2)".encode(), (job, parent))
        named = (
            *("--schema", 'of "odd" names', "--table", "job logs; 100%", "--column", "job_id=the job"),
            *("--column", "parent_job_id=it's parent", "--column", "root_job_id=Root $1 %s"),
        )
        done = run_cli("migrate", "--yes", "--dsn", dsn, *named)
        assert done.returncode == 0, done.stderr
        roots = connection.execute(f'SELECT "Root $1 %s"::text FROM {table} ORDER BY n'.encode())
        assert [row[0].replace("-", "") for row in roots] == [root for *_, root in values]
        types = connection.execute(
            "SELECT format_type(atttypid, atttypmod), attcollation FROM pg_attribute "
            "WHERE attrelid = $1::regclass AND attname IN ('the job', 'Root $1 %s')",
            (table,),
        ).fetchall()
        assert types[0] == types[1]
    assert verified(run_cli, dsn, *named) == (0, set())


@pytest.mark.usefixtures("faulty")
def test_the_script_run_by_psql_gives_what_migrate_gives(
    run_cli: Cli,
    new_database: Callable[..., str],
    insert_into: Callable[[str, Any], None],
    migrate: Migrate,
    database: str,
    psql: Path,
    pg_tool: Callable[[str], Path],
) -> None:
    other = new_database()
    insert_into(other, faulty_rows())
    # created_at differs between the two databases, and so does the time of the saving.
    for dsn in (database, other):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("""UPDATE "LlamaLog" SET "created_at" = '2026-01-01'""")
    script = run_cli("sql", "--dsn", other).stdout
    command = [psql, "-X", "-q", "-d", other, "-f", "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert migrate()[0] == 0
    for dsn in (database, other):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("UPDATE llamactl.cleared_parent SET cleared_at = '2026-01-01'")
            connection.execute('CREATE TABLE sorted AS SELECT * FROM "LlamaLog" ORDER BY "id"')
            connection.execute('TRUNCATE "LlamaLog"')
    assert state(psql, pg_tool, other) == state(psql, pg_tool, database)
