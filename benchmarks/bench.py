"""Measures llamactl beside plain SQL, in alternating rounds of one run: ratios hold where seconds do not.

    python benchmarks/bench.py [--rows 1000000] [--rounds 3] [--only NAME ...] [--narrow 10000000]

The measure is the CPU seconds of all server processes and of the client; then wall time, WAL, temporary disk
and the size of the table. The server is a private, durable Postgres (lab.py). Each round runs every contender
on a fresh copy of the same database. Prints tables, and appends a line of JSON to benchmarks/results/. A run
of all contenders, with at least 3 rounds and 1,000,000 rows, writes the tables of docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import textwrap
import time
from dataclasses import asdict

import figures
import guard_cost
import insert_latency
import logger_speed
import narrow
import startup_cost
import timeline_cost
import trees
import wrong_statistics
from figures import BARE, Run
from lab import BASE, HERE, Lab, loaded
from meter import run_command, run_script
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup
from typer.main import get_command

from llamactl.cli.commands import app
from llamactl.model.words import plural

PUBLISHED = (1_000_000, 3)
"""Rows and rounds from which on the page is written."""
MIGRATED, ONLINE = "migrated", "online"
"""The databases that two contenders leave for others."""
WRITERS = {
    BARE: ("bare", run_script(HERE / "bare.sql")),
    "migrate": (MIGRATED, run_command("migrate", "--yes")),
    "migrate --keep-indexes": ("kept", run_command("migrate", "--keep-indexes", "--yes")),
    "migrate --online": (ONLINE, run_command("migrate", "--online", "--yes")),
}
"""The contenders that change a fresh copy: its name, and what they do."""
READERS = {
    "dry run": (BASE, run_command("migrate", "--dry-run")),
    "verify": (MIGRATED, run_command("verify")),
    "preflight": (BASE, run_command("preflight")),
}
"""The contenders that only read a database."""
NEEDED = {
    **dict.fromkeys(("verify", "statistics", "logger"), "migrate"),
    "guard": "migrate --online",
}
"""The contenders whose databases others use."""
OTHERS = ("statistics", "latency", "guard", "logger", "tree", "startup", "timeline")
"""The measurements after the rounds."""


def contenders(only: list[str] | None) -> list[str]:
    """Returns the names in the order of a round: all that this version has, or the chosen ones."""
    program = get_command(app)
    assert isinstance(program, TyperGroup)
    options = {word for option in program.commands["migrate"].params for word in option.opts}
    have = [name for name in figures.TITLES if "--" not in name or f"--{name.partition('--')[2]}" in options]
    wanted = {BARE, *(only or have), *(NEEDED[name] for name in only or () if name in NEEDED)}
    return [name for name in have if name in wanted]


def run_round(lab: Lab, names: list[str]) -> dict[str, Run]:
    """Runs each contender once. What it leaves stays until the next round."""
    before = lab.size(BASE)
    found = {}
    for name in names:
        if name in WRITERS:
            database, work = WRITERS[name]
            lab.copy(database)
        else:
            database, work = READERS[name]
        if database == MIGRATED and name in READERS:
            lab.vacuum(MIGRATED)
        lab.admin("CHECKPOINT")
        cost = lab.meter.measure(database, work)
        size = lab.size(database) / before if name in WRITERS else 1.0
        found[name] = Run(**asdict(cost), size_ratio=size)
        print(f"  {name}: {cost.cpu:.1f} s CPU, {cost.wall:.1f} s", flush=True)
    return found


def measure_others(lab: Lab, names: list[str]) -> list[tuple[str, str]]:
    """Runs the measurements beside the rounds, whose last databases some of them use."""
    found: list[tuple[str, str]] = []
    if "latency" in names:
        found += insert_latency.compare(lab)
    if "statistics" in names:
        found += wrong_statistics.compare(lab, MIGRATED)
    if "guard" in names:
        found += guard_cost.compare(lab.server.conninfo(ONLINE))
    if "logger" in names:
        found += logger_speed.compare(lab.server.conninfo(MIGRATED))
    if "tree" in names:
        found += trees.compare(lab.server)
    if "startup" in names:
        found += startup_cost.compare(lab.server)
    if "timeline" in names:
        found += timeline_cost.measure()
    return found


def show(rounds: list[dict[str, Run]], caption: str) -> None:
    """Prints the table of the rounds."""
    table = Table(title=caption)
    for head in figures.HEAD:
        table.add_column(head, justify="right" if head else "left")
    for cells in figures.table(rounds):
        table.add_row(*(cell.replace("`", "") for cell in cells))
    Console(width=150).print(table)


def described(lab: Lab, rows: int, rounds: int) -> str:
    """Returns the caption: how it was measured."""
    given = "" if (rows, rounds) == PUBLISHED else f" BENCH_ARGS='--rows {rows} --rounds {rounds}'"
    return (
        f"`make bench{given}`: {rows:,} rows, 11 indexes, Postgres {lab.server.version}, "
        f"{os.cpu_count()} cores, {plural(rounds, 'round')}. Ratios are relative to the bare UPDATE of the "
        "same round: the median, the smallest and the largest."
    )


def record(lab: Lab, rows: int, rounds: list[dict[str, Run]], others: list[tuple[str, str]]) -> None:
    """Appends a line of JSON to benchmarks/results/."""
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    line = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": rows,
        "server": lab.server.version,
        "python": platform.python_version(),
        "rounds": [{name: asdict(run) for name, run in measured.items()} for measured in rounds],
        "others": dict(others),
    }
    with (results / "bench.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def main() -> None:
    arguments = _parsed()
    with loaded(arguments.rows) as lab:
        names, rounds = contenders(arguments.only), []
        for number in range(1, arguments.rounds + 1):
            print(f"Round {number} of {arguments.rounds}", flush=True)
            rounds.append(run_round(lab, names))
        caption = described(lab, arguments.rows, arguments.rounds)
        show(rounds, caption)
        others = measure_others(lab, [name for name in OTHERS if name in (arguments.only or OTHERS)])
        if arguments.narrow:
            narrow.compare(lab, arguments.narrow)
        record(lab, arguments.rows, rounds, others)
    least = zip((arguments.rows, arguments.rounds), PUBLISHED, strict=True)
    if not arguments.only and all(given >= wanted for given, wanted in least):
        figures.write(
            "migration", figures.markdown(figures.HEAD, figures.table(rounds), textwrap.fill(caption, 120))
        )
        figures.write("others", figures.markdown(("", ""), others))
        print(f"Wrote the tables of {figures.PAGE}")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=PUBLISHED[0])
    parser.add_argument("--rounds", type=int, default=PUBLISHED[1])
    parser.add_argument(
        "--only", nargs="*", choices=[*figures.TITLES, *OTHERS], help="(the bare UPDATE runs always)"
    )
    parser.add_argument("--narrow", type=int, metavar="N", help="narrow rows to compare with 1,000,000")
    return parser.parse_args()


if __name__ == "__main__":
    main()
