"""demo: a private Postgres with the log that the plan was made for, and each command as one would type it.

The commands are run as a user runs them, in processes of their own, with DATABASE_URL set.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import psycopg

from llamactl.model import DemoCommand, DemoReport, Note
from llamactl.private_postgres import PrivatePostgres

HERE = Path(__file__).parent
PLANNED_FILLED, PLANNED_ORPHANS = 1567, 2485
"""What the plan expected of its 4,052 rows."""


def run(*, faults: bool, keep: bool, capture: bool, note: Note) -> DemoReport:
    """Runs the demo. With `capture` the commands give JSON, for the report; else they print by themselves.

    `faults`: rows with every fault of real logs besides. `keep`: the server runs on until Ctrl-C. Raises
    LlamactlError (config) where no Postgres binaries are to be had.
    """
    note("Starting a private Postgres; nothing outside its own directory is touched")
    with PrivatePostgres() as server:
        url, rows = _load(server, faults)
        note(f"Postgres {server.version}, with a log of {rows:,} rows: DATABASE_URL={url}")
        commands = []
        for narration, arguments in _script(faults):
            commands.append(_command(narration, arguments, url, capture))
        if keep:
            _wait(url, note)
    return DemoReport(tuple(commands))


def _load(server: PrivatePostgres, faults: bool) -> tuple[str, int]:
    """Makes the table and its rows. Returns the URL of the database, and how many rows."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE music")
    files = ["log_table.sql", "planned_rows.sql", *(["faulty_rows.sql"] if faults else [])]
    with psycopg.connect(server.conninfo("music")) as connection:
        for file in files:
            connection.execute((HERE / file).read_bytes())
        counted = connection.execute('SELECT count(*) FROM "LlamaLog"').fetchone()
        user, host, port = connection.info.user, connection.info.host, connection.info.port
    url = f"postgresql://{user}@{quote(host, safe='')}:{port}/music"
    return url, counted[0] if counted else 0


def _script(faults: bool) -> Iterator[tuple[str, list[str]]]:
    """The commands, each with what it is for."""
    expected = ["--expect-filled", str(PLANNED_FILLED), "--expect-orphans", str(PLANNED_ORPHANS)]
    yield "What stands in the way? Reads only.", ["preflight"]
    yield "What would the migration come to? Changes nothing.", ["migrate", "--dry-run"]
    yield (
        "Do it, in one transaction"
        + ("." if faults else ", and only if it comes to what the plan expected."),
        ["migrate", "--yes", *([] if faults else expected)],
    )
    yield "Prove it, row by row. In CI this is the command that goes red.", ["verify"]
    yield "What else did the job cause that this enrichment belongs to?", ["tree", "enrich-blue-train"]
    if faults:
        yield "And a job that requeued itself in a circle:", ["tree", "requeue-child"]


def _command(narration: str, arguments: Sequence[str], url: str, capture: bool) -> DemoCommand:
    words = [*arguments, *(["--format", "json"] if capture else [])]
    typed = shlex.join(["llamactl", *words])
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LLAMACTL_")) and name != "DIRECT_URL"
    } | {"DATABASE_URL": url}
    if not capture:
        print(f"\n# {narration}\n$ {typed}", flush=True)
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "llamactl", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.DEVNULL if capture else None,
        check=False,
    )
    seconds = round(time.monotonic() - begun, 3)
    output = json.loads(done.stdout) if capture else None
    return DemoCommand(typed, narration, done.returncode, seconds, output)


def _wait(url: str, note: Note) -> None:
    """Until Ctrl-C, which is the way to end here and no failure."""
    note(f"Kept for you: export DATABASE_URL={url}   (Ctrl-C stops the server and deletes it)")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        note("Stopped")
