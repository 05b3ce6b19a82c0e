"""The examples do what they say, also when many do it at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from album_import import RELEASES, UNIQUE_KEYS, import_all
from conftest import every_bin
from cutting import migrate_here, run_here
from logging_jobs import rows_of, wrong_roots
from pages import CHECKOUT

EXAMPLES = CHECKOUT / "examples"
PROCESSES, ARTISTS = 8, 1000


@pytest.fixture
def shop(database: str, connection: psycopg.Connection[Any]) -> str:
    """The demo's tables with unique keys, the log migrated: conninfo."""
    connection.execute(UNIQUE_KEYS)
    assert migrate_here(database).code == 0
    return database


def categories(dsn: str) -> Counter[tuple[str, str, str]]:
    return Counter((row["entity_type"], row["category"], row["status"]) for row in rows_of(dsn))


def in_table(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as connection:
        (rows,) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone() or (0,)
    return int(rows)


def test_albums_are_imported_with_a_row_for_each_thing(shop: str) -> None:
    import_all(shop, RELEASES)
    tracks = [track for release in RELEASES for track in release.tracks]
    by_artist = [name for release in RELEASES if (name := release.artist)]
    named = [name.lower() for name in by_artist + [name for track in tracks for name in track.featured]]
    assert len(named) > len(set(named)) > 20
    assert categories(shop) == {
        ("ALBUM", "CREATED", "SUCCESS"): 12,
        ("ALBUM", "ENRICHED", "SUCCESS"): 12,
        ("TRACK", "CREATED", "SUCCESS"): len(tracks) - 1,
        ("TRACK", "FAILED", "FAILED"): 1,
        ("ARTIST", "CREATED", "SUCCESS"): len(set(named)),
        ("ARTIST", "LINKED", "SUCCESS"): len(named) - len(set(named)),
        ("ARTIST", "FAILED", "NO_DATA_AVAILABLE"): 1,
    }
    assert (in_table(shop, "artists"), in_table(shop, "tracks")) == (len(set(named)), len(tracks) - 1)
    (failed,) = [row for row in rows_of(shop) if row["status"] == "FAILED"]
    assert failed["error_code"] == psycopg.errors.NotNullViolation.sqlstate
    assert failed["metadata"] == {"attemptedData": {"position": 4, "title": None}}
    assert sum(row["is_root_job"] for row in rows_of(shop)) == 13  # what is missing is of the album's own job
    assert wrong_roots(shop) == []
    assert run_here("verify", "--grace", "0s", "--dsn", shop).code == 0


TREE = """
album:import CREATED ALBUM
├── artist:import CREATED ARTIST
└── album:enrich ENRICHED ALBUM
    ├── track:import CREATED TRACK
    ├── track:import CREATED TRACK
    │   └── artist:import CREATED ARTIST
    ├── track:import CREATED TRACK
    │   └── artist:import CREATED ARTIST
    ├── track:import FAILED TRACK
    └── track:import CREATED TRACK
        └── artist:import LINKED ARTIST
"""


def test_the_program_shows_what_an_album_caused() -> None:
    if not every_bin():
        pytest.skip("there are no binaries for a private server")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src"), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "album_import.py")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "12 albums imported: 95 rows in the log, 0 lost" in done.stdout
    jobs = re.findall(r"^([ │├└─]*)[✔✘] (\w+:\w+) +([A-Z]+) +([A-Z]+) ", done.stdout, re.MULTILINE)
    assert "\n".join(f"{guides}{' '.join(words)}" for guides, *words in jobs) == TREE.strip()
    assert "OK: 11 checks." in done.stdout


CHART = """
import sys

import psycopg

from album_import import import_artist
from llamactl.logger import Entity, LlamaLogger

dsn, number, artists = sys.argv[1:]
with psycopg.connect(dsn, autocommit=True) as connection, LlamaLogger(dsn) as logger:
    print("ready", flush=True)
    sys.stdin.readline()
    with logger.root("chart:import", Entity("ALBUM"), job_id=f"chart-{number}") as chart:
        for artist in range(int(artists)):
            import_artist(logger, connection, f"Artist {artist}", chart, chart.entity)
"""


@pytest.mark.slow
def test_of_8_workers_that_import_the_same_artists_one_creates_each(shop: str) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT / 'src'}:{EXAMPLES}"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-c", CHART, shop, str(number), str(ARTISTS)], **pipes)
            )
            for number in range(PROCESSES)
        ]
        assert {worker.stdout.readline() for worker in workers} == {"ready\n"}
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        assert [worker.wait(120) for worker in workers] == [0] * PROCESSES
    assert in_table(shop, "artists") == ARTISTS
    rows = rows_of(shop)
    created = [row["entity_id"] for row in rows if row["category"] == "CREATED"]
    assert len(created) == len(set(created)) == ARTISTS
    assert categories(shop) == {
        ("ARTIST", "CREATED", "SUCCESS"): ARTISTS,
        ("ARTIST", "LINKED", "SUCCESS"): (PROCESSES - 1) * ARTISTS,
        ("ALBUM", "ENRICHED", "SKIPPED"): PROCESSES,  # they open the charts, which have no row of their own
    }
    # In a race every worker wins some: else they would not have met.
    assert len({row["root_job_id"] for row in rows if row["category"] == "CREATED"}) > 1
    assert wrong_roots(shop) == []
