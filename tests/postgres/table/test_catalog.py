"""Finding the table, and what the catalogs tell of it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from llamactl.model import ErrorCode, IdKind, LlamactlError, Relation
from llamactl.sqlfiles.names import Names
from llamactl.table import catalog
from odd_names import ODD_NAMES
from roles import new_role
from sessions import refused, session, settings_for

Connection = psycopg.Connection[Any]


def locate(conninfo: str, **values: Any) -> Relation:
    with session(conninfo, **values) as opened:
        return catalog.locate(opened, settings_for(conninfo, **values))


def no_table(conninfo: str, **values: Any) -> LlamactlError:
    with refused(ErrorCode.CONFIG) as error:
        locate(conninfo, **values)
    return error


def make(connection: Connection, columns: str, table: str = "llama_logs") -> None:
    """A table in place of the one that the template has."""
    connection.execute(f'DROP TABLE "LlamaLog"; CREATE TABLE {table} ({columns})')


PLAIN = "id uuid PRIMARY KEY, job_id text, parent_job_id text"


def test_the_prisma_table(database: str) -> None:
    relation = locate(database)
    assert (relation.schema, relation.name, relation.kind) == ("public", "LlamaLog", "r")
    assert relation.columns["job_id"].type_name == "character varying(100)"
    assert relation.root is None
    assert relation.enum is not None
    assert relation.enum.name == "LlamaLogCategory"
    assert relation.enum.values[-1] == "FAILED"
    assert relation.bytes >= relation.index_bytes + relation.toast_bytes > 0
    assert catalog.names_for(relation, settings_for(database)) == Names(
        root_type="character varying(100)", id_cast="uuid"
    )


def test_the_snake_case_table(database: str, connection: Connection) -> None:
    make(connection, PLAIN)
    assert locate(database).name == "llama_logs"


def test_both_tables(database: str, connection: Connection) -> None:
    connection.execute(f"CREATE TABLE llama_logs ({PLAIN})")
    error = no_table(database)
    assert error.message == 'Both public."LlamaLog" and public.llama_logs exist: select one with --table'
    assert "look like job logs: public" in error.hint
    assert locate(database, table="llama_logs").name == "llama_logs"


def test_neither_table(database: str, connection: Connection) -> None:
    make(connection, 'id int PRIMARY KEY, "jobId" text, "parentJobId" text', '"Work"')
    connection.execute("CREATE TABLE other (job_id text)")
    error = no_table(database)
    assert error.message.startswith('Neither "LlamaLog" nor llama_logs exists in the search path of ')
    assert error.hint.startswith('Tables that look like job logs: public."Work"; ')


def test_no_table_that_looks_like_a_log(new_database: Any) -> None:
    assert "No table looks like a job log" in no_table(new_database(empty=True)).hint


def test_another_schema(database: str, connection: Connection) -> None:
    connection.execute('CREATE SCHEMA app; ALTER TABLE "LlamaLog" SET SCHEMA app')
    assert 'look like job logs: app."LlamaLog"' in no_table(database).hint
    assert locate(database, schema="app").schema == "app"
    assert (
        'Neither "LlamaLog" nor llama_logs exists in schema public'
        in no_table(database, schema="public").message
    )


def test_near_names_of_tables(database: str) -> None:
    for table in ("llamalog", "LlamaLogs", "Llama_Log", "public.LlamaLog", 'public."LlamaLog"'):
        error = no_table(database, table=table)
        assert error.message.startswith(f"There is no table {catalog.ident(table)} in the search path")
        assert error.hint == "Similar names: --schema public --table LlamaLog"


def test_near_names_are_safe_for_a_shell(database: str, connection: Connection) -> None:
    connection.execute("""ALTER TABLE "LlamaLog" RENAME TO "it's logs" """)
    assert no_table(database, table="its logs").hint.endswith("""--table 'it'\\''s logs'""")


def test_camel_case_columns_are_not_guessed(database: str, connection: Connection) -> None:
    columns = '"jobId" text, "parentJobId" text, "isRootJob" boolean, "createdAt" timestamptz'
    make(connection, f"id int PRIMARY KEY, {columns}")
    error = no_table(database)
    assert error.message == "public.llama_logs has no columns job_id, parent_job_id"
    flags = ("job_id=jobId", "parent_job_id=parentJobId", "root_job_id=rootJobId", "is_root_job=isRootJob")
    assert error.hint == "Similar names: " + " ".join(
        f"--column {flag}" for flag in (*flags, "created_at=createdAt")
    )
    given = {"job_id": "jobId", "parent_job_id": "parentJobId", "root_job_id": "rootJobId"}
    relation = locate(database, columns=given)
    assert relation.columns["job_id"].name == "jobId"
    assert set(relation.other_columns) == {"isRootJob", "createdAt"}
    assert (
        catalog.names_for(relation, settings_for(database, columns=given)).columns["root_job_id"]
        == "rootJobId"
    )


def test_a_required_column_that_is_missing(database: str, connection: Connection) -> None:
    make(connection, "id int PRIMARY KEY, job_id text, parents text")
    error = no_table(database)
    assert error.message == "public.llama_logs has no column parent_job_id"
    connection.execute("ALTER TABLE llama_logs RENAME parents TO parent_id")
    assert no_table(database).hint == "Similar names: --column parent_job_id=parent_id"


def test_a_mapped_column_that_is_missing(database: str) -> None:
    error = no_table(database, columns={"created_at": "create_at"})
    assert error.message == 'public."LlamaLog" has no column create_at'
    assert error.hint == "Similar names: --column created_at=created_at"
    assert no_table(database, columns={"id": "ID"}).hint == "Similar names: --column id=id"
    error = no_table(database, columns={"job": "id"})
    assert error.message == "'job' is not a column that can be mapped"


@pytest.mark.parametrize(
    ("columns", "message", "hint"),
    [
        (
            "a int, b int, PRIMARY KEY (a, b)",
            "The primary key of {} has 2 columns",
            "Add a primary key to the table",
        ),
        ("a int, b int NOT NULL UNIQUE, PRIMARY KEY (a, b)", "The primary key of {} has 2", "--column id=b"),
        ("a int UNIQUE", "{} has no primary key", "Add a primary key to the table"),
        ("id int NOT NULL UNIQUE", "{} has no primary key", "--column id=id"),
    ],
)
def test_a_table_without_a_key_of_one_column(
    database: str, connection: Connection, columns: str, message: str, hint: str
) -> None:
    make(connection, f"job_id text, parent_job_id text, {columns}")
    error = no_table(database)
    assert error.message.startswith(message.format("public.llama_logs"))
    assert hint in error.hint


def test_the_key_is_the_primary_keys_column(database: str, connection: Connection) -> None:
    make(
        connection,
        "number int PRIMARY KEY, id text, code text NOT NULL UNIQUE, job_id text, parent_job_id text",
    )
    relation = locate(database)
    assert relation.columns["id"].name == "number"
    assert catalog.names_for(relation, settings_for(database)).columns["id"] == "number"
    assert locate(database, columns={"id": "code"}).columns["id"].name == "code"
    error = no_table(database, columns={"id": "id"})
    assert error.message == "Column id of public.llama_logs does not identify its rows: it is not a key"
    assert "--column id=number; --column id=code" in error.hint


def test_a_job_id_that_is_the_key(database: str, connection: Connection) -> None:
    make(connection, "job_id text PRIMARY KEY, parent_job_id text")
    assert catalog.names_for(locate(database), settings_for(database)).columns["id"] == "job_id"


KINDS = {
    "text": (IdKind.STRING, "text", "text"),
    "varchar(100)": (IdKind.STRING, "character varying(100)", "character varying"),
    "varchar": (IdKind.STRING, "character varying", "character varying"),
    "char(8)": (IdKind.STRING, "character(8)", "bpchar"),
    "bpchar": (IdKind.STRING, "bpchar", "bpchar"),
    "short": (IdKind.STRING, "character varying(20)", "character varying"),
    "shorter": (IdKind.STRING, "character varying(20)", "character varying"),
    "smallint": (IdKind.INTEGER, "smallint", "smallint"),
    "bigserial": (IdKind.INTEGER, "bigint", "bigint"),
    "uuid": (IdKind.UUID, "uuid", "uuid"),
    "numeric(10)": (IdKind.OTHER, "numeric(10,0)", "numeric"),
    "text[]": (IdKind.OTHER, "text[]", "text[]"),
    "name": (IdKind.OTHER, "name", "name"),
}


def test_kinds_of_ids(database: str, connection: Connection) -> None:
    connection.execute(
        "CREATE DOMAIN short AS varchar(20); CREATE DOMAIN shorter AS short CHECK (value <> '')"
    )
    for type_, (kind, type_name, bare_type) in KINDS.items():
        connection.execute(f"CREATE TABLE log (id int PRIMARY KEY, job_id {type_}, parent_job_id {type_})")
        relation = locate(database, table="log")
        connection.execute("DROP TABLE log")
        column = relation.columns["job_id"]
        assert (column.kind, column.type_name, column.bare_type) == (kind, type_name, bare_type)
        names = catalog.names_for(relation, settings_for(database))
        # Under another search path another type could have one of these names.
        qualified = (
            f"pg_catalog.{type_name}" if type_name in ("text", "bpchar", "uuid", "name") else type_name
        )
        cast = "pg_catalog.text" if kind is IdKind.STRING else qualified
        assert (names.root_type, names.root_cast) == (qualified, cast)


def test_properties_of_columns(database: str, connection: Connection) -> None:
    connection.execute("CREATE DOMAIN filled AS text NOT NULL")
    make(
        connection,
        'id int PRIMARY KEY, job_id varchar(9) COLLATE "C", parent_job_id text, reason filled,'
        " status text GENERATED ALWAYS AS ('x') STORED, retry_count int GENERATED ALWAYS AS IDENTITY",
    )
    relation = locate(database)
    job, parent = relation.columns["job_id"], relation.columns["parent_job_id"]
    assert (job.collation, job.bytewise, job.not_null) == ('pg_catalog."C"', True, False)
    assert (parent.collation, parent.bytewise) == (None, True)
    assert relation.columns["reason"].not_null
    assert {name for name, one in relation.columns.items() if one.generated} == {"status", "retry_count"}
    names = catalog.names_for(relation, settings_for(database))
    assert names.root_type == 'character varying(9) COLLATE pg_catalog."C"'
    assert (names.root_cast, names.parent_cast) == ("pg_catalog.text", "pg_catalog.text")


def test_a_collation_that_is_not_deterministic(each_database: str) -> None:
    with psycopg.connect(each_database, autocommit=True) as connection:
        try:
            connection.execute(
                "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
            )
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("the server has no ICU")
        make(connection, "id int PRIMARY KEY, job_id text COLLATE blind, parent_job_id text COLLATE blind")
    column = locate(each_database).columns["job_id"]
    assert (column.collation, column.bytewise) == ("public.blind", False)


def test_citext(each_database: str) -> None:
    with psycopg.connect(each_database, autocommit=True) as connection:
        try:
            connection.execute("CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            pytest.skip("the server has no citext")
        make(connection, "id int PRIMARY KEY, job_id ext.citext, parent_job_id ext.citext")
    column = locate(each_database).columns["job_id"]
    assert (column.kind, column.type_name, column.bytewise) == (IdKind.STRING, "ext.citext", False)


def test_an_enum_of_another_schema_and_owner(database: str, connection: Connection) -> None:
    with new_role(database) as role:
        role.granted('CREATE SCHEMA "Types"; ALTER TYPE "LlamaLogCategory" SET SCHEMA "Types"', database)
        role.granted('ALTER TYPE "Types"."LlamaLogCategory" OWNER TO {}', database)
        enum = locate(database).enum
        assert enum is not None
        assert (enum.schema, enum.name, enum.owner) == ("Types", "LlamaLogCategory", role.name)
        names = catalog.names_for(locate(database), settings_for(database))
        assert (names.enum_schema, names.enum) == ("Types", "LlamaLogCategory")
        role.granted('ALTER TYPE "Types"."LlamaLogCategory" OWNER TO CURRENT_USER', database)


def test_a_category_that_is_no_enum(database: str, connection: Connection) -> None:
    make(connection, f"{PLAIN}, category text")
    assert locate(database).enum is None


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ('CREATE VIEW llama_logs AS SELECT * FROM "Log"', "a view"),
        ('CREATE MATERIALIZED VIEW llama_logs AS SELECT * FROM "Log"', "a materialized view"),
        (f"CREATE TABLE llama_logs ({PLAIN}) PARTITION BY HASH (id)", "a partitioned table"),
        ('CREATE TABLE llama_logs () INHERITS ("Log")', "a table that inherits from another"),
        (
            f"CREATE TABLE llama_logs ({PLAIN}); CREATE TABLE child () INHERITS (llama_logs)",
            "a table that others inherit from",
        ),
        (
            f"CREATE TABLE every ({PLAIN}) PARTITION BY HASH (id);"
            " CREATE TABLE llama_logs PARTITION OF every FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
            "a partition of another table",
        ),
        (
            "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;"
            " CREATE FOREIGN TABLE llama_logs (id int, job_id text, parent_job_id text) SERVER nowhere",
            "a foreign table",
        ),
    ],
)
def test_other_kinds_of_relations(database: str, connection: Connection, statement: str, what: str) -> None:
    connection.execute('ALTER TABLE "LlamaLog" RENAME TO "Log"')
    connection.execute(statement)
    if 'INHERITS ("Log")' in statement:
        connection.execute("ALTER TABLE llama_logs ADD PRIMARY KEY (id)")
    relation = locate(database)
    assert catalog.unsupported(relation) == what
    with refused(ErrorCode.CONFIG, f"public.llama_logs is {what}"):
        catalog.refuse_unsupported(relation)


def test_an_ordinary_table_is_supported(database: str) -> None:
    catalog.refuse_unsupported(locate(database))


def test_a_table_that_may_not_be_read(database: str) -> None:
    with new_role(database) as role:
        with refused(ErrorCode.PERMISSION) as error:
            locate(role.conninfo)
        assert error.message == f'{role.name} may not read public."LlamaLog"'
        assert error.hint == f'GRANT SELECT ON public."LlamaLog" TO {role.name};'
        role.granted(
            'GRANT SELECT (id, job_id, parent_job_id, is_root_job, created_at) ON "LlamaLog" TO {}', database
        )
        assert locate(role.conninfo).name == "LlamaLog"


def test_a_schema_that_may_not_be_looked_into(database: str, connection: Connection) -> None:
    connection.execute('CREATE SCHEMA app; ALTER TABLE "LlamaLog" SET SCHEMA app')
    with new_role(database) as role:
        role.granted('GRANT SELECT ON app."LlamaLog" TO {}', database)
        with refused(ErrorCode.PERMISSION, "may not use schema app") as error:
            locate(role.conninfo, schema="app")
        assert error.hint.startswith(f"GRANT USAGE ON SCHEMA app TO {role.name};")


def test_row_security_that_hides_rows(database: str, connection: Connection) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ENABLE ROW LEVEL SECURITY')
    assert locate(database).name == "LlamaLog"
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        with refused(ErrorCode.PERMISSION, 'Row security on public."LlamaLog" hides rows'):
            locate(role.conninfo)
        role.granted("ALTER ROLE {} BYPASSRLS", database)
        assert locate(role.conninfo).name == "LlamaLog"


def test_a_table_that_somebody_keeps_locked(database: str, connection: Connection) -> None:
    with connection.transaction():
        connection.execute('LOCK TABLE "LlamaLog"')
        with refused(ErrorCode.LOCK) as error:
            locate(database, lock_timeout_ms=50)
    assert (
        f'Timed out waiting for a lock on public."LlamaLog": pid {connection.info.backend_pid} '
        in error.message
    )
    assert (
        "idle in transaction, in a transaction for 0 s, holds AccessExclusiveLock: LOCK TABLE"
        in error.message
    )


@pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES)
def test_odd_names(database: str, connection: Connection, names: Names) -> None:
    make_odd(connection, names)
    values: dict[str, Any] = {"schema": names.schema, "table": names.table}
    values["columns"] = {ours: theirs for ours, theirs in names.columns.items() if ours != theirs}
    found = catalog.names_for(locate(database, **values), settings_for(database, **values))
    assert (found.schema, found.table, dict(found.columns)) == (
        names.schema,
        names.table,
        dict(names.columns),
    )
    assert (found.enum_schema, found.enum) == (names.enum_schema, names.enum)


def make_odd(connection: Connection, names: Names) -> None:
    """A log table under other names, with all columns."""
    connection.execute('DROP TABLE "LlamaLog"')
    for schema in (names.schema, names.enum_schema):
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    enum = sql.Identifier(names.enum_schema, names.enum)
    if (names.enum_schema, names.enum) != ("public", "LlamaLogCategory"):
        connection.execute(sql.SQL("CREATE TYPE {} AS ENUM ('CREATED')").format(enum))
    types = {
        "id": sql.SQL("int PRIMARY KEY"),
        "category": enum,
        "is_root_job": sql.SQL("boolean"),
        "created_at": sql.SQL("timestamptz"),
    }
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(theirs), types.get(ours, sql.SQL("text")))
        for ours, theirs in names.columns.items()
        if ours != "root_job_id"
    ]
    statement = sql.SQL("CREATE TABLE {} ({})")
    table = sql.Identifier(names.schema, names.table)
    connection.execute(statement.format(table, sql.SQL(", ").join(columns)))
