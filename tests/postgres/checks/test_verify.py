"""Checks that were not made are skipped, with a reason, in all formats; roots that are not logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import psycopg
import pytest

from cutting import Connection, migrate_here, run_here
from roles import new_role

Insert = Callable[[Any], None]
CHECK = '"LlamaLog_job_id_not_parent_check"'


def verified(dsn: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the document with its checks by id."""
    done = run_here("verify", "--grace", "0", "--format", "json", "--dsn", dsn, *arguments)
    document = json.loads(done.out)
    assert "checks" in document, done.err
    return done.code, {**document, **{check["id"]: check for check in document["checks"]}}


def outcome(document: dict[str, Any], id_: str) -> tuple[str, bool | None, str | None]:
    check = document[id_]
    assert (check["status"] == "skipped") == (check["ok"] is None) == bool(check["reason"])
    return check["status"], check["ok"], check["reason"]


# --- checks that were not made -----------------------------------------------------------------------------


def test_all_checks_are_made_on_an_ordinary_table(database: str, insert: Insert) -> None:
    insert([("a", None), ("b", "a")])
    assert migrate_here(database).code == 0
    code, found = verified(database)
    assert (code, found["ok"]) == (0, True)
    assert {check["status"] for check in found["checks"]} == {"passed"}


def test_a_check_that_migrate_leaves_out(database: str, connection: Connection, insert: Insert) -> None:
    insert([("a", None), ("s", "s")])
    assert migrate_here(database).code == 0
    code, found = verified(database)
    assert (code, found["ok"]) == (0, True)
    reason = "rows are their own parent, so migrate does not add it"
    assert outcome(found, "V11") == ("skipped", None, reason)
    assert [check["id"] for check in found["checks"] if check["status"] != "passed"] == ["V11"]
    text = run_here("verify", "--dsn", database).out
    assert f"skip V11 no-check         The CHECK against self-parents exists: {reason}\n" in text
    assert text.endswith("OK: 10 checks, 1 skipped.\n")
    annotated = run_here("verify", "--format", "github", "--dsn", database).out
    assert (
        f"::notice title=V11 no-check skipped%3A The CHECK against self-parents exists::{reason}" in annotated
    )
    assert "verify: 0 of 10 checks failed, 1 skipped" in annotated
    suite = ET.fromstring(run_here("verify", "--format", "junit", "--dsn", database).out)
    (case,) = suite.iterfind(".//testcase[skipped]")
    assert case.attrib["name"].startswith("V11 ")
    assert case.find("skipped").attrib == {"message": reason}  # type: ignore[union-attr]
    assert (suite.attrib["skipped"], suite.attrib["failures"]) == ("1", "0")
    # One that is there, and that rows violate, is there.
    connection.execute(
        f'ALTER TABLE "LlamaLog" ADD CONSTRAINT {CHECK} CHECK (job_id <> parent_job_id) NOT VALID'
    )
    assert outcome(verified(database)[1], "V11") == ("passed", True, None)
    connection.execute(
        f"""ALTER TABLE "LlamaLog" DROP CONSTRAINT {CHECK}; DELETE FROM "LlamaLog" WHERE job_id = 's'"""
    )
    assert outcome(verified(database)[1], "V11") == ("failed", False, None)


def test_another_constraint_of_its_name(database: str, connection: Connection, insert: Insert) -> None:
    """It is no CHECK against self-parents, whether rows are their own parent or not."""
    insert([("a", None)])
    assert migrate_here(database).code == 0
    connection.execute(f"""
        ALTER TABLE "LlamaLog" DROP CONSTRAINT {CHECK};
        ALTER TABLE "LlamaLog" ADD CONSTRAINT {CHECK} CHECK (job_id <> '')
    """)
    for rows in ([], [("s", "s")]):
        insert(rows)
        code, found = verified(database)
        assert (code, outcome(found, "V11")) == (1, ("failed", False, None))
        assert found["V11"]["sample"] == ["another constraint has the name LlamaLog_job_id_not_parent_check"]


def test_a_check_that_is_not_enforced(database: str, connection: Connection, insert: Insert) -> None:
    if connection.info.server_version < 180000:
        pytest.skip("every CHECK is enforced before Postgres 18")
    insert([("a", None)])
    assert migrate_here(database).code == 0
    connection.execute(f"""
        ALTER TABLE "LlamaLog" DROP CONSTRAINT {CHECK};
        ALTER TABLE "LlamaLog" ADD CONSTRAINT {CHECK} CHECK (job_id <> parent_job_id) NOT ENFORCED
    """)
    code, found = verified(database)
    assert (code, outcome(found, "V11")) == (1, ("failed", False, None))
    assert "NOT ENFORCED" in found["V11"]["sample"][0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER category TYPE text", "the category is not an enum"),
        ("DROP category", "the table has no category column"),
    ],
)
def test_a_category_that_is_no_enum(
    database: str, connection: Connection, insert: Insert, change: str, reason: str
) -> None:
    insert([("a", None)])
    connection.execute(f'ALTER TABLE "LlamaLog" {change}'.encode())
    assert migrate_here(database).code == 0
    code, found = verified(database)
    assert (code, found["ok"], outcome(found, "V09")) == (0, True, ("skipped", None, reason))


def test_a_label_that_is_missing(database: str, connection: Connection, insert: Insert) -> None:
    insert([("a", None)])
    assert migrate_here(database).code == 0
    connection.execute("""ALTER TYPE "LlamaLogCategory" RENAME VALUE 'LINKED' TO 'JOINED'""")
    code, found = verified(database)
    assert (code, outcome(found, "V09")) == (1, ("failed", False, None))


def test_a_table_that_is_not_migrated(database: str, insert: Insert) -> None:
    insert([("a", None)])
    code, found = verified(database)
    assert (code, found["ok"], found["counts"], found["root_not_logged"]) == (1, False, None, None)
    assert outcome(found, "V01") == ("failed", False, None)
    rest = {outcome(found, check["id"]) for check in found["checks"] if check["id"] != "V01"}
    assert rest == {("skipped", None, "the table is not migrated yet")}
    assert len(found["checks"]) == 11
    assert run_here("verify", "--dsn", database, "--fail-on", "never").code == 0


# --- what preflight did not look for -----------------------------------------------------------------------


def test_findings_that_were_not_looked_for(database: str, connection: Connection, insert: Insert) -> None:
    insert([("a", None)])
    connection.execute('ALTER TABLE "LlamaLog" DROP metadata; ALTER TABLE "LlamaLog" DROP entity_id')
    document = json.loads(run_here("preflight", "--format", "json", "--dsn", database).out)
    skipped = {one["id"]: one["reason"] for one in document["skipped"]}
    assert skipped.pop("LL116", "") in ("", "other sessions are creating files at the moment")
    assert skipped == {
        "LL124": "the table has no metadata",
        "LL125": "the table has no entity_id",
    }
    suite = ET.fromstring(run_here("preflight", "--format", "junit", "--dsn", database).out)
    names = [case.attrib["name"][:5] for case in suite.iterfind(".//testcase[skipped]")]
    assert {*skipped} <= {*names}
    assert "skipped  LL124: the table has no metadata\n" in run_here("preflight", "--dsn", database).out
    assert "skipped LL124: the table has no metadata\n" in (
        run_here("preflight", "--format", "github", "--dsn", database).out
    )


def test_rows_that_were_not_read(database: str, connection: Connection, insert: Insert) -> None:
    insert([("a", None), ("s", "s")])
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {connection.info.dbname} FROM PUBLIC".encode())
        done = run_here("preflight", "--format", "json", "--fail-on", "never", "--dsn", role.conninfo)
    document = json.loads(done.out)
    assert document["counts"] is None
    unread = {one["id"] for one in document["skipped"] if one["reason"] == "the rows were not read"}
    assert {f"LL{number}" for number in (*range(101, 108), 118, 123, 124, 125, 206)} <= unread


# --- roots that are not logged -----------------------------------------------------------------------------


def not_logged(dsn: str) -> list[int | None]:
    """What verify, stats and preflight report."""
    found = []
    for command in (["verify"], ["stats"], ["preflight", "--fail-on", "never"]):
        done = run_here(*command, "--format", "json", "--dsn", dsn)
        found.append(json.loads(done.out)["root_not_logged"])
    return found


def test_roots_that_are_not_logged(database: str, connection: Connection, insert: Insert) -> None:
    insert([("a", None), ("b", "a"), ("c", "gone"), ("d", "c"), ("d", "c"), (None, "never"), (None, None)])
    assert not_logged(database) == [None, None, None]
    assert migrate_here(database).code == 0
    assert not_logged(database) == [4, 4, 4]
    assert "4 rows with a root that is not logged as a job" in run_here("verify", "--dsn", database).out
    assert "4 rows with a root that is not logged as a job" in run_here("stats", "--dsn", database).out
    preflight = json.loads(run_here("preflight", "--format", "json", "--dsn", database).out)
    (finding,) = [one for one in preflight["findings"] if one["id"] == "LL206"]
    assert (finding["count"], finding["severity"]) == (4, "info")
    # By the stored values, whatever is computed: rows of one job may hold several.
    connection.execute("""
        UPDATE "LlamaLog" SET root_job_id = 'a' WHERE job_id = 'd';
        UPDATE "LlamaLog" SET root_job_id = 'x'
        WHERE ctid = (SELECT min(ctid) FROM "LlamaLog" WHERE job_id = 'd');
        INSERT INTO "LlamaLog" (operation, category, status, job_id, root_job_id)
        VALUES ('x', 'CREATED', 'SUCCESS', ' ', ' ')
    """)
    assert not_logged(database) == [4, 4, 4]
    # The job is logged at last.
    insert([("gone", None), ("never", None)])
    assert not_logged(database) == [2, 2, 2]


def test_without_temporary_tables_stats_knows_it_all_the_same(
    database: str, connection: Connection, insert: Insert
) -> None:
    insert([("c", "gone")])
    assert migrate_here(database).code == 0
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {connection.info.dbname} FROM PUBLIC".encode())
        found = json.loads(run_here("stats", "--format", "json", "--dsn", role.conninfo).out)
    assert found["root_not_logged"] == 1


@pytest.mark.parametrize("type_", ["bigint", "uuid"])
def test_other_types(type_: str, new_database: Callable[..., str]) -> None:
    def id_(number: int) -> str:
        return str(number) if type_ == "bigint" else f"00000000-0000-0000-0000-{number:012}"

    dsn = new_database(empty=True)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE llama_logs (id int PRIMARY KEY, job_id {type_}, parent_job_id {type_})".encode()
        )
        for number, (job, parent) in enumerate([(1, None), (2, 1), (3, 9)]):
            values = [number, id_(job), None if parent is None else id_(parent)]
            connection.execute("INSERT INTO llama_logs VALUES (%s, %s, %s)", values)
    assert migrate_here(dsn).code == 0
    assert not_logged(dsn) == [1, 1, 1]
