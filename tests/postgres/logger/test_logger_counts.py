"""The counters say what the table has, whatever it does with the rows: it may keep out some, or all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from llamactl.logger import AsyncLlamaLogger, Entity, LlamaLogger
from logging_jobs import ALBUM, Either, add_music, adds_up, rows_of, run_with, summed
from roles import Role, new_role

UNKNOWN = Entity("ALBUM", UUID(int=99))
PROCEDURE = "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NEW; END $$;"
TRIGGER = PROCEDURE + 'CREATE TRIGGER watch BEFORE INSERT ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION watch()'


@pytest.fixture(params=[LlamaLogger, AsyncLlamaLogger], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def music(connection: psycopg.Connection[Any], database: str) -> str:
    """A migrated log, with an album, an artist and a track: its conninfo."""
    add_music(connection)
    return database


@contextmanager
def writing_role(dsn: str, rights: str) -> Iterator[Role]:
    with new_role(dsn) as role:
        role.granted(f'GRANT {rights} ON "LlamaLog" TO {{}}', dsn)
        yield role


def reasons(dsn: str) -> list[str]:
    return [row["reason"] for row in rows_of(dsn)]


# --- what keeps rows out without an error -----------------------------------------------------------------

KEEPING_OUT = {
    "unique": 'CREATE UNIQUE INDEX mine ON "LlamaLog" (job_id, operation)',
    "partial unique": """CREATE UNIQUE INDEX mine ON "LlamaLog" (job_id) WHERE operation = 'o'""",
    "unique expression": 'CREATE UNIQUE INDEX mine ON "LlamaLog" (lower(operation))',
    "exclusion": 'ALTER TABLE "LlamaLog" ADD CONSTRAINT mine EXCLUDE USING btree (job_id WITH =)',
    "trigger": TRIGGER.format("IF NEW.reason <> '0' THEN RETURN NULL; END IF;"),
    "instead": """CREATE RULE mine AS ON INSERT TO "LlamaLog" WHERE NEW.reason <> '0' DO INSTEAD NOTHING""",
    "elsewhere": """CREATE TABLE others (LIKE "LlamaLog");
        CREATE RULE mine AS ON INSERT TO "LlamaLog" WHERE NEW.reason <> '0'
            DO INSTEAD INSERT INTO others VALUES (NEW.*)""",
}


@pytest.mark.parametrize("statement", KEEPING_OUT.values(), ids=KEEPING_OUT)
def test_rows_that_the_table_keeps_out_are_refused(
    statement: str, kind: type[Any], music: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(music, autocommit=True) as connection:
        connection.execute(statement.encode())

    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM, job_id="j")
        for number in range(10):
            job.log(reason=str(number))

    counters = run_with(kind, music, body)
    assert (counters.recorded, counters.written, counters.refused) == (10, 1, 9)
    assert adds_up(counters, music)
    assert reasons(music) == ["0"]
    named = ("mine", "watch")
    assert any(name in caplog.text for name in named)


@pytest.mark.parametrize("statement", KEEPING_OUT.values(), ids=KEEPING_OUT)
def test_the_same_for_a_role_that_cannot_read(statement: str, music: str) -> None:
    """What it cannot know it calls unknown, and never written."""
    with psycopg.connect(music, autocommit=True) as connection:
        connection.execute(statement.encode())
        connection.execute(
            "DO $$ BEGIN IF to_regclass('others') IS NOT NULL THEN GRANT ALL ON others TO public; "
            "END IF; END $$"
        )

    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM, job_id="j")
        for number in range(10):
            job.log(reason=str(number))

    with writing_role(music, "INSERT") as role:
        counters = run_with(LlamaLogger, role.conninfo, body)
    assert (counters.recorded, summed(counters)) == (10, 10)
    assert counters.written <= len(rows_of(music)) == 1 <= counters.written + counters.unknown
    if "RULE" not in statement:
        assert (counters.written, counters.refused) == (1, 9)


def test_a_trigger_of_a_partition(kind: type[Any], database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("""
            ALTER TABLE "LlamaLog" RENAME TO old;
            CREATE TABLE "LlamaLog" (LIKE old INCLUDING DEFAULTS, PRIMARY KEY (id, created_at))
                PARTITION BY RANGE (created_at);
            CREATE TABLE part PARTITION OF "LlamaLog" DEFAULT;
            CREATE UNIQUE INDEX mine ON part (job_id);
        """)

    async def body(log: Either) -> None:
        for number in range(10):
            log.logger.root("o", ("ALBUM", None), job_id=f"j{number % 3}").log()

    counters = run_with(kind, database, body)
    assert (counters.written, counters.refused) == (3, 7)
    assert adds_up(counters, database)


@pytest.mark.parametrize("suppress", ["", "IF NEW.reason <> '0' THEN RETURN NULL; END IF;"], ids=["", "some"])
def test_a_view(suppress: str, kind: type[Any], database: str) -> None:
    """Its rows are written by the user's INSTEAD OF trigger; or, without one, as the table's."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            'ALTER TABLE "LlamaLog" RENAME TO old; CREATE VIEW "LlamaLog" AS SELECT * FROM old'
        )
        if suppress:
            body = suppress + " INSERT INTO old SELECT (NEW).*;"
            trigger = TRIGGER.replace("BEFORE", "INSTEAD OF").format(body)
            connection.execute(trigger.encode())

    async def body_of(log: Either) -> None:
        job = log.logger.root("o", ("ALBUM", None))
        for number in range(10):
            job.log(reason=str(number))

    counters = run_with(kind, database, body_of)
    written = 1 if suppress else 10
    assert (counters.written, counters.refused) == (written, 10 - written)
    assert adds_up(counters, database)


def test_an_index_that_comes_while_rows_are_written(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM, job_id="j")
        job.log()
        assert await log.flush()
        with psycopg.connect(music, autocommit=True) as connection:
            connection.execute('CREATE UNIQUE INDEX mine ON "LlamaLog" (job_id)')
        for _ in range(5):
            job.log()
        log.logger.root("o", ALBUM).log()

    counters = run_with(kind, music, body)
    assert (counters.written, counters.refused) == (2, 5)
    assert adds_up(counters, music)


# --- rows that are there already --------------------------------------------------------------------------


def test_an_id_that_is_given_twice_is_written_once(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        job.log(id=UUID(int=5), reason="first")
        job.log(id=str(UUID(int=5)).upper(), reason="in the same batch")
        assert await log.flush()
        job.log(id=UUID(int=5), reason="later")
        job.log(reason="another")

    counters = run_with(kind, music, body)
    assert (counters.recorded, counters.written, counters.existing, counters.lost) == (4, 2, 2, 0)
    assert adds_up(counters, music)
    assert reasons(music) == ["first", "another"]


def test_ids_that_are_there_where_on_conflict_cannot_be_said(kind: type[Any], music: str) -> None:
    """A deferrable constraint forbids it, and so do rules: each row that is there is an error then."""
    with psycopg.connect(music, autocommit=True) as connection:
        connection.execute('ALTER TABLE "LlamaLog" ADD UNIQUE (reason) DEFERRABLE')

    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        for number in (1, 2, 1, 3, 3):
            job.log(id=UUID(int=number))
        job.log(reason="once")
        job.log(reason="once")

    counters = run_with(kind, music, body)
    assert (counters.written, counters.existing, counters.refused) == (4, 2, 1)
    assert adds_up(counters, music)


@pytest.mark.parametrize("rights", ["INSERT", "INSERT, SELECT"])
def test_opening_rows_of_several_processes(rights: str, music: str) -> None:
    """Each process opens the jobs above; one of them writes the row."""
    contexts = []

    async def sender(log: Either) -> None:
        middle = log.logger.root("root", ALBUM).child("middle", ALBUM)
        contexts.extend(middle.child("leaf", ALBUM).context for _ in range(20))

    run_with(LlamaLogger, music, sender)

    async def receiver(log: Either) -> None:
        for context in contexts:
            log.logger.resume(context).created()

    with writing_role(music, rights) as role:
        totals = [run_with(LlamaLogger, role.conninfo, receiver) for _ in range(2)]
    assert [one.lost + one.unknown for one in totals] == [0, 0]
    assert [summed(one) for one in totals] == [one.recorded for one in totals]
    assert sum(one.written for one in totals) == len(rows_of(music)) == 42
    assert sum(one.existing for one in totals) == 2 * 60 - 42


# --- rows that are refused --------------------------------------------------------------------------------

REFUSING = {
    "policy": """ALTER TABLE "LlamaLog" ENABLE ROW LEVEL SECURITY;
        CREATE POLICY mine ON "LlamaLog" FOR INSERT WITH CHECK (reason <> 'bad')""",
    "policy with select": """ALTER TABLE "LlamaLog" ENABLE ROW LEVEL SECURITY;
        CREATE POLICY mine ON "LlamaLog" USING (false) WITH CHECK (reason <> 'bad')""",
    "check": """ALTER TABLE "LlamaLog" ADD CHECK (reason <> 'bad')""",
    "deferred": PROCEDURE.format("IF NEW.reason = 'bad' THEN RAISE 'no'; END IF;")
    + """CREATE CONSTRAINT TRIGGER watch AFTER INSERT ON "LlamaLog" DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION watch()""",
    "after": TRIGGER.replace("BEFORE", "AFTER").format("IF NEW.reason = 'bad' THEN RAISE 'no'; END IF;"),
    "deferred unique": """INSERT INTO "LlamaLog" (operation, category, status, reason, data_quality_before)
            VALUES ('o', 'CREATED', 'SUCCESS', 'bad', 'x');
        ALTER TABLE "LlamaLog" ADD CONSTRAINT mine UNIQUE (data_quality_before)
            DEFERRABLE INITIALLY DEFERRED""",
}
for state in (
    *("LL001", "U0001", "MY123", "90000", "P0001", "22000", "23001", "42501", "42703", "42P01", "42883"),
    *("0A000", "38000", "21000", "27000", "54000", "44000", "72000", "HV000", "2F000", "P0004"),
):
    REFUSING[state] = TRIGGER.format(
        f"IF NEW.reason = 'bad' THEN RAISE 'no' USING ERRCODE = '{state}'; END IF;"
    )


@pytest.mark.parametrize("statement", REFUSING.values(), ids=REFUSING)
def test_a_row_that_is_refused_stops_no_other(
    statement: str, music: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(music, autocommit=True) as connection:
        connection.execute(statement.encode())
    before = len(rows_of(music))

    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        for number in range(101):
            bad = number in (0, 50, 51, 100)
            job.log(reason="bad" if bad else str(number), data_quality_before="x" if bad else str(number))
        assert await log.flush()

    with writing_role(music, "INSERT, SELECT") as role:
        counters = run_with(LlamaLogger, role.conninfo, body)
    assert (counters.recorded, counters.written, counters.refused) == (101, 97, 4)
    assert adds_up(counters, music, before)
    assert "a row was rejected" in caplog.text
    assert len([one for one in caplog.records if one.name == "llamactl.logger"]) == 1


@pytest.mark.parametrize("statement", [REFUSING[name] for name in ("policy", "check", "LL001", "P0001")])
def test_where_all_rows_but_one_are_refused(statement: str, kind: type[Any], music: str) -> None:
    with psycopg.connect(music, autocommit=True) as connection:
        connection.execute(statement.encode())

    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        for number in range(60):
            job.log(reason="good" if number == 37 else "bad")
        assert await log.flush(60)

    with writing_role(music, "INSERT") as role:
        counters = run_with(kind, role.conninfo, body)
    assert (counters.recorded, counters.written, counters.refused) == (60, 1, 59)
    assert adds_up(counters, music)


@pytest.mark.parametrize("state", ["08001", "40001", "40P01", "53100", "55P03", "57014", "58030", "XX000"])
def test_a_row_whose_error_passes_waits_and_stops_no_other(state: str, kind: type[Any], music: str) -> None:
    """Such an error says nothing about the row: it is tried again, by itself."""
    raising = f"IF NEW.reason = 'bad' THEN RAISE 'no' USING ERRCODE = '{state}'; END IF;"
    with psycopg.connect(music, autocommit=True) as connection:
        connection.execute(TRIGGER.format(raising).encode())

        async def body(log: Either) -> None:
            job = log.logger.root("o", ALBUM)
            for number in range(50):
                job.log(reason="bad" if number == 20 else str(number))
            assert not await log.flush()
            assert (log.counters.written, log.counters.pending, log.counters.refused) == (49, 1, 0)
            job.log(reason="50")
            assert not await log.flush()
            assert (log.counters.written, log.counters.pending) == (50, 1)
            connection.execute('DROP TRIGGER watch ON "LlamaLog"')
            assert await log.flush()

        counters = run_with(kind, music, body)
    assert (counters.written, counters.lost) == (51, 0)
    assert adds_up(counters, music)


@pytest.mark.parametrize("state", ["42501", "42P01", "40001", "53100", "25006", "58030"])
def test_what_every_row_fails_with_is_tried_a_few_times_only(state: str, kind: type[Any], music: str) -> None:
    """Such an error need not be the rows': they wait until somebody has mended it."""
    counting = f"PERFORM nextval('tries'); RAISE 'no' USING ERRCODE = '{state}';"
    with psycopg.connect(music, autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE tries; " + TRIGGER.format(counting))

        async def body(log: Either) -> None:
            job = log.logger.root("o", ALBUM)
            for number in range(500):
                job.log(reason=str(number))
            assert not await log.flush()
            ((tries,),) = connection.execute("SELECT last_value FROM tries").fetchall()
            assert tries <= 9
            assert (log.counters.pending, log.counters.refused) == (500, 0)
            connection.execute('DROP TRIGGER watch ON "LlamaLog"')
            assert await log.flush()

        counters = run_with(kind, music, body, flush_seconds=600)
    assert (counters.written, counters.lost) == (500, 0)
    assert adds_up(counters, music)


def test_a_slow_trigger_does_not_stop_the_log(
    kind: type[Any], music: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that takes longer than the writer waits is written in smaller ones."""
    from llamactl.logger import _calls, _worker

    monkeypatch.setattr(_calls, "SETTINGS", _calls.SETTINGS.replace(b"30s", b"1500ms"))
    monkeypatch.setattr(_worker, "backoff_seconds", lambda failures: 0.01)
    with psycopg.connect(music, autocommit=True) as connection:
        connection.execute(TRIGGER.format("PERFORM pg_sleep(0.05);").encode())

    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        for number in range(100):
            job.log(reason=str(number))
        while log.counters.pending:
            await asyncio.sleep(0.05)

    counters = run_with(kind, music, body, flush_seconds=0.01)
    assert (counters.written, counters.lost) == (100, 0)
    assert counters.failed_flushes > 0
    assert adds_up(counters, music)


def test_a_row_that_waits_for_a_lock_stops_no_other(music: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its foreign key names an album that another session holds."""
    from llamactl.logger import _calls, _worker

    monkeypatch.setattr(_calls, "SETTINGS", _calls.SETTINGS.replace(b"10s", b"1100ms"))
    monkeypatch.setattr(_worker, "backoff_seconds", lambda failures: 0.01)

    async def body(log: Either) -> None:
        with psycopg.connect(music) as other:
            other.execute("SELECT FROM albums FOR UPDATE")
            for number in range(30):
                entity = ALBUM if number == 7 else ("TRACK", None)
                log.logger.root("o", entity).log(reason=str(number))
            while log.counters.written < 29:
                await asyncio.sleep(0.05)
            assert (log.counters.pending, len(rows_of(music))) == (1, 29)
            other.rollback()
        while log.counters.pending:
            await asyncio.sleep(0.05)

    counters = run_with(LlamaLogger, music, body, flush_seconds=0.01)
    assert (counters.written, counters.lost) == (30, 0)


def test_a_parent_that_no_job_can_be(kind: type[Any], database: str) -> None:
    """Under job ids that are integers a wrong parent is refused by itself, and stops no look-up of others."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("""
            ALTER TABLE "LlamaLog" ADD root_job_id integer, ALTER job_id TYPE integer USING job_id::integer,
                ALTER parent_job_id TYPE integer USING parent_job_id::integer;
            INSERT INTO "LlamaLog" (operation, category, status, job_id, root_job_id)
                VALUES ('top', 'CREATED', 'SUCCESS', 1, 1)
        """)

    async def body(log: Either) -> None:
        for job_id, parent in enumerate(("1", "abc", "99999999999", "1.5"), 10):
            log.logger.job("o", ("ALBUM", None), job_id=job_id, parent_job_id=parent).log()
        assert await log.flush()

    counters = run_with(kind, database, body)
    assert (counters.written, counters.refused) == (1, 3)
    assert adds_up(counters, database, before=1)
    assert rows_of(database)[-1]["root_job_id"] == 1


def test_rows_recorded_by_many_threads_while_others_are_refused(music: str) -> None:
    raising = "IF NEW.reason = 'bad' THEN RAISE 'no' USING ERRCODE = 'LL001'; END IF;"
    with psycopg.connect(music, autocommit=True) as connection:
        connection.execute(TRIGGER.format(raising).encode())

    def record(seed: int) -> None:
        job = logger.root("o", ALBUM)
        for number in range(100):
            job.log(reason="bad" if (number + seed) % 17 == 0 else "good", id=UUID(int=number + 1))
            job.log(reason="good")

    with LlamaLogger(music, flush_seconds=0.01) as logger:
        threads = [threading.Thread(target=record, args=[seed]) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        logger.close(timeout=300)  # however slow the machine
    counters = logger.counters
    assert counters.recorded == 800
    assert adds_up(counters, music)
    assert counters.written + counters.existing + counters.refused == 800
    assert counters.written >= 400
