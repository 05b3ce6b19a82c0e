"""A private Postgres server for the demo, the tests and the benchmark.

It listens only on a Unix socket, in a directory that is deleted with its owner:

    owner   the record of the owner (records.py); locked for as long as the owner lives
    log     the output of initdb and the server
    data/   the cluster            (these two belong to
    s/      the socket              the user that the server runs as)
    copy/   the binaries, where that user cannot reach them
"""

from __future__ import annotations

import atexit
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

from llamactl.model import ErrorCode, LlamactlError
from llamactl.postgres.binaries import (
    HOW_TO_GET,
    bin_directories,
    copy_binaries,
    run_command,
    unprivileged_user,
    version_of,
)
from llamactl.postgres.directory import PrivateDirectory, remove_leftovers
from llamactl.postgres.owner import OWNER

NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
"""Settings for disposable data: a crash of the machine may lose it, a crash of the server does not."""

StopMode = Literal["smart", "fast", "immediate", "kill"]

_STOP_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
    "kill": signal.SIGKILL,
}
_PATIENCE = 60.0  # seconds, for a start and for a stop
_LITTLE_PATIENCE = 10.0  # where no data are to be kept


class PrivatePostgres:
    """A server that runs as long as the `with` block, or the process.

    Meanwhile the process has no PG* variables, and SIGTERM and SIGHUP act like Ctrl-C (owner.py). `settings`:
    the server's settings (`work_mem` ...). The superuser is `postgres`, without a password; only the server's
    user and the owner can reach the socket. Raises LlamactlError: config if there are no binaries or no
    usable directory, internal if initdb or the server fails.
    """

    def __init__(self, binaries: Path | None = None, settings: Mapping[str, str] = NOT_DURABLE) -> None:
        self.binaries = binaries or bin_directories()[0]
        self.version = version_of(self.binaries)
        self.settings = dict(settings)
        self.directory = self.data = self.socket_directory = Path()
        self._user: pwd.struct_passwd | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._home: PrivateDirectory | None = None
        self._owner_pid = 0

    def __enter__(self) -> Self:
        self._owner_pid = os.getpid()
        atexit.register(self._close_at_exit)
        OWNER.enter()
        try:
            remove_leftovers()
            self._user = unprivileged_user() if os.geteuid() == 0 else None
            with OWNER.held():
                self._home = PrivateDirectory(self._user)
            self.directory = self._home.path
            self.data = self._home.subdirectory("data")
            self.socket_directory = self._home.subdirectory("s")
            self._reach_binaries()
            self._make_cluster()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _close_at_exit(self) -> None:
        while self._owner_pid == os.getpid():
            with suppress(KeyboardInterrupt):  # nobody is left to handle it
                self.close()

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def postmaster_pid(self) -> int:
        """The server's pid; 0 if the server is stopped or has died."""
        return self._server.pid if self._server and self._server.poll() is None else 0

    def conninfo(self, database: str = "postgres") -> str:
        """Returns a libpq connection string for the superuser."""
        name = database.replace("\\", "\\\\").replace("'", "\\'")
        port = self.settings.get("port", "5432")
        return f"host='{self.socket_directory}' port={port} user=postgres dbname='{name}'"

    def start(self) -> None:
        """Starts the server and waits until it accepts connections; does nothing if it is running."""
        if self.postmaster_pid:
            return
        ours = {"listen_addresses": "", "unix_socket_directories": str(self.socket_directory)}
        if _is_shared_memory_small():
            ours["dynamic_shared_memory_type"] = "mmap"
        options = [f"{name}={value}" for name, value in (ours | self.settings).items()]
        command = [str(self.binaries / "postgres"), "-D", str(self.data)]
        command += [part for option in options for part in ("-c", option)]
        deadline = time.monotonic() + _PATIENCE
        while not self._started(command, deadline):
            # The remaining processes of a killed server keep its shared memory for a moment.
            if "still in use" not in self._last_words() or time.monotonic() > deadline:
                message = f"The private Postgres did not start: {self._last_words()}"
                raise LlamactlError(ErrorCode.INTERNAL, message)
            time.sleep(0.1)

    def _started(self, command: Sequence[str], deadline: float) -> bool:
        """Returns whether the server accepts connections; if not, it has ended."""
        assert self._home
        with OWNER.held():
            self._server = server = self._home.start(command, self.log)
        while server.poll() is None:
            if _is_ready(self.data, server.pid):
                return True
            if time.monotonic() > deadline:
                self.stop("immediate")
            time.sleep(0.02)
        self._server = None
        return False

    def stop(self, mode: StopMode = "fast") -> None:
        """Stops the server in one of pg_ctl's modes, or kills it; does nothing if it is stopped."""
        server = self._server
        if server is None:
            return
        if server.poll() is None:
            # Includes the servers that initdb runs; a postmaster's child processes have their own groups.
            os.killpg(server.pid, _STOP_SIGNALS[mode])
        try:
            server.wait(_LITTLE_PATIENCE if mode in ("immediate", "kill") else _PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        self._server = None

    def close(self) -> None:
        """Stops the server and deletes its directory, regardless of signals. Also called at exit."""
        if self._owner_pid != os.getpid():
            return  # already closed, or this is a forked child and the server belongs to its parent
        with OWNER.held():
            self._owner_pid = 0
            atexit.unregister(self._close_at_exit)
            self.stop("immediate")
            if self._home:
                self._home.delete()
                self._home = None
            OWNER.leave()

    def _reach_binaries(self) -> None:
        """Makes sure that the server's user can run the binaries; copies them if it cannot."""
        # With --show it only checks that it finds postgres and its own files.
        complaint = run_command(self._initdb("--show"), self._user)
        if complaint and self._user:
            self.binaries = copy_binaries(self.binaries.resolve(), self.directory / "copy")
            complaint = run_command(self._initdb("--show"), self._user)
        if complaint:
            message = f"The Postgres in {self.binaries} cannot be run: {complaint}"
            raise LlamactlError(ErrorCode.CONFIG, message, HOW_TO_GET)

    def _make_cluster(self) -> None:
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        assert self._home
        with OWNER.held():
            self._server = initdb = self._home.start(self._initdb(*options), self.log)
        status = initdb.wait()
        self._server = None
        if status:
            complaint = self._last_words() or f"exit status {status}"
            raise LlamactlError(ErrorCode.INTERNAL, f"initdb failed: {complaint}")

    def _initdb(self, *options: str) -> list[str]:
        return [str(self.binaries / "initdb"), "-D", str(self.data), *options]

    def _last_words(self) -> str:
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-3:])


def _is_ready(data: Path, pid: int) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().split("\n")
    except FileNotFoundError:
        return False
    return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"


def _is_shared_memory_small() -> bool:
    """Returns whether /dev/shm is small, as in containers with 64 MB, where parallel queries fail."""
    try:
        free = os.statvfs("/dev/shm")
    except OSError:
        return False
    return free.f_bavail * free.f_frsize < 256 << 20
