"""What a private server's directory has on record: which directory, whose, and the process in it."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_FORMAT = "llamactl private server 1"
_LENGTH = 1024
"""Bytes of a record, whatever is in it: a later one takes the place of all of an earlier one."""
_SMALL = 64 * 1024
"""No file that is read here is larger, unless it is somebody else's."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from a later one of the same pid."""

    pid: int
    started: str
    """When, in the terms of the system; empty where there is no such process."""

    @classmethod
    def look(cls, pid: int) -> Self:
        """Returns the process that has the pid now."""
        return cls(pid, _started(pid))

    @property
    def alive(self) -> bool:
        return self.pid > 1 and self.started != "" and self.started == _started(self.pid)


@dataclass(frozen=True, slots=True)
class Record:
    """The content of the file `owner`."""

    directory: str
    """Its real path."""
    inode: int
    boot: str
    """Of the system; empty where it has no such id."""
    namespace: str
    """In which the pids count; empty where there are none."""
    owner: Process
    process: Process
    """The server, or an initdb; pid 0 where none was started yet."""

    @classmethod
    def make(cls, path: Path, pid: int) -> Self:
        """Returns the record of a directory of this process, in which the process `pid` runs."""
        owner, process = Process.look(os.getpid()), Process.look(pid)
        return cls(os.path.realpath(path), path.stat().st_ino, _boot(), _namespace(), owner, process)

    @classmethod
    def read(cls, file: int) -> Self:
        """Returns the record in an open file. Raises ValueError where there is none."""
        lines = os.pread(file, _LENGTH + 1, 0).decode().rstrip(" ").split("\n")
        if len(lines) != 10 or lines[0] != _FORMAT or lines[-1]:
            raise ValueError("not a record")
        directory, inode, boot, namespace, owner, started, pid, began = lines[1:9]
        return cls(
            directory, int(inode), boot, namespace, Process(int(owner), started), Process(int(pid), began)
        )

    def write(self, file: int) -> None:
        """Writes it in one piece, so that no reader and no interruption finds half a record."""
        fields = (self.directory, self.inode, self.boot, self.namespace, self.owner.pid, self.owner.started)
        lines = [_FORMAT, *map(str, fields), str(self.process.pid), self.process.started, ""]
        os.pwrite(file, "\n".join(lines).encode().ljust(_LENGTH), 0)

    def is_of(self, path: Path) -> bool:
        """Whether it is the record of this directory, and not of one that was copied from or moved here."""
        return self.directory == os.path.realpath(path) and self.inode == path.stat().st_ino

    @property
    def before_this_boot(self) -> bool:
        """No process of then can be alive."""
        return self.boot != _boot()

    @property
    def countable(self) -> bool:
        """Its pids mean here what they meant to its owner: not so in another container."""
        return self.namespace == _namespace()


def open_small(path: Path) -> int:
    """Opens a file for reading, in case it is a regular one of reasonable size. Raises OSError, ValueError.

    It waits for nothing: a FIFO has no writer.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_size > _SMALL:
        os.close(file)
        raise ValueError(f"{path} is not a small file")
    return file


def server_on(data: Path) -> Process:
    """Returns the process that postmaster.pid names, pid 0 for none. Raises OSError, ValueError."""
    try:
        file = open_small(data / "postmaster.pid")
    except FileNotFoundError:
        return Process(0, "")
    try:
        # A server without a postmaster, as initdb runs it, writes its pid with a minus.
        return Process.look(abs(int(os.pread(file, 20, 0).split()[0])))
    except IndexError:
        raise ValueError("postmaster.pid is empty") from None
    finally:
        os.close(file)


def _started(pid: int) -> str:
    if not _HAS_PROC:
        said = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
        return said.stdout.strip()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]  # dead, though its parent has not looked yet


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


_HAS_PROC = Path("/proc/self/stat").exists()
