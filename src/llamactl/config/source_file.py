"""Reads a file that may contain a connection or settings.

A file that exists but cannot be read is an error: ignoring it could mean working on another database.
"""

from __future__ import annotations

import stat
from pathlib import Path
from threading import Thread

from llamactl.model import ErrorCode, LlamactlError

PIPE_SECONDS = 10.0
"""How long to wait for the contents of a named pipe. 1Password's pipe asks the user first."""
MOST_PIPE_BYTES = 2**20

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_source(path: Path, hint: str) -> str | None:
    """Returns the file's text without a byte order mark; None if there is no such file.

    A named pipe is read once, to its end. Raises LlamactlError (config), with the hint, if the path exists
    but contains no readable text.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode):
            data = _read_pipe(path, hint)
        elif stat.S_ISREG(mode):
            data = path.read_bytes()
        else:
            kind = next((name for test, name in _KINDS if test(mode)), "not a regular file")
            raise _unreadable(path, f"it is {kind}", hint)
        return data.decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as exc:
        if path.is_symlink():
            raise _unreadable(path, "it is a link to a file that does not exist", hint) from exc
        return None
    except OSError as exc:
        raise _unreadable(path, exc.strerror or type(exc).__name__, hint) from exc
    except UnicodeDecodeError as exc:
        raise _unreadable(path, "it is not UTF-8", hint) from exc


def _read_pipe(path: Path, hint: str) -> bytes:
    """Reads in a separate thread: opening a pipe without a writer blocks forever."""
    read: list[bytes | OSError] = []
    # A daemon thread: it may stay blocked in open() until the process ends.
    thread = Thread(target=lambda: read.append(_piped(path)), daemon=True)
    thread.start()
    thread.join(PIPE_SECONDS)
    if not read:
        raise _unreadable(
            path, f"the named pipe was not written and closed within {PIPE_SECONDS:.0f} s", hint
        )
    (data,) = read
    if isinstance(data, OSError):
        raise data
    if not data:
        raise _unreadable(path, "the named pipe was closed without any data", hint)
    if len(data) > MOST_PIPE_BYTES:
        raise _unreadable(path, f"the named pipe returned more than {MOST_PIPE_BYTES} bytes", hint)
    return data


def _piped(path: Path) -> bytes | OSError:
    try:
        with path.open("rb") as pipe:
            return pipe.read(MOST_PIPE_BYTES + 1)
    except OSError as exc:
        return exc


def _unreadable(path: Path, why: str, hint: str) -> LlamactlError:
    return LlamactlError(ErrorCode.CONFIG, f"Cannot read {path}: {why}", hint)
