"""The cursor at the end of a timeline's page: an opaque text from which the next page starts."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import astuple, dataclass
from zlib import crc32

from llamactl.model import ErrorCode, LlamactlError, Subject, TimelineRow

_CHECK_BYTES = 4


@dataclass(frozen=True, slots=True)
class Position:
    """The values by which rows are ordered."""

    created_at: str | None = None
    is_root: bool | None = None
    id: str | None = None
    """None: before the first row."""


def encode_cursor(subject: Subject, row: TimelineRow) -> str:
    """Returns the cursor that continues after the row."""
    text = json.dumps(astuple(Position(row.created_at, row.is_root, row.id)), separators=(",", ":")).encode()
    return urlsafe_b64encode(_check(subject, text) + text).decode().rstrip("=")


def decode_cursor(subject: Subject, given: str) -> Position:
    """Returns the position of a cursor. Raises LlamactlError (usage) if it is not one of this timeline."""
    try:
        data = urlsafe_b64decode(given.encode("ascii") + b"=" * (-len(given) % 4))
    except ValueError:
        data = b""
    text = data[_CHECK_BYTES:]
    if not text or data[:_CHECK_BYTES] != _check(subject, text):
        raise LlamactlError(
            ErrorCode.USAGE,
            f"--after {given}: not a cursor of the timeline of {subject.kind} {subject.id}",
            "Give the complete next_cursor of a page of this timeline; the filters may differ",
        )
    return Position(*json.loads(text))


def _check(subject: Subject, text: bytes) -> bytes:
    """Detects a truncated cursor, and one of another timeline."""
    owner = f"{subject.kind} {subject.id} ".encode(errors="surrogatepass")
    return crc32(text, crc32(owner)).to_bytes(_CHECK_BYTES, "big")
