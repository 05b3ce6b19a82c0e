"""Times llamactl beside plain SQL, in one run on one machine, so that the ratios hold where seconds do not.

    python benchmarks/bench.py [--rows 1000000] [--rounds 1] [--only NAME ...]

A private, durable Postgres; a log shaped like the real one (rows.sql) with its 11 indexes and foreign keys; a
copy of the database for each contender. Prints a table, and appends a line of JSON to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import guard_cost
import logger_speed
import psycopg
import timeline_cost
import trees
from rich.console import Console
from rich.table import Table

import llamactl
from llamactl.postgres.server import PrivatePostgres

HERE = Path(__file__).parent
LOG_TABLE = Path(llamactl.__file__).parent / "demo" / "log_table.sql"
SERVER = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "autovacuum": "off"}
"""Else the defaults, fsync included. No checkpoint or autovacuum falls into one contender and not another."""


BARE = "bare UPDATE"
"""What all others are compared with: run first and last in each round, since machines change their pace."""


@dataclass(frozen=True)
class Measured:
    """One run of one contender."""

    name: str
    seconds: float
    wal_mb: float
    size_ratio: float
    """The table with its indexes, after to before."""
    client_mb: float | None
    """Peak resident memory of the client process."""


class Bench:
    def __init__(self, server: PrivatePostgres, rows: int) -> None:
        self.server = server
        self.rows = rows

    def load(self) -> None:
        """Makes the database that is copied for each contender."""
        self._admin("CREATE DATABASE base")
        with psycopg.connect(self.server.conninfo("base"), autocommit=True) as connection:
            connection.execute(LOG_TABLE.read_bytes())
            indexes = connection.execute(
                "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
                """WHERE indrelid = '"LlamaLog"'::regclass AND NOT indisprimary"""
            ).fetchall()
            for name, _ in indexes:
                connection.execute(f"DROP INDEX {name}".encode())
            text = (
                (HERE / "rows.sql").read_text().replace("%(albums)s", str(self.rows // 9)).replace("%%", "%")
            )
            connection.execute(text.encode())
            connection.execute("SET maintenance_work_mem = '512MB'")
            for _, definition in indexes:
                connection.execute(definition.encode())
            connection.execute("VACUUM ANALYZE")

    def measure(
        self, name: str, contender: Callable[[str], float | None], prepared: str = "base"
    ) -> Measured:
        """Runs a contender on a fresh copy of a database."""
        database = self.keep(name)
        self._admin(f"DROP DATABASE IF EXISTS {database}")
        self._admin(f"CREATE DATABASE {database} TEMPLATE {prepared} STRATEGY file_copy")
        self._admin("CHECKPOINT")
        before, wal = self._size(database), self._wal()
        begun = time.monotonic()
        client_mb = contender(self.server.conninfo(database))
        seconds = time.monotonic() - begun
        return Measured(name, seconds, (self._wal() - wal) / 1e6, self._size(database) / before, client_mb)

    def script(self, file: str) -> Callable[[str], None]:
        """A contender that is a SQL file, in one transaction."""

        def run(conninfo: str) -> None:
            with psycopg.connect(conninfo) as connection:
                connection.execute((HERE / file).read_bytes())

        return run

    def command(self, *arguments: str, exit_code: int = 0) -> Callable[[str], float]:
        """A contender that is a llamactl command. Gives the process's peak memory in MB."""

        def run(conninfo: str) -> float:
            with tempfile.TemporaryFile() as output:
                pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, "-m", "llamactl", *arguments, "--dsn", conninfo],
                    {**os.environ, "NO_COLOR": "1"},
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                        (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
                    ],
                )
                _, status, usage = os.wait4(pid, 0)
                if os.waitstatus_to_exitcode(status) != exit_code:
                    output.seek(0)
                    raise SystemExit(f"llamactl {' '.join(arguments)} failed:\n{output.read().decode()}")
            return usage.ru_maxrss / 1e3  # kB on Linux

        return run

    def keep(self, name: str) -> str:
        """The database that a contender left, for others to start from."""
        return f"run_{name.replace(' ', '_').lower()}"

    def vacuumed(self, name: str) -> str:
        """The same, as autovacuum would leave it: else its first reader writes hint bits for all rows."""
        with psycopg.connect(self.server.conninfo(self.keep(name)), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        return self.keep(name)

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _number(self, database: str, query: str) -> int:
        with psycopg.connect(self.server.conninfo(database)) as connection:
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            return int(row[0])

    def _size(self, database: str) -> int:
        return self._number(database, """SELECT pg_total_relation_size('"LlamaLog"')""")

    def _wal(self) -> int:
        return self._number("postgres", "SELECT pg_current_wal_lsn() - '0/0'")


def contenders(bench: Bench) -> dict[str, Callable[[], Measured]]:
    """By name, in the order of the run."""
    return {
        BARE: lambda: bench.measure(BARE, bench.script("bare.sql")),
        "recursive backfill": lambda: bench.measure("recursive backfill", bench.script("recursive.sql")),
        "dry run": lambda: bench.measure("dry run", bench.command("migrate", "--dry-run")),
        "preflight": lambda: bench.measure("preflight", bench.command("preflight")),
        "update": lambda: bench.measure("update", bench.command("migrate", "--yes")),
        "online": lambda: bench.measure("online", bench.command("migrate", "--online", "--yes")),
        "verify": lambda: bench.measure("verify", bench.command("verify"), bench.vacuumed("update")),
    }


def show(rounds: list[list[Measured]], rows: int, version: str) -> None:
    """Prints medians, and ratios to the bare UPDATE of the same round: the mean of those at its ends."""
    table = Table(
        title=f"{rows:,} rows, 11 indexes, Postgres {version}, {os.cpu_count()} cores, {len(rounds)} round(s)"
    )
    for head in ("", "seconds", "ratio", "WAL MB", "size after", "client MB"):
        table.add_column(head, justify="left" if not head else "right")
    bare = [statistics.mean(one.seconds for one in measured if one.name == BARE) for measured in rounds]
    for name in dict.fromkeys(one.name for one in rounds[0]):
        runs = [one for measured in rounds for one in measured if one.name == name]
        ratios = [
            one.seconds / base
            for measured, base in zip(rounds, bare, strict=True)
            for one in measured
            if one.name == name
        ]
        client = [run.client_mb for run in runs if run.client_mb is not None]
        table.add_row(
            name,
            f"{statistics.median(run.seconds for run in runs):.1f}",
            f"{statistics.median(ratios):.2f}",
            f"{statistics.median(run.wal_mb for run in runs):.0f}",
            f"{statistics.median(run.size_ratio for run in runs):.2f}x",
            f"{max(client):.0f}" if client else "",
        )
    Console(width=100).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--only", nargs="*", help="contenders, or tree, or timeline (the bare UPDATE runs always)"
    )
    arguments = parser.parse_args()
    with PrivatePostgres(settings=SERVER) as server:
        bench = Bench(server, arguments.rows)
        print(f"Loading {arguments.rows:,} rows into Postgres {server.version} ...", flush=True)
        bench.load()
        rounds = []
        for number in range(1, arguments.rounds + 1):
            measured = []
            runs = contenders(bench)
            for name in (*(name for name in runs if name in (arguments.only or runs) or name == BARE), BARE):
                measured.append(runs[name]())
                print(f"round {number}: {name}: {measured[-1].seconds:.1f} s", flush=True)
            rounds.append(measured)
        show(rounds, arguments.rows, server.version)
        if any(one.name == "online" for one in rounds[-1]):
            guard_cost.compare(server.conninfo(bench.keep("online")))
        if not arguments.only or "tree" in arguments.only:
            trees.compare(server)
        if any(one.name == "update" for one in rounds[-1]):
            logger_speed.compare(server.conninfo(bench.keep("update")))
        results = HERE / "results"
        results.mkdir(exist_ok=True)
        record = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "rows": arguments.rows,
            "server": server.version,
            "python": platform.python_version(),
            "rounds": [[asdict(one) for one in measured] for measured in rounds],
        }
        if not arguments.only or "timeline" in arguments.only:
            record["timeline"] = timeline_cost.measure()
        with (results / "bench.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
