"""The CPU seconds of a command's start: `llamactl --help`, and `llamactl verify` on an empty table.

python benchmarks/startup_cost.py
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import psycopg
from lab import LOG_TABLE, SERVER
from meter import Client, Meter, run_command, run_llamactl
from rich.console import Console
from rich.table import Table

from llamactl.postgres.server import PrivatePostgres

ROUNDS = 10


def compare(server: PrivatePostgres) -> list[tuple[str, str]]:
    """Prints the table, and returns the medians."""
    database = "empty"
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {database}".encode())
    with psycopg.connect(server.conninfo(database), autocommit=True) as connection:
        connection.execute(LOG_TABLE.read_bytes())
    run_llamactl("migrate", "--yes", "--dsn", server.conninfo(database))
    runs: dict[str, Callable[[str], Client]] = {
        "llamactl --help": lambda _: run_llamactl("--help"),
        "llamactl verify, empty table": run_command("verify"),
    }
    meter = Meter(server)
    costs = [{name: meter.measure(database, run) for name, run in runs.items()} for _ in range(ROUNDS)]
    table = Table(title=f"CPU seconds from start to end (median of {ROUNDS})")
    for head in ("", "all", "client", "server", "wall s"):
        table.add_column(head, justify="left" if not head else "right")
    medians = {}
    for name in runs:
        found = [round_[name] for round_ in costs]
        medians[name] = statistics.median(cost.cpu for cost in found)
        parts = ([cost.client_cpu for cost in found], [cost.server_cpu for cost in found])
        figures = [medians[name], *map(statistics.median, parts), statistics.median(c.wall for c in found)]
        table.add_row(name, *(f"{figure:.2f}" for figure in figures))
    Console(width=100).print(table)
    return [
        ("CPU of `llamactl --help`", f"{medians['llamactl --help']:.2f} s"),
        ("CPU of `verify` on an empty table", f"{medians['llamactl verify, empty table']:.2f} s"),
    ]


if __name__ == "__main__":
    with PrivatePostgres(settings=SERVER) as private:
        compare(private)
