"""A Postgres server of one's own, for the demo, the tests and the benchmark.

It listens on a Unix socket only, in a directory of its own that goes when its owner goes:

    owner   pids of the owner and of the server; locked for as long as the owner lives
    log     what initdb and the server say
    data/   the cluster            (these two belong to
    s/      the socket              the user that the server runs as)
    copy/   the binaries, where that user cannot reach them
"""

from __future__ import annotations

import atexit
import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from llamactl.model import ErrorCode, LlamactlError
from llamactl.postgres_binaries import (
    HOW_TO_GET,
    as_user,
    bin_directories,
    copy_binaries,
    run,
    unprivileged_user,
    version_of,
)

NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
"""Settings for data that nobody will miss: a crash of the machine may lose it, one of the server does not."""

StopMode = Literal["smart", "fast", "immediate", "kill"]

_PREFIX = "llamactl-pg-"
_SOCKET_PATH_LIMIT = 103  # bytes; Linux takes 107, macOS 103
_STOP_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
    "kill": signal.SIGKILL,
}
_PATIENCE = 60.0  # seconds, for a start and for a stop


class PrivatePostgres:
    """A server for as long as the `with` block, or the process, lasts.

    `settings` are the server's own (`work_mem` ...). The superuser is `postgres`, without a password;
    only the server's user and its owner reach the socket. Raises LlamactlError: config where there are no
    binaries or no directory to use, internal where initdb or the server fails.
    """

    def __init__(self, binaries: Path | None = None, settings: Mapping[str, str] = NOT_DURABLE) -> None:
        self.binaries = binaries or bin_directories()[0]
        self.version = version_of(self.binaries)
        self.settings = dict(settings)
        self._lie_in(Path())
        self._user: pwd.struct_passwd | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._owner_pid = 0
        self._lock = -1

    def _lie_in(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.socket_directory = directory / "s"
        self.log = directory / "log"

    def __enter__(self) -> Self:
        remove_leftovers()
        self._owner_pid = os.getpid()
        atexit.register(self.close)
        try:
            self._user = unprivileged_user() if os.geteuid() == 0 else None
            self._make_directory()
            self._reach_binaries()
            self._initdb()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def postmaster_pid(self) -> int:
        """0 where the server is stopped, or died."""
        return self._server.pid if self._server and self._server.poll() is None else 0

    def conninfo(self, database: str = "postgres") -> str:
        """A libpq connection string for the superuser."""
        name = database.replace("\\", "\\\\").replace("'", "\\'")
        port = self.settings.get("port", "5432")
        return f"host='{self.socket_directory}' port={port} user=postgres dbname='{name}'"

    def start(self) -> None:
        """Start the server and wait until it takes connections; nothing to do where it runs."""
        if self.postmaster_pid:
            return
        ours = {"listen_addresses": "", "unix_socket_directories": str(self.socket_directory)}
        options = [f"{name}={value}" for name, value in (ours | self.settings).items()]
        command = [str(self.binaries / "postgres"), "-D", str(self.data)]
        command += [part for option in options for part in ("-c", option)]
        deadline = time.monotonic() + _PATIENCE
        while not self._started(command, deadline):
            # What is left of a killed server holds its shared memory for a moment.
            if "still in use" not in self._last_words() or time.monotonic() > deadline:
                message = f"the private Postgres does not start: {self._last_words()}"
                raise LlamactlError(ErrorCode.INTERNAL, message)
            time.sleep(0.1)

    def _started(self, command: Sequence[str], deadline: float) -> bool:
        """Whether the server takes connections; where not, it is gone again."""
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal is for the owner to handle.
            server = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
                **as_user(self._user),
            )
        self._server = server
        self._record()
        while server.poll() is None:
            if _is_ready(self.data, server.pid):
                return True
            if time.monotonic() > deadline:
                self.stop("immediate")
            time.sleep(0.02)
        self._server = None
        return False

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server in one of pg_ctl's modes, or kill it; nothing to do where it is stopped."""
        server, self._server = self._server, None
        if server is None:
            return
        server.send_signal(_STOP_SIGNALS[mode])
        try:
            server.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

    def close(self) -> None:
        """Stop the server and delete its directory. Called at exit, too."""
        if self._owner_pid != os.getpid():
            return  # closed already, or a forked child: the server is its parent's
        self._owner_pid = 0
        atexit.unregister(self.close)
        self.stop("immediate")
        if self._lock >= 0:
            _delete(self.directory)
            os.close(self._lock)
            self._lock = -1

    def _make_directory(self) -> None:
        if not any(self._made_in(base) for base in _bases()):
            who = f" that {self._user.pw_name} can reach" if self._user else ""
            message = f"there is no directory{who} with a path short enough for a socket"
            raise LlamactlError(ErrorCode.CONFIG, message, "set TMPDIR to one")
        for place in (self.data, self.socket_directory):
            place.mkdir(0o700)
            if self._user:
                os.chown(place, self._user.pw_uid, self._user.pw_gid)

    def _made_in(self, base: str) -> bool:
        try:
            directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        except OSError:
            return False
        if self._user:
            directory.chmod(0o711)
            if run(["/bin/sh", "-c", 'test -x "$1"', "sh", str(directory)], self._user):
                directory.rmdir()
                return False
        self._lie_in(directory)
        self._take_lock()
        return True

    def _take_lock(self) -> None:
        """Lock the owner's record, which gets its name only then: one without a lock is a dead owner's."""
        new = self.directory / "owner.new"
        self._lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._record()
        new.rename(self.directory / "owner")

    def _record(self) -> None:
        # In place and of one length, so that being killed here leaves no half record.
        os.pwrite(self._lock, f"{self._owner_pid:<10}\n{self.postmaster_pid:<10}\n".encode(), 0)

    def _reach_binaries(self) -> None:
        """See that the server's user can run the binaries; give it a copy where it cannot."""
        complaint = self._complaint()
        if complaint and self._user:
            self.binaries = copy_binaries(self.binaries.resolve(), self.directory / "copy")
            complaint = self._complaint()
        if complaint:
            message = f"the Postgres in {self.binaries} cannot be run: {complaint}"
            raise LlamactlError(ErrorCode.CONFIG, message, HOW_TO_GET)

    def _complaint(self) -> str:
        """What initdb has to say against running postgres and reading its own files."""
        return run([str(self.binaries / "initdb"), "--show", "-D", str(self.data)], self._user)

    def _initdb(self) -> None:
        command = [str(self.binaries / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust"]
        complaint = run([*command, "-E", "UTF8", "--locale=C", "--no-sync"], self._user)
        if complaint:
            raise LlamactlError(ErrorCode.INTERNAL, f"initdb failed: {complaint}")

    def _last_words(self) -> str:
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-3:])


def remove_leftovers() -> None:
    """Stop the servers and delete the directories that this user's killed processes left.

    An owner holds the lock on its record for as long as it lives, so neither a pid used again nor the pids
    of another container can mislead.
    """
    for directory in {path for base in _bases() for path in Path(base).glob(f"{_PREFIX}*")}:
        try:
            made = directory.lstat()
            if not stat.S_ISDIR(made.st_mode) or made.st_uid != os.geteuid():
                continue
            with (directory / "owner").open() as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _end(int(owner.read().split()[1]), directory)
                _delete(directory)
        except BlockingIOError:
            continue  # its owner lives
        except FileNotFoundError:
            # Being made just now, or deleted by another; or its maker was killed at one of the two.
            if directory.exists() and time.time() - made.st_mtime > 3600:
                _delete(directory)


def _delete(directory: Path) -> None:
    deadline = time.monotonic() + 2  # what is left of a killed server may still be writing
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)


def _end(server: int, directory: Path) -> None:
    for sent in (signal.SIGQUIT, signal.SIGKILL):
        deadline = time.monotonic() + 10
        while _is_server(server, directory) and time.monotonic() < deadline:
            try:
                os.kill(server, sent)
            except ProcessLookupError:
                return
            time.sleep(0.1)


def _is_server(pid: int, directory: Path) -> bool:
    """Whether the pid is still that of the server there, and not another's by now."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    else:
        command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True).stdout
    return pid > 0 and os.fsencode(directory / "data") in command


def _bases() -> list[str]:
    """Where the directory may be: with a short path, and no character that parts a list of hosts."""
    places = dict.fromkeys([tempfile.gettempdir(), "/tmp", "/var/tmp"])
    rest = len(f"/{_PREFIX}12345678/s/.s.PGSQL.65535")
    return [
        place
        for place in places
        if len(os.fsencode(place)) + rest <= _SOCKET_PATH_LIMIT and not set(place) & set("'\",\\")
    ]


def _is_ready(data: Path, pid: int) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().split("\n")
    except FileNotFoundError:
        return False
    return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"
