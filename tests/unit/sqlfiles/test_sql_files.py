"""What every SQL file must be. The files are taken as they are found."""

from __future__ import annotations

import re
from functools import cache

import pytest

from llamactl.sqlfiles.load import (
    INLINED,
    TYPE_VARIABLES,
    all_query_paths,
    header_defaults,
    load_query,
    query_text,
)
from llamactl.sqlfiles.names import SERVER_NAMES, Names, tokenize
from odd_names import ODD_NAMES

PATHS = all_query_paths()

READING = ("SELECT", "WITH")
BUILDING = (*READING, "CREATE", "INSERT", "UPDATE", "DELETE", "ANALYZE", "DROP", "DO")

# The statements that a folder's files may hold, by their first word.
FOLDERS = {
    "catalog": READING,
    "lineage": BUILDING,  # of temporary relations only
    "preflight": BUILDING,
    "report": READING,
    "stats": READING,
    "status": READING,
    "timeline": READING,
    "tree": BUILDING,
    "verify": BUILDING,
}

# The same, in order, for each file that may write to what is the user's: READ ONLY would not stop all of it.
FILES = {
    "guard/create_function": ["CREATE OR REPLACE FUNCTION LLAMACTL ."],
    "guard/create_job_index": ["CREATE INDEX CONCURRENTLY"],
    "guard/create_trigger": ["CREATE OR REPLACE TRIGGER"],
    "guard/drop_function": ["DROP FUNCTION"],
    "guard/drop_job_index": ["DROP INDEX CONCURRENTLY"],
    "guard/drop_trigger": ["DROP TRIGGER"],
    "guard/look": ["SELECT"],
    "guard/mark_job_index": ["COMMENT ON"],
    "logger/creator": ["SELECT"],
    "logger/insert": ["INSERT"],
    "logger/present": ["SELECT"],
    "logger/roots": ["SELECT"],
    "logger/shape": ["WITH"],
    "migrate/add_check": ["ALTER TABLE", "COMMENT ON"],
    "migrate/add_check_not_valid": ["ALTER TABLE", "COMMENT ON"],
    "migrate/add_column": ["ALTER TABLE", "DO"],
    "migrate/add_label": ["ALTER TYPE"],
    "migrate/analyze": ["ANALYZE"],
    "migrate/analyze_expressions": ["ANALYZE"],
    "migrate/claim": ["SELECT"],
    "migrate/claimant": ["SELECT"],
    "migrate/clear_parents": ["UPDATE"],
    "migrate/comment": ["DO"],
    "migrate/create_cleared_parent": ["CREATE TABLE"],
    "migrate/create_empty_indexes": ["DO"],
    "migrate/create_index": ["CREATE INDEX"],
    "migrate/create_schema": ["CREATE SCHEMA", "COMMENT ON"],
    "migrate/delayed_indexes": ["SELECT"],
    "migrate/drop_check": ["ALTER TABLE"],
    "migrate/drop_empty_indexes": ["DO"],
    "migrate/drop_index": ["DROP INDEX"],
    "migrate/fill": ["UPDATE", "UPDATE"],
    "migrate/mark_index": ["COMMENT ON"],
    "migrate/prove": ["SELECT"],
    "migrate/lock": ["LOCK TABLE"],
    "migrate/needs": ["SELECT"],
    "migrate/plain_indexes": ["WITH"],
    "migrate/present": ["SELECT"],
    "migrate/save_parents": ["INSERT"],
    "migrate/settle_constraints": ["SET CONSTRAINTS"],
    "migrate/upgrade_parents": ["DO"],
    "migrate/upgrade_state": ["DO"],
    "online/begin_run": ["INSERT"],
    "online/begin_step": ["WITH"],
    "online/checkpoint": ["UPDATE"],
    "online/claim": ["SELECT"],
    "online/client": ["SELECT"],
    "online/client_of": ["SELECT"],
    "online/choose_flagged": ["WITH"],
    "online/clear_parents": ["UPDATE"],
    "online/create_index": ["CREATE INDEX CONCURRENTLY"],
    "online/create_round": ["DROP TABLE", *["CREATE TEMPORARY"] * 3],
    "online/create_state": ["CREATE TABLE"] * 2,
    "online/cut_steps": ["SELECT"],
    "online/drop_index": ["DROP INDEX CONCURRENTLY"],
    "online/end_run": ["WITH"],
    "online/end_runs": ["UPDATE"],
    "online/fill": ["WITH"],
    "online/clear_pending": ["INSERT"],
    "online/fill_pending": ["INSERT"],
    "online/index_pending": ["CREATE INDEX ON", "ANALYZE"],
    "online/judge_cleared": ["INSERT", "DELETE"],
    "online/pending": ["SELECT"],
    "online/prove": ["SELECT"],
    "online/runs": ["SELECT"],
    "online/save_cleared": ["INSERT"],
    "online/shape": ["SELECT"],
    "online/snapshot": ["SELECT"],
    "online/state_present": ["SELECT"],
    "online/target": ["SELECT"],
    "online/validate_check": ["ALTER TABLE"],
    "online/wait": ["UPDATE"],
    "online/waiting": ["SELECT"],
    "online/window": ["SELECT"],
    "undo/create_matched": ["CREATE TEMPORARY"],
    "undo/drop_cleared_parent": ["DROP TABLE"],
    "undo/drop_column": ["ALTER TABLE"],
    "undo/drop_column_and_views": ["ALTER TABLE"],
    "undo/drop_comment": ["COMMENT ON"],
    "undo/drop_job_index": ["DROP INDEX"],
    "undo/drop_leftovers": ["DO"],
    "undo/drop_runs": ["DROP TABLE"],
    "undo/drop_schema": ["DROP SCHEMA"],
    "undo/forget_parents": ["DELETE"],
    "undo/forget_runs": ["DELETE"],
    "undo/lock_parents": ["LOCK TABLE"],
    "undo/lock_runs": ["LOCK TABLE"],
    "undo/look": ["SELECT"],
    "undo/match_parents": ["WITH"],
    "undo/parents": ["WITH"],
    "undo/restore_parents": ["UPDATE"],
    "undo/other_runs": ["SELECT"],
    "undo/state": ["SELECT"],
}

TAKES_PARAMETERS = (
    "SELECT",
    "WITH",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "VALUES",
    "CREATE TEMPORARY TABLE",
)
ALONE = ("VACUUM", "CONCURRENTLY")

# A word that is a column or an alias is no statement.
WORD = r"(?<!\. )(?<!AS )\b"
WRITES = re.compile(
    WORD
    + r"(?:(?:INSERT INTO|DELETE FROM|ANALYZE|MERGE INTO|DROP (?:TABLE|VIEW|INDEX|FUNCTION))(?! pg_temp \.)"
    r"|UPDATE(?! pg_temp \.| SET )"
    r"|CREATE(?! TEMPORARY | (?:OR REPLACE )?FUNCTION pg_temp \.| (?:UNIQUE )?INDEX (?:\w+ )?ON pg_temp \.))"
    r"(?= |$)",
    re.IGNORECASE,
)
NEVER_WHEN_READING = re.compile(
    WORD
    + r"(?:LOCK|REINDEX|CLUSTER|COPY|VACUUM|TRUNCATE|ALTER|REFRESH|CHECKPOINT|GRANT|REVOKE|COMMENT|NOTIFY"
    r"|LISTEN|LOAD|CALL|EXECUTE|PREPARE|IMPORT|SECURITY LABEL|FOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE))"
    r"(?= |$)"
    r"|\b(?:pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_(?:try_)?advisory\w*|set_config|nextval|setval"
    r"|lo_\w+|dblink\w*|\w+_to_xml\w*|pg_notify|pg_switch_wal|pg_logical_emit_message|pg_create_\w+|pg_export_snapshot"
    r"|txid_current|pg_current_xact_id|pg_stat_reset\w*|pg_stat_file|pg_(?:read|ls)_\w+|gin_clean_pending_list"
    r"|brin_\w+) \(",
    re.IGNORECASE,
)
TRANSACTION = re.compile(
    WORD + r"(?<!ON )(?:COMMIT|ROLLBACK|SAVEPOINT|START TRANSACTION)(?= |$)", re.IGNORECASE
)

PSQL_DEFAULT = re.compile(r"\\if :\{\?(\w+)\}\n\\else\n\\set \1 ([^\n]+)\n\\endif\n")
LOCKS = re.compile(r"\bLock: |\bACCESS SHARE\b")


every_file = pytest.mark.parametrize("path", PATHS)


@cache
def header(path: str) -> str:
    """The comment lines at the top."""
    found = re.match(r"(?:--[^\n]*\n)*", query_text(path))
    assert found
    return found[0]


def flat(text: str, path: str) -> list[tuple[str, str]]:
    """The kinds and texts of the tokens, bodies opened."""
    found: list[tuple[str, str]] = []
    for token in tokenize(text, path):
        if token.token_type.name == "HEREDOC_STRING":
            # By offsets: of a body's text, sqlglot halves doubled quotes.
            tag = text[token.start : text.index("$", token.start + 1) + 1]
            found += [("BODY", ""), *flat(text[token.start + len(tag) : token.end + 1 - len(tag)], path)]
        else:
            found.append((token.token_type.name, token.text))
    return found


def plain(text: str, path: str) -> str:
    """The words of a statement, a space between, without comments and without what strings hold."""
    words = []
    for kind, word in flat(text, path):
        if kind == "IDENTIFIER":
            words.append(f'"{word}"')
        else:
            words.append("''" if kind.endswith("STRING") else word)
    return " ".join(words)


@cache
def statements(path: str) -> tuple[str, ...]:
    return tuple(
        plain(statement.written({}).removesuffix(";"), path)
        for statement in load_query(path, Names()).statements
    )


def values(path: str) -> set[str]:
    return {name for statement in load_query(path, Names()).statements for name in statement.parameters}


def test_there_are_files() -> None:
    assert PATHS


def test_the_lists_name_no_file_that_is_gone() -> None:
    assert set(FILES) <= set(PATHS)


@every_file
def test_header_says_what_it_does(path: str) -> None:
    assert re.match(r"-- \S.*\w", header(path))


@every_file
def test_header_names_the_parameters(path: str) -> None:
    assert [name for name in values(path) if not re.search(rf"\b{name}\b", header(path))] == []


@every_file
def test_header_says_what_it_returns(path: str) -> None:
    if statements(path)[-1].startswith(READING):
        assert re.search(r"\b(?:returns?|columns?|one row)\b", header(path), re.IGNORECASE)


@every_file
def test_header_names_the_lock(path: str) -> None:
    if any('"public" . "LlamaLog"' in statement for statement in statements(path)):
        assert LOCKS.search(header(path))


@every_file
def test_under_the_default_names_it_is_itself(path: str) -> None:
    query = load_query(path, Names())
    if not {*TYPE_VARIABLES, *INLINED} & set(re.findall(r":(\w+)", query_text(path))):
        assert PSQL_DEFAULT.sub(r"-- Default \1: \2\n", query.script) == query_text(path)
    assert query.statements


@every_file
def test_only_names_change_under_odd_ones(path: str) -> None:
    default = load_query(path, Names())
    before = [flat(statement.written({}), path) for statement in default.statements]
    for label, names in ODD_NAMES.items():
        theirs = {names.schema, names.table, names.enum_schema, names.enum, names.index, names.check}
        theirs |= {*names.columns.values(), *SERVER_NAMES, names.job_index, names.guard}
        odd = load_query(path, names)
        for was, one, old in zip(before, odd.statements, default.statements, strict=True):
            assert one.parameters == old.parameters, label
            for (kind, text), (other, changed) in zip(was, flat(one.written({}), path), strict=True):
                assert kind == other, label
                assert changed in theirs if kind == "IDENTIFIER" else changed == text, label


@every_file
def test_no_string_holds_the_users_names(path: str) -> None:
    # "LlamaLog" in a string would not be retargeted: it belongs into a parameter.
    strings = [
        text
        for statement in load_query(path, Names()).statements
        for kind, text in flat(statement.written({}), path)
        if kind.endswith("STRING")
    ]
    assert [text for text in strings if re.search(r'"(?:LlamaLog\w*|public)"', text)] == []


@every_file
def test_each_parameter_has_a_default(path: str) -> None:
    text = query_text(path)
    used = {name for name in TYPE_VARIABLES if re.search(rf"(?<!:):{name}\b", text)}
    assert sorted(header_defaults(text)) == sorted(values(path) | used)


@every_file
def test_parameters_stand_where_the_server_takes_them(path: str) -> None:
    for statement, words in zip(load_query(path, Names()).statements, statements(path), strict=True):
        if statement.parameters and path != "guard/create_trigger":  # Query.literal() writes it
            assert words.startswith(TAKES_PARAMETERS)


@every_file
def test_what_must_be_alone_is_alone(path: str) -> None:
    alone = values(path) or any(
        re.search(rf"\b{word}\b", text) for text in statements(path) for word in ALONE
    )
    if alone:
        assert len(statements(path)) == 1


@every_file
def test_no_file_begins_or_ends_a_transaction(path: str) -> None:
    for statement in statements(path):
        assert not TRANSACTION.search(statement)
        assert not statement.startswith(("BEGIN", "END"))


@every_file
def test_only_listed_kinds_of_statement(path: str) -> None:
    folder = path.split("/")[0]
    if folder in FOLDERS:
        for statement in statements(path):
            assert statement.split()[0].upper() in FOLDERS[folder]
        return
    assert path in FILES, "list what it may do"
    assert len(statements(path)) == len(FILES[path])
    for statement, kind in zip(statements(path), FILES[path], strict=True):
        expected = READING if kind == "SELECT" else kind
        assert statement.upper().startswith(expected)


@pytest.mark.parametrize("path", [path for path in PATHS if path.split("/")[0] in FOLDERS])
def test_reading_files_write_nothing_but_temporary_relations(path: str) -> None:
    for statement in statements(path):
        assert WRITES.findall(statement) == []
        assert NEVER_WHEN_READING.findall(statement) == []


@pytest.mark.parametrize(
    "statement",
    [
        'INSERT INTO "public"."LlamaLog" VALUES (1)',
        "INSERT INTO edge VALUES (1)",
        'WITH x AS (DELETE FROM "public"."LlamaLog" RETURNING 1) SELECT * FROM x',
        'UPDATE "public"."LlamaLog" SET x = 1',
        'ANALYZE "public"."LlamaLog"',
        "ANALYZE",
        'CREATE INDEX x ON "public"."LlamaLog" ("job_id")',
        "CREATE TABLE x ()",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP TABLE x",
        'LOCK TABLE "public"."LlamaLog"',
        'REINDEX TABLE "public"."LlamaLog"',
        'CLUSTER "public"."LlamaLog"',
        "COPY (SELECT 1) TO PROGRAM 'x'",
        'SELECT * FROM "public"."LlamaLog" FOR UPDATE',
        "DO $$ BEGIN LOCK x; END $$",
        "DO $$ BEGIN EXECUTE 'LOCK x'; END $$",
        "SELECT pg_advisory_lock(1)",
        "SELECT set_config('a', 'b', true)",
        "SELECT pg_catalog.pg_terminate_backend(1)",
    ],
)
def test_the_check_on_reading_files_has_teeth(statement: str) -> None:
    words = plain(statement, "x")
    assert WRITES.search(words) or NEVER_WHEN_READING.search(words)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO pg_temp.edge (job) VALUES ('LOCK') ON CONFLICT DO UPDATE SET job = ''",
        "ANALYZE pg_temp.edge",
        "CREATE TEMPORARY TABLE edge (job text) ON COMMIT DROP",
        "CREATE UNIQUE INDEX ON pg_temp.edge (job)",
        "SELECT a.lock, b AS update, has_table_privilege(1, 'UPDATE') FROM pg_locks -- LOCK",
    ],
)
def test_the_check_on_reading_files_lets_pass(statement: str) -> None:
    words = plain(statement, "x")
    assert not WRITES.search(words)
    assert not NEVER_WHEN_READING.search(words)
