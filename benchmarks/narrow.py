"""How the cost of dry run and verify grows with the table: 1,000,000 narrow rows beside many more.

The table has the columns that llamactl needs and no others. Each database has it twice: without roots for the
dry run, with them for verify.
"""

from __future__ import annotations

import statistics

from lab import Lab
from meter import run_command

SMALL = 1_000_000
ROUNDS = 3
_CREATE = """
CREATE TABLE "{table}" ("id" bigint PRIMARY KEY, "job_id" varchar(100), "parent_job_id" varchar(100),
  "root_job_id" varchar(100), "created_at" timestamp NOT NULL)
"""
# 9 rows an album, as in rows.sql.
_ROWS = """
INSERT INTO "{table}"
SELECT n, 'job-' || md5(n::text),
  CASE WHEN n %% 9 BETWEEN 1 AND 3 THEN 'job-' || md5((n - n %% 9)::text)
       WHEN n %% 9 > 3 THEN 'job-' || md5((n - n %% 9 + 3)::text) END,
  CASE WHEN %s THEN 'job-' || md5((n - n %% 9)::text) END, timestamp '2025-06-01' + n * interval '1 second'
FROM generate_series(0, %s - 1) AS n
"""
TABLES = {"Narrow": False, "NarrowMigrated": True}
"""Whether its roots are filled in."""
COMMANDS = {
    "dry run": ("migrate", "--dry-run", "--table", "Narrow"),
    "verify": ("verify", "--table", "NarrowMigrated", "--fail-on", "never"),
}


def compare(lab: Lab, rows: int) -> None:
    """Prints the CPU seconds of both sizes and their ratio, round by round."""
    databases = {_load(lab, count): count for count in (SMALL, rows)}
    ratios: dict[str, list[float]] = {}
    for number in range(1, ROUNDS + 1):
        for name, words in COMMANDS.items():
            costs = {
                count: lab.meter.measure(database, run_command(*words))
                for database, count in databases.items()
            }
            ratios.setdefault(name, []).append(costs[rows].cpu / costs[SMALL].cpu)
            told = ", ".join(
                f"{count:,} rows {cost.cpu:.1f} s CPU, {cost.temp_mb:.0f} MB temp disk, "
                f"client {cost.client_mb or 0:.0f} MB"
                for count, cost in costs.items()
            )
            print(f"round {number}: {name}: {told}: ratio {ratios[name][-1]:.2f}", flush=True)
    for name, found in ratios.items():
        print(
            f"{name}: {rows / SMALL:g} times the rows cost {statistics.median(found):.2f} times the CPU "
            f"({min(found):.2f} to {max(found):.2f})"
        )


def _load(lab: Lab, rows: int) -> str:
    """Creates a database with so many rows, and returns its name."""
    database = f"narrow_{rows}"
    print(f"Loading {rows:,} narrow rows ...", flush=True)
    lab.admin(f"CREATE DATABASE {database}")
    with lab.connect(database) as connection:
        for table, filled in TABLES.items():
            connection.execute(_CREATE.format(table=table).encode())
            connection.execute(_ROWS.format(table=table).encode(), [filled, rows])
        connection.execute("VACUUM ANALYZE")
    return database
