"""What each command says to do next: a line that can be pasted, with the options that were used."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from cutting import Done, run_here

CHAIN = [("root", None), ("child", "root"), ("grandchild", "child"), (None, None)]
COUNTS = "--expect-filled 3 --expect-orphans 1"
Insert = Callable[[Any], None]


@pytest.fixture
def log(database: str, insert: Insert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Conninfo of a log with one chain of three and one untracked row; the working directory is empty."""
    insert(CHAIN)
    monkeypatch.chdir(tmp_path)
    return database


@pytest.fixture
def named(log: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, named by DATABASE_URL."""
    monkeypatch.setenv("DATABASE_URL", log)
    return log


def next_lines(done: Done) -> list[str]:
    """The command lines that are printed to be pasted, and only on stderr."""
    assert "Next:" not in done.out
    return [line.strip() for line in done.err.splitlines() if line.startswith("  llamactl ")]


def run(database: str, statement: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(statement.encode())


def pasted(line: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the line as a person would, in a shell."""
    program = folder / "bin" / "llamactl"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m llamactl "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{env.get('PATH', '')}"
    return subprocess.run(
        ["sh", "-c", line], env={**env, "PATH": path}, cwd=folder, capture_output=True, text=True, check=False
    )


def test_from_preflight_to_verify(named: str) -> None:
    assert next_lines(run_here("preflight")) == ["llamactl migrate --dry-run"]
    assert next_lines(run_here("migrate", "--dry-run")) == [f"llamactl migrate {COUNTS}"]
    after = ["llamactl verify", "llamactl guard install"]
    assert next_lines(run_here("migrate", "--yes")) == after
    for command in (["preflight"], ["migrate", "--dry-run"]):
        assert next_lines(run_here(*command)) == ["llamactl verify"]
    assert next_lines(run_here("migrate", "--yes")) == after  # there is nothing to do
    planned = run_here("undo", "--dry-run", "-v")
    assert next_lines(planned) == ["llamactl undo"]
    assert "DROP COLUMN" in planned.out
    assert "DROP COLUMN" not in run_here("undo", "--dry-run").out


def test_errors_come_first(named: str) -> None:
    run(named, 'ALTER TABLE "LlamaLog" ADD COLUMN root_job_id integer')
    done = run_here("preflight")
    assert done.code == 1
    assert next_lines(done) == ["llamactl preflight"]
    assert "resolve the errors" in done.err


def test_what_was_not_expected_has_no_next_step(named: str) -> None:
    done = run_here("migrate", "--dry-run", "--expect-filled", "7")
    assert (done.code, next_lines(done)) == (1, [])


def test_verify_of_a_table_that_is_not_migrated(named: str) -> None:
    assert next_lines(run_here("verify")) == ["llamactl preflight"]


def test_repair_and_guard(named: str) -> None:
    assert run_here("migrate", "--yes").code == 0
    assert next_lines(run_here("guard", "install", "--yes")) == ["llamactl repair --dry-run"]
    assert next_lines(run_here("migrate", "--yes")) == ["llamactl verify"]  # there is a guard
    run(named, 'ALTER TABLE "LlamaLog" DISABLE TRIGGER USER; UPDATE "LlamaLog" SET root_job_id = NULL')
    found = next_lines(run_here("repair", "--dry-run", "--grace", "0s", "--overwrite"))
    assert found == ["llamactl repair --overwrite --grace 0s"]
    assert next_lines(run_here("repair", "--yes", "--grace", "0s")) == ["llamactl verify"]
    assert next_lines(run_here("repair", "--dry-run")) == []
    assert "llamactl guard install" in next_lines(run_here("migrate", "--yes"))  # a disabled guard is none


def test_online_the_guard_is_there_or_was_declined(named: str) -> None:
    words = ["--online", "--grace", "0s", "--no-guard", "--retries", "7"]
    line = f"llamactl migrate --retries 7 --online --no-guard --grace 0s {COUNTS}"
    assert next_lines(run_here("migrate", "--dry-run", *words)) == [line]
    assert next_lines(run_here("migrate", "--yes", *words)) == ["llamactl verify"]


@pytest.mark.parametrize(
    "table",
    [
        'o\'dd $HOME `x` "t"',
        *(pytest.param(name, marks=pytest.mark.slow) for name in ('semi;colon && "q"', "-dash")),
    ],
)
def test_the_line_can_be_pasted(table: str, log: str, cli_env: dict[str, str], tmp_path: Path) -> None:
    quoted = '"' + table.replace('"', '""') + '"'
    run(log, f'ALTER TABLE "LlamaLog" RENAME TO {quoted}; ALTER TABLE {quoted} RENAME job_id TO "job $1\'s"')
    words = ["--dsn", log, f"--table={table}", "--column", "job_id=job $1's", "--dangling=null", "--yes"]
    words += ["--no-trust-root-flag", "--lock-timeout", "3s"]
    planned = run_here("migrate", "--dry-run", "--format", "json", "-v", *COUNTS.split(), *words)
    assert "llamactl migrate" not in json.dumps({**json.loads(planned.out), "steps": None})
    (line,) = next_lines(planned)
    for option in ("--dangling null", "--no-trust-root-flag", "--lock-timeout 3s", "--yes", COUNTS):
        assert option in line
    assert "--dry-run" not in line
    done = pasted(line, tmp_path, cli_env)
    assert done.returncode == 0, done.stderr
    assert "Migrated." in done.stdout


def test_a_password_is_never_in_the_line(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = f"{log} password='hush hush'"
    done = run_here("migrate", "--dry-run", "--dsn", dsn)
    assert next_lines(done) == [f"llamactl migrate --dsn URL {COUNTS}"]
    assert "hush" not in done.err + done.out
    monkeypatch.setenv("STAGING", dsn)
    done = run_here("preflight", "--dsn", dsn)
    assert next_lines(done) == ['llamactl migrate --dsn "$STAGING" --dry-run']


def test_a_connection_without_a_password_is_quoted(log: str) -> None:
    (line,) = next_lines(run_here("preflight", "--dsn", log))
    assert shlex.split(line) == ["llamactl", "migrate", "--dsn", log, "--dry-run"]


# Prisma --------------------------------------------------------------------------------------------------


def drift(done: Done) -> str:
    return " ".join(line for line in done.err.splitlines() if "prisma migrate dev" in line)


@pytest.mark.parametrize("where", ["table", "folder"])
def test_in_a_prisma_project_the_drift_is_named(where: str, named: str, tmp_path: Path) -> None:
    if where == "table":
        run(named, "CREATE TABLE _prisma_migrations (id text)")
    else:
        (tmp_path / "prisma").mkdir()
        (tmp_path / "prisma" / "schema.prisma").touch()
    assert drift(run_here("migrate", "--dry-run")) == ""
    found = drift(run_here("migrate", "--yes"))
    assert "column root_job_id, its index and enum value LINKED as drift" in found
    assert "docs/operating.md" in found
    assert run_here("guard", "install", "--yes").code == 0
    assert "the index on (job_id, parent_job_id)" in drift(run_here("migrate", "--yes"))


@pytest.mark.slow
def test_online_too(named: str) -> None:
    run(named, "CREATE TABLE _prisma_migrations (id text)")
    assert "the index on (job_id, parent_job_id)" in drift(run_here("migrate", "--online", "--yes"))


def test_elsewhere_no_drift_is_named(named: str, tmp_path: Path) -> None:
    """A list of another schema is not of this table; a view is none; a folder of that name is no schema."""
    run(named, "CREATE SCHEMA other; CREATE TABLE other._prisma_migrations (id text)")
    run(named, "CREATE VIEW _prisma_migrations AS SELECT 1 AS id")
    (tmp_path / "prisma" / "schema.prisma").mkdir(parents=True)
    assert drift(run_here("migrate", "--yes")) == ""


# The plan --------------------------------------------------------------------------------------------------


def test_a_plan_does_not_hide_the_counts(named: str) -> None:
    plain = run_here("migrate", "--dry-run", "--online")
    assert len((plain.out + plain.err).splitlines()) < 45
    assert "ALTER TABLE" not in plain.out
    verbose = run_here("migrate", "--dry-run", "--online", "-v")
    assert 'ALTER TABLE "public"."LlamaLog" ADD COLUMN' in verbose.out
    last = verbose.out.splitlines()[-35:]
    assert any(line.startswith("  rows") for line in last)  # the statements, which are long, come before
    for done in (plain, verbose):
        assert done.out.count("jobs by depth") == 1


def test_skipped_steps_are_those_that_one_expects(named: str) -> None:
    def skipped(*words: str) -> list[str]:
        lines = [line for line in run_here(*words).out.splitlines() if line.startswith("skipped")]
        return [name for line in lines for name in re.split(r"skipped +|, ", line) if name]

    assert skipped("migrate", "--dry-run") == []
    assert skipped("migrate", "--dry-run", "--online") == []
    assert skipped("migrate", "--dry-run", "--check", "no") == ["add check"]
    run(
        named,
        """INSERT INTO "LlamaLog" (operation, category, status, job_id, parent_job_id)
        VALUES ('x', 'ENRICHED', 'SUCCESS', 'self', 'self')""",
    )
    assert skipped("migrate", "--dry-run") == ["add check"]
    assert skipped("migrate", "--dry-run", "--check", "not-valid") == []
    assert run_here("migrate", "--yes").code == 0
    assert skipped("undo", "--dry-run") == ["drop check"]


# The connection --------------------------------------------------------------------------------------------


def test_the_connection_line_names_host_and_database(named: str) -> None:
    parts = conninfo_to_dict(named)
    kind = "socket" if str(parts["host"]).startswith("/") else "host"
    (line,) = [line for line in run_here("verify").err.splitlines() if line.startswith("Connection: ")]
    assert line.startswith(f"Connection: DATABASE_URL, {kind} {parts['host']}")
    assert line.endswith(f", database {parts['dbname']}")
    assert f"as {parts['user']}" not in line


def test_an_unreachable_host_is_named_before_it_is_tried() -> None:
    done = run_here("verify", "--dsn", "postgresql://app:hush-hush@127.0.0.1:1/music")
    assert done.err.splitlines()[0] == "Connection: --dsn, host 127.0.0.1, port 1, database music"
    assert "hush" not in done.err


def test_a_password_in_the_name_of_the_database_is_not_shown() -> None:
    done = run_here(
        "verify", "--dsn", "dbname=postgresql://app:hush-hush@127.0.0.1:1/x host=127.0.0.1 port=1"
    )
    assert "hush" not in done.err
