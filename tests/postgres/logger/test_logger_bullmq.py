"""The logger in BullMQ's workers, on a Redis of one's own."""

from __future__ import annotations

import asyncio
import logging
import shutil
import subprocess
import tempfile
import time
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from bullmq import FlowProducer, Queue, Worker

from llamactl.logger import AsyncLlamaLogger, LlamaLogger, context_from_bullmq, flow_for_bullmq
from llamactl.model import ErrorCode
from logging_jobs import ALBUM, ARTIST, TRACK, Either, add_music, rows_of, run_with, wrong_roots
from pages import every_block
from sessions import refused

Handler = Callable[[Any], Awaitable[None]]


@pytest.fixture(scope="module")
def redis() -> Iterator[dict[str, str]]:
    """A Redis of the tests' own: bullmq's connection options."""
    if not (binary := shutil.which("redis-server")):
        pytest.skip("there is no redis-server: scripts/install_packages.sh installs it")
    with tempfile.TemporaryDirectory() as directory:
        socket = Path(directory, "redis")
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", directory]
        server = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not socket.exists():
            assert server.poll() is None, "redis-server does not start"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield {"unix_socket_path": str(socket)}
        server.terminate()
        server.wait(10)


@pytest.fixture
def music(connection: psycopg.Connection[Any], database: str) -> str:
    """A migrated log, with an album, an artist and a track: its conninfo."""
    add_music(connection)
    return database


class Bull:
    """Queues of a test's own, and workers for them."""

    def __init__(self, connection: dict[str, str], prefix: str) -> None:
        self.options = {"connection": connection, "prefix": prefix}

    async def add_flow(self, flow: dict[str, Any]) -> Any:
        producer = FlowProducer(opts=self.options)
        tree = await producer.add(flow)
        await producer.close()
        return tree["job"]

    async def add(self, queue_name: str, name: str, data: dict[str, Any], **options: Any) -> Any:
        queue = Queue(queue_name, self.options)
        job = await queue.add(name, data, options)
        await queue.close()
        return job

    @asynccontextmanager
    async def worker(self, queue_name: str, handle: Handler) -> AsyncIterator[list[str]]:
        """Yields the list of the ids of jobs that ended for good, as they do."""
        ended: list[str] = []

        async def processor(job: Any, token: str) -> None:
            await handle(job)

        worker = Worker(queue_name, processor, {**self.options, "drainDelay": 1, "concurrency": 3})
        worker.on("completed", lambda job, *_: ended.append(job.id))
        worker.on("failed", lambda job, *_: job.attemptsMade >= job.opts["attempts"] and ended.append(job.id))
        try:
            yield ended
        finally:
            await worker.close(force=True)

    async def work(self, handle: Handler, **jobs: int) -> None:
        """Has as many jobs of each queue handled, by a worker for each."""
        async with AsyncExitStack() as stack:
            waiting = {queue: await stack.enter_async_context(self.worker(queue, handle)) for queue in jobs}
            async with asyncio.timeout(20):
                while any(len(waiting[queue]) < number for queue, number in jobs.items()):
                    await asyncio.sleep(0.01)


@pytest.fixture
def bull(redis: dict[str, str], database: str) -> Bull:
    return Bull(redis, psycopg.conninfo.conninfo_to_dict(database)["dbname"])


@pytest.fixture(params=[LlamaLogger, AsyncLlamaLogger], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


ABOUT = {"albums": ALBUM, "enrichment": ALBUM, "tracks": TRACK}


def album_flow(*tracks: dict[str, Any]) -> dict[str, Any]:
    """Three levels: an album, its enrichment, its tracks."""
    album = {"album": "Blue Train", "llamactl": {"entity_type": "ALBUM", "entity_id": str(ALBUM.id)}}
    return {
        "name": "album:import",
        "queueName": "albums",
        "data": album,
        "children": [
            {
                "name": "album:enrich",
                "queueName": "enrichment",
                "data": album,
                "children": [
                    {"name": "track:import", "queueName": "tracks", "data": {}, **track} for track in tracks
                ],
            }
        ],
    }


def by_job(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows_of(dsn):
        facts = (row["operation"], row["category"], row["status"], row["retry_count"])
        found.setdefault(row["job_id"], []).append(facts)
    return found


def test_a_flow_of_three_levels(kind: type[Any], music: str, bull: Bull) -> None:
    """Children run before their parents; every row has the album's root, at any time."""

    async def body(log: Either) -> None:
        async def handle(job: Any) -> None:
            about = ABOUT[job.queue.name]
            async with log.logger.resume(context_from_bullmq(job, about)) as step:
                step.created(sources=["MUSICBRAINZ"])
                with step.child("artist:link", ARTIST) as artist:
                    artist.linked(to=about)

        flow = flow_for_bullmq(album_flow(*[{}] * 4))
        top.append((await bull.add_flow(flow)).id)
        await bull.work(handle, tracks=4)
        assert await log.flush()
        early.extend(rows_of(music))
        assert wrong_roots(music) == []
        await bull.work(handle, albums=1, enrichment=1)

    top: list[str] = []
    early: list[dict[str, Any]] = []
    assert run_with(kind, music, body).lost == 0
    assert {row["operation"] for row in early if row["status"] == "SKIPPED"} == {
        "album:import",
        "album:enrich",
    }
    assert len(early) == 10
    rows = rows_of(music)
    assert [row["root_job_id"] for row in rows] == top * 14
    assert {row["operation"]: row["job_id"] for row in rows if row["is_root_job"]} == {"album:import": top[0]}
    assert {row["entity_type"] for row in rows if row["operation"].startswith("album")} == {"ALBUM"}
    assert len({row["job_id"] for row in rows if row["operation"] == "track:import"}) == 4
    assert wrong_roots(music) == []


def test_attempts_are_rows_of_one_job(kind: type[Any], music: str, bull: Bull) -> None:
    """Each tells in retry_count which it was. A parent that BullMQ fails unseen is in the log as well."""

    async def body(log: Either) -> None:
        async def handle(job: Any) -> None:
            async with (
                log.logger.resume(context_from_bullmq(job, TRACK)) as step,
                log.connection() as connection,
                log.transaction(connection),
            ):
                step.created()
                if job.attemptsMade < job.data["fails"]:
                    raise TimeoutError(f"attempt {job.attemptsMade + 1}")

        third_time = {"data": {"fails": 2}, "opts": {"jobId": "third-time", "attempts": 3}}
        never = {"data": {"fails": 2}, "opts": {"jobId": "never", "attempts": 2, "failParentOnFailure": True}}
        await bull.add_flow(flow_for_bullmq(album_flow(third_time, never)))
        await bull.work(handle, tracks=2)

    counters = run_with(kind, music, body)
    assert (counters.lost, counters.rolled_back) == (0, 4)
    rows = by_job(music)
    assert rows.pop("third-time") == [
        ("track:import", "FAILED", "FAILED", 0),
        ("track:import", "FAILED", "FAILED", 1),
        ("track:import", "CREATED", "SUCCESS", 2),
    ]
    assert rows.pop("never") == [
        ("track:import", "FAILED", "FAILED", 0),
        ("track:import", "FAILED", "FAILED", 1),
    ]
    assert sorted(rows.values()) == [
        [("album:enrich", "ENRICHED", "SKIPPED", 0)],
        [("album:import", "ENRICHED", "SKIPPED", 0)],
    ]
    assert wrong_roots(music) == []


def test_a_job_that_adds_a_flow_is_its_cause(kind: type[Any], music: str, bull: Bull) -> None:
    async def body(log: Either) -> None:
        async def handle(job: Any) -> None:
            log.logger.resume(context_from_bullmq(job, ABOUT[job.queue.name])).created()

        with log.logger.root("chart:import", ALBUM, job_id="chart", triggered_by="cron") as chart:
            with chart.child("chart:entry", ALBUM, job_id="entry") as entry:
                await bull.add_flow(flow_for_bullmq(album_flow({}), entry.context))
            chart.enriched()
            # A plain job, too: below the one whose context it holds.
            await bull.add("tracks", "track:import", {"llamactl": chart.context}, jobId="plain")
        await bull.work(handle, tracks=2, enrichment=1, albums=1)

    assert run_with(kind, music, body).lost == 0
    rows = rows_of(music)
    assert {(row["root_job_id"], row["triggered_by"]) for row in rows} == {("chart", "cron")}
    parents = {
        (row["operation"], row["parent_job_id"]) for row in rows if row["job_id"] in ("plain", "entry")
    }
    assert parents == {("track:import", "chart"), ("chart:entry", "chart")}
    assert {row["parent_job_id"] for row in rows if row["operation"] == "album:import"} == {"entry"}
    assert wrong_roots(music) == []


def test_without_a_context_the_root_is_looked_up(
    kind: type[Any], music: str, bull: Bull, insert: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As in flows that another program added: the parent is BullMQ's, its root the log's, where it has it."""
    insert([{"job_id": "enrich", "parent_job_id": "album", "root_job_id": "album"}])
    insert([{"job_id": "album", "root_job_id": "album"}])

    async def body(log: Either) -> None:
        async def handle(job: Any) -> None:
            log.logger.resume(context_from_bullmq(job, TRACK)).created()

        await bull.add_flow({"name": "enrich", "queueName": "enrichment", "opts": {"jobId": "enrich"}})
        parent = {"id": "enrich", "queue": f"{bull.options['prefix']}:enrichment"}
        await bull.add("tracks", "track:import", {}, jobId="known", parent=parent)
        await bull.add_flow(album_flow({"opts": {"jobId": "unknown"}}))
        await bull.work(handle, tracks=2)

    with caplog.at_level(logging.WARNING):
        run_with(kind, music, body)
    rows = {row["job_id"]: (row["parent_job_id"], row["root_job_id"]) for row in rows_of(music)}
    assert rows["known"] == ("enrich", "album")
    parent, root = rows["unknown"]
    assert parent is not None
    assert root is None
    assert f"Job {parent!r} is not in the log" in caplog.text


def test_the_example_of_the_documentation(music: str, bull: Bull) -> None:
    """What stands in docs/logger.md, in a producer and in a worker."""
    (block,) = every_block("bullmq")

    async def body(log: Either) -> None:
        producer = FlowProducer(opts=bull.options)
        names = {"producer": producer, "logger": log.logger}
        names |= {"album_id": str(ALBUM.id), "track_id": str(TRACK.id)}
        await eval(compile(block.text, block.where, "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        await producer.close()
        await bull.work(lambda job: names["process"](job, ""), tracks=1)

    run_with(AsyncLlamaLogger, music, body)
    facts = [(row["operation"], row["entity_type"], row["status"]) for row in rows_of(music)]
    assert facts == [("album:import", "ALBUM", "SKIPPED"), ("track:import", "TRACK", "SUCCESS")]
    assert wrong_roots(music) == []


def job(**facts: Any) -> Any:
    return SimpleNamespace(
        **{
            "id": "7",
            "name": "track:import",
            "data": {},
            "parent": None,
            "parentKey": None,
            "attemptsMade": 0,
        }
        | facts
    )


@pytest.mark.parametrize(
    ("facts", "parent"),
    [
        ({}, None),
        ({"parentKey": "bull:albums:17"}, "17"),
        ({"parentKey": "my:prefix:albums:17", "parent": {"id": "17", "queueKey": "my:prefix:albums"}}, "17"),
        (
            {"parentKey": "bull:albums:repeat:a:1", "parent": {"id": "repeat:a:1", "queueKey": ""}},
            "repeat:a:1",
        ),
    ],
)
def test_the_parent_is_the_id_alone(facts: dict[str, Any], parent: str | None) -> None:
    context = context_from_bullmq(job(**facts))
    assert (context["job_id"], context.get("parent_job_id")) == ("7", parent)


def test_what_bullmq_says_goes_before_what_the_data_says() -> None:
    """As where a flow's every job was given the context of the job that added the flow."""
    cause = {"job_id": "chart", "root_job_id": "top", "parent_job_id": "top", "user_id": "u", "logged": False}
    context = context_from_bullmq(job(data={"llamactl": cause}, parentKey="bull:albums:17", attemptsMade=2))
    assert context == {
        "job_id": "7",
        "parent_job_id": "17",
        "root_job_id": "top",
        "operation": "track:import",
        "user_id": "u",
        "retry_count": 2,
        "above": [],
    }
    for data in (None, "text", {"llamactl": "text"}, {"llamactl": None}, {"llamactl": {"job_id": None}}):
        assert context_from_bullmq(job(data=data)).get("root_job_id") is None


def test_a_flow_is_not_changed_and_keeps_what_it_has() -> None:
    flow = album_flow({"opts": {"jobId": "t", "attempts": 3}, "prefix": "p"})
    described = flow_for_bullmq(flow)
    assert flow == album_flow({"opts": {"jobId": "t", "attempts": 3}, "prefix": "p"})
    enrichment = described["children"][0]
    track = enrichment["children"][0]
    assert (track["opts"], track["prefix"]) == ({"jobId": "t", "attempts": 3}, "p")
    context = track["data"]["llamactl"]
    assert [above["operation"] for above in context["above"]] == ["album:enrich", "album:import"]
    assert [above["entity_type"] for above in context["above"]] == ["ALBUM", "ALBUM"]
    assert context["parent_job_id"] == enrichment["opts"]["jobId"] == enrichment["data"]["llamactl"]["job_id"]
    assert context["root_job_id"] == described["opts"]["jobId"]
    below = flow_for_bullmq({**album_flow({}), "opts": {"parent": {"id": "17", "queue": "bull:charts"}}})
    assert below["data"]["llamactl"]["parent_job_id"] == "17"
    roots = {node["data"]["llamactl"].get("root_job_id") for node in (below, *below["children"])}
    assert roots == {None}, "it is that of job 17, which the log knows"
    with refused(ErrorCode.USAGE, "'track:import' is not an object"):
        flow_for_bullmq(album_flow({"data": ["a list"]}))
