"""What the server would refuse: preflight says so, and each road refuses before its first change."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from cutting import quick_look, run_here
from roles import new_role
from sessions import with_options

Connection = psycopg.Connection[Any]
Insert = Callable[[Any], None]

ROWS = [("a", None), ("b", "a"), ("c", "b"), ("k", "c", True)]
ROOT = 'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100);'
ALL = ("migrate", "online", "repair")
BATCHES = ("online", "repair")
COMMANDS = {
    "migrate": ("migrate", "--yes"),
    "dry run": ("migrate", "--dry-run"),
    "online": ("migrate", "--online", "--yes", "--grace", "0s"),
    "repair": ("repair", "--yes", "--grace", "0s"),
    "guard": ("guard", "install", "--yes"),
}
RAISING = """
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$;
CREATE TRIGGER refuse {when} ON "LlamaLog" FOR EACH {each} {qualified} EXECUTE FUNCTION public.refuse();
"""


def raising(body: str, when: str = "BEFORE UPDATE", each: str = "ROW", qualified: str = "") -> str:
    return RAISING.format(body=body, when=when, each=each, qualified=qualified)


@dataclass(frozen=True)
class Case:
    label: str
    statement: str
    id: str
    roads: Sequence[str] = ALL
    count: int | None = None
    rows: Sequence[Any] = tuple(ROWS)


CASES = [
    Case(
        "generated parent",
        'ALTER TABLE "LlamaLog" DROP parent_job_id, ADD origin text;'
        'ALTER TABLE "LlamaLog" ADD parent_job_id varchar(100) GENERATED ALWAYS AS (origin) STORED;'
        """UPDATE "LlamaLog" SET origin = 'a' WHERE job_id = 'k';""" + ROOT,
        "LL019",
        ("migrate", "repair"),  # online refuses for the guard's sake
        1,
    ),
    Case(
        "parent NOT NULL",
        """UPDATE "LlamaLog" SET parent_job_id = '' WHERE parent_job_id IS NULL;"""
        'ALTER TABLE "LlamaLog" ALTER parent_job_id SET NOT NULL;' + ROOT,
        "LL019",
        count=1,
    ),
    Case(
        "parent of a domain NOT NULL",
        """UPDATE "LlamaLog" SET parent_job_id = '' WHERE parent_job_id IS NULL;"""
        "CREATE DOMAIN present AS varchar(100) NOT NULL;"
        'ALTER TABLE "LlamaLog" ALTER parent_job_id TYPE present;' + ROOT,
        "LL019",
        count=1,
    ),
    Case(
        "parent of a domain that refuses NULL",
        """UPDATE "LlamaLog" SET parent_job_id = '' WHERE parent_job_id IS NULL;"""
        "CREATE DOMAIN present AS varchar(100) CHECK (VALUE IS NOT NULL);"
        'ALTER TABLE "LlamaLog" ALTER parent_job_id TYPE present;' + ROOT,
        "LL019",
        count=1,
    ),
    Case(
        "CHECK that refuses NULL parents",
        """UPDATE "LlamaLog" SET parent_job_id = '' WHERE parent_job_id IS NULL;"""
        'ALTER TABLE "LlamaLog" ADD CHECK (parent_job_id IS NOT NULL);' + ROOT,
        "LL020",
        count=1,
    ),
    Case(
        "CHECK by a function",
        "CREATE FUNCTION public.fine(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 <> 'a' $$;"
        + ROOT
        + 'ALTER TABLE "LlamaLog" ADD CHECK (public.fine(root_job_id));',
        "LL020",
        count=3,
    ),
    Case(
        "NOT VALID CHECK on another column",
        """ALTER TABLE "LlamaLog" ADD CHECK (job_id <> 'b') NOT VALID;""" + ROOT,
        "LL020",
        count=1,
    ),
    Case(
        "CHECK on the root",
        ROOT + """ALTER TABLE "LlamaLog" ADD CHECK (root_job_id <> 'a');""",
        "LL020",
        count=3,
    ),
    Case(
        "CHECK on a generated column",
        ROOT
        + 'ALTER TABLE "LlamaLog" ADD tops text GENERATED ALWAYS AS (upper(root_job_id)) STORED;'
        + """ALTER TABLE "LlamaLog" ADD CHECK (tops <> 'A');""",
        "LL020",
        count=3,
    ),
    Case(
        "CHECK that raises",
        "CREATE FUNCTION public.fine(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN IF $1 IS NOT NULL THEN RAISE EXCEPTION 'no root'; END IF; RETURN true; END $$;"
        + ROOT
        + 'ALTER TABLE "LlamaLog" ADD CHECK (public.fine(root_job_id));',
        "LL020",
    ),
    Case(
        "root of a domain",
        "CREATE DOMAIN job AS varchar(100) CHECK (VALUE <> 'a');" + ROOT.replace("varchar(100)", "job"),
        "LL020",
    ),
    Case("UNIQUE root", ROOT + 'ALTER TABLE "LlamaLog" ADD UNIQUE (root_job_id);', "LL021", count=3),
    Case(
        "UNIQUE root and status, deferred",
        ROOT + 'ALTER TABLE "LlamaLog" ADD UNIQUE (root_job_id, status) DEFERRABLE INITIALLY DEFERRED;',
        "LL021",
        count=3,
    ),
    Case(
        "unique index on an expression, in part",
        ROOT + """CREATE UNIQUE INDEX ON "LlamaLog" (lower(root_job_id)) WHERE job_id <> 'c';""",
        "LL021",
        count=2,
    ),
    Case(
        "one parent may be NULL",
        """CREATE UNIQUE INDEX ON "LlamaLog" (parent_job_id) NULLS NOT DISTINCT;""" + ROOT,
        "LL021",
        count=2,
    ),
    Case("EXCLUDE", ROOT + 'ALTER TABLE "LlamaLog" ADD EXCLUDE (root_job_id WITH =);', "LL021", count=3),
    Case(
        "FOREIGN KEY on the root",
        "CREATE TABLE jobs (id varchar(100) PRIMARY KEY); INSERT INTO jobs VALUES ('k');"
        + ROOT
        + 'ALTER TABLE "LlamaLog" ADD FOREIGN KEY (root_job_id) REFERENCES jobs;',
        "LL022",
        count=3,
    ),
    Case(
        "FOREIGN KEY MATCH FULL with the parent",
        "CREATE TABLE jobs (job varchar(100), parent varchar(100), PRIMARY KEY (job, parent));"
        "INSERT INTO jobs VALUES ('b', 'a'), ('c', 'b'), ('k', 'c');"
        """DELETE FROM "LlamaLog" WHERE job_id = 'a';"""
        'ALTER TABLE "LlamaLog" ADD FOREIGN KEY (job_id, parent_job_id) REFERENCES jobs MATCH FULL;' + ROOT,
        "LL022",
        count=1,
    ),
    Case("append-only log", raising("BEGIN RAISE EXCEPTION 'append only'; END") + ROOT, "LL023", count=4),
    Case(
        "append-only log, by statement",
        raising("DECLARE n int; BEGIN -- never\n RAISE 'append only'; END", each="STATEMENT") + ROOT,
        "LL023",
        count=4,
    ),
    Case(
        "trigger that refuses NULL parents",
        raising(
            "BEGIN IF TG_OP = 'UPDATE' AND NEW.parent_job_id IS NULL AND OLD.parent_job_id IS NOT NULL THEN"
            " RAISE EXCEPTION 'no'; END IF; RETURN NEW; END"
        )
        + ROOT,
        "LL023",
        count=1,
    ),
    Case(
        "trigger OF the parent",
        raising("BEGIN RAISE EXCEPTION 'no'; END", "AFTER UPDATE OF parent_job_id") + ROOT,
        "LL023",
        count=1,
    ),
    Case(
        "trigger WHEN",
        raising(
            "BEGIN RAISE SQLSTATE '22023'; END",
            qualified="WHEN (NEW.parent_job_id IS NULL AND OLD.job_id = 'k')",
        )
        + ROOT,
        "LL023",
        count=1,
    ),
    Case(
        "ALWAYS trigger",
        raising("BEGIN RAISE EXCEPTION 'no'; END")
        + 'ALTER TABLE "LlamaLog" ENABLE ALWAYS TRIGGER refuse;'
        + ROOT,
        "LL023",
        count=4,
    ),
    Case(
        "long root",
        'ALTER TABLE "LlamaLog" ALTER job_id TYPE text, ALTER parent_job_id TYPE text;'
        """INSERT INTO "LlamaLog" (entity_type, operation, category, status, job_id)
        VALUES ('ALBUM', 'ENRICH', 'ENRICHED', 'SUCCESS',
        (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 375) AS n));"""
        + ROOT.replace("varchar(100)", "text"),
        "LL025",
        ("migrate", "repair"),  # online refuses for the guard's sake
        count=1,
    ),
    Case(
        "rule beside UPDATE",
        "CREATE TABLE seen (n int);"
        'CREATE RULE also AS ON UPDATE TO "LlamaLog" DO ALSO INSERT INTO seen VALUES (1);' + ROOT,
        "LL129",
        BATCHES,
        1,
    ),
    Case(
        "long ids of a row",
        'ALTER TABLE "LlamaLog" ALTER job_id TYPE text, ALTER parent_job_id TYPE text;'
        """INSERT INTO "LlamaLog" (entity_type, operation, category, status, job_id, parent_job_id)
        VALUES ('ALBUM', 'ENRICH', 'ENRICHED', 'SUCCESS',
                (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 375) AS n), 'a');"""
        + ROOT.replace("varchar(100)", "text"),
        "LL130",
        ("online", "guard"),
        1,
    ),
    Case(
        "the name of the guard's index",
        'CREATE TYPE "LlamaLog_job_id_parent_job_id_idx" AS (n int);' + ROOT,
        "LL130",
        ("online", "guard"),
        1,
    ),
    Case(
        "a view in place of the runs",
        "CREATE SCHEMA llamactl; CREATE VIEW llamactl.run AS SELECT 1;" + ROOT,
        "LL131",
        ("online", "repair", "guard"),
        1,
    ),
    Case(
        "a type in place of the parents",
        "CREATE SCHEMA llamactl; CREATE TYPE llamactl.cleared_parent AS ENUM ();" + ROOT,
        "LL028",
        ("migrate",),
        1,
    ),
    Case(
        "the guard's trigger is the user's",
        raising("BEGIN RETURN NEW; END").replace("TRIGGER refuse", "TRIGGER zz_llamactl_guard") + ROOT,
        "LL131",
        ("online", "repair", "guard"),
        1,
    ),
    Case(
        "the guard's function is another",
        "CREATE SCHEMA llamactl;"
        'CREATE FUNCTION llamactl."LlamaLog_guard"() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;' + ROOT,
        "LL131",
        ("online", "repair", "guard"),
        1,
    ),
]


def state_of(connection: Connection) -> Any:
    return quick_look(connection), connection.execute(
        """SELECT (SELECT array_agg(t::text ORDER BY id) FROM "LlamaLog" AS t),
        (SELECT array_agg(oid::text || relname ORDER BY oid) FROM pg_class WHERE oid >= 16384),
        (SELECT array_agg(oid::text || tgname ORDER BY oid) FROM pg_trigger),
        (SELECT array_agg(oid::text || proname ORDER BY oid) FROM pg_proc WHERE oid >= 16384),
        (SELECT array_agg(oid::text || enumlabel ORDER BY oid) FROM pg_enum)"""
    ).fetchall()


def findings_of(dsn: str) -> tuple[int, dict[str, Any]]:
    done = run_here("preflight", "--dsn", dsn, "--format", "json")
    assert "findings" in done.out, (done.out, done.err)
    return done.code, {one["id"]: one for one in json.loads(done.out)["findings"]}


QUICK = (
    "CHECK that refuses NULL parents",
    "FOREIGN KEY on the root",
    "rule beside UPDATE",
    "long ids of a row",
)
FIRST = {id_: next(case for case in CASES if case.id == id_) for id_ in {case.id for case in CASES}}
"""Of each finding, the case that is tried by each of its roads: they refuse whatever has the finding."""


@pytest.mark.parametrize(
    ("number", "case"),
    [
        pytest.param(number, case, id=case.label, marks=() if case.label in QUICK else pytest.mark.slow)
        for number, case in enumerate(CASES)
    ],
)
def test_it_is_known_before_the_first_change(
    database: str, connection: Connection, insert: Insert, number: int, case: Case
) -> None:
    insert(case.rows)
    connection.execute(case.statement.encode())
    before = state_of(connection)
    code, found = findings_of(database)
    assert case.id in found, found
    assert code == int(case.id < "LL1")
    assert case.count is None or found[case.id]["count"] == case.count
    whole = case in FIRST.values()
    for road in case.roads if whole else [case.roads[number % len(case.roads)]]:
        done = run_here(*COMMANDS[road], "--dsn", database)
        assert done.code == 2, (road, done.err)
        assert found[case.id]["title"] in done.err, road
        assert "nothing was changed" in done.err
        assert state_of(connection) == before, road
    if whole and case.id < "LL1":
        assert run_here(*COMMANDS["dry run"], "--dsn", database).code == 2


HARMLESS = """
CREATE TABLE jobs (id varchar(100) PRIMARY KEY);
INSERT INTO jobs VALUES ('a'), ('k');
ALTER TABLE "LlamaLog" ADD root_job_id varchar(100) REFERENCES jobs,
    ADD UNIQUE (root_job_id, id),
    ADD CHECK (root_job_id <> 'zz'),
    ADD CHECK (parent_job_id IS NOT NULL OR root_job_id IS NULL OR root_job_id IN ('a', 'k')),
    ADD EXCLUDE (root_job_id WITH =, id WITH =);
CREATE UNIQUE INDEX ON "LlamaLog" (lower(root_job_id)) WHERE job_id = 'k';
CREATE UNIQUE INDEX failures ON "LlamaLog" (root_job_id) WHERE status = 'FAILED';
CREATE FUNCTION public.never() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE FUNCTION public.seldom() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.parent_job_id IS NULL AND NEW.job_id = 'c' THEN RAISE EXCEPTION 'no'; END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION public.notices() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'yes'; RETURN NEW; END $$;
CREATE TRIGGER other_column BEFORE UPDATE OF status ON "LlamaLog" FOR EACH ROW
    EXECUTE FUNCTION public.never();
CREATE TRIGGER other_rows BEFORE UPDATE ON "LlamaLog" FOR EACH ROW WHEN (NEW.job_id = 'z')
    EXECUTE FUNCTION public.never();
CREATE TRIGGER disabled BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION public.never();
ALTER TABLE "LlamaLog" DISABLE TRIGGER disabled;
CREATE TRIGGER replica BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION public.never();
ALTER TABLE "LlamaLog" ENABLE REPLICA TRIGGER replica;
CREATE TRIGGER seldom BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION public.seldom();
CREATE TRIGGER notices BEFORE UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION public.notices();
CREATE RULE disabled AS ON UPDATE TO "LlamaLog" DO ALSO SELECT 1;
ALTER TABLE "LlamaLog" DISABLE RULE disabled;
"""


@pytest.mark.parametrize("road", ["migrate", pytest.param("online", marks=pytest.mark.slow)])
def test_what_refuses_no_row_is_no_obstacle(
    database: str, connection: Connection, insert: Insert, road: str
) -> None:
    insert(ROWS)
    connection.execute(HARMLESS)
    code, found = findings_of(database)
    assert (code, {id_ for id_ in found if id_ < "LL1"}) == (0, set())
    done = run_here(*COMMANDS[road], "--dsn", database)
    assert done.code == 0, done.err
    filled = connection.execute('SELECT job_id, parent_job_id, root_job_id FROM "LlamaLog" ORDER BY job_id')
    expected = [("a", None, "a"), ("b", "a", "a"), ("c", "b", "a"), ("k", None, "k")]
    assert filled.fetchall() == expected
    # Nothing is left to write: what would refuse it is no obstacle either.
    connection.execute('ALTER TABLE "LlamaLog" ENABLE TRIGGER disabled')
    assert findings_of(database)[0] == 0
    assert run_here(*COMMANDS["migrate"], "--dsn", database).code == 0


def test_a_rule_beside_update_runs_in_one_transaction(
    database: str, connection: Connection, insert: Insert
) -> None:
    insert(ROWS)
    connection.execute(
        'CREATE TABLE seen (job text); CREATE RULE also AS ON UPDATE TO "LlamaLog"'
        " DO ALSO INSERT INTO seen VALUES (NEW.job_id)"
    )
    code, found = findings_of(database)
    assert (code, "LL129" in found) == (0, True)
    assert run_here(*COMMANDS["migrate"], "--dsn", database).code == 0
    assert connection.execute("SELECT count(*) FROM seen").fetchone() == (
        5,
    )  # the fill, and a cleared parent


@pytest.mark.slow
def test_dropped_columns_count(database: str, connection: Connection) -> None:
    (count,) = connection.execute(
        "SELECT relnatts FROM pg_class WHERE oid = '\"LlamaLog\"'::regclass"
    ).fetchone() or (0,)
    numbers = range(1600 - count)
    for change in ("ADD c{} int", "DROP c{}"):
        changes = ", ".join(map(change.format, numbers))
        connection.execute(f'ALTER TABLE "LlamaLog" {changes}'.encode())
    with pytest.raises(psycopg.errors.TooManyColumns):
        connection.execute('ALTER TABLE "LlamaLog" ADD one int')
    code, found = findings_of(database)
    assert (code, "LL024" in found) == (1, True)
    for road in ("dry run", "migrate", "online"):
        done = run_here(*COMMANDS[road], "--dsn", database)
        assert (done.code, "no room for another column" in done.err) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("CREATE PUBLICATION p FOR TABLE \"LlamaLog\" WHERE (job_id <> 'x')", True),
        ('CREATE PUBLICATION p FOR TABLE "LlamaLog" (job_id)', True),
        ('CREATE PUBLICATION p FOR TABLE "LlamaLog" (id, job_id)', False),
        ('CREATE PUBLICATION p FOR TABLE "LlamaLog" WHERE (id IS NOT NULL)', False),
        (
            "CREATE PUBLICATION p FOR TABLE \"LlamaLog\" WHERE (job_id <> 'x') WITH (publish = 'insert')",
            False,
        ),
        (
            'ALTER TABLE "LlamaLog" REPLICA IDENTITY FULL;'
            " CREATE PUBLICATION p FOR TABLE \"LlamaLog\" WHERE (job_id <> 'x')",
            False,
        ),
        (
            'ALTER TABLE "LlamaLog" REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE "LlamaLog" (id)',
            True,
        ),
    ],
)
def test_published_columns(
    database: str, connection: Connection, insert: Insert, statement: str, refused: bool
) -> None:
    """The finding is there where the server itself refuses an update."""
    insert(ROWS)
    connection.execute(statement.encode())
    try:
        connection.execute('UPDATE "LlamaLog" SET job_id = job_id')
    except psycopg.errors.InvalidColumnReference:
        assert refused
    else:
        assert not refused
    assert ("LL026" in findings_of(database)[1]) is refused
    done = run_here(*COMMANDS["online"], "--dry-run", "--dsn", database)
    assert done.code == (2 if refused else 0), done.err


@pytest.mark.slow
def test_a_tablespace_of_others(database: str, connection: Connection) -> None:
    with new_role(database) as owner:
        owner.granted('ALTER TABLE "LlamaLog" OWNER TO {}', database)
        owner.granted('ALTER TYPE "LlamaLogCategory" OWNER TO {}', database)
        owner.granted("GRANT CREATE ON SCHEMA public TO {}", database)
        dsn = with_options(owner.conninfo, default_tablespace="pg_global")
        done = run_here("preflight", "--dsn", dsn, "--format", "json")
        (finding,) = [one for one in json.loads(done.out)["findings"] if one["id"] == "LL027"]
        assert finding["hint"].startswith(
            f"default_tablespace is pg_global: GRANT CREATE ON TABLESPACE pg_global TO {owner.name}"
        )
        done = run_here(*COMMANDS["migrate"], "--dsn", dsn)
        assert (done.code, "nothing was changed" in done.err) == (3, True)
        connection.execute(
            'ALTER TABLE "LlamaLog" OWNER TO CURRENT_USER;'
            ' ALTER TYPE "LlamaLogCategory" OWNER TO CURRENT_USER'
        )


def test_ids_of_any_length(database: str, connection: Connection, insert: Insert) -> None:
    insert(ROWS)
    assert "LL207" not in findings_of(database)[1]
    connection.execute('ALTER TABLE "LlamaLog" ALTER job_id TYPE text, ALTER parent_job_id TYPE text')
    assert findings_of(database)[1]["LL207"]["hint"].startswith(
        "job_id is text. An id of more than about 2,690"
    )
    # What compresses well fits, however long it is.
    insert([("x" * 12000, None), ("y", "x" * 12000)])
    assert run_here(*COMMANDS["online"], "--dsn", database).code == 0
    filled = "SELECT count(*) FROM \"LlamaLog\" WHERE root_job_id = repeat('x', 12000)"
    assert connection.execute(filled.encode()).fetchone() == (2,)


@pytest.mark.parametrize("length", [pytest.param(2692, marks=pytest.mark.slow), 2693])
def test_the_longest_root(database: str, connection: Connection, insert: Insert, length: int) -> None:
    """The finding's bound is the server's own."""
    connection.execute('ALTER TABLE "LlamaLog" ALTER job_id TYPE text, ALTER parent_job_id TYPE text')
    noise = "SELECT left(string_agg(md5(random()::text), ''), %s) FROM generate_series(1, 100)"
    row = connection.execute(noise, [length]).fetchone()
    assert row is not None
    insert([(row[0], None)])
    assert ("LL025" in findings_of(database)[1]) is (length > 2692)
    done = run_here(*COMMANDS["migrate"], "--dsn", database)
    assert done.code == (2 if length > 2692 else 0), done.err
    if length > 2692:
        connection.execute(
            'ALTER TABLE "LlamaLog" ADD root_job_id text; UPDATE "LlamaLog" SET root_job_id = job_id'
        )
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            connection.execute('CREATE INDEX ON "LlamaLog" (root_job_id)')
