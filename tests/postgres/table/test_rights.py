"""docs/operating.md: its GRANTs are enough and none is idle, its workflow runs, its Prisma migration fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

import psycopg
import pytest

from cutting import run_here
from pages import Block, every_block
from roles import Role, new_role

Connection = psycopg.Connection[Any]
READING = ["verify", "preflight --fail-on never", "migrate --dry-run", "stats", "sql", "tree child"]


def only(kind: str, name: str = "") -> Block:
    (block,) = (block for block in every_block(kind) if block.argument == name)
    return block


def grants(name: str) -> list[str]:
    return [line for line in only("sql", name).lines if line.startswith("GRANT")]


@pytest.fixture
def closed(database: str, insert: Callable[[Any], None]) -> str:
    """Conninfo of a migrated log in a database in which PUBLIC may do nothing."""
    insert([("root", None), ("child", "root"), ("again", "root", True)])
    assert run_here("migrate", "--yes", "--dsn", database).code == 0
    return close(database)


def close(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(f'REVOKE ALL ON DATABASE "{connection.info.dbname}" FROM PUBLIC'.encode())
    return database


@contextmanager
def role_with(statements: list[str], database: str) -> Iterator[Role]:
    """A role of its own for that of the page, with these grants."""
    with new_role(database) as role:
        give(role, statements, database)
        yield role


def give(role: Role, statements: list[str], database: str) -> None:
    """Executes these GRANTs of the page, to the role."""
    dbname = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    for statement in statements:
        placed = re.sub(r"\b(lineage_ci|app)\b", "{}", statement)
        placed = placed.replace("DATABASE music", f'DATABASE "{dbname}"')
        role.granted(placed.partition(";")[0], database)


@contextmanager
def co_owner(database: str, owner: Role) -> Iterator[Role]:
    """A role that inherits the rights of the owner, who has those of the page."""
    with new_role(database) as role:
        give(role, grants("owner"), database)
        role.granted(f"GRANT {owner.name} TO {{}}", database)
        yield role


def ended(command: str, role: Role) -> tuple[int, str]:
    done = run_here(*command.split(), "--schema", "public", "--dsn", role.conninfo)
    return done.code, done.err


def test_a_reader_needs_no_more(closed: str) -> None:
    with role_with(grants("reader"), closed) as role:
        for command in READING:
            assert ended(command, role)[0] == 0, command
        code, said = ended("migrate --yes", role)
        assert (code, "cannot alter the table" in said) == (3, True)


@pytest.mark.parametrize("missing", grants("reader"))
def test_a_reader_needs_each(closed: str, missing: str) -> None:
    with role_with([line for line in grants("reader") if line != missing], closed) as role:
        code, said = ended("verify", role)
        assert code == 3
        assert missing.partition(" ON ")[0] in said or "CONNECT" in missing
        # tree makes no temporary table.
        assert ended("tree child", role)[0] == (0 if "TEMPORARY" in missing else 3)


def test_grants_on_columns(closed: str) -> None:
    page = only("sql", "reader").page.read_text(encoding="utf-8")
    told = page.partition("SELECT on single columns")[2].partition("\n- ")[0]
    columns = set(re.findall(r"`(\w+)`", told)) - {"tree"}
    few = [line.replace("SELECT", f"SELECT ({', '.join(columns)})") for line in grants("reader")]
    with role_with(few, closed) as role:
        for command in READING:
            code, said = ended(command, role)
            assert code == (3 if "tree" in command else 0), said


@pytest.fixture
def owned(database: str, insert: Callable[[Any], None]) -> Iterator[tuple[str, Role]]:
    """Conninfo of a log that a role owns, in a database in which PUBLIC may do nothing; and the role."""
    insert([("root", None), ("child", "root"), ("again", "root", True)])
    with new_role(close(database)) as owner:
        owner.granted('ALTER TABLE "LlamaLog" OWNER TO {}', database)
        owner.granted('ALTER TYPE "LlamaLogCategory" OWNER TO {}', database)
        yield database, owner


@pytest.mark.parametrize("command", ["migrate --yes", "migrate --online --yes"])
def test_an_owner_needs_no_more(owned: tuple[str, Role], command: str) -> None:
    database, owner = owned
    give(owner, grants("owner"), database)
    code, said = ended(command, owner)
    assert code == 0, said
    assert ended("verify --grace 0", owner)[0] == 0


@pytest.mark.parametrize("missing", grants("owner"))
def test_an_owner_needs_each(owned: tuple[str, Role], missing: str) -> None:
    """And is told the statement that is missing."""
    database, owner = owned
    give(owner, [line for line in grants("owner") if line != missing], database)
    code, said = ended("migrate --yes", owner)
    assert code == 3, said
    assert missing.partition(" music")[0].partition(" public")[0] in said or "CONNECT" in missing


def test_the_workflow(closed: str) -> None:
    steps = re.findall(r"run: llamactl (.*)", only("workflow").text)
    assert len(steps) == 2
    with role_with(grants("reader"), closed) as role:
        for step in steps:
            words = step.partition(" > ")[0].split()
            done = run_here(*words, "--dsn", role.conninfo)
            assert done.code == 0, done.err
            if "junit" in words:
                assert ET.fromstring(done.out).get("failures") == "0"


def test_the_prisma_migration(connection: Connection, database: str, insert: Callable[[Any], None]) -> None:
    """After it, llamactl fills and adds no index, CHECK or value of its own."""
    insert([("root", None), ("child", "root")])
    for statement in only("sql", "prisma").text.split(";\n")[:-1]:
        connection.execute(statement.encode())
    done = run_here("migrate", "--yes", "--dsn", database)
    assert done.code == 0
    skipped = next(line for line in done.out.splitlines() if line.startswith("skipped"))
    assert "add column" in skipped
    assert "add check," in skipped
    assert "add enum value" in skipped
    indexes = connection.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%root_job_id%'")
    assert indexes.fetchall() == [("LlamaLog_root_job_id_idx",)]
    assert run_here("verify", "--dsn", database).code == 0


def test_the_prisma_schema() -> None:
    """Its field, index and value are those of the migration."""
    shown = only("prisma").text
    assert re.search(r'rootJobId +String\? @map\("root_job_id"\) @db\.VarChar\(100\)', shown)
    assert "@@index([rootJobId])" in shown
    assert "LINKED" in shown


# --- what another role made in the schema llamactl ---------------------------------------------------------

CUT = """INSERT INTO llamactl.run (table_schema, table_name, command, backend_pid)
VALUES ('public', 'LlamaLog', 'migrate', 0)"""


@pytest.fixture
def second(owned: tuple[str, Role]) -> Iterator[tuple[str, Role]]:
    """Conninfo of a log that one of its owners migrated online; and another of its owners."""
    database, owner = owned
    with co_owner(database, owner) as first:
        code, said = ended("migrate --online --yes", first)
        assert code == 0, said
        with psycopg.connect(database) as connection:
            connection.execute(CUT)
            connection.execute('SET llamactl.filling = \'on\'; UPDATE "LlamaLog" SET "root_job_id" = NULL')
        with co_owner(database, owner) as other:
            yield database, other


def test_another_roles_records_do_not_stop_a_migration(second: tuple[str, Role]) -> None:
    _, other = second
    code, said = ended("migrate --yes", other)
    assert code == 0, said
    assert ended("verify --grace 0", other)[0] == 0


@pytest.mark.parametrize("command", ["repair --yes", "migrate --online --yes"])
def test_who_may_not_record_a_run_is_told_the_grant(second: tuple[str, Role], command: str) -> None:
    """One that is enough, and before anything is read."""
    database, other = second
    code, said = ended(command, other)
    assert code == 3, said
    assert "may not record a run in schema llamactl; nothing was changed" in said
    assert "Reading" not in said
    told = said.partition("hint:")[2]
    with psycopg.connect(database) as connection:
        for statement in re.findall(r"GRANT [^;]+;", told):
            connection.execute(statement.encode())
    code, said = ended(command, other)
    assert code == 0, said


def test_who_may_not_make_the_guard_is_told_before_anything_is_changed(second: tuple[str, Role]) -> None:
    database, other = second
    other.granted("GRANT USAGE ON SCHEMA llamactl TO {}", database)
    other.granted("GRANT ALL ON ALL TABLES IN SCHEMA llamactl TO {}", database)
    with psycopg.connect(database) as connection:
        connection.execute('DROP TRIGGER zz_llamactl_guard ON "LlamaLog"')
        connection.execute('DROP FUNCTION llamactl."LlamaLog_guard"')
    code, said = ended("migrate --online --yes", other)
    assert (code, "may not create the guard's function" in said, "Reading" in said) == (3, True, False), said


# The columns as 0.1 made them.
FORMER_RUN = """
ALTER TABLE llamactl.run
  ADD client text NOT NULL DEFAULT 'elsewhere:1', ADD relfilenode oid, ADD page bigint,
  ADD seen_at timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE llamactl.run ALTER client DROP DEFAULT
"""
RUN_COLUMNS = """
SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
WHERE attrelid = 'llamactl.run'::regclass AND attnum > 0 AND NOT attisdropped
"""


@pytest.mark.parametrize("command", ["repair --yes", "migrate --online --yes"])
def test_a_run_table_of_the_first_version(second: tuple[str, Role], command: str) -> None:
    """Its owner brings it up to date; to others the message names the owner, whose rights are enough."""
    database, other = second
    with psycopg.connect(database, autocommit=True) as connection:
        current = connection.execute(RUN_COLUMNS.encode()).fetchall()
        connection.execute(FORMER_RUN.encode())
        former = connection.execute(RUN_COLUMNS.encode()).fetchall()
        for statement in ("GRANT ALL ON SCHEMA llamactl", "GRANT ALL ON ALL TABLES IN SCHEMA llamactl"):
            other.granted(f"{statement} TO {{}}", database)
        code, said = ended(command, other)
        assert code == 3, said
        assert "is from an earlier version, and only" in said
        assert connection.execute(RUN_COLUMNS.encode()).fetchall() == former
        # One transaction leaves the record of runs as it is, where it is not the role's.
        assert ended("migrate --yes", other)[0] == 0
        (owner,) = re.findall(r"hint: +Connect as the owner, (\w+), for the next run", said)
        assert "GRANT" not in said
        other.granted(f"GRANT {owner} TO {{}}", database)
        connection.execute('SET llamactl.filling = \'on\'; UPDATE "LlamaLog" SET "root_job_id" = NULL')
        code, said = ended(command, other)
        assert code == 0, said
        assert connection.execute(RUN_COLUMNS.encode()).fetchall() == current
        kept = connection.execute("SELECT count(*) FROM llamactl.run").fetchone()
        assert kept == (3,)
