"""demo: a private Postgres with the log that the plan was made for, and each command as one would type it.

The commands run as a user runs them, in processes of their own, with DATABASE_URL set. Nothing that is set up
for the user's own databases reaches them: no variable, and no file of the working directory.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from llamactl.demo.process import Runner
from llamactl.model import DemoCommand, DemoReport, ErrorCode, LlamactlError, Note
from llamactl.postgres.server import PrivatePostgres

HERE = Path(__file__).parent
PLANNED_FILLED, PLANNED_ORPHANS = 1567, 2485
"""What the plan expected of its 4,052 rows."""
REPORT = "llamactl-demo.html"
_BEFORE_DATABASE_URL = ("LLAMACTL_DSN", "DIRECT_URL")
"""Variables that a command prefers."""
JOB = "enrich-blue-train"
_NO_LEGEND = r"(?!(▶|>|…|\.\.\.|\(\d+\)|\[.*\]) {2,})"
"""Matches the lines of a tree, but not those below it that explain its signs."""
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Scene:
    """A command of the demo."""

    narration: str
    arguments: list[str]
    essential: str = ""
    """Matches the lines of its output that are printed, unless all of it is requested."""
    report: Path | None = None
    """The file that it writes, in HTML."""

    def words(self, report: str) -> list[str]:
        """The command's arguments, with this path of its report."""
        return [*self.arguments, *(["--format", "html", "-o", report] if self.report else [])]


def run_demo(*, faults: bool, keep: bool, capture: bool, whole: bool, note: Note) -> DemoReport:
    """Runs the demo. With `capture` the commands give JSON, for the report; else their output is printed.

    `faults`: adds rows with every fault of real logs. `keep`: the server runs until Ctrl-C. `whole`: prints
    everything that the commands print, not only the essential lines. Raises LlamactlError: config if there
    are no Postgres binaries, interrupted.
    """
    note("Starting a private Postgres in a temporary directory of its own")
    overriding = [name for name in os.environ if name.startswith("PG") or name in _BEFORE_DATABASE_URL]
    try:
        with PrivatePostgres() as server:
            url, rows = _load(server, faults)
            note(f"Postgres {server.version} is running, with a log of {rows:,} rows")
            runner = Runner(_folder(server.directory), _environment(url))
            if not (capture or whole):
                note("Output is shortened; `llamactl demo -v` prints all of it")
            scenes = _scenes(faults)
            if capture:
                commands = [_captured(scene, runner) for scene in scenes]
            else:
                commands = list(_show(scenes, runner, whole))
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
        connection.execute((HERE / "create_database.sql").read_bytes())
    files = ["log_table.sql", "planned_rows.sql", *(["faulty_rows.sql"] if faults else [])]
    with psycopg.connect(server.conninfo("music")) as connection:
        for file in files:
            connection.execute((HERE / file).read_bytes())
        counted = connection.execute((HERE / "count_rows.sql").read_bytes()).fetchone()
        user, host, port = connection.info.user, connection.info.host, connection.info.port
    url = f"postgresql://{user}@{quote(host, safe='')}:{port}/music"
    return url, counted[0] if counted else 0


def _scenes(faults: bool) -> Iterator[Scene]:
    expected = ["--expect-filled", str(PLANNED_FILLED), "--expect-orphans", str(PLANNED_ORPHANS)]
    yield Scene(
        "What would prevent a migration? Reads only.",
        ["preflight"],
        r"(error|warning|info) |\d+ errors?,",
    )
    yield Scene(
        "What would it do, and for how long would it block the table? Changes nothing.",
        ["migrate", "--dry-run"],
        r"  (rows|filled|orphans) |.*blocked for",
    )
    yield Scene(
        "Migrate, in one transaction" + ("." if faults else ", but only if the counts are as expected."),
        ["migrate", "--yes", *([] if faults else expected)],
        r"Migrated|.*blocked for",
    )
    yield Scene("Compare every row with its computed root, now and in CI.", ["verify"], r"OK|FAIL")
    yield Scene("Which jobs belong to the same tree as this enrichment?", ["tree", JOB], _NO_LEGEND)
    if faults:
        yield Scene("And a job that requeued itself in a circle:", ["tree", "requeue-child"], _NO_LEGEND)


def _captured(scene: Scene, runner: Runner) -> DemoCommand:
    """Runs the command for its JSON document."""
    words = [*scene.arguments, "--format", "json"]
    begun = time.monotonic()
    printed = runner.capture(words, terminal=False)
    document = json.loads(printed.output)
    return DemoCommand(_typed(words), scene.narration, printed.exit_code, _since(begun), document)


def _show(scenes: Iterable[Scene], runner: Runner, whole: bool) -> Iterator[DemoCommand]:
    """Runs the commands and prints what they print, then says what to do next."""
    report = _report_file()
    last = Scene("The same as a page for your browser.", ["tree", JOB], report=report)
    for scene in (*scenes, last):
        path = str(report)
        typed = _typed(scene.words(report.name if report.parent == _working_directory() else path))
        print(f"\n# {scene.narration}\n$ {typed}", flush=True)
        begun = time.monotonic()
        exit_code = runner.show(scene.words(path)) if whole else _shortened(scene, runner, path)
        yield DemoCommand(typed, scene.narration, exit_code, _since(begun), None)
    if not exit_code:
        print(f"Open {report.as_uri()}")
    print(
        "\nNow on your own database; preflight only reads:\n"
        f"$ export DATABASE_URL=postgresql://USER@HOST:5432/DATABASE\n$ {_program()} preflight",
        flush=True,
    )


def _shortened(scene: Scene, runner: Runner, report: str) -> int:
    """Prints the essential lines of a command, or everything if it failed; returns its exit code."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    printed = runner.capture(scene.words(report), terminal=terminal)
    output = printed.output.decode(errors="backslashreplace")
    if printed.exit_code:
        print(output, end="", flush=True)
        print(printed.messages.decode(errors="backslashreplace"), end="", file=sys.stderr, flush=True)
    else:
        essential = re.compile(scene.essential)
        for line in output.splitlines():
            plain = _STYLE.sub("", line)
            if plain.strip() and essential.match(plain):
                print(line, flush=True)
    return printed.exit_code


def _typed(words: Sequence[str]) -> str:
    return shlex.join(["llamactl", *words])


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)


def _working_directory() -> Path | None:
    """Returns None if it was deleted or cannot be read."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _report_file() -> Path:
    """Where the report goes: the working directory, or the temporary one if that takes no file."""
    folder = _working_directory()
    if folder is None or not os.access(folder, os.W_OK):
        folder = Path(tempfile.gettempdir()).absolute()
    return folder / REPORT


def _program() -> str:
    """How the user runs llamactl: by its name if that is this one, else as it was run now."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m llamactl"
    found = shutil.which("llamactl")
    known = found and called.exists() and called.samefile(found)
    return "llamactl" if known else shlex.quote(sys.argv[0])


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
