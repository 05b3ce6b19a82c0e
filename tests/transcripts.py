"""What the documentation shows, made anew: commands typed on a terminal, each page with databases of its own.

1. A block's commands run in one shell; what they print is parted at a mark that the shell prints after each.
2. Where the block on the page is cut, with a line `[...]`, the new output is cut between the same two lines.
3. What differs from run to run (seconds, sizes, pids, paths) is made equal before the two are compared.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

import llamactl
from cutting import run_here
from llamactl.findings.kinds import FINDINGS
from pages import CHECKOUT, Block, every_block

WIDTH = 100
CUT = "[...]"
DEMO = Path(llamactl.__file__).parent / "demo"
SCENES = {
    "planned": ("planned_rows.sql",),
    "migrated": ("planned_rows.sql",),
    "faults": ("planned_rows.sql", "faulty_rows.sql"),
    "examples": (),
}
"""Databases that the commands of a page meet, and their rows; a digit behind the name makes one more."""

_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours, and the bar of a run that takes longer than two seconds."""
_LIVE = re.compile(r"\r\x1b\[K(?:[^\r\n]*(?=\r\x1b\[K))?")
"""A line that is drawn over until it is cleared."""
_BUILD = re.compile(r"(?<=Postgres )([\d.]+)\s+\([^)]*\)")
"""Whose package it is: enough to break a line elsewhere."""
_SOCKET = re.compile(r"socket\s+/\S+,(?:\s+port\s+\d+,)?\s+database\s+(\S+)")
"""Where a private server listens: so long that the line may be broken anywhere."""
_END = "\x1e"
_VARIABLE = [
    (re.compile(r"%2F\S*%2Fs:\d+"), "HOST"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b[0-9a-f]{8}…"), "UUID…"),
    (re.compile(r"\bpid \d+"), "pid N"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?=\)\.)"), "DATE"),
    (re.compile(r"Postgres \d+(\.\d+)*"), "Postgres N"),
    (re.compile(r"\b[\d,.]+ (bytes|[kMGT]B)\b"), "SIZE"),
    (re.compile(r"(about |up to |\b)([\d.]+ to )?[\d.]+ s\b"), "SECONDS"),
    (re.compile(r"(up to|\b[\d.]+ to) [\d.]+$"), "SECONDS"),
    (re.compile(r"\b\d+\.\d\d\b"), "SECONDS"),
    (re.compile(r"(?<=[\"']seconds\"': )[\d.]+"), "SECONDS"),
    (re.compile(r"\b\d+(\.\d+)? s\b"), "SECONDS"),
    (re.compile(r" {2,}"), " "),
]


def same(line: str) -> str:
    """The line without what differs from run to run."""
    for pattern, word in _VARIABLE:
        line = pattern.sub(word, line)
    return line.rstrip()


def shortened(new: Sequence[str], old: Sequence[str]) -> list[str]:
    """The new lines, cut where the old ones are. Raises ValueError where a line beside a cut is gone."""
    plain, result, position = [same(line) for line in new], [], 0
    cuts = [number for number, line in enumerate(old) if line == CUT]
    for start, end in zip([-1, *cuts], [*cuts, len(old)], strict=True):
        kept = old[start + 1 : end]
        if cuts and not kept:
            first = last = position
        else:
            first = position if start < 0 else plain.index(same(kept[0]), position)
            last = len(new) if end == len(old) else plain.index(same(kept[-1]), first + len(kept) - 1) + 1
        result += [*new[first:last], *([CUT] if end < len(old) else [])]
        position = last
    return result


def typed(block: Block) -> list[tuple[list[str], list[str]]]:
    """Of a console block: the lines of each command as typed, and the lines that follow."""
    commands: list[tuple[list[str], list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            commands.append(([line], []))
        elif line.startswith("> ") and not commands[-1][1]:
            commands[-1][0].append(line)
        else:
            commands[-1][1].append(line)
    return commands


@dataclass
class Stage:
    """Runs what one page shows."""

    new_database: Callable[[], str]
    """Makes one with the empty log; returns its conninfo."""
    folder: Path
    psql: Path
    scenes: dict[str, str] = field(default_factory=dict)
    """Scene -> conninfo; a page's blocks of one scene follow on each other."""

    def __post_init__(self) -> None:
        self.bin, self.home = self.folder / "bin", self.folder / "home"
        for path in (self.bin, self.home):
            path.mkdir(parents=True)
        self._program("llamactl", [sys.executable, "-m", "llamactl"])
        self._program("python", [sys.executable])
        for place in ("benchmarks", "examples"):
            (self.home / place).symlink_to(CHECKOUT / place)
        self._program("psql", [str(self.psql), "--no-psqlrc", "--quiet"])

    def _program(self, name: str, command: Sequence[str]) -> None:
        (self.bin / name).write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        (self.bin / name).chmod(0o755)

    def fresh(self, block: Block) -> list[str]:
        """The block's lines as they would be made today."""
        if block.kind not in ("run", "output"):
            return list(block.lines)
        if block.kind == "output":
            return shortened(self.printed("none", [block.argument])[0], block.lines)
        commands = typed(block)
        words = ["\n".join(line[2:] for line in lines) for lines, _ in commands]
        printed = self.printed(block.argument, words)
        made: list[str] = []
        for (lines, old), new in zip(commands, printed, strict=True):
            made += [*lines, *shortened(new, old)]
        return made

    def printed(self, scene: str, commands: Sequence[str], colour: bool = False) -> list[list[str]]:
        """The lines that each command prints on a terminal; the names of database and host are put right."""
        marked = "".join(f"{command}\nstatus=$?; printf '{_END}'; (exit $status)\n" for command in commands)
        text = on_terminal(["sh", "-c", marked], self._environment(scene), self.home)
        text = _SOCKET.sub(r"host localhost, database \1", text)
        if scene in self.scenes:
            where = conninfo_to_dict(self.scenes[scene])
            text = text.replace(str(where["dbname"]), "music").replace(str(where.get("host")), "localhost")
        text = _LIVE.sub("", text)
        if not colour:
            text = _CONTROLS.sub("", text)
        return [part.splitlines() for part in _BUILD.sub(r"\1", text).split(_END)[:-1]]

    def _environment(self, scene: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("TMPDIR", "LLAMACTL_PG_BIN") if name in os.environ}
        return {
            **kept,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "PYTHONPATH": str(CHECKOUT / "src"),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PAGER": "cat",
            **({} if scene == "none" else {"DATABASE_URL": self.database(scene)}),
        }

    def database(self, scene: str) -> str:
        """Conninfo of the scene's database, made where it is not there yet."""
        if scene in self.scenes:
            return self.scenes[scene]
        self.scenes[scene] = conninfo = self.new_database()
        base = scene.rstrip("0123456789")
        with psycopg.connect(conninfo) as connection:
            for file in SCENES[base]:
                connection.execute((DEMO / file).read_bytes())
            if base == "examples":
                insert_examples(connection)
        if base == "migrated":
            assert run_here("migrate", "--yes", "--dsn", conninfo).code == 0
        return conninfo


def on_terminal(command: Sequence[str], environment: dict[str, str], folder: Path, width: int = WIDTH) -> str:
    """What the command prints on a terminal of that many columns; a question is answered with y."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    printed = b""
    try:
        while chunk := _read(ours):
            printed += chunk
            if chunk.endswith(b"[y/N] "):
                os.write(ours, b"y\n")
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return printed.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so that the other side is closed
        return b""


def examples() -> list[list[str]]:
    """The rows of all tables of example rows: job, parent, flag, root; NULL as such, blanks as written."""
    return [row for block in every_block("rows") for row in block.cells()]


def value(cell: str) -> str | None:
    """What a cell means: NULL, or an id in a code span, where it has blanks in quotes besides."""
    return None if cell == "NULL" else cell.strip("`").removeprefix("'").removesuffix("'")


def insert_examples(connection: psycopg.Connection[object]) -> None:
    """One row each, in their order: the id is the row's number."""
    for number, (job, parent, flag, _) in enumerate(examples()):
        connection.execute(
            'INSERT INTO "LlamaLog" ("id", "operation", "category", "status",'
            ' "job_id", "parent_job_id", "is_root_job")'
            " VALUES (%s, 'example', 'ENRICHED', 'SUCCESS', %s, %s, %s)",
            [f"00000000-0000-0000-0000-{number:012d}", value(job), value(parent), flag == "true"],
        )


def catalogue(prefix: str) -> list[str]:
    """The table of the findings or checks whose ids begin so."""
    kinds = [kind for kind in FINDINGS.values() if kind.id.startswith(prefix)]
    return [
        "| id | slug | title |",
        "|---|---|---|",
        *(f"| {kind.id} | `{kind.slug}` | {kind.title} |" for kind in kinds),
    ]
