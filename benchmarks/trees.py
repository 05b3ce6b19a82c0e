"""How long llamactl tree takes, piped, and what memory: the first line, and all of them.

    python benchmarks/trees.py [--large]

A root of 100,000 jobs and a chain of 5,000, before the migration and after it; `--large`: 1,000,000 jobs too.
Of the log's indexes the one on parent_job_id stands: the tree uses no other. The time is that of the whole
command, from its start.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from meter import Client, Meter
from rich.console import Console
from rich.table import Table

import llamactl
from llamactl.postgres.server import PrivatePostgres

LOG_TABLE = Path(llamactl.__file__).parent / "demo" / "log_table.sql"
ROWS = """
INSERT INTO "LlamaLog" ("id", "entity_type", "entity_id", "operation", "category", "status", "duration_ms",
  "error_message", "job_id", "parent_job_id", "is_root_job", "created_at")
SELECT gen_random_uuid(), 'TRACK', gen_random_uuid(), 'track:created:enrichment',
  (CASE WHEN n %% 1000 = 999 THEN 'FAILED' ELSE 'CREATED' END)::"LlamaLogCategory",
  (CASE WHEN n %% 1000 = 999 THEN 'FAILED' ELSE 'SUCCESS' END)::"LlamaLogStatus", 20 + n %% 400,
  CASE WHEN n %% 1000 = 999 THEN '503 from musicbrainz after 3 tries' END,
  'track-create-' || md5(n::text), CASE WHEN n > 0 THEN 'track-create-' || md5(((n - 1) / %s)::text) END,
  n = 0, timestamp '2025-06-01' + n * interval '31 ms'
FROM generate_series(0, %s - 1) AS n
"""
OTHER_INDEXES = """
SELECT indexrelid::regclass::text FROM pg_index
WHERE indrelid = '"LlamaLog"'::regclass AND NOT indisprimary
  AND pg_get_indexdef(indexrelid) NOT LIKE '%(parent_job_id)'
"""
ROOT = "track-create-cfcd208495d565ef66e7dff9f98764da"
# Jobs, and how many are below each.
SHAPES = {"100,000 jobs": (100_000, 9), "chain of 5,000": (5_000, 1)}
LARGE = {"1,000,000 jobs": (1_000_000, 9)}


def compare(server: PrivatePostgres, shapes: dict[str, tuple[int, int]] = SHAPES) -> list[tuple[str, str]]:
    """Prints the table, and returns how long it takes after the migration."""
    table = Table(title=f"llamactl tree, piped, Postgres {server.version}, {os.cpu_count()} cores")
    for head in ("", "first line s", "all s", "CPU s", "lines", "MB"):
        table.add_column(head, justify="left" if not head else "right")
    meter, printed = Meter(server), []
    for number, (name, (jobs, below)) in enumerate(shapes.items()):
        database = f"trees_{number}"
        with psycopg.connect(server.conninfo(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {database}".encode())
        with psycopg.connect(server.conninfo(database), autocommit=True) as connection:
            connection.execute(LOG_TABLE.read_bytes())
            for (index,) in connection.execute(OTHER_INDEXES.encode()).fetchall():
                connection.execute(f"DROP INDEX {index}".encode())
            connection.execute(ROWS.encode(), [below, jobs])
            connection.execute("VACUUM ANALYZE")
            table.add_row(name, *timed(meter, database))
            add = f"""ALTER TABLE "LlamaLog" ADD "root_job_id" varchar(100) DEFAULT '{ROOT}'"""
            connection.execute(add.encode())
            connection.execute('CREATE INDEX ON "LlamaLog" ("root_job_id")')
            connection.execute("VACUUM ANALYZE")
            cells = timed(meter, database)
            table.add_row(f"{name}, migrated", *cells)
            printed.append((f"Printing a tree, {name}, with [tree](tree.md)", f"{cells[1]} s"))
    Console(width=100).print(table)
    return printed


def timed(meter: Meter, database: str) -> tuple[str, ...]:
    """Seconds to the first line and to the last, CPU seconds, lines, and MB at the peak."""
    first, lines = 0.0, 0

    def print_tree(conninfo: str) -> Client:
        nonlocal first, lines
        words = [sys.executable, "-m", "llamactl", "tree", ROOT, "--dsn", conninfo]
        begun = time.monotonic()
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.readline()
        first = time.monotonic() - begun
        lines = 1 + sum(1 for _ in process.stdout)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit("llamactl tree failed")
        return Client(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3)

    cost = meter.measure(database, print_tree)
    return f"{first:.1f}", f"{cost.wall:.1f}", f"{cost.cpu:.1f}", f"{lines:,}", f"{cost.client_mb:.0f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="1,000,000 jobs too")
    arguments = parser.parse_args()
    with PrivatePostgres(settings={"autovacuum": "off", "fsync": "off", "max_wal_size": "8GB"}) as private:
        compare(private, SHAPES | LARGE if arguments.large else SHAPES)
