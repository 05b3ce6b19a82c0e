"""Statements that run under the user's search path: each name in them has its schema."""

from __future__ import annotations

import pytest

from llamactl.sqlfiles.load import all_query_paths, load_query
from llamactl.sqlfiles.names import Names
from odd_names import ODD_NAMES
from qualified import unqualified

# The logger's run in other people's sessions.
RUNNING = [
    path
    for path in all_query_paths()
    if load_query(path, Names()).runs_users_code or path.startswith("logger/")
]


def test_there_are_such_files() -> None:
    assert {"online/fill", "migrate/fill", "lineage/create", "logger/insert"} <= set(RUNNING)


@pytest.mark.parametrize("path", RUNNING)
def test_every_name_has_its_schema(path: str) -> None:
    for names in (Names(), ODD_NAMES["keywords"]):
        for statement in load_query(path, names).statements:
            assert unqualified(statement.sql) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT a FROM pg_temp.t WHERE a = 1", "operator ="),
        ("SELECT a FROM pg_temp.t WHERE a OPERATOR(public.=) 1", "operator ="),
        ("UPDATE pg_temp.t SET a = 1 WHERE b = 2", "operator ="),
        ("UPDATE pg_temp.t SET a = pg_catalog.f(1, b = 2)", "operator ="),
        ("SELECT a || b", "operator ||"),
        ("SELECT -a", "operator -"),
        ("SELECT 2 * 3", "operator *"),
        ("SELECT a::pg_catalog.jsonb ->> 'b'", "operator ->>"),
        ("SELECT a IN (1, 2)", "IN"),
        ("SELECT a NOT IN (SELECT 1)", "IN"),
        ("SELECT CASE a WHEN 1 THEN 2 END", "CASE"),
        ("SELECT a IS DISTINCT FROM pg_catalog.f(b)", "DISTINCT"),
        ("SELECT a IS NOT DISTINCT FROM pg_catalog.f(b)", "DISTINCT"),
        ("SELECT a BETWEEN 1 AND 2", "BETWEEN"),
        ("SELECT NULLIF(a, b)", "NULLIF"),
        ("SELECT a NOT LIKE 'x'", "LIKE"),
        ("SELECT a ILIKE 'x'", "ILIKE"),
        ("SELECT a SIMILAR TO 'x'", "SIMILAR"),
        ("SELECT 1 FROM pg_temp.a JOIN pg_temp.b USING (c)", "USING"),
        ("SELECT 1 FROM pg_temp.a NATURAL JOIN pg_temp.b", "NATURAL"),
        ("SELECT a FROM pg_temp.t ORDER BY a USING OPERATOR(pg_catalog.<)", "USING"),
        ("SELECT count(*) FROM pg_temp.t", "function count"),
        ("SELECT public.count(*) FROM pg_temp.t", "function count"),
        ("SELECT TRIM(a)", "function TRIM"),
        ("SELECT a::text", "type text"),
        ('SELECT a::"char"', 'type "char"'),
        ("SELECT CAST(a AS text)", "type text"),
        ("SELECT CAST(pg_catalog.f(a) AS uuid)", "type uuid"),
        ('SELECT a COLLATE "C"', 'collation "C"'),
        ("CREATE TEMPORARY TABLE t (a text)", "type text"),
        ("CREATE TEMPORARY TABLE t (a integer, b text)", "type text"),
        ("CREATE TABLE IF NOT EXISTS llamactl.t (a integer, b oid, PRIMARY KEY (a))", "type oid"),
        ('ALTER TABLE "public"."LlamaLog" ADD COLUMN "root_job_id" text', "type text"),
        ('ALTER TABLE "public"."LlamaLog" ADD COLUMN IF NOT EXISTS "root_job_id" text', "type text"),
        ("DO $$ BEGIN ALTER TABLE llamactl.t ADD COLUMN IF NOT EXISTS a oid; END $$", "type oid"),
        ("CREATE FUNCTION pg_temp.f(a text) RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$", "type text"),
        ("CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $$ SELECT 'a' $$", "type text"),
        ("CREATE FUNCTION pg_temp.f() RETURNS integer LANGUAGE sql AS $$ SELECT a + 1 $$", "operator +"),
        ("DO $$ DECLARE a text; BEGIN NULL; END $$", "type text"),
        ("DO $$ DECLARE a integer; b CONSTANT text := 'a'; BEGIN NULL; END $$", "type text"),
        ("DO $$ BEGIN EXECUTE 'a' || 'b'; END $$", "operator ||"),
        ("DO $$ BEGIN EXECUTE $a$ SELECT f() $a$; END $$", "function f"),
        ("SELECT 1 FROM t", "relation t"),
        ("DELETE FROM pg_temp.t USING u", "relation u"),
        ("SELECT 1 FROM public.t", "relation public"),
        ('SELECT 1 FROM "LlamaLog"', 'relation "LlamaLog"'),
        ("INSERT INTO t VALUES (1)", "relation t"),
        ("UPDATE t SET a = 1", "relation t"),
        ("CREATE TABLE llamactl.t (a integer REFERENCES run)", "relation run"),
    ],
)
def test_what_has_no_schema_is_found(statement: str, found: str) -> None:
    assert found in unqualified(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT *, t.* FROM pg_temp.t WHERE a OPERATOR(pg_catalog.=) ANY (SELECT b FROM pg_temp.u)",
        "WITH a AS MATERIALIZED (SELECT 1), b AS (SELECT 2) SELECT pg_catalog.count(*) FROM a JOIN b ON true",
        'UPDATE "public"."LlamaLog" AS log SET "job_id" = NULL, "id" = 1 FROM pg_temp.t WHERE "is_root_job"',
        'SELECT extract(epoch FROM "created_at"), coalesce(a, b), CASE WHEN a THEN b END FROM pg_temp.t',
        "SELECT a::character varying(100), b::bigint[], c::pg_catalog.tid",
        'SELECT a::pg_catalog.text COLLATE pg_catalog."C", b::pg_catalog."char"',
        'SELECT 1 FROM "public"."LlamaLog" AS log FOR NO KEY UPDATE OF log SKIP LOCKED',
        "CREATE FUNCTION llamactl.f() RETURNS pg_catalog.trigger"
        " SET search_path = pg_catalog, pg_temp AS $$ a = b $$",
        "INSERT INTO pg_temp.t (a) SELECT 1 ON CONFLICT DO NOTHING",
        "DELETE FROM pg_temp.t USING pg_temp.u WHERE t.a OPERATOR(pg_catalog.=) u.b",
    ],
)
def test_what_has_its_schema_passes(statement: str) -> None:
    assert unqualified(statement) == []
