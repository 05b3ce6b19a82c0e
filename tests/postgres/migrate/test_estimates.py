"""How long the steps will take: each has a range, which fits what they then take, and the prompt gives it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from cutting import run_here
from llamactl.migrate.estimates import CATALOGS_ONLY, Workload, blocked_seconds, estimate
from llamactl.model import Blocks, Estimate, Step
from llamactl.wording import about, span
from terminals import on_a_terminal

WORK = Workload(
    rows=1_000_000,
    missing=900_000,
    cleared=1000,
    heap_bytes=600_000_000,
    indexes=11,
    columns=20,
    resolve_seconds=4.0,
)
ROWS = """
INSERT INTO "LlamaLog" (entity_type, operation, category, status, job_id, parent_job_id, is_root_job)
SELECT 'ALBUM', 'ENRICH', 'ENRICHED', 'SUCCESS', 'job ' || i,
       CASE WHEN i % 10 > 0 THEN 'job ' || (i - i % 10) END, i % 1000 = 1
FROM generate_series(10, 8009) AS i
"""


def run_json(dsn: str, *words: str) -> dict[str, Any]:
    done = run_here(*words, "--format", "json", "--dsn", dsn)
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


def test_what_takes_time_is_estimated(database: str, connection: psycopg.Connection[Any]) -> None:
    connection.execute(ROWS.encode())
    for words in [("migrate",), ("undo",), ("migrate", "--online"), ("undo",)]:
        planned = run_json(database, *words, "--dry-run")
        assert words == ("undo",) or planned["counts"]["filled"] == 8000
        done = run_json(database, *words, "--yes")
        ranges = {step["name"]: step["estimate_seconds"] for step in planned["steps"]}
        for step in done["steps"]:
            low, high = ranges[step["name"]]["low"], ranges[step["name"]]["high"]
            assert 0 <= low < high
            if step["seconds"] > 0.1 and step["name"] != "lock":
                assert low / 30 <= step["seconds"] <= high * 30, (step, ranges)
        low, high = planned["blocked_estimate_seconds"].values()
        assert low / 30 <= done["blocked_seconds"] <= high * 30


def test_the_prompt_the_plan_and_the_json_agree(
    database: str, connection: psycopg.Connection[Any], cli_env: Mapping[str, str]
) -> None:
    connection.execute(ROWS.encode())
    found = r"(?:up to|about [\d.]+ to) [\d.]+ s\."
    code, shown = on_a_terminal(cli_env, ["migrate", "--dsn", database], answer="n\n")
    assert code == 130
    assert re.search(rf"8,000 rows\? Nobody can read or write the table for {found} \[y/N\]", shown)
    dry_run = run_here("migrate", "--dry-run", "--dsn", database).out
    assert re.search(rf"^The table will be blocked for {found}$", dry_run, re.MULTILINE)
    steps = re.findall(r"^  ([a-z ]+?) +(?:\w+Lock|-) +(?:all|writes|none) +(.*)$", dry_run, re.MULTILINE)
    assert {"resolve", "fill", "check rows", "create index", "analyze"} <= {name for name, _ in steps}
    assert all(re.fullmatch(r"(?:up to|[\d.]+ to) [\d.]+|[\d.]+", seconds) for _, seconds in steps), steps


@pytest.mark.parametrize("online", [False, True])
def test_what_grows_with_the_rows_grows_with_the_pace(online: bool) -> None:
    slow = Workload(**{**{name: getattr(WORK, name) for name in WORK.__slots__}, "resolve_seconds": 12.0})
    for step in ("resolve", "fill", "prove", "create_index", "validate_check", "analyze", "last_pass"):
        here, there = estimate(step, WORK, online=online), estimate(step, slow, online=online)
        assert 0.1 < here.low < here.high
        assert 2.8 < there.low / here.low < 3.2
    for step in CATALOGS_ONLY:
        assert estimate(step, WORK, online=online).low == 0


def test_a_deep_chain_is_no_slow_server() -> None:
    deep = Workload(**{**{name: getattr(WORK, name) for name in WORK.__slots__}, "resolve_seconds": 9000.0})
    assert deep.pace == 5
    assert Workload(10, 10, 0, 8192, 1, 20, 0.0).pace == 0.2


def test_what_blocks_is_added_up() -> None:
    def step(name: str, blocks: Blocks, low: float, high: float) -> Step:
        return Step(name, "", "", blocks, Estimate(low, high))

    steps = [
        step("lock", Blocks.ALL, 0, 0.1),
        step("fill", Blocks.ALL, 1, 4),
        step("create_guard", Blocks.WRITES, 0, 0.1),
        step("create_index", Blocks.NONE, 50, 60),
    ]
    assert blocked_seconds(steps) == Estimate(1, 4.1)


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0, 0.1, "up to 0.1 s"),
        (0.04, 0.1, "up to 0.1 s"),
        (0.06, 0.2, "about 0.1 to 0.2 s"),
        (4.0, 9.0, "about 4 to 9 s"),
        (3.84, 12.8, "about 3.8 to 13 s"),
        (45, 150, "about 45 to 150 s"),
        (2.01, 2.04, "about 2 s"),
        (200, 660, "about 3.3 to 11 min"),
        (1.0, 3000.0, "up to 50 min"),
        (30_000, 90_000, "about 500 to 1,500 min"),
    ],
)
def test_a_range_in_words(low: float, high: float, shown: str) -> None:
    assert about(Estimate(low, high)) == shown
    assert span(Estimate(0, 0.1)) == "up to 0.1"
