from __future__ import annotations

from pathlib import Path

import pytest

from llamactl.model import ErrorCode, LlamactlError
from llamactl.sqlfiles import load as queries
from llamactl.sqlfiles.load import Statement, header_defaults, parse_query
from llamactl.sqlfiles.names import Names

NAMES = Names(
    schema="s", table="it's \\d\n:'job'", columns={"job_id": "$1 :'job'"}, root_type="character varying(100)"
)


def one(text: str, names: Names = NAMES) -> Statement:
    (statement,) = parse_query("x", text, names).statements
    return statement


def test_values_are_numbered_by_name() -> None:
    statement = one("SELECT :'b', :'a'::int, x[:'b'], (:'c')\n;")
    assert statement.sql == "SELECT $1, $2::int, x[$1], ($3)"
    assert statement.parameters == ("b", "a", "c")
    assert statement.written({}) == "SELECT :'b', :'a'::int, x[:'b'], (:'c');"


def test_each_statement_has_its_own_numbers() -> None:
    query = parse_query("x", "SELECT :'a', :'b'; SELECT :'b';", NAMES)
    assert [statement.sql for statement in query.statements] == ["SELECT $1, $2", "SELECT $1"]
    assert [statement.parameters for statement in query.statements] == [("a", "b"), ("b",)]


def test_the_type_is_written_out_everywhere() -> None:
    text = (
        'ALTER TABLE "public"."LlamaLog" ADD "root_job_id" :root_type, ALTER x TYPE a USING y:: :root_type;'
    )
    statement = one(text)
    assert statement.parameters == ()
    assert statement.sql.count("character varying(100)") == 2
    assert statement.written({}) == statement.sql + ";"
    assert ":root_type" not in parse_query("x", text, NAMES).script


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'a :''job'' :x' AS y",
        "SELECT E'\\':' || E':\\'x'",
        "SELECT 1 -- :'job' :x ; it's",
        "SELECT 1 /* :'job' ; /* :x */ it's */",
        "DO $$ BEGIN x := y; a := ':'; z :'job'; END $$",
        "SELECT x::text, y::int[], z[1:2], f(a => 1)",
        "SELECT 100 % 3, '%s', x LIKE '%'",
        "SELECT 'a;b', $$;$$",
    ],
)
def test_no_variable_is_found_where_psql_finds_none(text: str) -> None:
    statement = one(text + "\n;")
    assert statement.sql == text
    assert statement.parameters == ()


@pytest.mark.parametrize("text", [":x", ':"job_id"', "a[lo:hi]", ":{?x}", ":'it''s'", ":'a b'", ":''"])
def test_a_variable_of_another_kind(text: str) -> None:
    with pytest.raises(LlamactlError, match=r"sql/x\.sql, line 2: ") as caught:
        one(f"SELECT 1,\n{text};")
    assert caught.value.code is ErrorCode.INTERNAL


def test_what_roots_are_cast_to_is_written_out_too() -> None:
    assert one("SELECT CAST(x AS :root_cast);", Names(root_cast="uuid")).sql == "SELECT CAST(x AS uuid)"


def test_names_that_look_like_variables_stay_names() -> None:
    statement = one('SELECT "job_id", :\'job\' FROM "public"."LlamaLog";')
    assert statement.sql == 'SELECT "$1 :\'job\'", $1 FROM "s"."it\'s \\d\n:\'job\'"'
    assert statement.parameters == ("job",)


FILE = """-- What it does.
-- Parameters: job, relation.
-- Default job: 'it''s'
-- Default relation: '"public"."LlamaLog"'
SELECT :'job', -- why
  :'relation'::regclass;

-- Next.
DO $$ BEGIN NULL; END $$; -- after
"""


def test_a_file() -> None:
    query = parse_query("x", FILE, NAMES)
    first, second = query.statements
    assert first.sql == "-- What it does.\n-- Parameters: job, relation.\nSELECT $1, -- why\n  $2::regclass"
    assert first.parameters == ("job", "relation")
    assert second.sql == "-- Next.\nDO $$ BEGIN NULL; END $$"
    assert second.written({}) == second.sql + ";"


def psql_default(name: str, value: str) -> str:
    return f"\\if :{{?{name}}}\n\\else\n\\set {name} {value}\n\\endif\n"


@pytest.mark.parametrize("value", ["'a \"job_id\" b'", "'{\"id\": 1}'", "'\"'", "10", "''"])
def test_a_default_that_is_no_name_stays(value: str) -> None:
    script = parse_query("x", f"-- Default job: {value}\nSELECT :'job';", NAMES).script
    assert script == psql_default("job", value) + "SELECT :'job';"


def test_a_default_outside_the_header_is_a_comment() -> None:
    text = "-- What it does.\nSELECT 1;\n-- Default job: x\n"
    assert header_defaults(text) == {}
    assert parse_query("x", text, NAMES).script == text


def test_a_script_sets_the_defaults_and_keeps_the_rest_but_for_the_names() -> None:
    before, after = "-- What it does.\n-- Parameters: job, relation.\n", FILE[FILE.index("SELECT") :]
    assert header_defaults(FILE) == {"job": "'it''s'", "relation": """'"public"."LlamaLog"'"""}

    def script(relation: str) -> str:
        return before + psql_default("job", "'it''s'") + psql_default("relation", relation) + after

    assert parse_query("x", FILE, Names()).script == script("""'"public"."LlamaLog"'""")
    # psql reads C-like escapes in the default: \n is the newline in the table's name.
    assert parse_query("x", FILE, NAMES).script == script("""'"s"."it''s \\\\d\\n:''job''"'""")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT 1\n\\gset\n;", "line 2: psql commands are made from the header's defaults"),
        ("SELECT 1;\nSELECT 2 \\gexec", "line 2: psql commands are made from the header's defaults"),
        ('SELECT "\n\\if\n";', "line 1"),
        ("SELECT 1;\nSELECT 2", "line 2: the last statement has no semicolon"),
        ("SELECT 1;\n;", "line 2: an empty statement"),
        ("-- c\n;", "line 2: an empty statement"),
        ("-- c\n-- Default x: '\"nobody\"'\nSELECT 1;", 'line 2: "nobody" is not a name'),
    ],
)
def test_a_file_that_cannot_be(text: str, says: str) -> None:
    with pytest.raises(LlamactlError) as caught:
        parse_query("x", text, NAMES)
    assert caught.value.code is ErrorCode.INTERNAL
    assert says in caught.value.message
    assert caught.value.message.startswith("sql/x.sql")


def test_a_file_without_statements() -> None:
    assert parse_query("x", "-- nothing\n", NAMES).statements == ()


@pytest.mark.parametrize("text", ["/*\n\\set x 'y'\n*/\nSELECT 1;", "SELECT '\n\\if\n';", "DO $$\n\\if\n$$;"])
def test_a_backslash_inside_a_comment_or_a_string_is_no_command(text: str) -> None:
    assert parse_query("x", text, NAMES).script == text


def test_files_are_found_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (queries.sql_directory() / "lineage").is_dir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.sql").write_text("SELECT 'ä';\n", encoding="utf-8")
    (tmp_path / "b" / "a.txt").write_text("no")
    monkeypatch.setattr(queries, "sql_directory", lambda: tmp_path)
    assert queries.all_query_paths() == ["b/a"]
    assert queries.load_query("b/a", NAMES).statements[0].sql == "SELECT 'ä'"


def test_loading_twice_parses_once() -> None:
    path = queries.all_query_paths()[0]
    assert queries.load_query(path, Names()) is queries.load_query(path, Names())


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(LlamactlError, match=r"no sql/nowhere/x\.sql"):
        queries.load_query("nowhere/x", NAMES)
