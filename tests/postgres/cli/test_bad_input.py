"""Bad input at the command line: the exit code, one line that says it, a document, and no password."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from llamactl.cli.main import main
from roles import new_role

Connection = psycopg.Connection[Any]
READERS = [
    ["preflight"],
    ["migrate", "--dry-run"],
    ["verify"],
    ["tree", "job-1"],
    ["timeline", "--root", "job-1"],
    ["sql"],
]
ALL = [*READERS, ["migrate", "--yes"], ["undo", "--yes"]]
words = pytest.mark.parametrize("words", ALL, ids=" ".join)
SECRET = "s3cr3t-pa55"


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str]) -> Callable[..., Mapping[str, str]]:
    """A function: run a command that fails, and give its error; what it prints is checked for its form."""

    def run(code: int, *arguments: str) -> Mapping[str, str]:
        assert main([*arguments, "--format", "json"]) == code, capsys.readouterr()
        out, err = capsys.readouterr()
        document = json.loads(out)
        assert document["schema_version"] == 2
        assert document["command"] == arguments[0]
        errors = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert "Traceback" not in err
        assert SECRET not in out + err
        error: Mapping[str, str] = document["error"]
        return error

    return run


@words
def test_unreachable_server(words: list[str], failing: Callable[..., Mapping[str, str]]) -> None:
    error = failing(3, *words, "--dsn", f"postgresql://me:{SECRET}@localhost:9/db")
    assert error["code"] == "connection"
    assert "localhost" in error["message"]


@words
def test_missing_database(words: list[str], failing: Callable[..., Mapping[str, str]], database: str) -> None:
    error = failing(3, *words, "--dsn", f"{database} dbname=not-there password={SECRET}")
    assert error["code"] == "connection"
    assert "not-there" in error["message"]


@words
def test_no_select(words: list[str], failing: Callable[..., Mapping[str, str]], database: str) -> None:
    with new_role(database) as role:
        error = failing(3, *words, "--dsn", role.conninfo)
    assert error["code"] == "permission"
    assert 'GRANT SELECT ON public."LlamaLog" TO ' in error["hint"]


def test_no_right_to_alter(failing: Callable[..., Mapping[str, str]], database: str) -> None:
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        error = failing(3, "migrate", "--yes", "--dsn", role.conninfo)
    assert error["code"] == "permission"
    assert "nothing was changed" in error["message"]


@words
@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["--table", "LamaLog"], "LlamaLog"),
        (["--schema", "elsewhere"], "LlamaLog"),
        (["--column", "job_id=job"], "job_id"),
    ],
    ids=["table", "schema", "column"],
)
def test_names_that_are_not_there(
    words: list[str],
    arguments: list[str],
    near: str,
    failing: Callable[..., Mapping[str, str]],
    database: str,
) -> None:
    error = failing(2, *words, "--dsn", database, *arguments)
    assert error["code"] == "config"
    assert near in error["hint"]


@words
@pytest.mark.parametrize(
    ("definition", "what"),
    [
        ("CREATE VIEW other AS SELECT * FROM {}", "view"),
        ("CREATE MATERIALIZED VIEW other AS SELECT * FROM {}", "materialized view"),
        ("CREATE TABLE other (LIKE {}) PARTITION BY HASH (id)", "partitioned"),
        ("CREATE TABLE other (PRIMARY KEY (id)) INHERITS ({})", "inherits"),
    ],
    ids=["view", "materialized", "partitioned", "child"],
)
def test_relations_that_are_no_ordinary_table(
    words: list[str],
    definition: str,
    what: str,
    failing: Callable[..., Mapping[str, str]],
    capsys: pytest.CaptureFixture[str],
    connection: Connection,
    database: str,
) -> None:
    connection.execute(definition.format('"LlamaLog"').encode())
    if words == ["preflight"]:  # there it is a finding
        assert main(["preflight", "--format", "json", "--dsn", database, "--table", "other"]) == 1
        findings = json.loads(capsys.readouterr().out)["findings"]
        assert any(f["severity"] == "error" and what in f["title"] + f["hint"] for f in findings)
        return
    error = failing(2, *words, "--dsn", database, "--table", "other")
    assert error["code"] == "config"
    assert what in error["message"]


@pytest.mark.parametrize("verb", [["migrate", "--yes"], ["migrate", "--dry-run"]], ids=" ".join)
@pytest.mark.parametrize(
    "change",
    [
        'ALTER TABLE "LlamaLog" ADD COLUMN "root_job_id" integer',
        'ALTER TABLE "LlamaLog" ALTER COLUMN "parent_job_id" TYPE integer USING NULL',
    ],
    ids=["root column of another type", "kinds that do not compare"],
)
def test_types_that_cannot_be(
    verb: list[str],
    change: str,
    failing: Callable[..., Mapping[str, str]],
    capsys: pytest.CaptureFixture[str],
    connection: Connection,
    database: str,
) -> None:
    connection.execute(change.encode())
    assert main(["preflight", "--format", "json", "--dsn", database]) == 1
    assert any(f["severity"] == "error" for f in json.loads(capsys.readouterr().out)["findings"])
    assert failing(2, *verb, "--dsn", database)["code"] == "config"


@words
def test_a_policy_that_would_hide_rows(
    words: list[str], failing: Callable[..., Mapping[str, str]], connection: Connection, database: str
) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ENABLE ROW LEVEL SECURITY')
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        error = failing(3, *words, "--dsn", role.conninfo)
    assert error["code"] == "permission"
    assert "ow security" in error["message"]


def test_ctrl_c_cancels_the_servers_statement(
    connection: Connection, database: str, cli_env: Mapping[str, str], tmp_path: Path
) -> None:
    connection.execute(
        'INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id") '
        "SELECT 'x', 'CREATED', 'SUCCESS', 'job ' || n FROM generate_series(1, 300000) AS n"
    )
    command = [sys.executable, "-m", "llamactl", "migrate", "--yes", "--format", "json", "--dsn", database]
    process = subprocess.Popen(
        command, env=dict(cli_env), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    running = (
        "SELECT FROM pg_stat_activity WHERE application_name LIKE 'llamactl migrate%' AND state = 'active' "
        "AND query LIKE '%Groups the log by job in one pass%'"
    )
    while not connection.execute(running.encode()).fetchall():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(2)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert "nothing was changed" in err
    left = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'llamactl migrate%'"
    deadline = time.monotonic() + 10
    while connection.execute(left.encode()).fetchall():
        assert time.monotonic() < deadline
        time.sleep(0.05)


NASTY = [
    "\x1b]0;title\x07\x1b[31mred\x1b[0m",
    "quote ' double \" percent %s %(x)s",
    "[bold red]markup[/] [link=http://x]x[/link]",
    "x" * 100,
    "\u202eright to left\u2066 \x7f \x85",
    "=cmd|' /C calc'!A0",
]


@pytest.mark.parametrize("json_", [False, True], ids=["text", "json"])
def test_a_sample_is_printed_safely(
    json_: bool, capsys: pytest.CaptureFixture[str], insert: Callable[[Any], None], database: str
) -> None:
    insert([(text, text) for text in NASTY])
    arguments = ["preflight", "--dsn", database, *(["--format", "json"] if json_ else [])]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert not any(ord(character) < 32 and character != "\n" for character in out + err)
    assert "\u202e" not in out
    if json_:
        jobs = {job for cycle in json.loads(out)["cycles"] for job in cycle["jobs"]}
        assert jobs == set(NASTY)
    else:
        assert "[bold red]markup[/] [link=http://x]x[/link]" in out
        assert "x" * 100 in out
        assert "\\x1b[31mred" in out
