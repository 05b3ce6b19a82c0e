"""A temporary directory for a server, which goes when its owner goes, at the latest when the next is made."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from llamactl.model import ErrorCode, LlamactlError
from llamactl.postgres_binaries import run

_PREFIX = "llamactl-pg-"
_SOCKET_IN_IT = "s/.s.PGSQL.65535"
_SOCKET_PATH_LIMIT = 103  # bytes; Linux takes 107, macOS 103


class PrivateDirectory:
    """Made by its constructor, in which `user` may enter but not write; raises LlamactlError (config).

    The file `owner` in it holds the pids of the owner and of the server, and is locked for as long as the
    owner lives. A lock, unlike a pid, is neither used again nor another one in another container.
    """

    def __init__(self, user: pwd.struct_passwd | None) -> None:
        self._user = user
        for base in _bases():
            path = _make(base, user)
            if path:
                break
        else:
            who = f" that {user.pw_name} can enter" if user else ""
            message = f"there is no directory{who} with a path short enough for a socket"
            raise LlamactlError(ErrorCode.CONFIG, message, "set TMPDIR to one")
        self.path = path
        # The record gets its name when it is locked: one that is not locked is a dead owner's.
        self._lock = os.open(path / "owner.new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.record(0)
        (path / "owner.new").rename(path / "owner")

    def record(self, server: int) -> None:
        """Keep the server's pid, for those who clear up."""
        # In place and of one length, so that being killed here leaves no half record.
        os.pwrite(self._lock, f"{os.getpid():<10}\n{server:<10}\n".encode(), 0)

    def subdirectory(self, name: str) -> Path:
        """Make one that is the user's alone."""
        path = self.path / name
        path.mkdir(0o700)
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
        return path

    def delete(self) -> None:
        _delete(self.path)
        os.close(self._lock)


def _bases() -> list[str]:
    """Where it may be: with a short path, and no character that parts a list of hosts."""
    return [
        base
        for base in dict.fromkeys([tempfile.gettempdir(), "/tmp", "/var/tmp"])
        if len(os.fsencode(f"{base}/{_PREFIX}12345678/{_SOCKET_IN_IT}")) <= _SOCKET_PATH_LIMIT
        and not set(base) & set("'\",\\")
    ]


def _make(base: str, user: pwd.struct_passwd | None) -> Path | None:
    try:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    except OSError:
        return None
    if user:
        path.chmod(0o711)
        if run(["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)], user):
            path.rmdir()
            return None
    return path


def _delete(path: Path) -> None:
    deadline = time.monotonic() + 2  # what is left of a killed server may still be writing
    while path.exists() and time.monotonic() < deadline:
        shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.01)


def remove_leftovers() -> None:
    """Stop the servers and delete the directories that killed processes of this user left."""
    for path in {path for base in _bases() for path in Path(base).glob(f"{_PREFIX}*")}:
        try:
            made = path.lstat()
            if not stat.S_ISDIR(made.st_mode) or made.st_uid != os.geteuid():
                continue
            with (path / "owner").open() as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _end(int(owner.read().split()[1]), path)
                _delete(path)
        except BlockingIOError:
            continue  # its owner lives
        except FileNotFoundError:
            # Being made just now, or deleted by another; or its maker was killed at one of the two.
            if path.exists() and time.time() - made.st_mtime > 3600:
                _delete(path)


def _end(server: int, path: Path) -> None:
    for sent in (signal.SIGQUIT, signal.SIGKILL):
        deadline = time.monotonic() + 10
        while _is_server(server, path) and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, sent)
            time.sleep(0.1)


def _is_server(pid: int, path: Path) -> bool:
    """Whether the pid is still that of the server there, and not another's by now."""
    if Path("/proc/self/cmdline").exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    else:
        command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True).stdout
    return pid > 0 and os.fsencode(path) in command
