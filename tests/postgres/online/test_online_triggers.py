"""Triggers that change, suppress or take back what is written: the rows tell how a run has ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from psycopg.pq import TransactionStatus

from cutting import Connection, Done, Statement, run_here
from oracle import Row, ask

Insert = Callable[[Any], None]

ROWS = [
    *[(f"j{number}", f"J{number // 2}" if number % 7 == 3 else None, False) for number in range(40)],
    ("Top", None, False),
    ("mid", "Top", False),
    ("low", "mid", False),
    ("flag", "Top", True),
    ("flag2", "mid", True),
]
UNCLEARED = 2


@pytest.fixture
def log(insert: Insert, connection: Connection) -> Connection:
    """A log of old rows, two of them flagged though they name a parent."""
    insert(
        [{"job_id": j, "parent_job_id": p, "is_root_job": f, "created_at": "2026-01-01"} for j, p, f in ROWS]
    )
    return connection


def trigger(
    connection: Connection, body: str, when: str = "BEFORE UPDATE", each: str = "FOR EACH ROW"
) -> None:
    constraint = "CONSTRAINT" if "DEFERR" in each else ""
    connection.execute(
        f"""CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body} END $f$;
        CREATE {constraint} TRIGGER meddle {when} ON "LlamaLog" {each} EXECUTE FUNCTION meddle()""".encode()
    )


def online(dsn: str, *arguments: str) -> Done:
    return run_here(
        "migrate", "--online", "--yes", "--format", "json", "--retries", "1", "--dsn", dsn, *arguments
    )


def repair(dsn: str, *arguments: str) -> Done:
    return run_here("repair", "--yes", "--format", "json", "--retries", "1", "--dsn", dsn, *arguments)


def migrate(dsn: str) -> Done:
    return run_here("migrate", "--yes", "--format", "json", "--dsn", dsn)


def state(connection: Connection) -> tuple[int, int]:
    """Returns how many rows hold no or another root than the oracle's, and how many flagged ones a parent."""
    columns = '"id"::text, "job_id", "parent_job_id", "is_root_job", "root_job_id"'
    rows = [Row(*row) for row in connection.execute(f'SELECT {columns} FROM "LlamaLog"'.encode())]
    roots = ask(rows).roots
    wrong = sum(roots[row.id] != row.root_job_id for row in rows)
    return wrong, sum(bool(row.is_root_job and row.parent_job_id) for row in rows)


def saved(connection: Connection) -> list[Any]:
    found = connection.execute("SELECT to_regclass('llamactl.cleared_parent') IS NOT NULL").fetchone()
    if not found or not found[0]:
        return []
    return connection.execute("SELECT job_id FROM llamactl.cleared_parent ORDER BY job_id").fetchall()


SET_BACK = """IF NEW.root_job_id IS NOT NULL THEN
  UPDATE "LlamaLog" SET "root_job_id" = NULL WHERE "id" = NEW."id"; END IF; RETURN NULL;"""
PUT_BACK = """IF NEW.parent_job_id IS NULL AND OLD.parent_job_id IS NOT NULL THEN
  UPDATE "LlamaLog" SET "parent_job_id" = OLD."parent_job_id" WHERE "id" = NEW."id"; END IF; RETURN NULL;"""
OF_ALL = """IF pg_trigger_depth() = 1 THEN UPDATE "LlamaLog" SET "root_job_id" = NULL; END IF; RETURN NULL;"""
DEFERRED = "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
ALL = len(ROWS)

TRIGGERS: dict[str, tuple[tuple[str, ...], int, int]] = {
    # The trigger; the rows that are left without their root, and with their parent.
    "parent kept": (("NEW.parent_job_id := OLD.parent_job_id; RETURN NEW;",), 0, UNCLEARED),
    "old row": (("RETURN OLD;",), ALL, UNCLEARED),
    "suppressed": (("RETURN NULL;",), ALL, UNCLEARED),
    "some suppressed": (("IF NEW.job_id LIKE 'j1%' THEN RETURN NULL; END IF; RETURN NEW;",), 11, 0),
    "flagged suppressed": (
        ("IF NEW.is_root_job THEN RETURN NULL; END IF; RETURN NEW;",),
        UNCLEARED,
        UNCLEARED,
    ),
    "root kept null": (("NEW.root_job_id := NULL; RETURN NEW;",), ALL, 0),
    "another root": (
        ("IF NEW.root_job_id IS NOT NULL THEN NEW.root_job_id := 'x'; END IF; RETURN NEW;",),
        ALL,
        0,
    ),
    "lower": (("NEW.root_job_id := lower(NEW.root_job_id); RETURN NEW;",), 9, 0),
    "taken back after the row": ((SET_BACK, "AFTER UPDATE"), ALL, 0),
    "parent put back after the row": ((PUT_BACK, "AFTER UPDATE"), 0, UNCLEARED),
    "taken back at the end": ((SET_BACK, "AFTER UPDATE", DEFERRED), ALL, 0),
    "parent put back at the end": ((PUT_BACK, "AFTER UPDATE", DEFERRED), 0, UNCLEARED),
    "taken back from all": ((OF_ALL, "AFTER UPDATE", "FOR EACH STATEMENT"), ALL, 0),
}


QUICK = ("parent kept", "old row", "parent put back at the end")
each_trigger = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in TRIGGERS]
)


@each_trigger
def test_the_rows_tell_how_an_online_run_ends(name: str, log: Connection, database: str) -> None:
    given, wrong, uncleared = TRIGGERS[name]
    trigger(log, *given)
    done = online(database)
    found = json.loads(done.out)
    assert (done.code, found.get("unfilled"), found.get("uncleared")) == (1, wrong, uncleared), done.err
    assert state(log) == (wrong, uncleared)
    assert "LL109" in done.err
    assert found["counts"]["already_set"] == 0
    assert len(saved(log)) == UNCLEARED - uncleared
    # repair meets the same.
    again = repair(database, "--overwrite")
    found = json.loads(again.out)
    assert (again.code, found["unfilled"], found["uncleared"]) == (1, wrong, uncleared), again.err
    assert (found["written"], found["cleared"]) == (0, 0)
    assert len(saved(log)) == UNCLEARED - uncleared
    told = run_here("repair", "--yes", "--overwrite", "--retries", "1", "--dsn", database)
    assert told.code == 1
    assert told.out.startswith("Not complete: 0 rows written; ")
    log.execute('DROP TRIGGER meddle ON "LlamaLog"')
    last = repair(database, "--overwrite")
    assert (last.code, json.loads(last.out)["written"]) == (0, wrong)
    assert state(log) == (0, 0)
    assert [job for (job,) in saved(log)] == ["flag", "flag2"]


@each_trigger
def test_one_transaction_is_rolled_back(name: str, log: Connection, database: str) -> None:
    log.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    trigger(log, *TRIGGERS[name][0])
    done = migrate(database)
    error = json.loads(done.out)["error"]
    assert (done.code, error["code"]) == (2, "config"), done.err
    assert "rolled back; nothing was changed" in error["message"]
    assert "LL109" in error["hint"]
    assert log.execute('SELECT count("root_job_id") FROM "LlamaLog"').fetchall() == [(0,)]
    assert saved(log) == []


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param("job_id = 'new'", marks=pytest.mark.slow),
        pytest.param("root_job_id = 'new'", marks=pytest.mark.slow),
        "parent_job_id = 'j0'",
    ],
)
def test_a_trigger_that_changes_other_rows_once_all_are_filled(
    changed: str, log: Connection, database: str
) -> None:
    """They were right when they were written, and are not written again: `mid`, and `low` below it."""
    trigger(
        log,
        f"""IF NOT EXISTS (SELECT FROM "LlamaLog" WHERE "root_job_id" IS NULL) AND pg_trigger_depth() = 1 THEN
          UPDATE "LlamaLog" SET {changed} WHERE "job_id" = 'mid'; END IF; RETURN NULL;""",
        "AFTER UPDATE",
    )
    done = online(database)
    found, (wrong, uncleared) = json.loads(done.out), state(log)
    assert (done.code, found["unfilled"], found["uncleared"]) == (1, wrong, 0), done.err
    assert (wrong, uncleared) == (1 if "parent" not in changed else 2, 0)
    assert "LL109" in done.err
    log.execute('DROP TRIGGER meddle ON "LlamaLog"')
    assert repair(database, "--overwrite").code == 0
    assert state(log) == (0, 0)


def test_a_trigger_that_moves_the_row_on(log: Connection, database: str) -> None:
    """Each written row gets one more version, which holds what was written: no parent is lost."""
    trigger(
        log,
        """IF pg_trigger_depth() = 1 THEN
          UPDATE "LlamaLog" SET "retry_count" = 7 WHERE "id" = NEW."id"; END IF; RETURN NULL;""",
        "AFTER UPDATE",
    )
    done = online(database)
    assert done.code == 0, done.err
    assert state(log) == (0, 0)
    assert [job for (job,) in saved(log)] == ["flag", "flag2"]


def test_one_transaction_proves_that_parents_were_cleared_where_no_row_lacks_its_root(
    log: Connection, database: str
) -> None:
    assert migrate(database).code == 0
    log.execute("""UPDATE "LlamaLog" SET "parent_job_id" = 'Top' WHERE "job_id" = 'flag'""")
    trigger(log, PUT_BACK, "AFTER UPDATE", DEFERRED)
    done = migrate(database)
    assert (done.code, json.loads(done.out)["error"]["code"]) == (2, "config"), done.err
    assert state(log) == (0, 1)
    assert [job for (job,) in saved(log)] == ["flag", "flag2"]


def test_one_transaction_does_not_take_a_row_for_a_conflict(log: Connection, database: str) -> None:
    """As many rows differ as before, but they are others: the trigger corrects one and suppresses another."""
    log.execute('ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100)')
    log.execute("""UPDATE "LlamaLog" SET "root_job_id" = 'x' WHERE "job_id" = 'j0'""")
    trigger(
        log,
        """IF NEW.job_id = 'j1' THEN
          UPDATE "LlamaLog" SET "root_job_id" = 'j0' WHERE "job_id" = 'j0'; RETURN NULL; END IF;
        RETURN NEW;""",
    )
    done = migrate(database)
    assert "1 row has no root" in json.loads(done.out)["error"]["message"]
    assert log.execute('SELECT count("root_job_id") FROM "LlamaLog"').fetchall() == [(1,)]


@pytest.mark.parametrize("triggered", [False, True], ids=["no trigger", "a trigger"])
def test_a_parent_that_the_application_sets_again(triggered: bool, log: Connection, database: str) -> None:
    """It is the application's to set, and not a failure of the run: unless a trigger may have set it."""
    if triggered:
        trigger(log, "RETURN NEW;")
    again = """UPDATE "LlamaLog" SET parent_job_id = 'Top' WHERE is_root_job AND parent_job_id IS NULL"""
    set_again = 0

    def meddle(statement: Statement) -> None:
        nonlocal set_again
        if statement.connection.info.transaction_status is TransactionStatus.IDLE:
            set_again += log.execute(again.encode()).rowcount

    for words, meanwhile in (
        (["migrate", "--online"], "2 rows with the root flag were given a parent meanwhile"),
        (["repair"], "2 rows were added or changed meanwhile"),
    ):
        done = run_here(
            *words, "--yes", "--format", "json", "--grace", "0s", "--dsn", database, before=meddle
        )
        document = json.loads(done.out)
        assert set_again >= UNCLEARED
        assert (done.code, document["uncleared"]) == ((1, UNCLEARED) if triggered else (0, 0)), done.err
        said = "2 rows with the root flag still had a parent after it was cleared" if triggered else meanwhile
        assert any(said in note for note in document["notes"]), document["notes"]
        set_again = 0
