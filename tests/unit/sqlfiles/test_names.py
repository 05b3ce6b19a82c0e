from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given

from llamactl.model import ErrorCode, LlamactlError
from llamactl.sqlfiles.names import DEFAULT_COLUMNS, NAME_BYTES, Names, quote, retarget, tokenize
from odd_names import ODD_NAMES, any_names

ODD = Names(
    schema="my logs",
    table='job"Log',
    columns={"job_id": "jobId", "root_job_id": "wurzelä"},
    enum_schema="types",
    enum="Kind",
)

PLACES = ("schema", "table", "enum_schema", "enum", "column")


def named(place: str, name: str) -> Names:
    if place == "column":
        return Names(columns={"job_id": name})
    return Names(**{place: name})


def test_every_default_column_is_a_key() -> None:
    assert tuple(Names(columns={"id": "key"}).columns) == DEFAULT_COLUMNS
    assert ODD.columns["job_id"] == "jobId"
    assert ODD.columns["parent_job_id"] == "parent_job_id"


def test_equal_names_are_one_key() -> None:
    assert Names(columns={"job_id": "a"}) == Names(columns={"job_id": "a"})
    assert hash(Names(columns={"job_id": "a"})) == hash(Names(columns={"job_id": "a"}))
    assert Names(columns={"job_id": "a"}) != Names()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "is empty"),
        ("a\0b", "NUL"),
        ("a" * 64, "64 bytes"),
        ("é" * 32, "64 bytes"),
        ("\udcff", "UTF-8"),
    ],
)
def test_a_name_that_cannot_be(place: str, name: str, says: str) -> None:
    with pytest.raises(LlamactlError, match=says) as caught:
        named(place, name)
    assert caught.value.code is ErrorCode.CONFIG
    assert caught.value.hint


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["a" * 63, "é" * 31, " ", "1", "\n", "🦙", "\ufeff"])
def test_a_name_that_can_be(place: str, name: str) -> None:
    named(place, name)


def test_two_columns_cannot_share_one() -> None:
    with pytest.raises(LlamactlError, match="job_id and parent_job_id are both mapped to 'x'") as caught:
        Names(columns={"job_id": "x", "parent_job_id": "x"})
    assert caught.value.code is ErrorCode.CONFIG
    with pytest.raises(LlamactlError, match="job_id and user_id are both mapped to 'user_id'"):
        Names(columns={"job_id": "user_id"})
    assert Names(columns={"id": "job_id", "job_id": "id"}).columns["id"] == "job_id"


def test_a_column_that_is_not_ours() -> None:
    with pytest.raises(LlamactlError, match="'jobid'") as caught:
        Names(columns={"jobid": "x"})
    assert caught.value.code is ErrorCode.CONFIG
    assert "parent_job_id" in caught.value.hint


def test_derived_names() -> None:
    assert Names().index == "LlamaLog_root_job_id_idx"
    assert Names().check == "LlamaLog_job_id_not_parent_check"
    assert Names().job_index == "LlamaLog_job_id_parent_job_id_idx"
    assert Names().guard == "LlamaLog_guard"
    assert ODD.index == 'job"Log_wurzelä_idx'
    assert ODD.check == 'job"Log_jobId_not_parent_check'


@pytest.mark.parametrize(
    ("table", "index"),
    [
        ("t" * 46, "t" * 46 + "_root_job_id_idx"),
        ("t" * 47, "t" * 47 + "_root_job_id_idx"),  # 63 bytes
        ("t" * 48, "t" * 48 + "_root_job_i_idx"),
        ("t" * 63, "t" * 59 + "_idx"),
        ("é" * 31, "é" * 29 + "_idx"),  # 59 bytes would end inside a letter
        ("t" + "é" * 31, "t" + "é" * 29 + "_idx"),
        ("🦙" * 15, "🦙" * 14 + "_idx"),
    ],
)
def test_derived_names_are_cut_as_prisma_cuts_them(table: str, index: str) -> None:
    assert Names(table=table).index == index


def test_both_indexes_of_a_table_with_a_long_name() -> None:
    names = Names(table="t" * 63)
    assert (names.index, names.job_index) == ("t" * 59 + "_idx", "t" * 55 + "_job_idx")


def test_guards_of_different_tables_differ() -> None:
    """Their functions share a schema."""
    tables = [
        ("public", "log"),
        ("other", "log"),
        ("public", "t" * 63),
        ("public", "t" * 62),
        ("t", "é" * 31),
    ]
    names = {Names(schema=schema, table=table).guard for schema, table in tables}
    assert len(names) == len(tables)
    assert max(len(name.encode()) for name in names) <= NAME_BYTES


@given(any_names())
def test_derived_names_fit(names: Names) -> None:
    assert names.index != names.job_index
    suffixes = {names.index: "_idx", names.job_index: "_idx", names.guard: "_guard"}
    for name, suffix in {**suffixes, names.check: "_not_parent_check"}.items():
        assert len(name.encode()) <= NAME_BYTES
        assert name.endswith(suffix)


def test_quoted_table() -> None:
    assert Names().quoted_table() == '"public"."LlamaLog"'
    assert ODD.quoted_table() == '"my logs"."job""Log"'


@pytest.mark.parametrize(
    ("default", "theirs"),
    [
        ('"public"."LlamaLog"', '"my logs"."job""Log"'),
        ('"public" . /* c */ "LlamaLog"', '"my logs"."job""Log"'),
        ('"public"."LlamaLog"."job_id"', '"my logs"."job""Log"."jobId"'),
        ('"public"."LlamaLogCategory"', '"types"."Kind"'),
        ('"LlamaLog_root_job_id_idx"', '"job""Log_wurzelä_idx"'),
        ('"public"."LlamaLog_root_job_id_idx"', '"my logs"."job""Log_wurzelä_idx"'),
        ('"LlamaLog_job_id_not_parent_check"', '"job""Log_jobId_not_parent_check"'),
        ('log."job_id"::text COLLATE "C"', 'log."jobId"::text COLLATE "C"'),
        ('x::"char"', 'x::"char"'),
        ('É."job_id", \'ü\', "root_job_id"', 'É."jobId", \'ü\', "wurzelä"'),
        ('DO $$ SELECT "job_id" $$', 'DO $$ SELECT "jobId" $$'),
        ('LOCK TABLE "public"."LlamaLog"', 'LOCK TABLE "my logs"."job""Log"'),
        ('CALL f("job_id")', 'CALL f("jobId")'),
    ],
)
def test_retarget(default: str, theirs: str) -> None:
    assert retarget(default, ODD) == theirs
    assert retarget(default, Names()) == default.replace(" . /* c */ ", ".")


@pytest.mark.parametrize(
    "text",
    [
        "-- \"job_id\" :'x'\n",
        '/* "job_id" /* "nobody" */ "job_id" */',
        "SELECT '\"job_id\"'",
        "SELECT 'it''s \"job_id\"'",
        r"""SELECT E'\'"job_id"\\', e'"job_id"'""",
        r"""SELECT 'a\', '"job_id"'""",
        "SELECT U&'\\0061\"job_id\"'",
        "SELECT job_id, LlamaLog FROM public.LlamaLog",
    ],
)
def test_strings_comments_and_our_own_names_stay(text: str) -> None:
    assert retarget(text, ODD) == text


@pytest.mark.parametrize(
    "text",
    [
        '"nobody"',
        '"LlamaLog"',
        '"public"',
        '"Public"."LlamaLog"',
        '"public"."job_id"',
        '"job_id "',
        '"a""b"',
        'DO $$ BEGIN\n  "nobody"; END $$',
    ],
)
def test_a_quoted_name_that_nobody_has(text: str) -> None:
    with pytest.raises(LlamactlError, match="is not a name of the user's") as caught:
        retarget("SELECT 1,\n" + text, ODD, "sql/x.sql")
    assert caught.value.code is ErrorCode.INTERNAL
    assert f"sql/x.sql, line {2 + text.count(chr(10))}:" in caught.value.message


@pytest.mark.parametrize("text", ["'open", '"open', "$$ open", "/* open", "$$ it's $$"])
def test_what_has_no_end(text: str) -> None:
    with pytest.raises(LlamactlError, match=r"sql/x\.sql"):
        retarget(text, ODD, "sql/x.sql")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT $1 <> '' OR \"job_id\" = ''",
        "SELECT f($1,$2)",
        "SELECT f($1,$2) = f($1,$2)",
        "DO $$ BEGIN PERFORM $1 <> '', \"job_id\"; END $$",
    ],
)
def test_a_parameter_without_a_name(text: str) -> None:
    # sqlglot looks for a tag behind the $: it loses its way, or finds a body where there is none.
    with pytest.raises(LlamactlError, match=r"sql/x\.sql"):
        retarget(text, ODD, "sql/x.sql")


def test_a_token_that_gets_lost_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tokenize('SELECT "job_id", "id"', "x")

    class Lossy:
        def tokenize(self, text: str) -> list[object]:
            return [token for token in tokens if token.text != "job_id"]

    monkeypatch.setattr("llamactl.sqlfiles.names._tokenizer", Lossy)
    with pytest.raises(LlamactlError, match="x, line 1: the tokenizer lost its way"):
        retarget('SELECT "job_id", "id"', ODD, "x")


def body(text: str) -> tuple[str, str]:
    """The tag and the body of a dollar-quoted string, read as the server reads it."""
    tag = text[: text.index("$", 1) + 1]
    end = text.index(tag, len(tag))
    assert end + len(tag) == len(text)
    return tag, text[len(tag) : end]


@pytest.mark.parametrize(
    ("text", "column", "tag"),
    [
        ('$$ "job_id" $$', "a", "$$"),
        ('$$ "job_id" $$', "a$$b", "$body1$"),
        ('$$ "job_id" $$', "$$ $body1$", "$body2$"),
        ('$do$ "job_id" $do$', "$$", "$do$"),
        ('$do$ "job_id" $do$', "$do$", "$do1$"),
        ('$do$ "job_id" $do$', "$do", "$do$"),
        ('$do$ "job_id" $do$', "$do$do1$do1$", "$do2$"),
        ('$$ "id" $$', "$$", "$$"),
    ],
)
def test_a_name_that_would_close_a_body(text: str, column: str, tag: str) -> None:
    found, inside = body(retarget(text, Names(columns={"job_id": column})))
    assert found == tag
    assert inside in (f" {quote(column)} ", ' "id" ')


def test_a_body_in_a_body() -> None:
    names = Names(columns={"job_id": "$in$ $out$"})
    text = retarget('$out$ EXECUTE $in$ SELECT "job_id" $in$; $out$', names)
    tag, inside = body(text)
    assert (tag, inside) == ("$out1$", ' EXECUTE $in1$ SELECT "$in$ $out$" $in1$; ')


SAMPLE = """-- "job_id"
SELECT log."job_id", "parent_job_id" IS NULL, '"id"' FROM "public"."LlamaLog" AS log WHERE E'\\'' <> "id"
  AND x = 'ä' COLLATE "C"; DO $solve$ BEGIN PERFORM $$ "job_id" $$ || "root_job_id" || "id" ; END $solve$;
ALTER TABLE "public"."LlamaLog" ADD "root_job_id" text, ALTER "category" TYPE "public"."LlamaLogCategory";
"""


def flat(text: str) -> list[tuple[str, str]]:
    """The tokens, bodies opened."""
    found: list[tuple[str, str]] = []
    for token in tokenize(text, "sample"):
        if token.token_type.name == "HEREDOC_STRING":
            inside = text[token.start : token.end + 1].partition("$")[2].partition("$")[2].rpartition("$")[0]
            found += [("body", ""), *flat(inside.rpartition("$")[0])]
        else:
            found.append((token.token_type.name, token.text))
    return found


def check_sample(names: Names) -> None:
    expected: list[tuple[str, str]] = []
    for kind, text in flat(SAMPLE):
        theirs = {
            **names.columns,
            "public": names.schema,
            "LlamaLog": names.table,
            "LlamaLogCategory": names.enum,
            "C": "C",
        }
        expected.append((kind, theirs[text] if kind == "IDENTIFIER" else text))
    expected[-4] = ("IDENTIFIER", names.enum_schema)
    assert flat(retarget(SAMPLE, names)) == expected


@pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES)
def test_only_the_names_change(names: Names) -> None:
    check_sample(names)


@given(any_names())
def test_only_the_names_change_whatever_they_are(names: Names) -> None:
    check_sample(names)


def test_help_does_not_wait_for_the_tokenizer() -> None:
    code = "import sys, llamactl.sqlfiles.names, llamactl.sqlfiles.load; sys.exit('sqlglot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
