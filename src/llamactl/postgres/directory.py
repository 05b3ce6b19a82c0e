"""A temporary directory for a server. It is deleted with its owner, at the latest when the next is created.

A directory that an owner left behind is deleted only on proof:

1. Its file `owner` is a record that PrivateDirectory wrote for this very directory: it names the path and
   the inode, so that a copy, or what was moved here, has no valid record.
2. Nobody locks the record, as its owner does for as long as it lives.
3. The process that it names has ended; the server and an initdb are ended first. The start time and the boot
   distinguish a process from a later one with the same pid.
4. No other server runs on the data: postmaster.pid names no living process.

What is not proven, for whatever reason, is left alone.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from llamactl.model import ErrorCode, LlamactlError
from llamactl.postgres.binaries import as_user, run_command
from llamactl.postgres.records import Process, Record, open_small, server_on

_PREFIX = "llamactl-pg-"
_RECORD = "owner"
_SOCKET_IN_IT = "s/.s.PGSQL.65535"
_SOCKET_PATH_LIMIT = 103  # bytes; Linux takes 107, macOS 103
_PATIENCE = 5.0  # seconds, for what is left of a server to end
_GATE = 'read -r go && exec "$@" </dev/null'
"""A shell that becomes the program once it is released, and ends if nobody is left to release it."""


class PrivateDirectory:
    """Created by its constructor; `user` may enter but not read or write it.

    Raises LlamactlError (config).
    """

    def __init__(self, user: pwd.struct_passwd | None) -> None:
        self._user = user
        for base in _bases():
            path = _make(base, user)
            if path:
                break
        else:
            who = f" that {user.pw_name} can enter" if user else ""
            message = f"No temporary directory{who} has a path short enough for a socket"
            raise LlamactlError(ErrorCode.CONFIG, message, "Set TMPDIR to such a directory")
        self.path = path
        self._inode = path.stat().st_ino
        # Locked while it is empty, so that a record without a lock belongs to a dead owner.
        self._record = os.open(path / _RECORD, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._record, fcntl.LOCK_EX)
        Record.make(path, 0).write(self._record)

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Starts a program of the server, with its output in `log`. It is recorded before it runs."""
        # Not readable by others: a server logs statements, for example.
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _GATE, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # the owner handles Ctrl-C in the terminal
                **as_user(self._user),
            )
        finally:
            os.close(output)
        Record.make(self.path, process.pid).write(self._record)
        assert process.stdin
        with suppress(BrokenPipeError), process.stdin as gate:
            gate.write(b"go\n")
        return process

    def subdirectory(self, name: str) -> Path:
        """Creates a directory that only the user may access."""
        path = self.path / name
        path.mkdir(0o700)
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
        return path

    def delete(self) -> None:
        if self.path.is_dir() and self.path.stat().st_ino == self._inode:
            _delete(self.path)
        os.close(self._record)


def _bases() -> list[str]:
    """Returns the places for it: with a short path, without characters that separate a list of hosts."""
    try:
        wanted = [tempfile.gettempdir()]
    except FileNotFoundError:  # there is no writable one
        wanted = []
    return [
        base
        for base in dict.fromkeys([*wanted, "/tmp", "/var/tmp"])
        if len(os.fsencode(f"{base}/{_PREFIX}12345678/{_SOCKET_IN_IT}")) <= _SOCKET_PATH_LIMIT
        and base.isprintable()
        and not set(base) & set("'\",\\")
    ]


def _make(base: str, user: pwd.struct_passwd | None) -> Path | None:
    try:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    except OSError:
        return None
    if user:
        os.chown(path, -1, user.pw_gid)
        path.chmod(0o710)
        if run_command(["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)], user):
            path.rmdir()
            return None
    return path


def _delete(path: Path) -> None:
    """Deletes the record last, so that what an interruption leaves can be deleted later."""
    deadline = time.monotonic() + 2  # what is left of a killed server may still be writing
    while time.monotonic() < deadline:
        try:
            for entry in path.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                elif entry.name != _RECORD:
                    entry.unlink()
            if list(path.iterdir()) == [path / _RECORD]:
                (path / _RECORD).unlink()
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return


def remove_leftovers() -> None:
    """Ends the servers and deletes the directories that killed processes of this user left behind."""
    for base in _bases():
        try:
            found = [path for path in Path(base).iterdir() if path.name.startswith(_PREFIX)]
        except OSError:
            continue
        for path in found:
            # Its owner is alive, or there is no proof that it belongs to llamactl.
            with suppress(OSError, ValueError):
                _clear(path)


def _clear(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return
    file = open_small(path / _RECORD)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        record = Record.read(file)
        if os.fstat(file).st_uid == os.geteuid() and record.is_of(path) and _is_dead(record, path / "data"):
            _delete(path)
    finally:
        os.close(file)


def _is_dead(record: Record, data: Path) -> bool:
    """Ends the process in the record; returns whether no process can be using the directory."""
    if not record.before_this_boot:
        if not record.countable or record.owner.alive:
            return False
        _end(record.process)
        if record.process.alive:
            return False
    there = server_on(data)
    # The recorded pid may belong to another process now, while postmaster.pid remains.
    return there.pid == record.process.pid or not there.alive


def _end(process: Process) -> None:
    for sent in (signal.SIGQUIT, signal.SIGKILL):
        if process.alive:
            os.killpg(process.pid, sent)
        deadline = time.monotonic() + _PATIENCE
        while process.alive and time.monotonic() < deadline:
            time.sleep(0.05)
