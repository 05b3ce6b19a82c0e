"""The logger on a server: both kinds through the same tests."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool

import llamactl.logger
from cutting import migrate_here, run_here
from llamactl.logger import AsyncLlamaLogger, Entity, LlamaLogger, LoggerError, current_job, flow_for_bullmq
from llamactl.model import ErrorCode
from llamactl.sqlfiles.names import Names
from logging_jobs import (
    ALBUM,
    ARTIST,
    TRACK,
    Either,
    add_music,
    rows_of,
    run_with,
    settled,
    wrong_roots,
)
from odd_names import ODD_NAMES, rename
from pages import every_block
from roles import new_role
from sessions import refused

UNKNOWN = Entity("ALBUM", UUID(int=99))


@pytest.fixture(params=[LlamaLogger, AsyncLlamaLogger], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def music(connection: psycopg.Connection[Any], database: str) -> str:
    """A migrated log, with an album, an artist and a track: its conninfo."""
    add_music(connection)
    return database


def short(dsn: str) -> list[tuple[Any, ...]]:
    return [(row["operation"], row["category"], row["status"]) for row in rows_of(dsn)]


# --- rows and roots ---------------------------------------------------------------------------------------


def test_each_kind_of_row(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("album:import", ALBUM, triggered_by="api", sources=["MUSICBRAINZ"])
        job.created(fields_enriched=["title"])
        job.linked(ARTIST, to=ALBUM, metadata={"role": "PRIMARY"})
        job.enriched(fields_enriched=("title", "year"), data_quality_before="LOW", data_quality_after="HIGH")
        job.corrected(reason="typo", user_id=UUID(int=7))
        job.cached(operation="cover", api_call_count=2, duration_ms=1.5, retry_count=1)
        job.failed(ValueError("no title"), ("TRACK", None), attempted={"title": ""})
        job.missing(Entity("ARTIST"), "Album has no artist")
        job.log(operation="cache:cover", status="SKIPPED", created_at=datetime(2026, 1, 2, tzinfo=UTC))

    counters = run_with(kind, music, body)
    assert (counters.recorded, counters.written, counters.lost) == (8, 8, 0)
    rows = rows_of(music)
    assert {row["job_id"] for row in rows} == {row["root_job_id"] for row in rows} == {rows[0]["job_id"]}
    assert all(row["is_root_job"] and row["parent_job_id"] is None for row in rows)
    assert {row["triggered_by"] for row in rows} == {"api"}
    cached, created, linked, enriched, corrected, cover, failed, missing = rows
    assert (cached["operation"], cached["category"], cached["status"]) == ("cache:cover", "CACHED", "SKIPPED")
    assert cached["created_at"] == datetime(2026, 1, 2)
    assert (created["category"], created["album_id"], created["entity_id"]) == ("CREATED", *[ALBUM.id] * 2)
    assert (created["fields_enriched"], created["sources"]) == (["title"], ["MUSICBRAINZ"])
    assert (linked["category"], linked["artist_id"], linked["fields_enriched"]) == ("LINKED", ARTIST.id, [])
    assert linked["metadata"] == {"existingEntity": True, "albumId": str(ALBUM.id), "role": "PRIMARY"}
    assert (enriched["data_quality_before"], enriched["data_quality_after"]) == ("LOW", "HIGH")
    assert (corrected["reason"], corrected["user_id"]) == ("typo", UUID(int=7))
    assert (cover["operation"], cover["category"], cover["duration_ms"]) == ("cover", "CACHED", 2)
    assert (cover["api_call_count"], cover["retry_count"]) == (2, 1)
    assert (failed["status"], failed["error_message"], failed["error_code"]) == (
        "FAILED",
        "no title",
        "ValueError",
    )
    assert (failed["metadata"], failed["entity_id"]) == ({"attemptedData": {"title": ""}}, None)
    assert (missing["category"], missing["status"]) == ("FAILED", "NO_DATA_AVAILABLE")
    assert (missing["entity_type"], missing["entity_id"]) == ("ARTIST", None)


def test_three_levels_deep_every_row_has_its_root(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        for _ in range(3):
            async with log.logger.root("album:import", ALBUM) as album:
                album.created()
                async with album.child("album:enrich", ALBUM) as enrichment:
                    for _ in range(3):
                        async with log.logger.child("track:create", TRACK) as track:
                            assert current_job() is track
                            track.created()
                            with track.child("artist:link", ARTIST) as artist:
                                artist.linked(to=TRACK)
                    enrichment.enriched()
            assert current_job() is None

    counters = run_with(kind, music, body)
    rows = rows_of(music)
    assert (len(rows), counters.written) == (27, 27)  # with an opening row for each enrichment
    assert len({row["root_job_id"] for row in rows}) == 3
    assert wrong_roots(music) == []
    assert migrate_here(music).code == 0  # the index and the like; no row is left to fill
    assert run_here("verify", "--dsn", music).code == 0


def test_jobs_that_log_late_or_never_are_opened(kind: type[Any], music: str) -> None:
    """Without a row of the middle job the log could not tell the leaf's root."""

    async def body(log: Either) -> None:
        root = log.logger.root("album:import", UNKNOWN, user_id=UUID(int=7))
        middle = root.child("album:enrich", UNKNOWN)
        middle.child("track:create", TRACK).created()
        assert await log.flush()
        assert wrong_roots(music) == []
        middle.child("track:create", TRACK).created()
        root.created(ALBUM)

    run_with(kind, music, body)
    assert short(music) == [
        ("album:import", "ENRICHED", "SKIPPED"),
        ("album:enrich", "ENRICHED", "SKIPPED"),
        ("track:create", "CREATED", "SUCCESS"),
        ("track:create", "CREATED", "SUCCESS"),
        ("album:import", "CREATED", "SUCCESS"),
    ]
    assert wrong_roots(music) == []
    assert {row["user_id"] for row in rows_of(music)} == {UUID(int=7)}


def test_a_context_is_taken_up_on_the_other_side(kind: type[Any], music: str) -> None:
    async def sender(log: Either) -> None:
        with log.logger.root("album:import", ALBUM, user_id=UUID(int=7), triggered_by="api") as album:
            album.created()
            queue.append(json.dumps(album.context))
            queue.append(json.dumps(album.child("album:enrich", ALBUM).context))

    async def receiver(log: Either) -> None:
        with log.logger.resume(json.loads(queue[0])) as album, album.child("album:cache", ALBUM) as job:
            job.cached()
        with log.logger.resume(json.loads(queue[1])) as job:
            assert (job.operation, job.entity) == ("album:enrich", ("ALBUM", str(ALBUM.id)))
            job.child("track:create", TRACK).created()

    queue: list[str] = []
    run_with(kind, music, sender)
    run_with(kind, music, receiver)
    rows = rows_of(music)
    assert sorted(row["category"] for row in rows) == ["CACHED", "CREATED", "CREATED", "ENRICHED"]
    assert len({row["root_job_id"] for row in rows}) == 1
    assert {(row["user_id"], row["triggered_by"]) for row in rows} == {(UUID(int=7), "api")}
    assert wrong_roots(music) == []


def test_a_context_tells_of_the_jobs_above_that_have_no_row(kind: type[Any], music: str) -> None:
    async def sender(log: Either) -> None:
        chart = log.logger.root("chart:import", UNKNOWN, user_id=UUID(int=7))
        assert "above" not in chart.context
        chart.enriched(("ALBUM", None))
        enrichment = chart.child("album:import", ALBUM).child("album:enrich", ALBUM)
        queue.append(json.dumps(enrichment.child("track:create", TRACK).context))

    async def receiver(log: Either) -> None:
        context = json.loads(queue[0])
        assert [above["operation"] for above in context["above"]] == ["album:enrich", "album:import"]
        log.logger.resume(context).created()

    queue: list[str] = []
    run_with(kind, music, sender)
    run_with(kind, music, receiver)
    rows = rows_of(music)
    assert [row["status"] for row in rows] == ["SUCCESS", "SKIPPED", "SKIPPED", "SUCCESS"]
    assert {(row["root_job_id"], row["user_id"]) for row in rows} == {(rows[0]["job_id"], UUID(int=7))}
    assert wrong_roots(music) == []


def test_a_job_that_starts_later_is_below_the_one_that_created_the_entity(
    kind: type[Any], music: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(log: Either) -> None:
        with log.logger.root("album:import", ALBUM) as album, album.child("artist:create", ARTIST) as artist:
            album.created()
            artist.created()
        log.logger.root("another", ARTIST).created()
        log.logger.root("another", TRACK).enriched()
        assert await log.flush()
        with await log.for_entity("artist:enrich", ARTIST, sources=["DISCOGS"]) as job:
            job.enriched()
        assert (job.parent_job_id, job.root_job_id) == (artist.job_id, album.job_id)
        for entity in (TRACK, ("ARTIST", None), ("NOTHING", "x"), ("ARTIST", "no uuid")):
            orphan = await log.for_entity("track:enrich", entity)
            assert (orphan.parent_job_id, orphan.root_job_id) == (None, orphan.job_id)

    run_with(kind, music, body)
    assert rows_of(music)[-1]["sources"] == ["DISCOGS"]
    assert wrong_roots(music) == []
    assert "no CREATED row of TRACK" in caplog.text


def test_a_root_that_is_not_given_is_the_parents(
    kind: type[Any], music: str, insert: Any, caplog: pytest.LogCaptureFixture
) -> None:
    insert([{"job_id": "held", "parent_job_id": "top", "root_job_id": "top"}])
    insert(
        [
            {"job_id": "alone"},
            {"job_id": "hole", "parent_job_id": "top"},
            {"job_id": "two", "root_job_id": "a"},
        ]
    )
    insert([{"job_id": "two", "root_job_id": "b"}, {"job_id": "top", "root_job_id": "top"}])

    async def body(log: Either) -> None:
        for parent in ("held", "alone", "hole", "two", "gone", "mine"):
            job = log.logger.job("o", ALBUM, job_id=f"below {parent}", parent_job_id=parent)
            job.created()
            job.child("o", TRACK, job_id=f"2 below {parent}").created()
        log.logger.job("o", ALBUM, job_id="mine", parent_job_id="top", root_job_id="top").created()

    run_with(kind, music, body)
    roots = {row["job_id"]: row["root_job_id"] for row in rows_of(music) if "below" in row["job_id"]}
    expected = {"held": "top", "alone": "alone", "hole": None, "two": None, "gone": None, "mine": "top"}
    assert roots == {f"{n}below {job}": root for job, root in expected.items() for n in ("", "2 ")}
    assert "Job 'gone' is not in the log" in caplog.text
    assert "has no unique root" in caplog.text


def test_roots_are_looked_up_once(kind: type[Any], music: str, insert: Any) -> None:
    insert([{"job_id": "top", "root_job_id": "top"}])

    async def body(log: Either) -> None:
        log.logger.job("o", ALBUM, job_id="a", parent_job_id="top").created()
        assert await log.flush()
        with psycopg.connect(music) as other:
            other.execute("DELETE FROM \"LlamaLog\" WHERE job_id = 'top'")
        log.logger.job("o", ALBUM, job_id="b", parent_job_id="top").created()

    run_with(kind, music, body)
    assert [row["root_job_id"] for row in rows_of(music)] == ["top", "top"]


def test_jobs_that_cannot_be_are_refused(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        root = log.logger.root("o", ALBUM, job_id="a")
        for job_id in ("a", "", " "):
            with refused(ErrorCode.USAGE):
                root.child("o", ALBUM, job_id=job_id)
        with refused(ErrorCode.USAGE, "its own ancestor"):
            root.child("o", ALBUM, job_id="b").child("o", ALBUM, job_id="c").child("o", ALBUM, job_id="a")
        with refused(ErrorCode.USAGE, "its own parent"):
            log.logger.job("o", ALBUM, job_id="a", parent_job_id="a")
        for context in ({}, {"job_id": "a", "parent_job_id": "a"}):
            with refused(ErrorCode.USAGE):
                log.logger.resume(context)

    assert run_with(kind, music, body).recorded == 0


def test_a_child_outside_of_any_job_is_a_root(
    kind: type[Any], music: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(log: Either) -> None:
        log.logger.child("track:create", TRACK).created()

    run_with(kind, music, body)
    assert rows_of(music)[0]["is_root_job"]
    assert "recorded outside of any job" in caplog.text


def test_threads_and_tasks_have_their_own_jobs(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        async def work(number: int) -> None:
            async with log.logger.root("album:import", ALBUM, job_id=f"task {number}") as job:
                job.created()
                await asyncio.sleep(0.001 * (number % 5))
                async with log.logger.child("track:create", TRACK) as track:
                    await asyncio.sleep(0)
                    assert current_job() is track
                    track.created(metadata={"of": job.job_id})

        def in_thread(number: int) -> None:
            assert current_job() is None
            asyncio.run(work(number))

        await asyncio.gather(*(work(number) for number in range(20)))
        threads = [threading.Thread(target=in_thread, args=[100 + number]) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)

    run_with(kind, music, body)
    rows = rows_of(music)
    tracks = [row for row in rows if row["metadata"]]
    assert (len(rows), len(tracks)) == (80, 40)
    assert all(row["parent_job_id"] == row["root_job_id"] == row["metadata"]["of"] for row in tracks)
    assert wrong_roots(music) == []


# --- exceptions -------------------------------------------------------------------------------------------


async def failing(log: Either) -> None:
    with log.logger.root("root", ALBUM) as root:
        with suppress(ZeroDivisionError):
            async with root.child("handled", TRACK):
                raise ZeroDivisionError("by zero")
        with root.child("middle", TRACK) as middle:
            try:
                with middle.child("inner", TRACK) as inner:
                    inner.failed(error := KeyError("x"), error_code="MINE")
                    raise error
            except KeyError as error:
                raise RuntimeError("wrapped") from error


def test_an_exception_is_logged_once_and_goes_on(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        with pytest.raises(RuntimeError, match="wrapped"):
            await failing(log)
        for passing in (asyncio.CancelledError, KeyboardInterrupt):
            with suppress(passing), log.logger.root("passing", ALBUM):
                raise passing

    run_with(kind, music, body)
    failed = [row for row in rows_of(music) if row["category"] == "FAILED"]
    assert [(row["operation"], row["error_code"]) for row in failed] == [
        ("handled", "ZeroDivisionError"),
        ("inner", "MINE"),
    ]
    assert wrong_roots(music) == []


def test_a_failure_outlives_the_transaction_that_it_rolls_back(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        async with log.connection() as connection:
            with suppress(ZeroDivisionError):
                async with log.transaction(connection):
                    await settled_execute(connection, "INSERT INTO albums VALUES (%s)", [UNKNOWN.id])
                    with log.logger.root("album:import", UNKNOWN) as job:
                        job.created()
                        raise ZeroDivisionError

    counters = run_with(kind, music, body)
    (row,) = rows_of(music)
    assert (row["status"], row["entity_id"], row["album_id"]) == ("FAILED", UNKNOWN.id, None)
    assert (counters.rolled_back, counters.written, counters.mended) == (1, 1, 1)


async def settled_execute(connection: Any, statement: str, values: Any = ()) -> None:
    await settled(connection.execute(statement, values))


# --- transactions -----------------------------------------------------------------------------------------


def test_rows_wait_for_the_commit(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("o", UNKNOWN)
        async with log.connection() as connection:
            async with log.transaction(connection):
                await settled_execute(connection, "INSERT INTO albums VALUES (%s)", [UNKNOWN.id])
                job.created()
                assert await log.flush()
                assert (rows_of(music), log.counters.pending) == ([], 1)
            assert await log.flush()
            assert len(rows_of(music)) == 1

    run_with(kind, music, body)


def test_savepoints_and_rollbacks(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        async with log.connection() as one, log.connection() as two:
            async with log.transaction(one):
                job.log(reason="kept")
                with suppress(ZeroDivisionError):
                    async with log.transaction(one):
                        job.log(reason="to a savepoint")
                        raise ZeroDivisionError
                async with log.transaction(one) as inner:
                    job.log(reason="explicitly")
                    raise psycopg.Rollback(inner)
                async with log.transaction(one, force_rollback=True):
                    job.log(reason="by force")
                async with log.transaction(one, savepoint_name="s"):
                    job.log(reason="nested")
                    async with log.transaction(two):
                        job.log(reason="the other connection's")
                    assert await log.flush()
                    assert [row["reason"] for row in rows_of(music)] == ["the other connection's"]
            with suppress(ZeroDivisionError):
                async with log.transaction(one):
                    async with log.transaction(one):
                        job.log(reason="with the outer one")
                    raise ZeroDivisionError
            async with log.transaction(one):
                job.log(reason="after an error that was swallowed")
                with suppress(psycopg.Error):
                    await settled_execute(one, "SELECT 1/0")

    counters = run_with(kind, music, body)
    assert {row["reason"] for row in rows_of(music)} == {"kept", "nested", "the other connection's"}
    assert (counters.rolled_back, counters.written) == (5, 3)


def test_a_commit_that_fails(kind: type[Any], music: str, connection: psycopg.Connection[Any]) -> None:
    connection.execute("ALTER TABLE albums ADD other uuid REFERENCES albums DEFERRABLE INITIALLY DEFERRED")

    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        async with log.connection() as opened:
            with suppress(psycopg.errors.ForeignKeyViolation):
                async with log.transaction(opened):
                    job.log()
                    await settled_execute(opened, "UPDATE albums SET other = gen_random_uuid()")
        assert log.counters.rolled_back == 1

    run_with(kind, music, body)
    assert rows_of(music) == []


def test_transactions_that_the_logger_did_not_begin(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        async with log.connection(autocommit=False) as connection:
            await settled_execute(connection, "SELECT 1")
            with refused(ErrorCode.USAGE, "already in a transaction"):
                async with log.transaction(connection):
                    pass
        with log.logger.hold():
            async with log.connection(autocommit=False) as connection:
                await settled_execute(connection, "SELECT 1")
                job.log(reason="held")
                async with log.connection() as other, log.transaction(other):
                    job.log(reason="held too")
                assert (await log.flush(), rows_of(music)) == (True, [])
        with suppress(ZeroDivisionError), log.logger.hold():
            job.log(reason="dropped")
            raise ZeroDivisionError
        with log.logger.hold() as held:
            job.log(reason="dropped too")
            held.drop()

    run_with(kind, music, body)
    assert [row["reason"] for row in rows_of(music)] == ["held", "held too"]


def test_a_job_that_was_rolled_back_is_opened_for_its_children(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        root = log.logger.root("root", ALBUM)
        root.created()
        middle = root.child("middle", ALBUM)
        async with log.connection() as connection:
            async with log.transaction(connection, force_rollback=True):
                middle.created()
                assert middle.context["logged"]
            assert not middle.context["logged"]
            middle.child("leaf", TRACK).created()

    run_with(kind, music, body)
    assert sorted(row["operation"] for row in rows_of(music)) == ["leaf", "middle", "root"]
    assert wrong_roots(music) == []


# --- tables -----------------------------------------------------------------------------------------------


def test_before_during_and_after_the_migration(
    kind: type[Any], database: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llamactl.logger._writing._LOOK_AGAIN_SECONDS", 0.0)

    async def body(log: Either) -> None:
        job = log.logger.root("o", ("ALBUM", None))
        child = job.child("o", ("TRACK", None))
        for change in (
            "",
            "migrate",
            "undo",
            "DROP COLUMN reason, DROP COLUMN is_root_job, DROP COLUMN sources",
        ):
            if change in ("migrate", "undo"):
                assert run_here(change, "--yes", "--dsn", database).code == 0
            elif change:
                connection.execute(f'ALTER TABLE "LlamaLog" {change}'.encode())
            job.created(reason=change)
            child.linked(("ARTIST", None), to=("TRACK", None))
            assert await log.flush(), change
            if change == "migrate":
                assert run_here("verify", "--dsn", database).code == 0

    counters = run_with(kind, database, body)
    assert (counters.written, counters.mended, counters.failed_flushes) == (8, 1, 0)
    linked = [
        (row["category"], row["metadata"].get("category")) for row in rows_of(database) if row["metadata"]
    ]
    assert linked == [("ENRICHED", "LINKED"), *[("LINKED", None)] * 3]


def test_under_the_guard(kind: type[Any], music: str, insert: Any) -> None:
    assert migrate_here(music).code == 0
    assert run_here("guard", "install", "--yes", "--dsn", music).code == 0
    insert([{"job_id": "a"}, {"job_id": "b", "parent_job_id": "a"}])

    async def body(log: Either) -> None:
        log.logger.root("o", ALBUM, job_id="r").child("o", TRACK).created()
        log.logger.job("o", ALBUM, job_id="c", parent_job_id="b").created()

    assert run_with(kind, music, body).lost == 0
    assert wrong_roots(music) == []


@pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES)
def test_under_odd_names(names: Names, database: str, connection: psycopg.Connection[Any]) -> None:
    rename(connection, names)
    columns = {ours: theirs for ours, theirs in names.columns.items() if ours != theirs}
    options: dict[str, Any] = {"schema": names.schema, "table": names.table, "columns": columns}
    arguments = [f"--{name}={options[name]}" for name in ("schema", "table")]
    arguments += [f"--column={ours}={theirs}" for ours, theirs in columns.items()]
    assert migrate_here(database, *arguments).code == 0

    async def body(log: Either) -> None:
        with log.logger.root("o", ("ALBUM", None), job_id="a") as job:
            job.created(metadata={"job_id": 1})
            job.child("o", ("TRACK", None)).failed("x" * 200, error_code="e" * 60)
        log.logger.job("o", ("ALBUM", UNKNOWN.id), job_id="z", parent_job_id="a").failed("later")
        assert (await log.for_entity("o", UNKNOWN)).parent_job_id is None

    counters = run_with(LlamaLogger, database, body, **options)
    assert (counters.written, counters.lost) == (3, 0)
    assert run_here("verify", "--dsn", database, *arguments).code == 0


def test_on_each_version(each_database: str) -> None:
    assert migrate_here(each_database).code == 0

    async def body(log: Either) -> None:
        with log.logger.root("o", ("ALBUM", None)) as job, job.child("o", ("TRACK", None)) as child:
            job.created()
            child.linked(to=("ALBUM", None))

    assert run_with(LlamaLogger, each_database, body).written == 2
    assert wrong_roots(each_database) == []


@pytest.mark.parametrize("rights", ["INSERT", "INSERT, SELECT"])
def test_rights(
    kind: type[Any], rights: str, music: str, insert: Any, caplog: pytest.LogCaptureFixture
) -> None:
    insert([{"job_id": "top", "root_job_id": "top"}])

    async def body(log: Either) -> None:
        log.logger.root("o", ("ALBUM", None)).created()
        log.logger.job("o", ("ALBUM", None), job_id="a", parent_job_id="top").created()
        await log.for_entity("o", ALBUM)

    with new_role(music) as role:
        role.granted(f'GRANT {rights} ON "LlamaLog" TO {{}}', music)
        counters = run_with(kind, role.conninfo, body)
    assert (counters.written, counters.lost) == (2, 0)
    root = {row["job_id"]: row["root_job_id"] for row in rows_of(music)}["a"]
    denied = "permission denied" in caplog.text
    assert (root, denied) == (("top", False) if "SELECT" in rights else (None, True))


def test_without_the_right_to_write_rows_wait_until_it_is_given(
    kind: type[Any], music: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(log: Either) -> None:
        log.logger.root("o", ("ALBUM", None)).created()
        assert not await log.flush()
        assert "1 row is waiting, since the log could not be written: permission denied" in caplog.text
        role.granted('GRANT INSERT ON "LlamaLog" TO {}', music)
        assert await log.flush()

    with new_role(music) as role:
        counters = run_with(kind, role.conninfo, body)
    assert (counters.written, counters.failed_flushes >= 1) == (1, True)


@pytest.mark.parametrize(
    "change",
    [
        'ALTER TABLE "LlamaLog" RENAME TO other',
        'ALTER TABLE "LlamaLog" DROP COLUMN job_id',
        'ALTER TABLE "LlamaLog" DROP COLUMN id, ADD id bigserial',
    ],
)
def test_tables_that_cannot_be_logged_to(
    change: str, music: str, connection: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    connection.execute(change.encode())

    async def body(log: Either) -> None:
        log.logger.root("o", ("ALBUM", None)).created()
        await log.close(0.3)

    counters = run_with(LlamaLogger, music, body)
    assert (counters.written, counters.abandoned) == (0, 1)
    assert "could not be written" in caplog.text


# --- values -----------------------------------------------------------------------------------------------


def test_values_that_do_not_fit(kind: type[Any], music: str, caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError("odd")

    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        job.log(reason="1 plain")
        job.log(reason="2 long", operation="ü" * 101, triggered_by="t" * 51)
        job.log(reason="3 nul\0", metadata={"nan": float("nan"), "\ud800": "\0"})
        job.log(reason="4 unknown word", status="SO_SO")
        job.log(reason="5 no uuid", user_id="nobody")
        job.log(("BAND", ARTIST.id), reason="6 no such type")
        job.log(UNKNOWN, reason="7 no such album")
        job.failed("8 no such album", UNKNOWN)
        job.log(reason="9 unknown column", job="x")
        job.log(reason="10 odd", metadata={"odd": Odd()})
        job.log(reason="11 large", retry_count=1 << 31)
        log.logger.root("o", ALBUM, job_id="j" * 101).log(reason="12 long id")
        job.log(reason="13 plain")

    counters = run_with(kind, music, body)
    rows = {(row["reason"] or row["error_message"])[:2].strip(): row for row in rows_of(music)}
    assert set(rows) == {"1", "2", "3", "8", "9", "13"}
    assert rows["2"]["operation"] == "ü" * 99 + "…"
    assert rows["2"]["triggered_by"] == "t" * 49 + "…"
    assert rows["3"]["metadata"] == {"nan": "nan", "?": "\ufffd"}
    assert (counters.recorded, counters.written, counters.refused, counters.mended) == (13, 6, 7, 4)
    assert "there is no column 'job'" in caplog.text


def test_what_is_changed_after_the_call_is_not_logged(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        metadata, sources = {"a": [1]}, ["A"]
        log.logger.root("o", ALBUM).log(metadata=metadata, sources=sources)
        metadata["a"].append(2)
        sources.append("B")

    run_with(kind, music, body)
    assert (rows_of(music)[0]["metadata"], rows_of(music)[0]["sources"]) == ({"a": [1]}, ["A"])


def test_a_row_with_an_id_of_its_own_is_written_once(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        for _ in range(2):
            log.logger.root("o", ALBUM).log(id=UUID(int=5))
            assert await log.flush()

    run_with(kind, music, body)
    assert [row["id"] for row in rows_of(music)] == [UUID(int=5)]


def test_warnings_are_few(music: str, caplog: pytest.LogCaptureFixture) -> None:
    async def body(log: Either) -> None:
        for _ in range(50):
            log.logger.root("o", UNKNOWN).created()

    assert run_with(LlamaLogger, music, body).refused == 50
    assert len([one for one in caplog.records if one.name == "llamactl.logger"]) == 1


# --- where it writes --------------------------------------------------------------------------------------


def test_a_connection_is_only_looked_at(music: str) -> None:
    with psycopg.connect(music) as connection, LlamaLogger(connection) as logger:
        logger.root("o", ALBUM).created()
        assert logger.flush()
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert len(rows_of(music)) == 1


def test_a_pool_is_borrowed_from(music: str) -> None:
    with ConnectionPool(music, min_size=1, max_size=1) as pool, LlamaLogger(pool) as logger:
        logger.root("o", ALBUM).created()
        assert logger.flush()
        with pool.connection() as connection, logger.transaction(connection):
            logger.root("o", ALBUM).created()
        assert logger.flush()
    assert len(rows_of(music)) == 2


def test_an_async_pool_is_borrowed_from(music: str) -> None:
    async def main() -> None:
        async with (
            AsyncConnectionPool(music, min_size=1, max_size=1) as pool,
            AsyncLlamaLogger(pool) as logger,
        ):
            logger.root("o", ALBUM).created()
            assert await logger.flush()
            async with (
                await psycopg.AsyncConnection.connect(music) as connection,
                AsyncLlamaLogger(connection) as another,
            ):
                another.root("o", ALBUM).created()

    asyncio.run(main())
    assert len(rows_of(music)) == 2


def test_a_pool_that_is_closed_first_loses_nothing(kind: type[Any], music: str) -> None:
    async def main() -> None:
        pool = (
            ConnectionPool(music, open=True)
            if kind is LlamaLogger
            else AsyncConnectionPool(music, open=False)
        )
        log = Either(kind, music)
        log.logger = kind(pool, flush_seconds=60)
        if kind is AsyncLlamaLogger:
            await settled(pool.open())
        log.logger.root("o", ALBUM).created()
        await settled(pool.close())
        await log.close()

    asyncio.run(main())
    assert len(rows_of(music)) == 1


def test_the_example_of_the_documentation(music: str) -> None:
    """What stands in docs/logger.md, with what it leaves out."""
    (block,) = every_block("logger")
    assert "INSERT INTO albums ..." in block.text

    class Queue:
        def add(self, name: str, payload: Any) -> None:
            sent.append(json.dumps(payload))

    sent: list[str] = []
    with ConnectionPool(music) as pool, psycopg.connect(music, autocommit=True) as connection:
        names = {"pool": pool, "connection": connection, "queue": Queue(), "user_id": UUID(int=7)}
        names |= {"album_id": str(UNKNOWN.id), "artist_id": ARTIST.id}
        statement = f"INSERT INTO albums VALUES ('{UNKNOWN.id}')"
        exec(block.text.replace("INSERT INTO albums ...", statement), names)
    with LlamaLogger(music) as logger:
        logger.resume(json.loads(sent[0])["log"]).child("album:enrich", UNKNOWN).enriched()
    assert [row["category"] for row in rows_of(music)] == ["CREATED", "LINKED", "ENRICHED"]
    assert wrong_roots(music) == []


def test_connection_strings_that_cannot_be_read_are_not_quoted() -> None:
    with refused(ErrorCode.CONFIG, "cannot be read"):
        LlamaLogger("host=x s3cret")
    with refused(ErrorCode.CONFIG, "not a column that can be mapped"):
        LlamaLogger("host=x", columns={"jobid": "x"})


def test_missing_is_of_an_entity_as_any_row(kind: type[Any], music: str) -> None:
    async def body(log: Either) -> None:
        job = log.logger.root("o", ALBUM)
        job.missing(("TRACK", None), "no track", reason="1", sources=["MUSICBRAINZ"])
        job.missing(ARTIST, "no biography", reason="2")
        job.missing(None, "no cover", reason="3")

    run_with(kind, music, body)
    rows = [(row["entity_type"], row["entity_id"], row["error_message"]) for row in rows_of(music)]
    assert rows == [
        ("TRACK", None, "no track"),
        ("ARTIST", ARTIST.id, "no biography"),
        ("ALBUM", ALBUM.id, "no cover"),
    ]


def test_what_the_library_raises_is_its_own() -> None:
    logger = LlamaLogger("host=/nowhere")
    for wrong in (
        lambda: LlamaLogger("host=x s3cret"),
        lambda: LlamaLogger("host=x", columns={"jobid": "x"}),
        lambda: LlamaLogger("host=x", table=""),
        lambda: logger.job("o", ALBUM, job_id=" "),
        lambda: logger.root("o", ALBUM, job_id="a").child("o", ALBUM, job_id="a"),
        lambda: logger.resume({}),
        lambda: flow_for_bullmq({"name": "a", "data": "text"}),
    ):
        with pytest.raises(LoggerError):
            wrong()


def test_what_is_not_exported_has_an_underscore() -> None:
    public = set(llamactl.logger.__all__)
    modules = {path.stem for path in Path(llamactl.logger.__file__).parent.glob("*.py")}
    assert all(name.startswith("_") for name in modules)
    assert {name for name in vars(llamactl.logger) if not name.startswith("_")} == public
    job = LlamaLogger("host=/nowhere").root("o", ALBUM)
    rows = {"log", "created", "linked", "enriched", "corrected", "cached", "failed", "missing"}
    place = {"job_id", "parent_job_id", "root_job_id", "operation", "entity"}
    assert {name for name in dir(job) if not name.startswith("_")} == rows | place | {
        "child",
        "context",
        "elapsed_ms",
    }
    calls = {
        "root",
        "child",
        "job",
        "resume",
        "for_entity",
        "transaction",
        "hold",
        "flush",
        "close",
        "counters",
    }
    for kind in (LlamaLogger, AsyncLlamaLogger):
        assert {name for name in dir(kind) if not name.startswith("_")} == calls


def test_the_applications_search_path(music: str, connection: psycopg.Connection[Any]) -> None:
    """What it finds there instead of the server's own is not used; a trigger finds what it needs."""
    functions = (
        "format_type(oid, integer) RETURNS text",
        "btrim(text, text) RETURNS text",
        "min(text) RETURNS text",
        "quote_ident(text) RETURNS text",
        "json_populate_recordset(anyelement, json) RETURNS SETOF anyelement",
    )
    for function in functions:
        connection.execute(
            f"CREATE SCHEMA IF NOT EXISTS mine; CREATE FUNCTION mine.{function} "
            "LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$".encode()
        )
    for operand in ("text", "uuid", "oid", "name"):
        connection.execute(
            f"""
            CREATE FUNCTION mine.equal({operand}, {operand}) RETURNS boolean
                LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
            CREATE OPERATOR mine.= (LEFTARG = {operand}, RIGHTARG = {operand}, FUNCTION = mine.equal)
        """.encode()
        )
    connection.execute("""
        CREATE TABLE mine.seen (job text);
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO seen VALUES (NEW.job_id); RETURN NEW; END $$;
        CREATE TRIGGER see BEFORE INSERT ON "LlamaLog" FOR EACH ROW EXECUTE FUNCTION see()
    """)

    async def body(log: Either) -> None:
        log.logger.root("o", ALBUM, job_id="top").created(id=UUID(int=5))
        log.logger.root("o", ALBUM).created(id=UUID(int=5))
        assert await log.flush()
        log.logger.job("o", ALBUM, job_id="below", parent_job_id="top").log()
        assert (await log.for_entity("o", ALBUM)).parent_job_id == "top"

    path = psycopg.conninfo.make_conninfo(music, options="-c search_path=mine,pg_catalog,public")
    counters = run_with(LlamaLogger, path, body)
    assert (counters.written, counters.existing, counters.lost) == (2, 1, 0)
    assert [row["root_job_id"] for row in rows_of(music)] == ["top", "top"]
    assert connection.execute("SELECT count(*) FROM mine.seen").fetchone() == (3,)


def test_it_imports_little() -> None:
    code = (
        "import sys, llamactl.logger\n"
        "unwanted = {'typer', 'rich', 'sqlglot', 'dotenv', 'psycopg_pool', 'llamactl.db'}\n"
        "print(*sorted(unwanted & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_logging_is_at_the_warning_level(music: str, caplog: pytest.LogCaptureFixture) -> None:
    async def body(log: Either) -> None:
        log.logger.root("o", ALBUM).created()

    with caplog.at_level(logging.DEBUG, "llamactl.logger"):
        run_with(LlamaLogger, music, body)
    assert [one for one in caplog.records if one.name == "llamactl.logger"] == []
