"""demo: a private Postgres with the log that the plan was made for, and each command as one would type it.

The commands are run as a user runs them, in processes of their own, with DATABASE_URL set. Nothing that is
set up for the user's own databases reaches them: no variable, and no file of the working directory.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import psycopg

from llamactl.model import DemoCommand, DemoReport, ErrorCode, LlamactlError, Note
from llamactl.postgres.owner import OWNER
from llamactl.postgres.server import PrivatePostgres

HERE = Path(__file__).parent
PLANNED_FILLED, PLANNED_ORPHANS = 1567, 2485
"""What the plan expected of its 4,052 rows."""
_BEFORE_DATABASE_URL = ("LLAMACTL_DSN", "DIRECT_URL")
"""Variables that a command prefers."""


def run_demo(*, faults: bool, keep: bool, capture: bool, note: Note) -> DemoReport:
    """Runs the demo. With `capture` the commands give JSON, for the report; else they print by themselves.

    `faults`: rows with every fault of real logs besides. `keep`: the server runs on until Ctrl-C. Raises
    LlamactlError: config where no Postgres binaries are to be had, interrupted.
    """
    note("Starting a private Postgres; nothing outside its own directory is touched")
    overriding = [name for name in os.environ if name.startswith("PG") or name in _BEFORE_DATABASE_URL]
    try:
        with PrivatePostgres() as server:
            url, rows = _load(server, faults)
            note(f"Postgres {server.version}, with a log of {rows:,} rows: DATABASE_URL={url}")
            folder, environment = _folder(server.directory), _environment(url)
            commands = []
            for narration, arguments in _script(faults):
                commands.append(_command(narration, arguments, folder, environment, capture))
            if keep:
                _wait(url, overriding, note)
    except KeyboardInterrupt as exc:
        message = "Interrupted; the demo's server is stopped and its directory deleted"
        raise LlamactlError(ErrorCode.INTERRUPTED, message) from exc
    return DemoReport(tuple(commands))


def _folder(directory: Path) -> Path:
    """Makes the commands' working directory, whose empty configuration ends the search for another."""
    folder = directory / "work"
    folder.mkdir(mode=0o700)
    (folder / "llamactl.toml").touch()
    return folder


def _environment(url: str) -> dict[str, str]:
    """Returns the commands' variables. Of libpq's there are none while the private server lives."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LLAMACTL_") and name not in _BEFORE_DATABASE_URL
    }
    # The modules are those of this process, also where they are found by its working directory.
    modules = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if sys.path[:1] == [package := str(HERE.parents[1])]:
        modules.append(package)
    paths = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, modules))} if modules else {}
    return {**kept, **paths, "DATABASE_URL": url}


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


def _command(
    narration: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], capture: bool
) -> DemoCommand:
    words = [*arguments, *(["--format", "json"] if capture else [])]
    typed = shlex.join(["llamactl", *words])
    if not capture:
        print(f"\n# {narration}\n$ {typed}", flush=True)
    begun = time.monotonic()
    exit_code, said = _run(words, folder, environment, capture)
    seconds = round(time.monotonic() - begun, 3)
    return DemoCommand(typed, narration, exit_code, seconds, json.loads(said) if capture else None)


def _run(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], capture: bool
) -> tuple[int, bytes]:
    """Returns the exit code, and with `capture` what stdout got. An interruption ends the command too."""
    command = None
    try:
        with OWNER.held():
            command = subprocess.Popen(
                [sys.executable, "-m", "llamactl", *words],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if capture else None,
                stderr=subprocess.DEVNULL if capture else None,
            )
        said, _ = command.communicate()
    except BaseException:
        if command:
            command.kill()
            command.wait()
        raise
    return command.returncode, said


def _wait(url: str, overriding: Sequence[str], note: Note) -> None:
    """Until Ctrl-C, which is the way to end here and no failure.

    `overriding`: variables of the user's shell that would lead a command elsewhere, in spite of the URL.
    """
    unset = f"unset {' '.join(sorted(overriding))}; " if overriding else ""
    note(f"Kept for you: {unset}export DATABASE_URL={url}   (Ctrl-C stops the server and deletes it)")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        note("Stopped")
