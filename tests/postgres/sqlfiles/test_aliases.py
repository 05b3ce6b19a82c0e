"""The user's columns may have any name, those included that our SQL gives to its own columns and tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import psycopg
import pytest

from cutting import Connection, dated_rows, run_here
from llamactl.lineage.resolve import CREATE
from llamactl.sqlfiles.load import all_query_paths, load_query, query_text
from llamactl.sqlfiles.names import DEFAULT_COLUMNS, Names, quote, retarget, tokenize
from odd_names import rename

ALBUM = "00000000-0000-0000-0000-0000000000aa"
SYSTEM_COLUMNS = {"ctid", "tableoid", "xmin"}
"""Names that no column can have."""


TAKING_NAMES = re.compile(r"(?:--[^\n]*\n|\s)*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b")


@cache
def reading_the_log() -> list[str]:
    """The statements that read or write the user's rows, in the default names."""
    every = [one.sql for path in all_query_paths() for one in load_query(path, Names()).statements]
    return [text for text in every if '"public"."LlamaLog"' in text and TAKING_NAMES.match(text)]


@cache
def aliases() -> list[str]:
    """Each name beside an AS, of a column, a relation or a query; and those of the temporary relations."""
    temporary = "".join(query_text(path) for path in (CREATE, "online/create_round"))
    found = {
        *re.findall(r"^  (\w+) [a-z\"]", temporary, re.MULTILINE),
        *re.findall(r"TABLE (\w+) ", temporary),
    }
    for text in reading_the_log():
        tokens = tokenize(text, "test")
        for before, word, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if word.text.upper() == "AS":
                named = [one.text for one in (before, after) if one.token_type.name != "IDENTIFIER"]
                found |= {name for name in named if re.fullmatch(r"[a-z]\w*", name)}
    return sorted(found - SYSTEM_COLUMNS)


def mappings(every: int = 1) -> Iterator[dict[str, str]]:
    """All columns renamed at once, each to another alias; with `every` 1, each to each of them in turn."""
    names = aliases()
    assert len(names) > len(DEFAULT_COLUMNS)
    for first in range(0, len(names), every):
        yield {ours: names[(first + place) % len(names)] for place, ours in enumerate(DEFAULT_COLUMNS)}


def test_the_aliases_are_found() -> None:
    known = {"job", "parent", "root", "place", "row_id", "absent", "log", "flagged", "blank", "same_id"}
    assert known | {
        "disregarded",
        "created_epoch",
        "present_log",
        "entry",
        "keys",
        "trust_root_flag",
        "setting",
    } <= {*aliases()}


# --- each column under each name --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "present", [DEFAULT_COLUMNS, ("id", "job_id", "parent_job_id")], ids=["all", "least"]
)
def test_each_column_under_each_alias(
    present: tuple[str, ...], database: str, connection: Connection
) -> None:
    """Statements are parsed only: a name that could be of two columns is an error then."""
    assert run_here("migrate", "--online", "--yes", "--dsn", database).code == 0
    for path in (CREATE, "online/create_round"):
        for one in load_query(path, Names()).statements:
            connection.execute(one.sql.replace(" ON COMMIT DROP", "").encode())
    types = dict(connection.execute(TYPES).fetchall())
    connection.execute('DROP TABLE "LlamaLog"')
    new_table(connection, {name: types[name] for name in present})
    statements = [text for text in reading_the_log() if parse(connection, [text])]
    assert len(statements) > (30 if present is DEFAULT_COLUMNS else 15)
    failed = []
    for columns in mappings():
        new_table(connection, {columns[name]: types[name] for name in present})
        texts = [renamed(text, columns) for text in statements]
        if not parse(connection, texts):
            failed += [(text, columns) for text in texts if not parse(connection, [text])]
    assert failed == []


TYPES = """
SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
WHERE attrelid = '"LlamaLog"'::regclass AND attnum > 0
"""


def new_table(connection: Connection, types: Mapping[str, str]) -> None:
    columns = ", ".join(f"{quote(name)} {type_}" for name, type_ in types.items())
    connection.execute(f'DROP TABLE IF EXISTS "LlamaLog"; CREATE TABLE "LlamaLog" ({columns})'.encode())


def renamed(text: str, columns: Mapping[str, str]) -> str:
    return re.sub(r'"(\w+)"', lambda found: quote(columns.get(found[1], found[1])), text)


def parse(connection: Connection, texts: list[str]) -> bool:
    """Whether the server takes all of them."""
    prepared = [f"PREPARE parsed_{number} AS {text};" for number, text in enumerate(texts)]
    try:
        connection.execute("\n".join(["BEGIN;", *prepared]).encode())
    except psycopg.Error:
        return False
    finally:
        connection.execute("ROLLBACK; DEALLOCATE ALL")
    return True


# --- each command -------------------------------------------------------------------------------------------

READING = [
    ["preflight", "--fail-on", "never"],
    ["migrate", "--dry-run"],
    ["tree", "d"],
    ["tree", "c", "--subtree"],
    ["tree", "d", "--up"],
    ["timeline", "--root", "a"],
    ["timeline", "--album", ALBUM],
    ["sql"],
]
AFTERWARDS = [["verify", "--fail-on", "never"], ["stats"], ["status"], *READING]
COURSES = {
    "one transaction": [*READING, ["migrate", "--yes"], *AFTERWARDS, ["undo", "--yes"], *READING],
    "online": [
        ["migrate", "--online", "--dry-run"],
        ["migrate", "--online", "--yes", "--grace", "0s"],
        ["guard", "status"],
        ["insert"],
        *AFTERWARDS,
        ["repair", "--yes", "--overwrite", "--grace", "0s"],
        ["guard", "remove", "--yes"],
        ["guard", "install", "--yes"],
        ["undo", "--dry-run"],
        ["undo", "--yes"],
    ],
}
COMPARED = ("counts", "checks", "nodes", "rows", "cycles", "steps", "parents")


@pytest.fixture
def new_log(new_database: Callable[..., str], insert_into: Callable[..., None]) -> Callable[[], str]:
    """A function: the conninfo of a database with a log that has something for every command."""

    def make() -> str:
        dsn = new_database()
        with psycopg.connect(dsn) as connection:
            connection.execute('INSERT INTO "albums" ("id", "title") VALUES (%s, %s)', [ALBUM, "Blue Train"])
        about = {"entity_id": ALBUM, "album_id": ALBUM, "category": "CREATED", "metadata": {"trackCount": 3}}
        insert_into(dsn, [{**row, **(about if row["job_id"] in ("a", "c") else {})} for row in dated_rows()])
        return dsn

    return make


@pytest.mark.parametrize("course", COURSES)
def test_every_command_with_columns_of_all_these_names(course: str, new_log: Callable[[], str]) -> None:
    """Beside those that llamactl reads: what it takes for its own would be found to be a text."""
    expected = run_course(COURSES[course], new_log(), {})
    dsn = new_log()
    taken = {*DEFAULT_COLUMNS}
    extra = [f"ADD COLUMN {quote(name)} text DEFAULT 'theirs'" for name in aliases() if name not in taken]
    with psycopg.connect(dsn) as connection:
        connection.execute(f'ALTER TABLE "LlamaLog" {", ".join(extra)}'.encode())
    assert run_course(COURSES[course], dsn, {}) == expected


@pytest.mark.parametrize("course", COURSES)
def test_every_command_under_other_names(course: str, new_log: Callable[[], str]) -> None:
    """The names of `HARDEST` are those of what is computed from the columns."""
    expected = run_course(COURSES[course], new_log(), {})
    for columns in (HARDEST, *mappings(every=len(aliases()))):
        dsn = new_log()
        with psycopg.connect(dsn, autocommit=True) as connection:
            rename(connection, Names(columns=columns))
        assert run_course(COURSES[course], dsn, columns) == expected, columns


HARDEST = {
    "id": "row_id",
    "job_id": "job",
    "parent_job_id": "parent",
    "root_job_id": "root",
    "is_root_job": "flagged",
    "created_at": "created_epoch",
    "category": "blank",
    "entity_type": "kind",
    "entity_id": "same_id",
    "track_id": "track",
    "operation": "log",
    "status": "absent",
    "metadata": "disregarded",
}


def run_course(commands: list[list[str]], dsn: str, columns: Mapping[str, str]) -> list[Any]:
    """What the commands say of the rows, in the default names."""
    words = [word for ours, theirs in columns.items() for word in ("--column", f"{ours}={theirs}")]
    said = []
    for command in commands:
        if command == ["insert"]:
            said.append(inserted(dsn, Names(columns=columns)))
            continue
        form = () if command == ["sql"] else ("--format", "json")
        done = run_here(*command, *words, *form, "--dsn", dsn)
        assert done.code in (0, 1), (command, done.err)
        said.append([command, done.code, {} if not form else compared(json.loads(done.out))])
    return said


def inserted(dsn: str, names: Names) -> Any:
    """The root that the guard gives to a row."""
    text = """
        INSERT INTO "public"."LlamaLog" AS log
          ("id", "operation", "category", "status", "job_id", "parent_job_id", "created_at")
        VALUES (md5('new')::uuid, 'new', 'CREATED', 'SUCCESS', 'new', 'b', '2026-01-01')
        RETURNING log."root_job_id"
    """
    with psycopg.connect(dsn) as connection:
        (root,) = connection.execute(retarget(text, names).encode()).fetchone() or (None,)
    assert root == "a"
    return root


def compared(document: dict[str, Any]) -> dict[str, Any]:
    kept = {name: document[name] for name in COMPARED if name in document}
    if "steps" in kept:
        kept["steps"] = [step["name"] for step in kept["steps"]]
    if "checks" in kept:
        kept["checks"] = [[check["id"], check["ok"]] for check in kept["checks"]]
    kept["findings"] = [[one["id"], one["count"]] for one in document.get("findings", ())]
    return kept
