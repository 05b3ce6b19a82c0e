"""How long a single INSERT takes beside an online migration, and without one.

Another session inserts a row in a transaction of its own, waits, and inserts the next. The rows are those of
guard_cost.py: a child under each of many roots.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from threading import Event, Thread

import guard_cost
import psycopg
from lab import Lab
from meter import run_command

PAUSE = 0.005  # seconds between two rows
QUIET = 5.0  # seconds of inserts without a migration
COLUMNS = guard_cost.COLUMNS[1:-1]
"""The key has a default, and the root column does not exist yet."""


def compare(lab: Lab) -> list[tuple[str, str]]:
    """Prints the latencies and returns them: what was measured, and the figures."""
    database = lab.copy("latency")
    conninfo = lab.server.conninfo(database)
    quiet = _while(conninfo, lambda: time.sleep(QUIET))
    online = _while(conninfo, lambda: run_command("migrate", "--online", "--yes")(conninfo))
    lab.drop(database)
    rows = [
        ("A single insert, without a migration", _told(quiet)),
        ("A single insert beside `migrate --online`", _told(online)),
    ]
    for name, figures in rows:
        print(f"{name}: {figures}", flush=True)
    return rows


def _while(conninfo: str, work: Callable[[], object]) -> list[float]:
    """Returns the milliseconds of each INSERT during the work."""
    taken: list[float] = []
    failed: list[Exception] = []
    done = Event()

    def insert() -> None:
        try:
            _insert(conninfo, taken, done)
        except Exception as exc:
            failed.append(exc)

    thread = Thread(target=insert, daemon=True)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    if failed:
        raise failed[0]
    return taken


def _insert(conninfo: str, taken: list[float], done: Event) -> None:
    places = ", ".join(["%s"] * len(COLUMNS))
    statement = f'INSERT INTO "LlamaLog" ({", ".join(COLUMNS)}) VALUES ({places})'.encode()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        roots = guard_cost.fresh(connection, "latency", given=False)
        job = COLUMNS.index("job_id")
        for number, row in enumerate(itertools.cycle(roots)):
            values = [*row[1:-1]]
            values[job] = f"{values[job]}-{number}"
            if done.wait(PAUSE):
                return
            begun = time.monotonic()
            connection.execute(statement, values)
            taken.append(1000 * (time.monotonic() - begun))


def _told(taken: list[float]) -> str:
    p99 = statistics.quantiles(taken, n=100)[98]
    return (
        f"median {statistics.median(taken):.1f} ms, 99th percentile {p99:.1f} ms, "
        f"longest {max(taken):,.0f} ms ({len(taken):,} rows)"
    )
