"""What preflight and a dry run say beforehand: rows, temporary disk, WAL and time, and what will not do."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from cutting import run_here
from roles import new_role
from sessions import with_options

COMMANDS = [
    ("preflight", "--fail-on", "never"),
    ("migrate", "--dry-run"),
    ("migrate", "--dry-run", "--online"),
]
Insert = Callable[[Any], None]


@dataclass(frozen=True)
class Space:
    f_bavail: int
    f_frsize: int = 1024


def first_line(database: str, *command: str) -> str:
    done = run_here(*command, "--dsn", database)
    assert done.code == 0, done.err
    connection, first, *_ = done.err.splitlines()
    assert connection.startswith("Connection: ")
    return first


def findings(database: str) -> dict[str, str]:
    done = run_here("preflight", "--fail-on", "never", "--format", "json", "--dsn", database)
    return {one["id"]: one["hint"] for one in json.loads(done.out)["findings"]}


def pretend(database: str, rows: int) -> None:
    """Changes the statistics, which tell the number of rows beforehand."""
    with psycopg.connect(database) as connection:
        connection.execute(
            """UPDATE pg_class SET reltuples = %s, relpages = pg_relation_size(oid) / 8192
               WHERE oid = '"LlamaLog"'::regclass""",
            [rows],
        )


@pytest.fixture
def log(database: str, insert: Insert) -> str:
    insert([("a", None), ("b", "a")])
    return database


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_small_table(log: str, command: tuple[str, ...]) -> None:
    assert first_line(log, *command) == (
        "Up to 10,000 rows, 10 MB of temporary disk and about 0.1 s to read; 10 MB of WAL to migrate"
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_large_table(log: str, command: tuple[str, ...]) -> None:
    pretend(log, 2_345_678)
    line = first_line(log, *command)
    found = re.fullmatch(
        r"About ([\d,]+) rows, (\d+) MB of temporary disk and about (\d+) to (\d+) s to read; "
        r"\d+ MB of WAL to migrate",
        line,
    )
    assert found, line
    rows, megabytes, low, high = (int(figure.replace(",", "")) for figure in found.groups())
    assert rows == 2_300_000
    assert 100 * rows < megabytes * 2**20 < 120 * rows
    assert 0 < low < high < 60


def test_a_limit_that_is_too_low(log: str) -> None:
    pretend(log, 2_000_000)
    low, enough = (with_options(log, temp_file_limit=limit) for limit in ("10MB", "10GB"))
    hint = findings(low)["LL132"]
    assert hint.startswith("The limit is 10 MB, about 114 MB are needed.")
    assert "LL132" not in findings(enough)
    assert "LL132" not in findings(log)
    done = run_here("migrate", "--dry-run", "--dsn", low)
    assert (
        done.code,
        done.err.count(f"warning: temp_file_limit is too low to compute the lineage: {hint}"),
    ) == (0, 1)


def test_a_limit_that_a_small_table_does_not_reach(log: str) -> None:
    assert "LL132" not in findings(with_options(log, temp_file_limit="1MB"))


def test_free_space(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def little(path: object) -> Space:
        asked.append(path)
        return Space(f_bavail=100)

    assert "LL133" not in findings(log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", little)
        assert findings(log)["LL133"].startswith("100 kB are free in the data directory; ")
    with psycopg.connect(log) as connection:
        assert asked == [connection.execute("SHOW data_directory").fetchone()[0]]  # type: ignore[index]


def test_free_space_that_cannot_be_known(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: Space(f_bavail=0))
    assert "LL133" in findings(log)
    with new_role(log) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', log)
        assert "LL133" not in findings(role.conninfo)
