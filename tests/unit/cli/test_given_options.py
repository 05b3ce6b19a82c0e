"""The options of a command line, as the next one takes them."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from typer.main import get_command

from llamactl.cli.main import app
from llamactl.cli.next_steps import given_options

SECRETS = [
    "postgresql://app:hush@db/app",
    "postgresql://app:app@db/app",  # a password that is the user's name
    "postgresql+psycopg://app:hu%73h@db/app",
    "postgresql://db/app?user=app&password=hush",
    "postgresql://app@db/app?sslkey=k&sslpassword=hush",
    "host=db password=hush",
    "host=db password='hush hush'",
    "  'postgresql://app:hush@db/app' ",
]
PLAIN = [
    "postgresql://app@db.example.com/app?sslmode=require&options=-c%20a%3Db",
    "host=db dbname='my database'",
    "service=staging",
]


def line_of(*words: str) -> str:
    group: Any = get_command(app)
    command = group.commands["migrate"]
    given = given_options(command.make_context("migrate", list(words)))
    return given.line("migrate", own=True)


@pytest.mark.parametrize("dsn", SECRETS)
def test_a_secret_is_left_out(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert line_of("--dsn", dsn, "--table", "t") == "llamactl migrate --dsn URL --table t"
    monkeypatch.setenv("STAGING_URL", dsn)
    assert line_of("--dsn", dsn) == 'llamactl migrate --dsn "$STAGING_URL"'


@pytest.mark.parametrize("dsn", PLAIN)
def test_a_connection_without_a_secret_is_given_as_it_was(dsn: str) -> None:
    assert shlex.split(line_of("--dsn", dsn)) == ["llamactl", "migrate", "--dsn", dsn]


def test_a_variable_that_a_shell_cannot_name_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_", "odd-name", "1ST"):
        monkeypatch.setenv(name, "service=staging")
    assert line_of("--dsn", "service=staging") == "llamactl migrate --dsn service=staging"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], ""),
        (["--dry-run", "--expect-filled", "1", "--expect-orphans=2", "-v", "--format", "json"], ""),
        (["--dry-run", "--no-color", "--yes"], " --yes"),
        (["--online", "--no-guard", "--grace=5m"], " --online --no-guard --grace 5m"),
        (["--guard", "--online"], " --online --guard"),
        (["--trust-root-flag"], " --trust-root-flag"),
        (["--no-trust-root-flag"], " --no-trust-root-flag"),
        (["--dangling", "fill", "--check", "auto"], " --dangling fill --check auto"),
        (["--column", "job_id=a b", "--column=id=x"], " --column 'job_id=a b' --column id=x"),
        (["--table", "o'dd", "--schema", "s"], " --schema s --table 'o'\\''dd'"),
        (["--table", ""], " --table ''"),
        (["--retries", "0", "--sample", "3"], " --sample 3 --retries 0"),
    ],
)
def test_options(words: list[str], line: str) -> None:
    assert line_of(*words) == f"llamactl migrate{line}"
