"""migrate drops plain indexes, fills the column, and builds them again, exactly as they were."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import migrate_here, run_here
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from servers import Server

Connection = psycopg.Connection[Any]

ROWS = 2000
FILL_LOG = f"""
INSERT INTO "LlamaLog"
  (operation, category, status, job_id, parent_job_id, created_at, sources, metadata)
SELECT 'x ' || n % 7, 'CREATED', 'SUCCESS', 'job ' || n, 'job ' || nullif(n / 20, 0),
       timestamp '2025-01-01' + n * interval '1 s',
       ARRAY['a', 'b ' || n], jsonb_build_object('n', n)
FROM generate_series(1, {ROWS}) AS n
"""
INDEXES = """
SELECT c.relname::text, c.oid::bigint
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = '"LlamaLog"'::regclass
"""
SETTLED = """
SET search_path = pg_catalog;
SELECT c.relname::text, pg_get_indexdef(c.oid), c.reloptions, c.relowner::regrole::text, s.spcname,
       obj_description(c.oid), i.indisvalid, i.indisready, i.indisclustered, i.indcollation::text,
       i.indclass::text, i.indoption::text, i.indnatts, i.indnkeyatts, ARRAY(
         SELECT (a.attname, a.attstattarget, a.attoptions)::text
         FROM pg_attribute AS a WHERE a.attrelid = c.oid ORDER BY attnum)
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
WHERE i.indrelid = 'public."LlamaLog"'::regclass AND c.relname <> 'LlamaLog_root_job_id_idx'
ORDER BY 1
"""
"""All that an index is, without its oid and its file."""

FUNCTIONS = """
CREATE SCHEMA tools;
CREATE FUNCTION tools.folded(text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog
  AS 'SELECT lower($1)';
CREATE FUNCTION tools.unpinned(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE FUNCTION tools.same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE
  AS 'SELECT $1 OPERATOR(pg_catalog.=) $2';
CREATE OPERATOR tools.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = tools.same);
CREATE FUNCTION tools.later(text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = ''
  AS 'SELECT $1';
CREATE DOMAIN tools.word AS text CHECK (VALUE <> tools.unpinned('NO'));
CREATE COLLATION tools.bytes FROM "C"
"""

REBUILT = {
    "btree": 'ON "LlamaLog" (status, created_at)',
    "descending": 'ON "LlamaLog" (created_at DESC NULLS LAST, operation NULLS FIRST)',
    "hash": 'ON "LlamaLog" USING hash (job_id)',
    "gin": 'ON "LlamaLog" USING gin (sources) WITH (fastupdate = off)',
    "gin on json": 'ON "LlamaLog" USING gin (metadata jsonb_path_ops)',
    "gist": 'ON "LlamaLog" USING gist '
    "(to_tsvector('simple'::regconfig, operation) tsvector_ops (siglen = 100))",
    "spgist": 'ON "LlamaLog" USING spgist (job_id)',
    "brin": 'ON "LlamaLog" USING brin (created_at) WITH (pages_per_range = 4, autosummarize = on)',
    "brin with options": 'ON "LlamaLog" USING brin '
    "(created_at timestamp_minmax_multi_ops (values_per_range = 16))",
    "expression": """ON "LlamaLog" (lower(job_id), (metadata ->> 'n'), status)""",
    "partial": """ON "LlamaLog" (job_id) WHERE status = 'FAILED' AND created_at > '2025-01-01 00:00:01' """
    "AND error_code IS NULL",
    "include": 'ON "LlamaLog" (job_id) INCLUDE (status, category)',
    "operator class": 'ON "LlamaLog" (operation text_pattern_ops, job_id varchar_pattern_ops DESC)',
    "collation": 'ON "LlamaLog" (operation COLLATE "C", job_id COLLATE tools.bytes)',
    "fillfactor": 'ON "LlamaLog" (parent_job_id) WITH (fillfactor = 60, deduplicate_items = off)',
    "a function with a path of its own": 'ON "LlamaLog" (tools.folded(operation))',
    'odd "name" of theirs: ÄÖ; -- x': 'ON "LlamaLog" (user_id)',
    "on the root column": 'ON "LlamaLog" (root_job_id, created_at)',
}
KEPT = {
    "unique": 'CREATE UNIQUE INDEX "unique" ON "LlamaLog" (job_id, id)',
    "constraint": 'ALTER TABLE "LlamaLog" ADD CONSTRAINT "constraint" UNIQUE (id, job_id)',
    "exclusion": 'ALTER TABLE "LlamaLog" ADD CONSTRAINT "exclusion" EXCLUDE USING btree (id WITH =)',
    "clustered": 'CREATE INDEX "clustered" ON "LlamaLog" (id); ALTER TABLE "LlamaLog" CLUSTER ON "clustered"',
    "identity": 'CREATE UNIQUE INDEX "identity" ON "LlamaLog" (id); '
    'ALTER TABLE "LlamaLog" REPLICA IDENTITY USING INDEX "identity"',
    "invalid": 'CREATE INDEX "invalid" ON "LlamaLog" (id); '
    """UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'invalid'::regclass""",
    "unpinned function": 'CREATE INDEX "unpinned function" ON "LlamaLog" (tools.unpinned(operation))',
    "in a predicate": 'CREATE INDEX "in a predicate" ON "LlamaLog" (id) '
    """WHERE tools.unpinned(operation) = 'x 1'""",
    "operator": """CREATE INDEX "operator" ON "LlamaLog" (id) WHERE operation OPERATOR(tools.===) 'x 1'""",
    "domain": """CREATE INDEX "domain" ON "LlamaLog" ((operation::tools.word))""",
    "no longer immutable": 'CREATE INDEX "no longer immutable" ON "LlamaLog" (tools.later(operation)); '
    "ALTER FUNCTION tools.later(text) VOLATILE",
    "of an extension": 'CREATE INDEX "of an extension" ON "LlamaLog" (id); '
    "INSERT INTO pg_depend SELECT 'pg_class'::regclass, '\"of an extension\"'::regclass, 0, "
    "'pg_extension'::regclass, oid, 0, 'e' FROM pg_extension",
    "marked": 'CREATE INDEX "marked" ON "LlamaLog" (id); ALTER INDEX "marked" DEPENDS ON EXTENSION plpgsql',
    "needed by another": 'CREATE INDEX "needed by another" ON "LlamaLog" (id); '
    "INSERT INTO pg_depend VALUES ('pg_proc'::regclass, 'tools.folded(text)'::regprocedure, 0, "
    "'pg_class'::regclass, '\"needed by another\"'::regclass, 0, 'n')",
    "of another method": "CREATE ACCESS METHOD own_method TYPE INDEX HANDLER bthandler; "
    "CREATE OPERATOR CLASS own_ops DEFAULT FOR TYPE uuid USING own_method AS OPERATOR 1 <, OPERATOR 2 <=, "
    "OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 uuid_cmp(uuid, uuid); "
    'CREATE INDEX "of another method" ON "LlamaLog" USING own_method (id)',
}


@pytest.fixture
def log(connection: Connection) -> Connection:
    connection.execute(FILL_LOG.encode())
    return connection


def oids(connection: Connection) -> dict[str, int]:
    return dict(connection.execute(INDEXES.encode()).fetchall())


def all_of(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(SETTLED.encode())
        cursor.nextset()
        return cursor.fetchall()


def rebuilt_by(dsn: str, *arguments: str) -> set[str]:
    """Runs migrate; returns the indexes that were built again."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = oids(connection)
        done = migrate_here(dsn, *arguments)
        assert done.code == 0, done.err
        after = oids(connection)
    assert set(after) == {*before, "LlamaLog_root_job_id_idx"}
    return {name for name in before if after[name] != before[name]}


def schema(pg_dump: Path, dsn: str) -> str:
    text = subprocess.run([pg_dump, "-s", "-d", dsn], capture_output=True, text=True, check=True).stdout
    return "\n".join(
        line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))
    )


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def create_rebuilt(connection: Connection) -> None:
    connection.execute(FUNCTIONS.encode())
    connection.execute('ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)')
    for name, definition in REBUILT.items():
        connection.execute(f"CREATE INDEX {quoted(name)} {definition}".encode())
        text = "it''s \\ \" a\n'' comment; " + name.replace("'", "''")
        connection.execute(f"COMMENT ON INDEX {quoted(name)} IS '{text}'".encode())
    connection.execute("ALTER INDEX expression ALTER COLUMN 2 SET STATISTICS 321")
    connection.execute("ALTER INDEX expression ALTER COLUMN 1 SET STATISTICS 0")
    if connection.info.server_version >= 150000:
        connection.execute('CREATE INDEX "nulls" ON "LlamaLog" (user_id) NULLS NOT DISTINCT')


def test_all_that_an_index_is_comes_back(
    each_database: str, each_server: Server, pg_tool: Callable[[str], Path]
) -> None:
    other = each_server.create(each_server.template)
    kept = each_server.conninfo(other)
    try:
        for dsn in (each_database, kept):
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(FILL_LOG.encode())
                create_rebuilt(connection)
        before = all_of(each_database)
        rebuilt = rebuilt_by(each_database)
        assert set(REBUILT) <= rebuilt
        assert "LlamaLog_pkey" not in rebuilt
        assert all_of(each_database) == before
        assert not rebuilt_by(kept, "--keep-indexes")
        assert schema(pg_tool("pg_dump"), each_database) == schema(pg_tool("pg_dump"), kept)
    finally:
        each_server.drop(other)


def test_the_indexes_return_the_rows(log: Connection, database: str) -> None:
    create_rebuilt(log)
    assert set(REBUILT) <= rebuilt_by(database)
    log.execute("SET enable_seqscan = off")
    for condition in (
        """sources @> ARRAY['b 77']""",
        """metadata @> '{"n": 77}'""",
        """to_tsvector('simple'::regconfig, operation) @@ '3'""",
        """created_at BETWEEN '2025-01-01 00:01:17' AND '2025-01-01 00:01:17'""",
        """lower(job_id) = 'job 77'""",
        """tools.folded(operation) = 'x 3'""",
        """root_job_id = 'job 1' AND created_at < '2025-01-01 00:10'""",
    ):
        query = f'SELECT job_id FROM "LlamaLog" WHERE {condition} ORDER BY 1'
        plan = "\n".join(line for (line,) in log.execute(f"EXPLAIN {query}".encode()))
        assert "Index" in plan, plan
        found = log.execute(query.encode()).fetchall()
        assert found
        with log.transaction():
            log.execute(
                "SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; "
                "SET LOCAL enable_bitmapscan = off"
            )
            assert log.execute(query.encode()).fetchall() == found
    statistics = "SELECT DISTINCT tablename FROM pg_stats WHERE tablename IN ('expression', 'gist')"
    assert len(log.execute(statistics.encode()).fetchall()) == 2


def test_others_are_kept(log: Connection, database: str) -> None:
    log.execute(FUNCTIONS.encode())
    for name, statements in KEPT.items():
        log.execute(statements.encode())
        assert name in oids(log)
    log.execute('CREATE INDEX plain ON "LlamaLog" (id)')
    rebuilt = rebuilt_by(database)
    assert "plain" in rebuilt
    assert not rebuilt & set(KEPT)


BUSY_TRIGGER = """
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER look {} ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION look()
"""
ALL_KEPT = {
    "trigger": BUSY_TRIGGER.format("BEFORE UPDATE"),
    "trigger after": BUSY_TRIGGER.format("AFTER INSERT OR UPDATE"),
    "rule": "CREATE TABLE copied (id uuid); "
    'CREATE RULE copy AS ON UPDATE TO "LlamaLog" DO ALSO INSERT INTO copied VALUES (NEW.id)',
    "CHECK": "CREATE FUNCTION fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; "
    'ALTER TABLE "LlamaLog" ADD CHECK (fine(job_id))',
    "generated": "CREATE FUNCTION fine(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'; "
    'ALTER TABLE "LlamaLog" ADD shown text GENERATED ALWAYS AS (fine(job_id)) STORED',
    "event trigger": "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS "
    "$$ BEGIN IF tg_tag = 'DROP INDEX' THEN RAISE 'no'; END IF; END $$; "
    "CREATE EVENT TRIGGER seen ON ddl_command_start EXECUTE FUNCTION seen()",
}
NONE_KEPT = {
    "trigger on INSERT": BUSY_TRIGGER.format("BEFORE INSERT OR DELETE"),
    "trigger OF another column": BUSY_TRIGGER.format("BEFORE UPDATE OF status"),
    "disabled trigger": BUSY_TRIGGER.format("BEFORE UPDATE")
    + '; ALTER TABLE "LlamaLog" DISABLE TRIGGER look',
    "DEFAULT": "CREATE FUNCTION fine() RETURNS text LANGUAGE sql AS 'SELECT ''x''::text'; "
    """ALTER TABLE "LlamaLog" ALTER reason SET DEFAULT fine()""",
    "event trigger for tables": "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS "
    "$$ BEGIN END $$; "
    "CREATE EVENT TRIGGER seen ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION seen()",
}


def test_what_keeps_all_of_them(connection: Connection) -> None:
    (query,) = load_query("migrate/plain_indexes", Names()).statements
    oid = connection.execute("""SELECT '"LlamaLog"'::regclass::oid::int""").fetchone()
    assert oid
    values = {"relation": oid[0], "root_column": "root_job_id", "index": ""}
    for present, statements in {**ALL_KEPT, **NONE_KEPT}.items():
        with connection.transaction(force_rollback=True):
            connection.execute(statements.encode())
            connection.execute("SET LOCAL search_path = pg_catalog")
            found = psycopg.RawCursor(connection).execute(
                query.sql.encode(), [values[name] for name in query.parameters]
            )
            assert len(found.fetchall()) == (10 if present in NONE_KEPT else 0), present


def test_an_event_trigger_that_refuses_ddl(log: Connection, database: str) -> None:
    log.execute(ALL_KEPT["event trigger"].encode())
    assert not rebuilt_by(database)


# --- where it pays -----------------------------------------------------------------------------------------


def steps_of(dsn: str, *arguments: str) -> list[dict[str, Any]]:
    done = run_here("migrate", "--format", "json", "--dsn", dsn, *arguments)
    assert done.code == 0, done.err
    steps: list[dict[str, Any]] = json.loads(done.out)["steps"]
    return [{"name": step["name"], "sql": step["sql"], "lock": step["lock"]} for step in steps]


STEPS = {"drop_plain_indexes", "rebuild_indexes"}


@pytest.mark.parametrize(("stored", "rebuilds"), [(0, True), (1390, False)])
def test_only_where_many_rows_are_filled(log: Connection, database: str, stored: int, rebuilds: bool) -> None:
    assert migrate_here(database).code == 0
    log.execute(
        f"""UPDATE "LlamaLog" SET root_job_id = NULL WHERE substr(job_id, 5)::int > {stored}""".encode()
    )
    planned = steps_of(database, "--dry-run")
    assert {step["name"] for step in planned} & STEPS == (STEPS if rebuilds else set())
    assert steps_of(database, "--yes") == planned


def test_small_tables_keep_theirs(database: str, insert: Callable[[Any], None]) -> None:
    insert([("a", None), ("b", "a")])
    assert not rebuilt_by(database)


def test_keep_indexes(log: Connection, database: str) -> None:
    planned = steps_of(database, "--dry-run", "--keep-indexes")
    assert not {step["name"] for step in planned} & STEPS
    assert not rebuilt_by(database, "--keep-indexes")
    refused = run_here("migrate", "--online", "--keep-indexes", "--yes", "--dsn", database)
    assert (refused.code, refused.errors) == (2, [refused.errors[0]])
    assert "--keep-indexes" in refused.errors[0]


def test_the_script_keeps_them(log: Connection, database: str, psql: Path) -> None:
    script = run_here("sql", "--dsn", database).out
    before = oids(log)
    done = subprocess.run([psql, "-X", "-d", database], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert oids(log).items() >= before.items()


# --- failures ----------------------------------------------------------------------------------------------


def test_a_rebuild_that_fails_changes_nothing(
    log: Connection, database: str, pg_tool: Callable[[str], Path]
) -> None:
    log.execute("""
        CREATE FUNCTION moody(text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS
        $$ BEGIN
          IF current_query() ~ 'CREATE INDEX moody' AND current_setting('application_name') ~ '^llamactl'
          THEN RAISE 'not today'; END IF; RETURN $1; END $$
    """)
    log.execute('CREATE INDEX moody ON "LlamaLog" (moody(job_id))')
    before, dump = oids(log), schema(pg_tool("pg_dump"), database)
    done = migrate_here(database)
    assert done.code == 2
    assert done.errors == [
        "error: The index public.moody could not be built again: not today; nothing was changed"
    ]
    assert "--keep-indexes" in done.err
    assert (oids(log), schema(pg_tool("pg_dump"), database)) == (before, dump)
    assert not rebuilt_by(database, "--keep-indexes")


def test_an_index_that_another_session_has_locked(log: Connection, database: str) -> None:
    """ALTER INDEX RENAME and the like lock the index alone."""
    with psycopg.connect(database) as other:
        other.execute("""COMMENT ON INDEX "LlamaLog_user_id_idx" IS 'x'""")
        rebuilt = rebuilt_by(database)
    assert "LlamaLog_user_id_idx" not in rebuilt
    assert "LlamaLog_track_id_idx" in rebuilt


# --- tablespaces and rights --------------------------------------------------------------------------------


@pytest.fixture
def tablespace(server: Server) -> Iterator[str]:
    name = "place of indexes"
    with server.admin() as admin:
        admin.execute("SET allow_in_place_tablespaces = on")
        admin.execute(f"""CREATE TABLESPACE "{name}" LOCATION ''""".encode())
        yield name
        admin.execute(f'DROP TABLESPACE "{name}"'.encode())


def test_tablespaces(tablespace: str, server: Server) -> None:
    dsn = server.conninfo(server.create(server.template))
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(FILL_LOG.encode())
            connection.execute(f'CREATE INDEX there ON "LlamaLog" (id) TABLESPACE "{tablespace}"'.encode())
            connection.execute("CREATE ROLE tenant LOGIN; CREATE ROLE reader LOGIN")
            connection.execute(f"ALTER DATABASE {name} OWNER TO tenant".encode())
            connection.execute('GRANT ALL ON SCHEMA public TO tenant; ALTER TABLE "LlamaLog" OWNER TO tenant')
            connection.execute('ALTER TYPE "LlamaLogCategory" OWNER TO tenant')
            connection.execute('GRANT SELECT ON "LlamaLog" TO reader')
            connection.execute(f'ALTER ROLE tenant SET default_tablespace = "{tablespace}"'.encode())
            connection.execute(f'GRANT CREATE ON TABLESPACE "{tablespace}" TO tenant'.encode())
        before = all_of(dsn)
        tenant = f"{dsn} user=tenant"
        of_reader, of_owner = (steps_of(f"{dsn} user={user}", "--dry-run") for user in ("reader", "tenant"))
        assert [step["name"] for step in of_reader] == [step["name"] for step in of_owner]
        assert of_reader[3] == of_owner[3]
        assert "DROP INDEX public.there" in of_reader[3]["sql"]
        assert {"there", "LlamaLog_user_id_idx"} <= rebuilt_by(tenant)
        assert all_of(dsn) == before
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute('UPDATE "LlamaLog" SET root_job_id = NULL')
            connection.execute(f'REVOKE CREATE ON TABLESPACE "{tablespace}" FROM tenant'.encode())
            connection.execute("ALTER ROLE tenant RESET default_tablespace")
        again = rebuilt_by(tenant)
        assert "there" not in again
        assert "LlamaLog_user_id_idx" in again
        assert all_of(dsn) == before
    finally:
        server.drop(str(name))
        with server.admin() as admin:
            admin.execute("DROP ROLE tenant, reader")
