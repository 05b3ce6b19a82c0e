"""A streaming standby of a private server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from cutting import wait_until
from llamactl.postgres.binaries import run_command
from llamactl.postgres.server import PrivatePostgres
from servers import SERVER_SETTINGS, Server


class Standby(PrivatePostgres):
    """Its cluster is a base backup of the primary, which it follows."""

    def __init__(self, primary: PrivatePostgres) -> None:
        super().__init__(primary.binaries, SERVER_SETTINGS)
        self._primary = primary

    def _make_cluster(self) -> None:
        command = [self.binaries / "pg_basebackup", "-D", self.data, "-d", self._primary.conninfo()]
        options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        assert run_command([*map(str, command), *options], self._user) == ""


@contextmanager
def standby_of(server: Server) -> Iterator[PrivatePostgres]:
    """A standby that has all that was written by now."""
    assert server.private
    with Standby(server.private) as standby, server.admin() as primary:
        (written,) = primary.execute("SELECT pg_current_wal_lsn()").fetchone() or ("",)

        with psycopg.connect(standby.conninfo(), autocommit=True) as connection:
            wait_until(connection, "SELECT WHERE pg_last_wal_replay_lsn() >= %s::pg_lsn", written)
        yield standby
