"""preflight: each finding is provoked, a clean table has none, and nothing changes."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from llamactl.checks.blockers import refuse_blockers
from llamactl.checks.environment import UNOWNED_BYTES
from llamactl.checks.preflight import run_preflight
from llamactl.db.session import Session
from llamactl.findings.kinds import FINDINGS
from llamactl.model import (
    CheckPolicy,
    DanglingPolicy,
    ErrorCode,
    Finding,
    PreflightReport,
    Severity,
)
from llamactl.table.catalog import locate
from llamactl.table.locks import lock_holders
from llamactl.table.sessions import snapshot_holders
from llamactl.table.shape import UNREADABLE
from llamactl.table.table import Table
from roles import Role, new_role
from servers import Server, private_server
from sessions import refused, session, settings_for, with_options

Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]


def run(conninfo: str, **values: Any) -> PreflightReport:
    with session(conninfo, **values) as opened:
        return run_preflight(opened, settings_for(conninfo, **values), note=lambda line: None)


def found(conninfo: str, **values: Any) -> dict[str, Finding]:
    return {finding.id: finding for finding in run(conninfo, **values).findings}


@pytest.fixture(autouse=True)
def index_on_job_id(request: pytest.FixtureRequest) -> None:
    """So that a test's table has but the test's own finding."""
    if "database" in request.fixturenames:
        request.getfixturevalue("connection").execute('CREATE INDEX ON "LlamaLog" (job_id)')


@pytest.fixture(scope="module")
def special_server() -> Iterator[Server]:
    """A server with logical replication and prepared transactions."""
    with private_server(wal_level="logical", max_prepared_transactions="2") as server:
        yield server


@pytest.fixture
def special(special_server: Server) -> Iterator[Connection]:
    """A connection to a database there."""
    name = special_server.create(special_server.template)
    with psycopg.connect(special_server.conninfo(name), autocommit=True) as connection:
        connection.execute('CREATE INDEX ON "LlamaLog" (job_id)')
        yield connection


@pytest.fixture
def reader(database: str) -> Iterator[Role]:
    """A role that may read the log and see other sessions, and no more."""
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        role.granted("GRANT pg_read_all_stats TO {}", database)
        yield role


def test_a_clean_table(database: str, insert: Insert) -> None:
    insert([("a", None, True), ("b", "a"), ("b", "a"), ("c", "b"), (None, None)])
    report = run(database)
    assert report.findings == ()
    assert report.counts is not None
    assert (report.counts.total, report.counts.filled, report.counts.max_depth) == (5, 4, 2)
    assert (report.cycles, report.cycles_total) == ((), 0)
    assert (report.table.name, report.table.rows) == ('public."LlamaLog"', 5)
    assert report.table.server_version


def test_an_empty_table(database: str) -> None:
    assert run(database).findings == ()


def test_each_version(each_database: str, insert_into: Callable[[str, Any], None]) -> None:
    insert_into(each_database, [("a", None, True), ("b", "a"), ("x", "x")])
    assert set(found(each_database)) == {"LL101", "LL105", "LL201"}


def test_the_order_and_the_length_of_samples(database: str, insert: Insert) -> None:
    insert([(f"job {number}", "gone", True) for number in range(3)] + [("x", "x"), (" ", None)])
    report = run(database, sample=2)
    assert [finding.id for finding in report.findings] == ["LL101", "LL102", "LL105", "LL106"]
    flagged = report.findings[1]
    assert (flagged.count, len(flagged.sample)) == (3, 2)


# Rights ------------------------------------------------------------------------------------------------


def test_what_a_reader_lacks(database: str, reader: Role) -> None:
    by_id = found(reader.conninfo)
    assert set(by_id) == {"LL001", "LL002"}
    assert by_id["LL001"].hint == "The table belongs to postgres. Connect as the owner, postgres."
    assert "ALTER TYPE public.\"LlamaLogCategory\" ADD VALUE 'LINKED'" in by_id["LL002"].hint


def test_a_member_of_the_owners_role(database: str, reader: Role, connection: Connection) -> None:
    with new_role(database) as owner:
        owner.granted('ALTER TABLE "LlamaLog" OWNER TO {}', database)
        owner.granted('ALTER TYPE "LlamaLogCategory" OWNER TO {}', database)
        owner.granted("GRANT CREATE ON SCHEMA public TO {}", database)
        connection.execute(f"ALTER ROLE {reader.name} NOINHERIT; GRANT {owner.name} TO {reader.name}")
        assert f"`PGOPTIONS=-crole={owner.name}`" in found(reader.conninfo)["LL001"].hint
        assert not {"LL001", "LL002"} & set(found(with_options(reader.conninfo, role=owner.name)))
        connection.execute(f"REVOKE {owner.name} FROM {reader.name}; ALTER ROLE {reader.name} INHERIT")
        connection.execute(f"GRANT {owner.name} TO {reader.name}")
        assert set(found(reader.conninfo)) == {"LL208"}


def test_the_enum_has_the_value_already(database: str, reader: Role, connection: Connection) -> None:
    connection.execute("ALTER TYPE \"LlamaLogCategory\" ADD VALUE 'LINKED'")
    assert set(found(reader.conninfo)) == {"LL001"}


def test_no_temporary_tables(database: str, reader: Role, connection: Connection, insert: Insert) -> None:
    insert([("x", "x")])
    connection.execute(f"REVOKE TEMPORARY ON DATABASE {connection.info.dbname} FROM PUBLIC")
    report = run(reader.conninfo)
    (finding,) = [one for one in report.findings if one.id == "LL003"]
    assert finding.hint.startswith(f"GRANT TEMPORARY ON DATABASE {connection.info.dbname} TO {reader.name};")
    assert (report.counts, report.cycles, report.cycles_total, report.table.rows) == (None, (), None, None)
    assert "LL101" not in {one.id for one in report.findings}


def test_the_owner_may_not_create_in_the_schema(database: str, reader: Role, connection: Connection) -> None:
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    reader.granted('ALTER TABLE "LlamaLog" OWNER TO {}', database)
    reader.granted('ALTER TYPE "LlamaLogCategory" OWNER TO {}', database)
    assert found(reader.conninfo)["LL017"].hint == f"GRANT CREATE ON SCHEMA public TO {reader.name};"
    reader.granted("GRANT CREATE ON SCHEMA public TO {}", database)
    assert set(found(reader.conninfo)) == {"LL208"}
    assert found(reader.conninfo)["LL208"].hint.endswith(
        f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {reader.name};"
    )
    connection.execute('ALTER TABLE "LlamaLog" OWNER TO CURRENT_USER')


def test_parents_that_cannot_be_saved(
    database: str, reader: Role, connection: Connection, insert: Insert
) -> None:
    insert([("a", "b", True)])
    assert found(reader.conninfo)["LL004"].hint.endswith(
        f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {reader.name}; Or migrate with"
        " --no-trust-root-flag"
    )
    assert "LL004" not in found(reader.conninfo, trust_root_flag=False)
    connection.execute("CREATE SCHEMA llamactl")
    assert f"GRANT USAGE, CREATE ON SCHEMA llamactl TO {reader.name};" in found(reader.conninfo)["LL004"].hint
    reader.granted("GRANT USAGE, CREATE ON SCHEMA llamactl TO {}", database)
    assert "LL004" not in found(reader.conninfo)
    connection.execute("CREATE TABLE llamactl.cleared_parent (job_id text)")
    hint = found(reader.conninfo)["LL004"].hint
    assert f" GRANT SELECT, INSERT, UPDATE ON llamactl.cleared_parent TO {reader.name}; Or" in hint
    reader.granted("GRANT SELECT, INSERT, UPDATE ON llamactl.cleared_parent TO {}", database)
    assert "LL004" not in found(reader.conninfo)


def test_activity_that_cannot_be_seen(database: str) -> None:
    with new_role(database) as role:
        role.granted('GRANT SELECT ON "LlamaLog" TO {}', database)
        grant = f"GRANT pg_read_all_stats TO {role.name} WITH INHERIT TRUE;"
        assert found(role.conninfo)["LL119"].hint.endswith(grant)


def test_read_only_by_default(database: str, insert: Insert) -> None:
    insert([("a", None)])
    report = run(with_options(database, default_transaction_read_only="on"))
    assert [finding.id for finding in report.findings] == ["LL005"]
    assert report.findings[0].hint.startswith("default_transaction_read_only is on")
    assert report.counts is not None


def test_a_standby(own_server: Server, own_database: str, insert_into: Callable[[str, Any], None]) -> None:
    insert_into(own_database, [("x", "x")])
    assert own_server.private is not None
    own_server.private.stop()
    signal = own_server.private.data / "standby.signal"
    signal.touch()
    owner = own_server.private.data.stat()
    os.chown(signal, owner.st_uid, owner.st_gid)
    own_server.private.start()
    report = run(own_database)
    assert {finding.id for finding in report.findings} == {"LL005", "LL201"}
    assert report.findings[0].hint.startswith("It is a standby: connect to the primary.")
    assert (report.counts, report.table.rows) == (None, None)
    with session(own_database) as opened, refused(ErrorCode.PERMISSION, "The server is read-only"):
        refuse_blockers(Table.open(opened, settings_for(own_database)), writing=False)


# Shapes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "id_", "hint"),
    [
        (
            'ALTER TABLE "LlamaLog" ALTER parent_job_id TYPE uuid USING NULL',
            "LL006",
            "job_id is character varying(100) and parent_job_id is uuid:",
        ),
        (
            'ALTER TABLE "LlamaLog" ALTER job_id TYPE numeric USING NULL,'
            " ALTER parent_job_id TYPE numeric USING NULL",
            "LL006",
            "job_id is numeric and parent_job_id is numeric:",
        ),
        (
            'ALTER TABLE "LlamaLog" ADD root_job_id text',
            "LL007",
            "It is text and must be character varying(100).",
        ),
        (
            'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100) COLLATE "C"',
            "LL007",
            'It is character varying(100) COLLATE pg_catalog."C" and must be',
        ),
        (
            'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100) NOT NULL',
            "LL008",
            "root_job_id is NOT NULL, but rows of unknown origin must stay NULL in it. ALTER TABLE",
        ),
        (
            'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100) GENERATED ALWAYS AS (job_id) STORED',
            "LL008",
            "root_job_id is generated,",
        ),
        (
            'ALTER TABLE "LlamaLog" ALTER is_root_job DROP DEFAULT, ALTER is_root_job TYPE int USING 0',
            "LL018",
            "is_root_job is integer, but is_root_job must be boolean.",
        ),
        (
            'ALTER TABLE "LlamaLog" ALTER created_at DROP DEFAULT, ALTER created_at TYPE bigint USING 0',
            "LL018",
            "created_at is bigint, but created_at must be a timestamp.",
        ),
    ],
)
def test_columns(database: str, connection: Connection, statement: str, id_: str, hint: str) -> None:
    connection.execute(statement)
    report = run(database)
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    assert [finding.id for finding in errors] == [id_]
    assert errors[0].hint.startswith(hint)
    assert (report.counts is None) is (id_ in UNREADABLE)


def test_ids_of_every_kind(database: str, connection: Connection, insert: Insert) -> None:
    for type_, job, parent in (("int", 2, 1), ("uuid", str(os.urandom(16).hex()), str(os.urandom(16).hex()))):
        connection.execute('TRUNCATE "LlamaLog"')
        alters = (f"ALTER {column} TYPE {type_} USING NULL" for column in ("job_id", "parent_job_id"))
        connection.execute(f'ALTER TABLE "LlamaLog" {", ".join(alters)}')
        insert([(job, parent)])
        assert set(found(database)) == {"LL103"}


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ('CREATE VIEW llama_logs AS SELECT * FROM "Log"', "a view"),
        (
            "CREATE TABLE llama_logs (id int, job_id text, parent_job_id text) PARTITION BY HASH (id)",
            "a partitioned table",
        ),
        (
            "CREATE TYPE log AS (id int, job_id text, parent_job_id text);"
            " CREATE TABLE llama_logs OF log (PRIMARY KEY (id))",
            "a typed table",
        ),
    ],
)
def test_other_kinds(database: str, connection: Connection, statement: str, kind: str) -> None:
    connection.execute('ALTER TABLE "LlamaLog" RENAME TO "Log"')
    connection.execute(statement)
    report = run(database)
    assert report.findings[0].id == "LL013"
    assert report.findings[0].hint.startswith(f"public.llama_logs is {kind}; ")
    assert report.counts is None
    with session(database) as opened, refused(ErrorCode.CONFIG, "This kind of relation is not supported"):
        refuse_blockers(Table.seen(opened, settings_for(database)))


# Names and rules in the way ----------------------------------------------------------------------------

INDEX = '"LlamaLog_root_job_id_idx"'


def test_an_invalid_index(database: str, connection: Connection, insert: Insert) -> None:
    insert([{"job_id": "a", "parent_job_id": "b"}, ("a", "b")])
    connection.execute("ALTER TABLE \"LlamaLog\" ADD root_job_id varchar(100) DEFAULT 'b'")
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(f'CREATE UNIQUE INDEX CONCURRENTLY {INDEX} ON "LlamaLog" (root_job_id)')
    by_id = found(database)
    assert by_id["LL010"].sample == (f"public.{INDEX}",)
    assert by_id["LL010"].hint.endswith(f"DROP INDEX CONCURRENTLY public.{INDEX};")
    assert "LL011" not in by_id
    assert "LL204" not in by_id


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (f'CREATE INDEX {INDEX} ON "LlamaLog" (status)', f"CREATE INDEX {INDEX} ON public."),
        (
            'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100);'
            f" CREATE INDEX {INDEX} ON \"LlamaLog\" (root_job_id) WHERE status = 'FAILED'",
            f"CREATE INDEX {INDEX} ON public.",
        ),
        (
            'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100);'
            f' CREATE INDEX {INDEX} ON "LlamaLog" (root_job_id, status)',
            f"CREATE INDEX {INDEX} ON public.",
        ),
        (f"CREATE INDEX {INDEX} ON albums (id)", f"CREATE INDEX {INDEX} ON public.albums"),
        (f"CREATE TABLE {INDEX} ()", f"table public.{INDEX}"),
        (f"CREATE SEQUENCE {INDEX}", f"sequence public.{INDEX}"),
    ],
)
def test_the_indexs_name_is_taken(database: str, connection: Connection, statement: str, what: str) -> None:
    connection.execute(statement)
    assert found(database)["LL011"].hint.startswith(f"public.{INDEX} is {what}")


def test_the_checks_name_is_taken(database: str, connection: Connection) -> None:
    check = '"LlamaLog_job_id_not_parent_check"'
    connection.execute(f"ALTER TABLE \"LlamaLog\" ADD CONSTRAINT {check} CHECK (job_id <> '')")
    assert found(database)["LL012"].hint.startswith(f"{check} is CHECK (")
    with session(database) as opened:
        table = Table.open(opened, settings_for(database))
        refuse_blockers(table, check=CheckPolicy.NO)
        with refused(ErrorCode.CONFIG, "Another constraint has the name"):
            refuse_blockers(table)
    connection.execute(f'ALTER TABLE "LlamaLog" DROP CONSTRAINT {check}')
    connection.execute(f'ALTER TABLE "LlamaLog" ADD CONSTRAINT {check} CHECK (parent_job_id <> job_id)')
    assert found(database) == {}


def test_a_rule_in_place_of_update(database: str, connection: Connection) -> None:
    connection.execute('CREATE RULE quiet AS ON UPDATE TO "LlamaLog" DO INSTEAD NOTHING')
    assert found(database)["LL015"].sample == ("quiet",)


def test_no_replica_identity(database: str, connection: Connection) -> None:
    connection.execute('CREATE PUBLICATION p FOR ALL TABLES; ALTER TABLE "LlamaLog" REPLICA IDENTITY NOTHING')
    assert set(found(database)) == {"LL016", "LL110"}


# Rows --------------------------------------------------------------------------------------------------

ID = "00000000-0000-0000-0000-00000000000"


def test_self_parents(database: str, insert: Insert) -> None:
    insert([{"id": f"{ID}1", "job_id": "x", "parent_job_id": "x"}, ("x", "a"), ("a", None)])
    by_id = found(database)
    assert (by_id["LL101"].count, by_id["LL101"].sample) == (1, (f"{ID}1",))
    assert by_id["LL105"].sample == ("x",)


def test_contradictory_flags(database: str, insert: Insert) -> None:
    insert([("a", None), {"id": f"{ID}2", "job_id": "b", "parent_job_id": "a", "is_root_job": True}])
    finding = found(database)["LL102"]
    assert (finding.count, finding.sample) == (1, (f"{ID}2",))
    assert found(database, trust_root_flag=False) == {}


def test_a_parent_column_that_is_not_null(database: str, connection: Connection, insert: Insert) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ALTER parent_job_id SET NOT NULL')
    insert([("a", ""), ("b", "a")])
    assert set(found(database)) == {"LL106"}
    insert([("c", "a", True)])
    by_id = found(database)
    assert by_id["LL019"].hint.startswith("parent_job_id is NOT NULL, but the migration clears")
    assert "LL019" not in found(database, trust_root_flag=False)


def test_dangling_parents(database: str, insert: Insert) -> None:
    insert([("a", "gone"), ("b", "gone"), ("c", "a"), ("d", "lost"), ("d", "gone"), (None, "away")])
    finding = found(database)["LL103"]
    assert (finding.count, finding.sample) == (3, ("away", "gone", "lost"))


def test_dangling_parents_that_do_not_fit(database: str, connection: Connection, insert: Insert) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ALTER job_id TYPE varchar(5)')
    insert([("a", "too long"), ("b", "short")])
    finding = found(database)["LL009"]
    assert (finding.count, finding.sample, finding.severity) == (1, ("too long",), Severity.ERROR)
    assert finding.hint.startswith("The root column has the type of job_id, character varying(5),")
    assert "LL009" not in found(database, dangling=DanglingPolicy.NULL)


def test_ambiguous_jobs(database: str, insert: Insert) -> None:
    insert([("a", None), ("b", None), ("c", "a"), ("c", "b"), ("d", "c"), ("e", "a"), ("e", "a")])
    finding = found(database)["LL104"]
    assert (finding.count, finding.sample) == (2, ("c", "d"))


def test_cycles(database: str, insert: Insert) -> None:
    insert([("a", "b"), ("b", "a"), ("below", "a"), *((f"n{n}", f"n{(n + 1) % 5}") for n in range(5))])
    report = run(database, sample=3)
    (finding,) = report.findings
    assert (finding.id, finding.count) == ("LL105", 2)
    assert finding.sample == ("a, b", "n0, n1, n2 and 2 more")
    assert [(cycle.jobs, cycle.size) for cycle in report.cycles] == [(("a", "b"), 2), (("n0", "n1", "n2"), 5)]
    assert report.cycles_total == 2


def test_cycles_of_integer_ids_are_in_the_order_of_numbers(database: str, connection: Connection) -> None:
    connection.execute(
        """CREATE TABLE numbered (id bigint PRIMARY KEY, job_id integer, parent_job_id bigint);
           INSERT INTO numbered VALUES (1, 10, 9), (2, 9, 100), (3, 100, 10), (4, -5, -12), (5, -12, -5)"""
    )
    report = run(database, table="numbered")
    assert [cycle.jobs for cycle in report.cycles] == [("-12", "-5"), ("9", "10", "100")]


def test_blank_ids(database: str, insert: Insert) -> None:
    insert([(" \t", None), ("a", ""), {"id": f"{ID}3", "job_id": "", "parent_job_id": ""}])
    assert found(database)["LL106"].count == 3


def test_deep_chains(database: str, insert: Insert) -> None:
    insert([("j0", None), *((f"j{n}", f"j{n - 1}") for n in range(1, 11))])
    for threshold, count in ((8, 3), (10, 1)):
        finding = found(database, depth_alert=threshold)["LL107"]
        assert (finding.count, finding.sample[0]) == (count, "j10")
        assert finding.hint.startswith("The deepest chain has 10 ")
    assert found(database, depth_alert=11) == {}


def test_conflicts(database: str, connection: Connection, insert: Insert) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)')
    insert(
        [
            {"job_id": "a", "root_job_id": "a"},
            {"id": f"{ID}4", "job_id": "b", "parent_job_id": "a", "root_job_id": "b"},
            {"id": f"{ID}5", "root_job_id": "a"},
            {"id": f"{ID}6", "job_id": "c", "parent_job_id": "gone", "root_job_id": "gone"},
            ("d", "a"),
        ]
    )
    by_id = found(database)
    assert (by_id["LL118"].count, by_id["LL118"].sample) == (2, (f"{ID}4", f"{ID}5"))
    assert by_id["LL203"].hint.startswith("4 of 5 rows have a value.")
    assert found(database, dangling=DanglingPolicy.NULL)["LL118"].sample == (f"{ID}4", f"{ID}5", f"{ID}6")


def test_two_spellings_of_an_id(each_database: str, insert_into: Callable[[str, Any], None]) -> None:
    with psycopg.connect(each_database, autocommit=True) as connection:
        try:
            connection.execute("CREATE EXTENSION citext")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            pytest.skip("the server has no citext")
        insert_into(each_database, [("job-1", None), ("job-2", "Job-1"), ("job-2", "JOB-1")])
        connection.execute('ALTER TABLE "LlamaLog" ALTER job_id TYPE citext')
        across = found(each_database)
        assert "LL014" not in across or across["LL014"].sample == ()
        connection.execute('ALTER TABLE "LlamaLog" ALTER parent_job_id TYPE citext')
        finding = found(each_database)["LL014"]
        assert (finding.count, finding.sample) == (1, ("JOB-1 = job-1",))
        assert finding.hint.startswith("Under public.citext ")


def test_two_spellings_under_a_collation(each_database: str, insert_into: Callable[[str, Any], None]) -> None:
    with psycopg.connect(each_database, autocommit=True) as connection:
        try:
            connection.execute(
                "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
            )
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("the server has no ICU")
        insert_into(each_database, [("job-1", None), ("job-2", "Job-1"), ("JOB-2", None)])
        connection.execute('ALTER TABLE "LlamaLog" ALTER job_id TYPE text COLLATE blind')
        finding = found(each_database)["LL014"]
        assert finding.sample == ("JOB-2 = job-2",)
        assert finding.hint.startswith("Under public.blind ")
        connection.execute('ALTER TABLE "LlamaLog" ALTER parent_job_id TYPE text COLLATE blind')
        assert found(each_database)["LL014"].sample == ("JOB-2 = job-2", "Job-1 = job-1")


# What stands on the table ------------------------------------------------------------------------------


def test_no_indexes(database: str, connection: Connection) -> None:
    connection.execute('DROP INDEX "LlamaLog_parent_job_id_idx", "LlamaLog_job_id_idx"')
    by_id = found(database)
    assert set(by_id) == {"LL108", "LL201"}
    assert by_id["LL108"].hint.endswith('CREATE INDEX CONCURRENTLY ON public."LlamaLog" (parent_job_id);')
    for useless in ("(status, job_id)", "(job_id) WHERE status = 'FAILED'", "USING brin (job_id)"):
        connection.execute(f'CREATE INDEX ON "LlamaLog" {useless}')
    assert set(found(database)) == {"LL108", "LL201"}
    connection.execute('CREATE INDEX ON "LlamaLog" (job_id, status)')
    connection.execute('CREATE INDEX ON "LlamaLog" (parent_job_id) WHERE parent_job_id IS NOT NULL')
    assert found(database) == {}


def test_absent_columns(database: str, connection: Connection) -> None:
    connection.execute(
        'ALTER TABLE "LlamaLog" DROP sources; ALTER TABLE "LlamaLog" RENAME is_root_job TO "isRootJob"'
    )
    finding = found(database)["LL202"]
    assert (finding.count, finding.sample) == (
        2,
        ("is_root_job (--column is_root_job=isRootJob?)", "sources"),
    )
    assert set(found(database, columns={"is_root_job": "isRootJob"})) == {"LL202"}


def test_already_there(database: str, connection: Connection, insert: Insert) -> None:
    connection.execute(
        'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100);'
        f' CREATE INDEX {INDEX} ON "LlamaLog" (root_job_id)'
    )
    insert([{"job_id": "a", "root_job_id": "a"}])
    assert set(found(database)) == {"LL203", "LL204"}


FUNCTION = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'"
ON_THE_TABLE = {
    "LL109": (
        f'{FUNCTION}; CREATE TRIGGER touch BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION f()',
        "touch",
    ),
    "LL110": ('CREATE PUBLICATION everything FOR TABLE "LlamaLog"', "everything"),
    "LL112": ('CREATE POLICY own ON "LlamaLog" USING (true)', "own"),
    "LL113": ('CREATE VIEW seen AS SELECT root_job_id FROM "LlamaLog"', "rule _RETURN on view public.seen"),
    "LL120": ('ALTER TABLE "LlamaLog" ADD CONSTRAINT c CHECK (retry_count >= 0) NOT VALID', "c"),
    "LL121": (
        "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        " CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE FUNCTION f()",
        "audit",
    ),
}


@pytest.mark.parametrize(("id_", "statement", "name"), [(id_, *case) for id_, case in ON_THE_TABLE.items()])
def test_what_stands_on_the_table(
    database: str, connection: Connection, insert: Insert, id_: str, statement: str, name: str
) -> None:
    connection.execute('ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)')
    connection.execute(statement)
    insert([("a", None)])
    by_id = found(database)
    assert set(by_id) == {id_, "LL203"}
    assert by_id[id_].sample == (name,)
    # Where nothing is left to fill, nothing is met.
    connection.execute('UPDATE "LlamaLog" SET root_job_id = job_id')
    assert set(found(database)) == {"LL203"} | ({"LL112"} if id_ == "LL112" else set())


def test_the_trigger_finding_counts_the_rows_that_the_fill_would_update(
    database: str, connection: Connection, insert: Insert
) -> None:
    connection.execute(ON_THE_TABLE["LL109"][0])
    insert([("a", None)])
    assert found(database)["LL109"].hint.startswith("The backfill updates 1 row,")
    insert([("b", None), (None, None)])
    assert found(database)["LL109"].hint.startswith("The backfill updates 2 rows,")


def test_a_session_of_llamactl_is_named_by_its_command_not_its_query(database: str, insert: Insert) -> None:
    insert([("a", None)])
    with psycopg.connect(database, application_name="llamactl repair: fill") as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        other.execute('LOCK TABLE "LlamaLog" IN SHARE UPDATE EXCLUSIVE MODE')
        with session(database) as opened:
            oid = locate(opened, settings_for(database)).oid
            sentences = [h.sentence() for h in (*lock_holders(opened, oid), *snapshot_holders(opened))]
    assert len(sentences) == 2
    for sentence in sentences:
        assert "llamactl repair: fill" in sentence
        assert "LOCK" not in sentence


@pytest.mark.parametrize("attributes", ["", "SUPERUSER"])
def test_a_superuser_is_warned_of_another_roles_table(
    database: str, connection: Connection, insert: Insert, attributes: str
) -> None:
    insert([("a", None)])
    with new_role(database, attributes) as owner:
        assert "LL128" not in found(database)
        owner.granted(f"GRANT ALL ON DATABASE {connection.info.dbname} TO {{}}", database)
        owner.granted('ALTER TABLE "LlamaLog" OWNER TO {}', database)
        if attributes:
            assert "LL128" not in found(database)
        else:
            finding = found(database)["LL128"]
            assert (finding.severity, finding.sample) == (Severity.WARNING, (owner.name,))
            assert finding.hint.endswith(f"connect as {owner.name}.")
        assert "LL128" not in found(owner.conninfo)
        connection.execute('ALTER TABLE "LlamaLog" OWNER TO CURRENT_USER')


def test_an_event_trigger_on_other_commands(database: str, connection: Connection) -> None:
    connection.execute("""
        CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER audit ON ddl_command_end WHEN TAG IN ('CREATE ROUTINE') EXECUTE FUNCTION f()
    """)
    assert found(database) == {}


def test_logical_slots(special: Connection) -> None:
    special.execute("SELECT pg_create_logical_replication_slot('reader', 'pgoutput', true)")
    by_id = found(special.info.dsn)
    assert set(by_id) == {"LL111"}
    assert by_id["LL111"].sample == ("reader",)


def test_slots_of_other_databases(special: Connection, special_server: Server) -> None:
    special.execute("SELECT pg_create_logical_replication_slot('reader', 'pgoutput', true)")
    other = special_server.conninfo(special_server.create(special_server.template))
    assert set(found(other)) == {"LL201"}


def test_prepared_transactions(special: Connection) -> None:
    with psycopg.connect(special.info.dsn, autocommit=True) as other:
        other.execute("BEGIN; LOCK TABLE artists; PREPARE TRANSACTION 'elsewhere'")
        assert found(special.info.dsn) == {}
        other.execute("BEGIN; SELECT * FROM \"LlamaLog\"; PREPARE TRANSACTION 'the transfer'")
    by_id = found(special.info.dsn)
    assert set(by_id) == {"LL122"}
    assert by_id["LL122"].sample == ("the transfer of postgres, 0 s old",)
    for gid in ("elsewhere", "the transfer"):
        special.execute(f"ROLLBACK PREPARED '{gid}'")


# Other sessions and the disk ---------------------------------------------------------------------------


def test_old_snapshots(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(database, autocommit=True, application_name="reports") as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        assert found(database) == {}
        monkeypatch.setattr("llamactl.checks.environment.OLD_SNAPSHOT_SECONDS", 0)
        (line,) = found(database)["LL114"].sample
        assert line.startswith(
            f"pid {other.info.backend_pid} {other.info.user} (reports), idle in transaction, "
        )


def test_locks(database: str, connection: Connection) -> None:
    with (
        psycopg.connect(database, autocommit=True, application_name="app") as other,
        connection.transaction(),
    ):
        connection.execute('SELECT * FROM "LlamaLog"')
        other.execute("BEGIN")
        other.pgconn.send_query(b'LOCK TABLE "LlamaLog"')
        time.sleep(1.1)
        # A queued lock is an obstacle to readers behind it, this one too.
        with refused(ErrorCode.LOCK) as error:
            run(database, lock_timeout_ms=50)
        assert f"pid {connection.info.backend_pid} " in error.message
        assert "AccessShareLock" in error.message
        waiting = f"pid {other.info.backend_pid} {other.info.user} (app): active, in a transaction for 1 s"
        assert f"{waiting}, has been waiting for AccessExclusiveLock" in error.message
        other.close()


def test_locks_that_let_readers_in(database: str, connection: Connection) -> None:
    with connection.transaction():
        connection.execute('LOCK TABLE "LlamaLog" IN SHARE ROW EXCLUSIVE MODE')
        assert found(database) == {}
        time.sleep(1.1)
        (line,) = found(database)["LL115"].sample
        assert re.search(r"in a transaction for \d+ s, holds ShareRowExclusiveLock: LOCK TABLE", line)


def test_space_that_no_relation_owns(own_server: Server, own_database: str) -> None:
    assert "LL116" not in found(own_database)
    assert own_server.private is not None
    with psycopg.connect(own_database, autocommit=True) as connection:
        row = connection.execute("SELECT pg_relation_filepath('\"LlamaLog\"')").fetchone()
        assert row is not None
        lost = (own_server.private.data / row[0]).with_name("999999")
        with lost.open("wb") as file:
            file.truncate(UNOWNED_BYTES + 2**20)
        hint = found(own_database)["LL116"].hint
        assert hint.startswith("About 65 MB, ")
        # Files of a transaction that is still going on are nobody's yet.
        with connection.transaction():
            connection.execute("CREATE TABLE coming AS SELECT 1")
            assert "LL116" not in found(own_database)
            # That other relation's lock is in nobody's way.
            connection.execute("LOCK TABLE albums")
            assert "LL116" not in found(own_database, lock_timeout_ms=50)


def test_much_disk(database: str, insert: Insert, monkeypatch: pytest.MonkeyPatch) -> None:
    insert([("a", None)])
    monkeypatch.setattr("llamactl.checks.environment.MUCH_DISK", 1)
    hint = found(database)["LL117"].hint
    assert hint.startswith("About ")
    assert " of WAL. SQL cannot show the free disk space" in hint


# Reading only ------------------------------------------------------------------------------------------


@pytest.fixture
def dump(pg_tool: Callable[[str], Path]) -> Callable[[str], str]:
    """A function: all of a database, as pg_dump writes it."""

    def dumped(conninfo: str) -> str:
        command = [str(pg_tool("pg_dump")), "--dbname", conninfo]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        # From 2025 on a random word, against injection.
        return "\n".join(
            line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))
        )

    return dumped


def test_nothing_changes(database: str, insert: Insert, dump: Callable[[str], str]) -> None:
    insert([("a", None), ("b", "a", True), ("x", "x"), ("c", "gone")])
    before = dump(database)
    assert len(found(database)) == 4
    assert dump(database) == before


def test_only_access_share_is_taken(
    database: str, connection: Connection, insert: Insert, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert([("a", None), ("b", "a", True), ("x", "x"), ("c", "gone")])
    modes: set[str] = set()
    real = Session.rows

    def watched(self: Session, *args: Any, **params: Any) -> Any:
        rows = real(self, *args, **params)
        locks = connection.execute(
            "SELECT mode FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE relation = '\"LlamaLog\"'::regclass AND application_name = 'llamactl test'"
        )
        modes.update(mode for (mode,) in locks)
        return rows

    monkeypatch.setattr(Session, "rows", watched)
    assert len(found(database)) == 4
    assert modes == {"AccessShareLock"}


def test_writers_go_on(database: str, connection: Connection, insert: Insert) -> None:
    with connection.transaction():
        connection.execute('LOCK TABLE "LlamaLog" IN EXCLUSIVE MODE')
        assert run(database).counts is not None


def test_every_finding_is_provoked() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parents[2].rglob("test_*.py"))
    assert [id_ for id_ in FINDINGS if id_.startswith("LL") and f'"{id_}"' not in text] == []
