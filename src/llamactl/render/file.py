"""Writes a file completely or not at all, without granting anybody new read access.

1. An open file (/dev/stdout, /dev/fd/63, a process substitution), a pipe or a device is written to as it is.
2. A new file gets mode 0600, whatever the umask: a report contains every column of the log.
3. An existing file is replaced in one step by one of the same mode, owner and ACL. A symbolic link stays: its
   target is replaced.
4. Where that cannot be (another's file, a second hard link, a mount point, a directory that takes no new
   file), a temporary file takes the report, and is copied into the existing one once it is whole.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from errno import EBADF
from pathlib import Path
from secrets import token_hex
from tempfile import mkstemp
from typing import TextIO, cast

from llamactl.model import ErrorCode, LlamactlError
from llamactl.render.console import write

Take = Callable[[Iterable[str]], bool]
"""Writes the pieces of a file; returns whether its reader is still there."""

Finish = Callable[[], object]
"""Moves what was written to its destination."""

_DESCRIPTORS = re.compile(rf"/dev/fd|/proc/(?:self|thread-self|{os.getpid()}(?:/task/[0-9]+)?)/fd")
_MOST_LINKS = 40


@contextmanager
def replacing(path: Path) -> Iterator[Take]:
    """Yields a function that writes pieces to the file, which is replaced once everything succeeded.

    Raises LlamactlError: usage where the file cannot be made, connection where it cannot be written.
    """
    with ExitStack() as stack:
        with _refusing(path):
            stream, finish = _open(path, stack)
        try:
            yield lambda pieces: write(stream, pieces)
            stream.flush()
            finish()
        except OSError as exc:
            message = f"Cannot write {path}: {exc.strerror}"
            raise LlamactlError(ErrorCode.CONNECTION, message) from exc


def descriptor(path: Path) -> int | None:
    """Returns the file descriptor of this process that the path refers to, also through links; else None."""
    here = path.absolute()
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(here.parent)
        if re.fullmatch("[0-9]+", here.name) and _DESCRIPTORS.fullmatch(folder):
            return int(here.name)
        here = Path(folder, here.name)
        if not here.is_symlink():
            break
        here = Path(folder, here.readlink())
    return None


def _open(path: Path, stack: ExitStack) -> tuple[TextIO, Finish]:
    """Returns the stream to write to, and what to do once it is complete. Raises OSError."""
    number = descriptor(path)
    if number is not None:
        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(EBADF, os.strerror(EBADF))
        # Not by its path: that would truncate a file to which the shell appends, and opens no socket.
        return _text(os.dup(number), "w", stack), _stay
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise LlamactlError(ErrorCode.USAGE, f"{path} is a directory", "Give -o the name of a file")
    try:
        existing = os.open(target, os.O_WRONLY)
    except FileNotFoundError:
        beside, stream = _make_beside(target, stack)
        return stream, lambda: beside.replace(target)
    if not stat.S_ISREG(os.fstat(existing).st_mode):
        return _text(existing, "w", stack), _stay
    stack.callback(os.close, existing)
    return _open_existing(path, target, existing, stack)


def _open_existing(path: Path, target: Path, existing: int, stack: ExitStack) -> tuple[TextIO, Finish]:
    try:
        beside, stream = _make_beside(target, stack)
    except OSError:
        number, spool = mkstemp(prefix="llamactl-")
        Path(spool).unlink()  # it is deleted when it is closed
        stream = _text(number, "w+", stack)
        return stream, lambda: _copy(stream, existing, path)

    def finish() -> None:
        if _made_alike(stream.fileno(), existing):
            with suppress(OSError):  # a mount point cannot be replaced
                beside.replace(target)
                return
        _copy(stream, existing, path)

    return stream, finish


def _make_beside(target: Path, stack: ExitStack) -> tuple[Path, TextIO]:
    """Creates a file in the target's directory, which is deleted at the end unless it was renamed."""
    beside = target.with_name(f".llamactl-{token_hex(6)}.tmp")
    number = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    stack.callback(_quietly, beside.unlink)
    stream = _text(number, "w+", stack)
    os.fchmod(number, 0o600)  # a umask can take rights from the owner too
    return beside, stream


def _text(number: int, mode: str, stack: ExitStack) -> TextIO:
    stream = cast(TextIO, os.fdopen(number, mode, encoding="ascii", newline="\n"))
    stack.callback(_quietly, stream.close)
    return stream


def _quietly(finally_: Callable[[], object]) -> None:
    """Makes sure that everything is written, or raises an error."""
    with suppress(OSError):
        finally_()


def _stay() -> None:
    """Does nothing: the stream is already the destination."""


def _made_alike(new: int, old: int) -> bool:
    """Copies owner, group and mode of the old file; returns whether the new one can replace it."""
    before = os.fstat(old)
    try:
        os.fchown(new, before.st_uid, before.st_gid)
        os.fchmod(new, stat.S_IMODE(before.st_mode))
    except OSError:
        return False
    return before.st_nlink == 1 and _attributes(new) == _attributes(old)


def _attributes(number: int) -> dict[str, bytes]:
    """Returns the extended attributes, including ACLs."""
    if sys.platform != "linux":
        return {}
    with suppress(OSError):
        return {name: os.getxattr(number, name) for name in os.listxattr(number)}
    return {}


def _copy(stream: TextIO, existing: int, path: Path) -> None:
    """Overwrites the existing file. Raises LlamactlError (connection) that says if it is incomplete."""
    stream.buffer.seek(0)
    try:
        with os.fdopen(existing, "wb", closefd=False) as out:
            shutil.copyfileobj(stream.buffer, out)
            out.truncate()
    except OSError as exc:
        message = f"Cannot write {path}: {exc.strerror}; its content is incomplete now"
        raise LlamactlError(ErrorCode.CONNECTION, message) from exc


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        message = f"Cannot write {path}: {exc.strerror}"
        raise LlamactlError(ErrorCode.USAGE, message, "The directory of the -o file must exist") from exc
