"""The record in a private server's directory: the directory, its owner, and the process in it."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_FORMAT = "llamactl private server 1"
_LENGTH = 1024
"""The fixed size of a record in bytes, so that a later one overwrites all of an earlier one."""
_SMALL = 64 * 1024
"""The maximum size of the files read here; a larger one belongs to somebody else."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, distinguishable from a later one with the same pid."""

    pid: int
    started: str
    """The start time as the system reports it; empty if there is no such process."""

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
    """The real path of the directory."""
    inode: int
    boot: str
    """The boot id of the system; empty if it has none."""
    namespace: str
    """The namespace of the pids; empty if there are none."""
    owner: Process
    process: Process
    """The server or an initdb; pid 0 if none was started yet."""

    @classmethod
    def make(cls, path: Path, pid: int) -> Self:
        """Returns the record of a directory of this process, in which the process `pid` runs."""
        owner, process = Process.look(os.getpid()), Process.look(pid)
        return cls(os.path.realpath(path), path.stat().st_ino, _boot(), _namespace(), owner, process)

    @classmethod
    def read(cls, file: int) -> Self:
        """Returns the record in an open file. Raises ValueError if there is none."""
        lines = os.pread(file, _LENGTH + 1, 0).decode().rstrip(" ").split("\n")
        if len(lines) != 10 or lines[0] != _FORMAT or lines[-1]:
            raise ValueError("not a record")
        directory, inode, boot, namespace, owner, started, pid, began = lines[1:9]
        return cls(
            directory, int(inode), boot, namespace, Process(int(owner), started), Process(int(pid), began)
        )

    def write(self, file: int) -> None:
        """Writes the record at once, so that readers and interruptions never see half a record."""
        fields = (self.directory, self.inode, self.boot, self.namespace, self.owner.pid, self.owner.started)
        lines = [_FORMAT, *map(str, fields), str(self.process.pid), self.process.started, ""]
        os.pwrite(file, "\n".join(lines).encode().ljust(_LENGTH), 0)

    def is_of(self, path: Path) -> bool:
        """Returns whether it is the record of this directory, and was not copied or moved here."""
        return self.directory == os.path.realpath(path) and self.inode == path.stat().st_ino

    @property
    def before_this_boot(self) -> bool:
        """Whether no process from the time of the record can be alive."""
        return self.boot != _boot()

    @property
    def countable(self) -> bool:
        """Whether its pids have the same meaning here as for its owner, unlike in another container."""
        return self.namespace == _namespace()


def open_small(path: Path) -> int:
    """Opens a regular file of reasonable size for reading. Raises OSError, ValueError.

    It does not block, not even on a FIFO without a writer.
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
    return "" if fields[0] in ("Z", "X") else fields[19]  # dead, but not yet reaped by its parent


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
