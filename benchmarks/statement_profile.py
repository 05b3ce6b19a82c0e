"""Runs a llamactl command in this process, and prints what each SQL file cost: CPU, wall time, WAL.

    python benchmarks/statement_profile.py [--rows N] COMMAND ...

    DATABASE_URL=... python benchmarks/statement_profile.py verify
    python benchmarks/statement_profile.py --rows 200000 migrate --yes

Without --rows the command's database must be on a server on this machine. With it, a private server is loaded
with a log as in bench.py. Every wait for the server is measured, and counted for the SQL file, or the command
such as COMMIT, that was sent last. The client's CPU between two waits counts for the former of them.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from lab import BASE, loaded
from meter import server_cpu
from rich.console import Console
from rich.table import Table

from llamactl.cli.main import main as llamactl
from llamactl.db.connection import ServerConnection
from llamactl.db.session import Session

CLIENT_ONLY = "(start)"


class Profile:
    """The costs by label. install() makes the driver and the session report to it."""

    def __init__(self) -> None:
        self.costs: dict[str, list[float]] = {}
        """Label -> waits, server CPU, client CPU, wall, WAL bytes."""
        self._label = CLIENT_ONLY
        self._side: psycopg.Connection[Any] | None = None
        self._postmaster = 0
        self._client = self._client_cpu()

    def install(self) -> None:
        """Wraps the one place where the driver waits for the server, and those that know what for."""
        self._name(Session, "_check_parameters", lambda query, *_: query.path)
        self._name(ServerConnection, "_command", lambda command, *_: command.decode())
        self._keep(Session, "_paged")
        wait = psycopg.Connection.wait

        def measured(connection: psycopg.Connection[Any], *arguments: Any, **options: Any) -> Any:
            if connection is self._side:
                return wait(connection, *arguments, **options)
            before = self._begin(connection)
            try:
                return wait(connection, *arguments, **options)
            finally:
                self._end(before)

        setattr(psycopg.Connection, wait.__name__, measured)

    def _name(self, owner: type, method: str, label: Callable[..., str]) -> None:
        """Sets the label at each call of the method."""
        original = getattr(owner, method)

        def named(session: Any, *arguments: Any, **options: Any) -> Any:
            self._switch(label(*arguments))
            return original(session, *arguments, **options)

        setattr(owner, method, named)

    def _keep(self, owner: type, method: str) -> None:
        """Sets the label of a cursor again for each of its pages."""
        original = getattr(owner, method)

        def pages(session: Any, query: Any, *arguments: Any) -> Iterator[Any]:
            rows = original(session, query, *arguments)
            while True:
                self._switch(query.path)
                try:
                    row = next(rows)
                except StopIteration:
                    return
                yield row

        setattr(owner, method, pages)

    def _switch(self, label: str) -> None:
        if label != self._label:
            self._spend()
            self._label = label

    def _begin(self, connection: psycopg.Connection[Any]) -> tuple[float, float, float]:
        if self._side is None:
            self._watch(connection)
        self._spend()
        return self._server()

    def _end(self, before: tuple[float, float, float]) -> None:
        # The process itself does little while it waits; it counts as the client's.
        self._spend()
        cpu, wall, wal = (now - then for now, then in zip(self._server(), before, strict=True))
        self._add(1, cpu, 0, wall, wal)
        self._client = self._client_cpu()

    def _spend(self) -> None:
        now = self._client_cpu()
        self._add(0, 0, now - self._client, 0, 0)
        self._client = now

    def _add(self, *cost: float) -> None:
        found = self.costs.setdefault(self._label, [0.0] * len(cost))
        found[:] = (one + more for one, more in zip(found, cost, strict=True))

    def _watch(self, connection: psycopg.Connection[Any]) -> None:
        info = connection.info
        self._side = psycopg.connect(info.dsn, password=info.password or None, autocommit=True)
        status = Path(f"/proc/{info.backend_pid}/status").read_text()
        self._postmaster = int(status.partition("PPid:")[2].split()[0])

    def _server(self) -> tuple[float, float, float]:
        """Returns CPU seconds, the time, and the position in the WAL, without what asking costs."""
        assert self._side is not None
        ((wal,),) = self._side.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchall()
        own = self._side.info.backend_pid
        return server_cpu(self._postmaster, without=own), time.monotonic(), float(wal)

    def _client_cpu(self) -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def show(self) -> None:
        """Prints the labels, the most expensive first."""
        table = Table(title="By SQL file, seconds")
        for head in ("", "waits", "server CPU", "client CPU", "wall", "WAL MB"):
            table.add_column(head, justify="left" if not head else "right", no_wrap=True)
        total = [sum(column) for column in zip(*self.costs.values(), strict=True)]
        ordered = sorted(self.costs.items(), key=lambda item: -(item[1][1] + item[1][2]))
        for label, (waits, server, client, wall, wal) in [*ordered, ("total", total)]:
            figures = (f"{server:.2f}", f"{client:.2f}", f"{wall:.2f}", f"{wal / 1e6:.1f}")
            table.add_row(label[:60], f"{waits:,.0f}", *figures)
        Console(width=120, stderr=True).print(table)


def run(words: Sequence[str]) -> int:
    """Runs the command and prints its profile to stderr. Returns the exit code."""
    profile = Profile()
    profile.install()
    try:
        return llamactl(words)
    finally:
        profile.show()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, help="rows of a private server's log")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.rows is None:
        return run(arguments.command)
    with loaded(arguments.rows) as lab:
        return run([*arguments.command, "--dsn", lab.server.conninfo(BASE)])


if __name__ == "__main__":
    sys.exit(main())
