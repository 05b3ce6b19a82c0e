"""What a piece of work costs: CPU seconds of the server and of the client, WAL, temporary disk, wall time.

The server's CPU is that of the postmaster and of all its processes, including those that have ended (/proc).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import psycopg

from llamactl.postgres.server import PrivatePostgres

_TICK = os.sysconf("SC_CLK_TCK")
_PERIOD = 0.05  # seconds between two looks at the temporary files


@dataclass(frozen=True)
class Client:
    """What the client process used."""

    cpu: float
    """Seconds."""
    memory_mb: float | None
    """Peak resident memory; None if it is a part of the benchmark's own process."""


@dataclass(frozen=True)
class Cost:
    """What a piece of work cost."""

    server_cpu: float
    client_cpu: float
    wall: float
    wal_mb: float
    temp_mb: float
    """The largest size that temporary files and temporary relations had together."""
    spilled_mb: float
    """All that was written to temporary files, from pg_stat_database."""
    client_mb: float | None

    @property
    def cpu(self) -> float:
        """Seconds of server and client."""
        return self.server_cpu + self.client_cpu


class Meter:
    """Measures work on a private server on this machine."""

    def __init__(self, server: PrivatePostgres) -> None:
        self._server = server

    def measure(self, database: str, work: Callable[[str], Client]) -> Cost:
        """Runs the work, which takes a connection string, and returns its cost."""
        conninfo = self._server.conninfo(database)
        with psycopg.connect(self._server.conninfo(), autocommit=True) as connection:
            wal, spilled = _wal(connection), _spilled(connection, database)
            with _TemporaryDisk(self._server.data / "base", _oid(connection, database)) as disk:
                cpu, begun = server_cpu(self._server.postmaster_pid), time.monotonic()
                client = work(conninfo)
                wall = time.monotonic() - begun
                cpu = server_cpu(self._server.postmaster_pid) - cpu
            wal = _wal(connection) - wal
            spilled = _spilled(connection, database) - spilled
        return Cost(cpu, client.cpu, wall, wal / 1e6, disk.peak / 1e6, spilled / 1e6, client.memory_mb)


def run_command(*words: str, exit_codes: tuple[int, ...] = (0,)) -> Callable[[str], Client]:
    """Returns work that runs a llamactl command on a database. Raises SystemExit for another exit code."""

    def work(conninfo: str) -> Client:
        return run_llamactl(*words, "--dsn", conninfo, exit_codes=exit_codes)

    return work


def run_llamactl(*words: str, exit_codes: tuple[int, ...] = (0,)) -> Client:
    """Runs a llamactl command. Raises SystemExit, with its output, for another exit code."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "llamactl", *words],
            env={**os.environ, "NO_COLOR": "1"},
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in exit_codes:
            output.seek(0)
            raise SystemExit(f"llamactl {' '.join(words)} failed:\n{output.read().decode()}")
    return Client(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3)  # kB on Linux


def run_script(path: Path) -> Callable[[str], Client]:
    """Returns work that runs a SQL file in one transaction."""

    def work(conninfo: str) -> Client:
        begun = time.thread_time()
        with psycopg.connect(conninfo) as connection:
            connection.execute(path.read_bytes())
        return Client(time.thread_time() - begun, None)

    return work


def server_cpu(postmaster: int, without: int = 0) -> float:
    """Returns the CPU seconds that the server's processes have used so far, but for one of them."""
    text = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
    children = [int(pid) for pid in text.split() if int(pid) != without]
    return (sum(_ticks(postmaster)) + sum(sum(_ticks(child)[:2]) for child in children)) / _TICK


def _ticks(pid: int) -> tuple[int, ...]:
    """Returns user and system time, and the same of the children that have ended; all 0 once it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return (0, 0, 0, 0)
    fields = text.rpartition(")")[2].split()
    return tuple(int(field) for field in fields[11:15])


class _TemporaryDisk:
    """Looks at the size of a database's temporary files and relations again and again, in a thread."""

    def __init__(self, base: Path, database: int) -> None:
        self.peak = 0
        """Bytes."""
        self._files, self._relations = base / "pgsql_tmp", base / str(database)
        self._done = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _TemporaryDisk:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_PERIOD):
            self.peak = max(self.peak, sum(self._sizes()))

    def _sizes(self) -> Iterator[int]:
        relations = (path for path in _entries(self._relations) if path.name[0] == "t")
        for path in (*relations, *_entries(self._files)):
            yield from (_size(inside) for inside in (_entries(path) if path.is_dir() else (path,)))


def _entries(directory: Path) -> list[Path]:
    try:
        return [*directory.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _number(connection: psycopg.Connection[tuple[int]], query: str, *values: str) -> int:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return int(row[0])


def _wal(connection: psycopg.Connection[tuple[int]]) -> int:
    return _number(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'")


def _oid(connection: psycopg.Connection[tuple[int]], database: str) -> int:
    return _number(connection, "SELECT oid FROM pg_database WHERE datname = %s", database)


def _spilled(connection: psycopg.Connection[tuple[int]], database: str) -> int:
    return _number(connection, "SELECT temp_bytes FROM pg_stat_database WHERE datname = %s", database)
