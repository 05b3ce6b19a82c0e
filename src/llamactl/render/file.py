"""A file that is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from llamactl.model import ErrorCode, LlamactlError


@contextmanager
def replacing(path: Path) -> Iterator[Callable[[Iterable[str]], object]]:
    """Yields what writes pieces to a file beside `path`, which takes its place once all went well.

    A link's target is what is replaced. What is no regular file (a pipe, /dev/null) is written to. Raises
    LlamactlError: usage where the file cannot be made, connection where it cannot be written.
    """
    target = Path(os.path.realpath(path))
    with _refusing(path):
        if target.is_dir():
            raise LlamactlError(ErrorCode.USAGE, f"{path} is a directory", "-o takes the name of a file")
        special = target.exists() and not target.is_file()
        beside = target if special else target.with_name(f".llamactl-{token_hex(6)}.tmp")
        # Not by the tempfile module, which lets nobody else read: the umask is to decide.
        stream = beside.open("w" if special else "x", encoding="ascii", newline="\n")
    try:
        with stream:
            yield stream.writelines
        if not special:
            beside.replace(target)
    except OSError as exc:
        message = f"Cannot write {path}: {exc.strerror}; nothing was changed"
        raise LlamactlError(ErrorCode.CONNECTION, message) from exc
    finally:
        if not special:
            with suppress(OSError):
                beside.unlink()


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        message = f"Cannot write {path}: {exc.strerror}"
        raise LlamactlError(ErrorCode.USAGE, message, "-o names a file in a directory that is there") from exc
