"""Whole rows for the HTML report, and the file that --output writes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import run_here
from llamactl.model import WholeRow
from llamactl.tree.whole_rows import LONGEST, Details
from sessions import session, settings_for
from transcripts import on_terminal

ROWS = [("a", None, True), ("b", "a"), ("b", "a"), ("c", "b")]
Cli = Callable[..., Any]


def row_of(database: str, job: str = "a", **settings: Any) -> dict[str, tuple[str | None, int | None, bool]]:
    """The whole row of a job of one row: column -> its text, size, and whether it is JSON."""
    with psycopg.connect(database) as connection:
        column = settings.get("columns", {}).get("id", "id")
        query = f'SELECT "{column}"::text FROM "LlamaLog" WHERE "job_id" = %s'
        found = connection.execute(query.encode(), [job]).fetchone()
    assert found
    with session(database, **settings) as opened, opened.snapshot():
        opened.read_only()
        (row,) = Details(opened, settings_for(database, **settings))([found[0]])
    assert row.id == found[0]
    return {
        name: values for name, *values in zip(row.names, row.texts, row.sizes, row.structured, strict=True)
    }


def test_all_columns_in_the_tables_order(
    database: str, connection: psycopg.Connection[Any], insert: Any
) -> None:
    insert([{"job_id": "a", "metadata": {"n": 1}, "sources": ["x", "y"], "error_message": "one\ntwo"}])
    row = row_of(database)
    names = connection.execute("""
        SELECT attname FROM pg_attribute
        WHERE attrelid = '"LlamaLog"'::regclass AND attnum > 0 ORDER BY attnum
    """)
    assert [*row] == [name for (name,) in names]
    assert row["metadata"] == ['{"n": 1}', 8, True]
    assert row["sources"] == ['["x","y"]', 9, True]
    assert row["error_message"] == ["one\ntwo", 7, False]
    assert row["retry_count"] == ["0", 1, False]
    assert row["reason"] == [None, None, False]


@pytest.mark.parametrize(
    ("type_", "literal", "shown"),
    [
        ("numeric", "9007199254740993.10", "9007199254740993.10"),
        ("numeric", "1e300", "1" + "0" * 300),
        ("float8", "NaN", "NaN"),
        ("float8", "-Infinity", "-Infinity"),
        ("bytea", r"\x00ff", r"\x00ff"),
        ("timestamptz", "infinity", "infinity"),
        ("json", '{"a": 1.50, "a": 2}', '{"a": 1.50, "a": 2}'),
        ("json", r'"half \ud800"', r"half \ud800"),
        ("json", r'"nul \u0000, slash \\u0000"', r"nul \u0000, slash \u0000"),
        ("json", r'"\\\u0000"', r"\\u0000"),
        ("jsonb", '"caf\u00e9"', "caf\u00e9"),
        ("jsonb", "null", None),
        ("int4range", "[1,5)", "[1,5)"),
        ("text", r"\ud800 \u0000", r"\ud800 \u0000"),
        ("text", "\u202e\x1b[31m", "\u202e\x1b[31m"),
    ],
)
def test_values_of_any_type(
    database: str,
    connection: psycopg.Connection[Any],
    insert: Any,
    type_: str,
    literal: str,
    shown: str | None,
) -> None:
    if (
        type_ == "xml"
        and not connection.execute("SELECT 1 FROM pg_proc WHERE proname = 'xmlparse'").fetchone()
    ):
        pytest.skip("this server was built without XML")
    insert([("a", None)])
    connection.execute(f'ALTER TABLE "LlamaLog" ADD "odd" {type_}'.encode())
    connection.execute('UPDATE "LlamaLog" SET "odd" = %s', [literal])
    text, size, _ = row_of(database)["odd"]
    assert (text, size) == (shown, None if shown is None else len(shown))


def test_long_values_are_cut_and_counted_by_the_server(database: str, insert: Any) -> None:
    insert([{"job_id": "a", "metadata": {"x": "\u00e4" * 3_000_000}, "error_message": "e" * (LONGEST + 1)}])
    row = row_of(database)
    assert row["metadata"] == ['{"x": "' + "\u00e4" * (LONGEST - 7), 3_000_009, True]
    assert row["error_message"] == ["e" * LONGEST, LONGEST + 1, False]


@pytest.mark.parametrize(("type_", "value"), [("integer", "-7"), ("text", 'a "b", {c}\\'), ("char(9)", "x ")])
def test_keys_of_any_type(
    database: str, connection: psycopg.Connection[Any], insert: Any, type_: str, value: str
) -> None:
    insert([("a", None)])
    connection.execute('ALTER TABLE "LlamaLog" DROP "id"')
    connection.execute(f'ALTER TABLE "LlamaLog" ADD "log" {type_}'.encode())
    connection.execute('UPDATE "LlamaLog" SET "log" = %s', [value])
    connection.execute('ALTER TABLE "LlamaLog" ADD PRIMARY KEY ("log")')
    row = row_of(database, columns={"id": "log"})
    assert str(row["log"][0]).rstrip() == value.rstrip()


def test_only_the_rows_that_are_asked_for(database: str, insert: Any) -> None:
    insert(ROWS)
    with session(database) as opened, opened.snapshot():
        assert [*Details(opened, settings_for(database))([])] == []


def test_details_are_of_the_trees_snapshot(
    database: str, connection: psycopg.Connection[Any], insert: Any
) -> None:
    insert(ROWS)
    with session(database) as opened, opened.holding_snapshot():
        with opened.snapshot():
            opened.read_only()
            reading = Details(opened, settings_for(database))
            ids = [row.id for row in (*ids_of(connection),)]
            assert len([*reading(ids)]) == 4
        connection.execute('DELETE FROM "LlamaLog"')
        assert len([*reading(ids)]) == 4
    assert connection.execute(
        "SELECT count(*) FROM pg_locks WHERE relation = '\"LlamaLog\"'::regclass"
    ).fetchone() == (0,)


def ids_of(connection: psycopg.Connection[Any]) -> list[WholeRow]:
    found = connection.execute('SELECT "id"::text FROM "LlamaLog"').fetchall()
    return [WholeRow(id_, (), (), (), ()) for (id_,) in found]


# --- the file ----------------------------------------------------------------------------------------------


def lines_of(text: str) -> list[list[Any]]:
    return [line for block in re.findall(r'class="nodes">(.*?)</script>', text) for line in json.loads(block)]


@pytest.fixture
def log(database: str, insert: Any) -> str:
    insert(ROWS)
    return database


@pytest.mark.parametrize("migrated", [False, True], ids=["before", "after"])
def test_a_tree_and_a_timeline_are_written(log: str, tmp_path: Path, migrated: bool) -> None:
    if migrated:
        assert run_here("migrate", "--yes", "--dsn", log).code == 0
    file = tmp_path / "report.html"
    for words, count in ((["tree", "c"], "3 jobs, 4 rows"), (["timeline", "--root", "a"], "4 rows")):
        done = run_here(*words, "--dsn", log, "--format", "html", "-o", str(file))
        assert (done.code, done.out) == (0, "")
        assert re.search(rf"^Wrote {file}: {count}, \d+ kB$", done.err, re.MULTILINE)
        text = file.read_text(encoding="ascii")
        assert len(lines_of(text)) == (3 if words[0] == "tree" else 4)
        (block,) = re.findall(r'class="rows">(.*?)</script>', text)
        assert len(json.loads(block)["rows"]) == 4
        assert re.search(r"Made by llamactl [\d.]+, [\dT:+-]+, from .*LlamaLog", text)
        assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_to_stdout(log: str, run_cli: Cli) -> None:
    plain = run_cli("tree", "a", "--dsn", log, "--format", "html", env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    named = run_cli("tree", "a", "--dsn", log, "--format", "html", "--output", "-")
    for done in (plain, named):
        assert done.returncode == 0
        assert done.stdout.startswith("<!doctype html>")
        assert done.stdout.endswith("</html>\n")
        assert "Wrote stdout: 3 jobs, 4 rows, " in done.stderr


def test_a_terminal_is_no_place_for_it(log: str, cli_env: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "llamactl", "tree", "a", "--dsn", log, "--format", "html"]
    said = on_terminal(command, cli_env, tmp_path)
    assert "-o FILE" in said
    assert "<" not in said
    shown = on_terminal([*command, "-o", "-", "--no-color"], cli_env, tmp_path)
    assert re.match(r"Connection: --dsn, [^<]*\n<!doctype html>", shown)


def test_what_cannot_be_written_is_refused_before_the_database_is_asked(tmp_path: Path) -> None:
    nowhere = ["--dsn", "postgresql://127.0.0.1:1/x"]
    for path, said in (
        (tmp_path, "is a directory"),
        (tmp_path / "no" / "x.html", "No such file or directory"),
    ):
        done = run_here("tree", "a", *nowhere, "--format", "html", "-o", str(path))
        assert (done.code, done.out) == (2, "")
        assert said in done.err
    for words in (["tree", "a"], ["timeline", "--root", "a"]):
        for format_ in ("text", "json"):
            done = run_here(*words, *nowhere, "--format", format_, "-o", str(tmp_path / "x"))
            assert done.code == 2
            assert "--output requires --format html" in done.err
    assert run_here("verify", *nowhere, "--format", "html").code == 2
    assert [*tmp_path.iterdir()] == []


def test_a_failure_leaves_what_was_there(log: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("old")
    assert run_here("tree", "nobody", "--dsn", log, "--format", "html", "-o", str(file)).code == 1
    assert file.read_text() == "old"
    assert [*tmp_path.iterdir()] == [file]


def test_a_full_disk(log: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    done = run_here("tree", "a", "--dsn", log, "--format", "html", "-o", "/dev/full")
    assert done.code == 3
    assert "Cannot write /dev/full: No space left on device" in done.err


def test_a_closed_pipe_is_no_failure(log: str, tmp_path: Path, cli_env: dict[str, str]) -> None:
    command = f"{sys.executable} -m llamactl tree a --dsn '{log}' --format html; echo $? >code"
    shell = f"set -o pipefail; ( {command} ) | head -c 10"
    done = subprocess.run(["bash", "-c", shell], env=cli_env, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "<!doctype "
    assert (tmp_path / "code").read_text() == "0\n"
    assert "Wrote" not in done.stderr


def test_a_lock_names_who_holds_it(log: str, tmp_path: Path) -> None:
    with psycopg.connect(log, application_name="painter") as other:
        other.execute('LOCK TABLE "LlamaLog"')
        wait = ["--lock-timeout", "100ms"]
        done = run_here("tree", "a", "--dsn", log, *wait, "--format", "html", "-o", str(tmp_path / "x"))
    assert done.code == 3
    assert "painter" in done.err
    assert [*tmp_path.iterdir()] == []
