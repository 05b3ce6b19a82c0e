"""Rows that can be read repeatedly, however many: the first in memory, the rest on disk."""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from llamactl.model import ErrorCode, LlamactlError, TimelineRow

IN_MEMORY = 10_000


class Spool(Collection[TimelineRow]):
    """Rows in the order in which they were added, chunk by chunk."""

    def __init__(self, chunks: Iterable[Sequence[TimelineRow]]) -> None:
        """Raises LlamactlError (connection) if the disk is full."""
        self.last: TimelineRow | None = None
        self._first: list[TimelineRow] = []
        self._count = 0
        self._file: IO[bytes] | None = None
        try:
            for chunk in chunks:
                self._add(chunk)
        except OSError as exc:
            message = f"Cannot store {self._count:,} rows in {tempfile.gettempdir()}: {exc.strerror}"
            raise LlamactlError(
                ErrorCode.CONNECTION, message, "Use --limit, or set TMPDIR to a directory with more space"
            ) from exc

    def _add(self, chunk: Sequence[TimelineRow]) -> None:
        self._count += len(chunk)
        self.last = chunk[-1]
        if self._count <= IN_MEMORY:
            self._first += chunk
            return
        if self._file is None:
            number, path = tempfile.mkstemp(prefix="llamactl-")
            Path(path).unlink()  # the file is deleted when it is closed
            self._file = os.fdopen(number, "w+b")
            weakref.finalize(self, self._file.close)
        pickle.dump(chunk, self._file, pickle.HIGHEST_PROTOCOL)

    def __iter__(self) -> Iterator[TimelineRow]:
        yield from self._first
        if self._file is None:
            return
        self._file.flush()
        at = 0
        end = self._file.seek(0, 2)
        while at < end:
            self._file.seek(at)
            chunk: Sequence[TimelineRow] = pickle.load(self._file)
            at = self._file.tell()
            yield from chunk

    def __len__(self) -> int:
        return self._count

    def __contains__(self, row: object) -> bool:
        return any(row == one for one in self)
