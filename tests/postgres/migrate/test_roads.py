"""By every road the same: dry run, update, and the script run by psql, each equal to the oracle."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cutting import Connection, dated_rows, dump, nothing_left, quick_look, run_here
from oracle import ALL_OPTIONS, Options
from roads import LOGS, Case, Log, copies, make_case
from servers import Server

Travel = Callable[..., None]


@pytest.fixture
def travel(psql: Path, pg_tool: Callable[[str], Path]) -> Travel:
    """A function: by every road, on a server, for a seed."""

    def by_every_road(
        server: Server, log: Log, seed: int, options: Options, filled: bool, graphs: int = 15
    ) -> None:
        with copies(server) as copy:
            origin = copy(server.template)
            case = make_case(server.conninfo(origin), log, seed, options, filled, graphs)
            migrate(case, server.conninfo(origin), "--dry-run")
            schemas = []
            for road in (update, script(psql)):
                dsn = server.conninfo(copy(origin))
                road(case, dsn)
                case.holds(dsn)
                case.verified(dsn)
                schemas.append(dump(pg_tool("pg_dump"), dsn, "-s"))
            assert schemas == [schemas[0]] * 2

    return by_every_road


def migrate(case: Case, dsn: str, *arguments: str) -> None:
    done = run_here("migrate", "--dsn", dsn, "--format", "json", *arguments, *case.flags)
    assert done.code == 0, done.err
    assert json.loads(done.out)["counts"] == case.counts


def update(case: Case, dsn: str) -> None:
    migrate(case, dsn, "--yes")


def script(psql: Path) -> Callable[[Case, str], None]:
    def road(case: Case, dsn: str) -> None:
        text = run_here("sql", "--dsn", dsn, *case.flags)
        assert text.code == 0, text.err
        command = [psql, "-X", "-q", "-d", dsn, "-f", "-"]
        done = subprocess.run(command, input=text.out, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    return road


@pytest.mark.parametrize("filled", [False, True], ids=["bare", "partly filled"])
@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.label)
def test_every_road(travel: Travel, server: Server, log: Log, filled: bool) -> None:
    """Each of the four options at least twice; the long test has them all."""
    number = 2 * LOGS.index(log) + filled
    travel(server, log, 20 + number, ALL_OPTIONS[number % 4], filled)


def test_every_road_on_every_version(travel: Travel, each_server: Server) -> None:
    odd = next(log for log in LOGS if log.label == "odd")
    travel(each_server, odd, 7, Options(), filled=True)


def test_a_script_that_stops_at_any_step(
    database: str, connection: Connection, insert: Callable[[Any], None], psql: Path
) -> None:
    """Psql cut off at each step, and stopped by an error at each: the table is as it was."""
    insert(dated_rows())
    text = run_here("sql", "--dsn", database).out
    before = quick_look(connection)
    first, *steps = text.split("-- Step: ")
    assert len(steps) > 8
    for number in range(1, len(steps) + 1):
        begun = "-- Step: ".join([first, *steps[:number]]).removesuffix("COMMIT;\n")
        for ending, code in (("", 0), ("SELECT 1 / 0;\nCOMMIT;\n", 3)):
            command = [psql, "-X", "-q", "-d", database, "-f", "-"]
            done = subprocess.run(command, input=begun + ending, capture_output=True, text=True)
            assert done.returncode == code
            nothing_left(connection)
            assert quick_look(connection) == before


@pytest.mark.slow
@pytest.mark.parametrize("options", ALL_OPTIONS, ids=str)
@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.label)
def test_every_road_many_times(travel: Travel, server: Server, log: Log, options: Options) -> None:
    for filled in (False, True):
        travel(server, log, 100 + filled, options, filled, graphs=60)
