"""docs/operating.md: its GRANTs are enough and none is idle, its workflow runs, its Prisma migration fits."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

import psycopg
import pytest

from pages import Block, every_block
from roles import Role, new_role

Cli = Callable[..., subprocess.CompletedProcess[str]]
Connection = psycopg.Connection[Any]
READING = ["verify", "preflight --fail-on never", "migrate --dry-run", "sql", "tree child"]
COLUMNS = {"id", "job_id", "parent_job_id", "is_root_job", "created_at", "root_job_id"}
SHOWN = {"operation", "category", "status", "entity_type", "entity_id", "duration_ms", "error_message"}


def only(kind: str, name: str = "") -> Block:
    (block,) = (block for block in every_block(kind) if block.argument == name)
    return block


def grants(name: str) -> list[str]:
    return [line for line in only("sql", name).lines if line.startswith("GRANT")]


@pytest.fixture
def closed(database: str, insert: Callable[[Any], None], run_cli: Cli) -> str:
    """Conninfo of a migrated log in a database in which PUBLIC may do nothing."""
    insert([("root", None), ("child", "root"), ("again", "root", True)])
    assert run_cli("migrate", "--yes", "--dsn", database).returncode == 0
    return close(database)


def close(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(f'REVOKE ALL ON DATABASE "{connection.info.dbname}" FROM PUBLIC'.encode())
    return database


@contextmanager
def role_with(statements: list[str], database: str, owner: str = "postgres") -> Iterator[Role]:
    """A role of its own for that of the page, with these grants."""
    dbname = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with new_role(database) as role:
        for statement in statements:
            placed = re.sub(r"\b(lineage_ci|migrator)\b", "{}", statement)
            placed = placed.replace("DATABASE music", f'DATABASE "{dbname}"').replace(
                "GRANT app", f"GRANT {owner}"
            )
            role.granted(placed.partition(";")[0], database)
        yield role


def ended(run_cli: Cli, command: str, role: Role) -> tuple[int, str]:
    done = run_cli(*command.split(), "--schema", "public", "--dsn", role.conninfo)
    return done.returncode, done.stderr


def test_a_reader_needs_no_more(closed: str, run_cli: Cli) -> None:
    with role_with(grants("reader"), closed) as role:
        for command in READING:
            assert ended(run_cli, command, role)[0] == 0, command
        code, said = ended(run_cli, "migrate --yes", role)
        assert (code, "may not alter the table" in said) == (3, True)


@pytest.mark.parametrize("missing", grants("reader"))
def test_a_reader_needs_each(closed: str, run_cli: Cli, missing: str) -> None:
    with role_with([line for line in grants("reader") if line != missing], closed) as role:
        code, said = ended(run_cli, "verify", role)
        assert code == 3
        assert missing.partition(" ON ")[0] in said or "CONNECT" in missing
        # tree makes no temporary table.
        assert ended(run_cli, "tree child", role)[0] == (0 if "TEMPORARY" in missing else 3)


def test_grants_on_columns(closed: str, run_cli: Cli) -> None:
    page = only("sql", "reader").page.read_text(encoding="utf-8")
    told = page.partition("SELECT on single columns")[2].partition("\n- ")[0]
    assert set(re.findall(r"`(\w+)`", told)) == COLUMNS | SHOWN | {"tree"}
    few = [line.replace("SELECT", f"SELECT ({', '.join(COLUMNS)})") for line in grants("reader")]
    with role_with(few, closed) as role:
        for command in READING[:-1]:
            assert ended(run_cli, command, role)[0] == 0, command
        assert ended(run_cli, "tree child", role)[0] == 3
        role.granted(f'GRANT SELECT ({", ".join(SHOWN)}) ON "LlamaLog" TO {{}}', closed)
        assert ended(run_cli, "tree child", role)[0] == 0


@pytest.fixture
def owned(database: str, insert: Callable[[Any], None]) -> Iterator[tuple[str, Role]]:
    """Conninfo of a log that a role owns, in a database in which PUBLIC may do nothing; and the role."""
    insert([("root", None), ("child", "root"), ("again", "root", True)])
    with new_role(close(database)) as owner:
        owner.granted('ALTER TABLE "LlamaLog" OWNER TO {}', database)
        owner.granted('ALTER TYPE "LlamaLogCategory" OWNER TO {}', database)
        yield database, owner


def test_a_migrator_needs_no_more(owned: tuple[str, Role], run_cli: Cli) -> None:
    database, owner = owned
    with role_with(grants("migrator"), database, owner.name) as role:
        code, said = ended(run_cli, "migrate --yes", role)
        assert code == 0, said
        assert ended(run_cli, "verify --grace 0", role)[0] == 0


@pytest.mark.parametrize("missing", grants("migrator"))
def test_a_migrator_needs_each(owned: tuple[str, Role], run_cli: Cli, missing: str) -> None:
    database, owner = owned
    kept = [line for line in grants("migrator") if line != missing]
    with role_with(kept, database, owner.name) as role:
        code, said = ended(run_cli, "migrate --yes", role)
        assert code == 3, said
        assert "nothing was changed" in said or "GRANT" in said or "CONNECT" in missing


def test_the_workflow(closed: str, run_cli: Cli) -> None:
    steps = re.findall(r"run: llamactl (.*)", only("workflow").text)
    assert len(steps) == 2
    with role_with(grants("reader"), closed) as role:
        for step in steps:
            words = step.partition(" > ")[0].split()
            done = run_cli(*words, env={"LLAMACTL_DSN": role.conninfo})
            assert done.returncode == 0, done.stderr
            if "junit" in words:
                assert ET.fromstring(done.stdout).get("failures") == "0"


def test_the_prisma_migration(
    connection: Connection, database: str, insert: Callable[[Any], None], run_cli: Cli
) -> None:
    """After it, llamactl fills and adds no index, CHECK or value of its own."""
    insert([("root", None), ("child", "root")])
    for statement in only("sql", "prisma").text.split(";\n")[:-1]:
        connection.execute(statement.encode())
    done = run_cli("migrate", "--yes", "--dsn", database)
    assert done.returncode == 0
    skipped = next(line for line in done.stdout.splitlines() if line.startswith("skipped"))
    assert "add column" in skipped
    assert "add check," in skipped
    assert "add label" in skipped
    indexes = connection.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%root_job_id%'")
    assert indexes.fetchall() == [("LlamaLog_root_job_id_idx",)]
    assert run_cli("verify", "--dsn", database).returncode == 0


def test_the_prisma_schema() -> None:
    """Its field, index and value are those of the migration."""
    shown = only("prisma").text
    assert re.search(r'rootJobId +String\? @map\("root_job_id"\) @db\.VarChar\(100\)', shown)
    assert "@@index([rootJobId])" in shown
    assert "LINKED" in shown
