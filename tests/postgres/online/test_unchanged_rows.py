"""A run that is undisturbed does not resolve again; whoever writes to the table meanwhile makes it do so."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from cutting import Connection, Done, Hook, Statement, run_here
from oracle import Row, ask
from servers import Server, private_server

ROWS = 600
MAKE = """INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "parent_job_id", "created_at")
SELECT 'x', 'CREATED', 'SUCCESS', 'j' || i, CASE WHEN i % 10 > 0 THEN 'j' || i - i % 10 END, '2026-01-01'
FROM generate_series(1000, 1599) AS i"""
INSERT = """INSERT INTO "LlamaLog"
  ("operation", "category", "status", "job_id", "parent_job_id", "created_at")
VALUES ('x', 'CREATED', 'SUCCESS', 'new', '{}', '2026-01-01')"""


class Watch:
    """Counts how often a run resolves; acts once before a batch, by its number, or before the proof (0)."""

    def __init__(self, batch: int = -1, action: Callable[[], object] = lambda: None) -> None:
        self.batch, self.action = batch, action
        self.batches = self.resolved = self.proofs = self.acted = 0

    def __call__(self, statement: Statement) -> None:
        self.resolved += "LEVEL REPEATABLE READ" in statement.text
        proof = "AS known" in statement.text and "age(log.xmin)" in statement.text
        self.proofs += proof
        batch = "pruned AS MATERIALIZED" in statement.text
        self.batches += batch
        if not self.acted and ((batch and self.batches == self.batch) or (proof and self.batch == 0)):
            self.acted = 1
            self.action()


def run(dsn: str, before: Hook, command: str = "migrate --online") -> Done:
    arguments = (*command.split(), "--yes", "--grace", "0s", "--format", "json", "--dsn", dsn)
    return run_here(*arguments, before=before)


def differing(connection: Connection) -> dict[str, Any]:
    """Row id -> what it should hold, and holds; of the rows where these differ."""
    columns = '"id"::text, "job_id", "parent_job_id", "is_root_job", "root_job_id"'
    rows = [Row(*row) for row in connection.execute(f'SELECT {columns} FROM "LlamaLog"'.encode())]
    roots = ask(rows).roots
    return {row.id: (roots[row.id], row.root_job_id) for row in rows if roots[row.id] != row.root_job_id}


@pytest.fixture
def log(connection: Connection) -> Connection:
    connection.execute(MAKE.encode())
    connection.execute('VACUUM ANALYZE "LlamaLog"')
    return connection


def test_an_undisturbed_run_resolves_once(log: Connection, database: str) -> None:
    watch = Watch()
    done = run(database, watch)
    assert (done.code, watch.resolved, watch.proofs) == (0, 1, 1), done.err
    assert differing(log) == {}
    # And so does a repair, which corrects roots too.
    log.execute("""UPDATE "LlamaLog" SET "root_job_id" = 'wrong' WHERE "job_id" < 'j1200'""")
    log.execute("""UPDATE "LlamaLog" SET "root_job_id" = NULL WHERE "job_id" > 'j1500'""")
    watch = Watch()
    done = run(database, watch, "repair --overwrite")
    report = json.loads(done.out)
    assert (done.code, watch.proofs, report["conflicts_left"]) == (0, 1, 0), done.err
    assert report["written"] == report["missing"] + report["wrong"]
    assert differing(log) == {}


UNDONE = "BEGIN; {}; ROLLBACK"
SUBTRANSACTION = "BEGIN; SAVEPOINT a; {}; RELEASE a; COMMIT"
PARENT = """UPDATE "LlamaLog" SET "parent_job_id" = 'j1000' WHERE "job_id" IN ('j1595', 'j1015')"""
OTHERS: dict[str, tuple[str, bool]] = {
    # What another session does, and whether that changes rows.
    "insert": (INSERT.format("j1111"), True),
    "insert a parent": (INSERT.format("j1000").replace("'new'", "'j1010'"), True),
    "parent": (PARENT, True),
    "parent in a subtransaction": (SUBTRANSACTION.format(PARENT), True),
    "job": ("""UPDATE "LlamaLog" SET "job_id" = 'renamed' WHERE "job_id" = 'j1590'""", True),
    "root": ("""UPDATE "LlamaLog" SET "root_job_id" = 'wrong' WHERE "job_id" = 'j1003'""", True),
    "another column": ("""UPDATE "LlamaLog" SET "reason" = 'x' WHERE "job_id" = 'j1598'""", True),
    "delete": ("""DELETE FROM "LlamaLog" WHERE "job_id" = 'j1580'""", True),
    "delete one and insert one": (
        f"""DELETE FROM "LlamaLog" WHERE "job_id" = 'j1003'; {INSERT.format("j1111")}""",
        True,
    ),
    "undone": (UNDONE.format(PARENT), False),
    "lock": (UNDONE.format("""SELECT FROM "LlamaLog" WHERE "job_id" = 'j1003' FOR UPDATE"""), False),
}


QUICK = {("parent in a subtransaction", 7), ("delete one and insert one", 7), ("insert", 0), ("undone", 7)}
"""What, and before which batch; 0: before the proof."""
ALL = [
    *sorted(QUICK),
    *((what, 7) for what in OTHERS if (what, 7) not in QUICK),
    ("parent", 1),
    ("delete", 0),
]


@pytest.mark.parametrize(
    ("what", "batch"), [pytest.param(*one, marks=[] if one in QUICK else pytest.mark.slow) for one in ALL]
)
def test_what_others_write_meanwhile_is_noticed(
    what: str, batch: int, log: Connection, database: str
) -> None:
    statements, changes = OTHERS[what]

    def act() -> None:
        for statement in statements.split(";"):
            log.execute(statement.encode())

    watch = Watch(batch, act)
    done = run(database, watch)
    assert watch.acted
    assert watch.resolved == (1 if not changes else max(watch.resolved, 2)), done.err
    assert done.code == 0, done.err
    if left := differing(log):
        # Rows that were right when they were written: the run says how many, and what corrects them.
        assert what not in ("insert", "another column", "delete", "undone", "lock")
        assert f"{len(left)} " in done.err
        assert "got a wrong root during the run" in done.err
        assert run(database, Watch(), "repair --overwrite").code == 0
    assert differing(log) == {}


def test_a_trigger_inserts_while_another_session_deletes(log: Connection, database: str) -> None:
    """As many rows as before, and the trigger writes in the transaction of a batch."""
    log.execute(
        f"""CREATE FUNCTION add() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
          IF OLD."job_id" = 'j1003' THEN {INSERT.format("j1004")}; END IF; RETURN NULL; END $f$""".encode()
    )
    made = """CREATE TRIGGER add AFTER UPDATE ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION add()"""

    def act() -> None:
        log.execute("""DELETE FROM "LlamaLog" WHERE "job_id" = 'j1004'""")
        log.execute(made.encode())

    watch = Watch(1, act)
    done = run(database, watch)
    assert (done.code, watch.acted) == (0, 1), done.err
    assert watch.resolved > 1
    rows = log.execute("""SELECT count(*), sum(("job_id" = 'new')::int) FROM "LlamaLog" """)
    assert rows.fetchone() == (ROWS, 1)
    assert differing(log) == {}


@pytest.fixture
def bare(log: Connection, database: str) -> Connection:
    """Migrated, without a guard; half of the rows have lost their root."""
    assert run_here("migrate", "--yes", "--dsn", database).code == 0
    log.execute("""UPDATE "LlamaLog" SET "root_job_id" = NULL WHERE "job_id" > 'j1300'""")
    return log


def test_an_older_transaction_commits_meanwhile(bare: Connection, database: str) -> None:
    """Its xid is from before the snapshot, which does not see its rows."""
    with psycopg.connect(database) as older:
        older.execute("""UPDATE "LlamaLog" SET "parent_job_id" = 'j1100' WHERE "job_id" = 'j1010'""")
        older.execute("""DELETE FROM "LlamaLog" WHERE "job_id" = 'j1001'""")
        bare.execute("""UPDATE "LlamaLog" SET "reason" = 'x' WHERE "job_id" = 'j1002'""")
        watch = Watch(5, older.commit)
        done = run(database, watch, "repair")
    assert (done.code, watch.acted) == (0, 1), done.err
    assert watch.resolved > 1
    assert run(database, Watch(), "repair --overwrite").code == 0
    assert differing(bare) == {}


def test_the_root_column_is_replaced_meanwhile(bare: Connection, database: str) -> None:
    """No row has another xmin then; all have lost their roots."""

    def act() -> None:
        bare.execute('ALTER TABLE "LlamaLog" DROP "root_job_id"')
        bare.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')

    watch = Watch(7, act)
    done = run(database, watch, "repair")
    assert (done.code, watch.acted) == (0, 1), done.err
    assert differing(bare) == {}


@pytest.fixture(scope="module")
def wrapping() -> Iterator[Server]:
    """A server whose next xid is 2^32 - 150."""
    with private_server(autovacuum="off") as server:
        for xid in (2_000_000_000, 4_000_000_000, 2**32 - 150):
            freeze(server)
            reset_xid(server, xid)
        yield server


def freeze(server: Server) -> None:
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
        names = [name for (name,) in connection.execute("SELECT datname FROM pg_database")]
    for name in names:
        with psycopg.connect(server.conninfo(name), autocommit=True) as connection:
            connection.execute("VACUUM FREEZE")


def reset_xid(server: Server, xid: int) -> None:
    """Stops the server, and starts it with this xid as the next one."""
    private = server.private
    assert private
    private.stop()
    segment = private.data / "pg_xact" / f"{xid // (32 * 8192 * 4):04X}"
    segment.write_bytes(bytes(32 * 8192))
    owner = private.data.stat()
    os.chown(segment, owner.st_uid, owner.st_gid)
    command = [private.binaries / "pg_resetwal", "-x", str(xid), "-D", private.data]
    subprocess.run(command, check=True, user=owner.st_uid, group=owner.st_gid)
    private.start()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("used", "what"), [(0, "nothing"), (0, "parent"), (60, "delete one and insert one"), (60, "nothing")]
)
def test_xids_that_wrap_around(used: int, what: str, wrapping: Server) -> None:
    """During the run or before it: rows have xids on both sides of 2^32, and frozen ones."""
    dsn = wrapping.conninfo(wrapping.create(wrapping.template))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(MAKE.encode())
        connection.execute('VACUUM FREEZE "LlamaLog"')
        for _ in range(used):
            connection.execute("SELECT txid_current()")

        def act() -> None:
            for statement in OTHERS[what][0].split(";") if what in OTHERS else ["SELECT txid_current()"]:
                connection.execute(statement.encode())

        watch = Watch(7, act)
        done = run(dsn, watch)
        assert (done.code, watch.acted) == (0, 1), done.err
        assert (watch.resolved == 1) is (what == "nothing")
        assert run(dsn, Watch(), "repair --overwrite").code == 0
        assert differing(connection) == {}
