"""Statuses in any case, words that are not known, and error messages: in tree, timeline, report and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import migrate_here, run_here
from llamactl.logger import _rules as rules
from llamactl.model import FAILED, KNOWN_STATUSES, LogRow, UnknownStatus, known_status
from llamactl.render import labels
from llamactl.render.signs import ASCII, UNICODE

Connection = psycopg.Connection[Any]
STATUSES = ("status", "category")
LONG_S, DOTLESS = "\N{LATIN SMALL LETTER LONG S}", "fa\N{LATIN SMALL LETTER DOTLESS I}led"
"""Letters that upper() may turn into S and I."""


@pytest.fixture
def texts(connection: Connection) -> Connection:
    """The log with statuses and categories of any words."""
    for column in STATUSES:
        connection.execute(f'ALTER TABLE "LlamaLog" ALTER {column} DROP NOT NULL'.encode())
        connection.execute(f'ALTER TABLE "LlamaLog" ALTER {column} TYPE text'.encode())
    return connection


def write(connection: Connection, *rows: tuple[str, str | None, str | None, str | None, str | None]) -> None:
    """Rows of job, parent, status, category and error message, one second apart."""
    for second, row in enumerate(rows):
        connection.execute(
            'INSERT INTO "LlamaLog" (operation, job_id, parent_job_id, status, category, error_message,'
            " created_at) VALUES ('x', %s, %s, %s, %s, %s, %s)",
            [*row, f"2025-06-01 10:00:{second:02}"],
        )


class Shown:
    """What each view says of the tree of `r`, before and after the migration alike."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.tree = run_here("tree", "r", "--dsn", dsn).out
        self.timeline = run_here("timeline", "--root", "r", "--dsn", dsn).out
        self.documents = [
            json.loads(run_here(*command, "--format", "json", "--dsn", dsn).out)
            for command in (["tree", "r"], ["timeline", "--root", "r"])
        ]
        self.reports = []
        for command in (["tree", "r"], ["timeline", "--root", "r"]):
            file = folder / f"{command[0]}.html"
            done = run_here(*command, "--format", "html", "-o", str(file), "--dsn", dsn)
            assert done.code == 0, done.err
            self.reports.append(file.read_text())

    @property
    def all(self) -> list[str]:
        return [self.tree, self.timeline, *self.reports]

    def failed(self) -> set[int]:
        return {document["failed"] for document in self.documents}

    def unknown(self) -> dict[str, Any]:
        first, second = (document["unknown_status"] for document in self.documents)
        assert first == second
        known: dict[str, Any] = first
        return known


def lines_of(report: str) -> list[list[Any]]:
    """The lines of a report, as its script reads them."""
    found: list[list[Any]] = []
    for block in re.findall(
        r'<script type="application/json" class="nodes">(.*?)</script>', report, re.DOTALL
    ):
        found += json.loads(block)
    return found


# --- failures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("migrated", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("column", STATUSES)
@pytest.mark.parametrize("word", ["failed", "Failed", "FAILED", "fAiLeD"])
def test_failed_in_any_case(
    texts: Connection, database: str, tmp_path: Path, word: str, column: str, migrated: bool
) -> None:
    outcome = (word, "CREATED") if column == "status" else ("SUCCESS", word)
    write(texts, ("r", None, "success", "CREATED", None), ("a", "r", *outcome, "503 from here"))
    if migrated:
        assert migrate_here(database).code == 0
    shown = Shown(database, tmp_path)
    assert (shown.failed(), shown.unknown()) == ({1}, {"rows": 0, "words": []})
    for text in shown.all:
        assert "1 failed" in text
        assert "none failed" not in text
        assert "503 from here" in text
    assert "failed x" in shown.tree
    assert "failed x" in shown.timeline
    only = run_here("tree", "r", "--only", "failed", "--dsn", database).out
    assert "failed x" in only
    document = json.loads(
        run_here("tree", "r", "--only", "failed", "--format", "json", "--dsn", database).out
    )
    assert [node["job_id"] for node in document["nodes"]] == ["r", "a"]
    assert document["first_failure"]["error_message"] == "503 from here"


@pytest.mark.parametrize("word", ["Success", "partial_success", "no_data_AVAILABLE", "skipped"])
def test_the_other_words_in_any_case(texts: Connection, database: str, tmp_path: Path, word: str) -> None:
    write(texts, ("r", None, word, "CREATED", None))
    shown = Shown(database, tmp_path)
    assert (shown.failed(), shown.unknown()["rows"]) == ({0}, 0)
    assert all("none failed" in text for text in shown.all)
    assert f"{ASCII.statuses[word.upper()]} x" in shown.tree
    assert f"{ASCII.statuses[word.upper()]} x" in shown.timeline


# --- words that are not known ------------------------------------------------------------------------------


@pytest.mark.parametrize("migrated", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("word", ["timeout", "error", "", " ", " FAILED", "FAILURE", "constructor"])
def test_never_none_failed_where_a_word_is_not_known(
    texts: Connection, database: str, tmp_path: Path, word: str, migrated: bool
) -> None:
    write(texts, ("r", None, "SUCCESS", "CREATED", None), ("a", "r", word, "CREATED", None))
    if migrated:
        assert migrate_here(database).code == 0
    shown = Shown(database, tmp_path)
    assert (shown.failed(), shown.unknown()) == ({0}, {"rows": 1, "words": [word]})
    for text in shown.all:
        assert "none failed" not in text
        assert f"1 row of unknown status ({word})" in text


def test_server_and_client_agree_on_case(texts: Connection, database: str, tmp_path: Path) -> None:
    write(texts, ("r", None, DOTLESS, LONG_S, None), ("a", "r", LONG_S + "uccess", None, None))
    assert Shown(database, tmp_path).unknown()["rows"] == 2


def test_no_status_is_no_success_either(texts: Connection, database: str, tmp_path: Path) -> None:
    write(texts, ("r", None, "SUCCESS", "CREATED", None), ("a", "r", None, "CREATED", None))
    shown = Shown(database, tmp_path)
    assert shown.unknown() == {"rows": 1, "words": []}
    assert not any("none failed" in text for text in shown.all)


def test_a_table_without_a_status(texts: Connection, database: str, tmp_path: Path) -> None:
    write(texts, ("r", None, None, "CREATED", None), ("a", "r", None, "failed", "gone"))
    texts.execute('ALTER TABLE "LlamaLog" DROP status')
    shown = Shown(database, tmp_path)
    assert (shown.failed(), shown.unknown()) == ({1}, {"rows": 1, "words": []})
    texts.execute("""DELETE FROM "LlamaLog" WHERE job_id = 'a'""")
    assert not any("none failed" in text for text in Shown(database, tmp_path).all)


def test_words_are_named_the_most_common_first(texts: Connection, database: str, tmp_path: Path) -> None:
    words_ = ["error", "timeout", "timeout", "w1", "w2", "w3", "w4"]
    write(
        texts,
        ("r", None, "SUCCESS", "CREATED", None),
        *((f"j{n}", "r", word, "CREATED", None) for n, word in enumerate(words_)),
        ("bad", "r", "FAILED", "CREATED", None),
        # The category says that it failed, whatever the status means.
        ("worse", "r", "crashed", "FAILED", None),
    )
    shown = Shown(database, tmp_path)
    assert shown.unknown() == {"rows": 7, "words": ["timeout", "error", "w1", "w2", "w3", "w4"]}
    for text in shown.all:
        assert "2 failed, 7 rows of unknown status (timeout, error, w1, w2, w3 and 1 more)" in text


def test_what_lies_outside_of_a_subtree_does_not_count(texts: Connection, database: str) -> None:
    write(
        texts,
        ("r", None, "SUCCESS", "CREATED", None),
        ("a", "r", "timeout", "CREATED", None),
        ("b", "r", "SUCCESS", "CREATED", None),
    )
    found = json.loads(run_here("tree", "b", "--subtree", "--format", "json", "--dsn", database).out)
    assert found["unknown_status"] == {"rows": 0, "words": []}
    found = json.loads(run_here("tree", "a", "--subtree", "--format", "json", "--dsn", database).out)
    assert found["unknown_status"] == {"rows": 1, "words": ["timeout"]}


def test_a_job_with_a_row_of_unknown_status_is_no_success(
    texts: Connection, database: str, tmp_path: Path
) -> None:
    write(texts, ("r", None, "SUCCESS", "CREATED", None), ("r", None, "timeout", "CREATED", None))
    shown = Shown(database, tmp_path)
    assert f"{ASCII.other} x x2" in shown.tree
    ((_, _, _, _, _, statuses, *_),) = lines_of(shown.reports[0])
    assert statuses == ["timeout", "SUCCESS"]


# --- error messages ----------------------------------------------------------------------------------------


def test_every_error_message_is_shown(texts: Connection, database: str, tmp_path: Path) -> None:
    write(
        texts,
        ("r", None, "SUCCESS", "CREATED", "deprecated source"),
        ("a", "r", "timeout", "CREATED", "no answer"),
        ("a", "r", "FAILED", "FAILED", "503"),
        ("a", "r", None, "CREATED", "502"),
        ("a", "r", "FAILED", "FAILED", "503"),
        ("b", "r", "SUCCESS", "CREATED", ""),
    )
    shown = Shown(database, tmp_path)
    for message in ("deprecated source", "no answer", "502"):
        for text in shown.all:
            assert message in text
    assert re.search(r"^[| ]+503 x2$", shown.tree, re.MULTILINE)
    assert len(re.findall(r"^    503$", shown.timeline, re.MULTILINE)) == 2
    errors = [line[11] for line in lines_of(shown.reports[0])]
    assert errors == ["deprecated source", "no answer | 503 | 502", None]


# --- the rules themselves ----------------------------------------------------------------------------------


def row(status: str | None, category: str | None) -> LogRow:
    return LogRow("1", "x", category, status, None, None, None, None, None)


def test_the_words_are_the_loggers_and_have_signs() -> None:
    assert set(KNOWN_STATUSES) == {status.value for status in rules.Status}
    assert set(KNOWN_STATUSES) == set(UNICODE.statuses) == set(ASCII.statuses)
    assert FAILED in KNOWN_STATUSES


def test_known_words() -> None:
    assert [known_status(word) for word in KNOWN_STATUSES] == [*KNOWN_STATUSES]
    assert [known_status(word.lower()) for word in KNOWN_STATUSES] == [*KNOWN_STATUSES]
    # Of other letters none becomes one of the words, as upper() under "C" on the server has it.
    assert [known_status(word) for word in (None, "", LONG_S + "uccess", DOTLESS, "OK")] == [None] * 5
    assert row("success", "failed").failed
    assert not row("failure", "created").failed


@pytest.mark.parametrize(
    ("statuses", "categories", "worst"),
    [
        ([], [], None),
        (["success", "SKIPPED"], [None, None], "SUCCESS"),
        (["SUCCESS", "partial_success"], [None, None], "PARTIAL_SUCCESS"),
        (["PARTIAL_SUCCESS", "odd"], [None, None], "odd"),
        (["odd", "failed"], [None, None], "FAILED"),
        (["SUCCESS", "odd"], ["failed", None], "FAILED"),
        ([None, "SUCCESS"], [None, None], None),
    ],
)
def test_the_status_that_counts(
    statuses: list[str | None], categories: list[str | None], worst: str | None
) -> None:
    assert labels.worst(statuses, categories) == worst


def test_what_is_said_of_failures() -> None:
    assert labels.failures(0, UnknownStatus()) == ["none failed"]
    assert labels.failures(2, UnknownStatus()) == ["2 failed"]
    assert labels.failures(0, UnknownStatus(3)) == []
    assert labels.failures(2, UnknownStatus(3, ("a", "b"))) == ["2 failed", "3 rows of unknown status (a, b)"]
