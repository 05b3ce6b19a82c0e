"""Where a page of a timeline ends: an opaque text, which the next page starts from."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import astuple, dataclass
from zlib import crc32

from llamactl.model import ErrorCode, LlamactlError, Subject, TimelineRow

_CHECK_BYTES = 4


@dataclass(frozen=True, slots=True)
class Position:
    """What rows are ordered by."""

    created_at: str | None = None
    is_root: bool | None = None
    id: str | None = None
    """None: before the first row."""


def encode_cursor(subject: Subject, row: TimelineRow) -> str:
    """Returns the cursor that goes on after the row."""
    text = json.dumps(astuple(Position(row.created_at, row.is_root, row.id)), separators=(",", ":")).encode()
    return urlsafe_b64encode(_check(subject, text) + text).decode().rstrip("=")


def decode_cursor(subject: Subject, given: str) -> Position:
    """Returns where a cursor stands. Raises LlamactlError (usage) where it is none of this timeline's."""
    try:
        data = urlsafe_b64decode(given.encode("ascii") + b"=" * (-len(given) % 4))
    except ValueError:
        data = b""
    text = data[_CHECK_BYTES:]
    if not text or data[:_CHECK_BYTES] != _check(subject, text):
        raise LlamactlError(
            ErrorCode.USAGE,
            f"--after {given}: not a cursor of the timeline of {subject.kind} {subject.id}",
            "Give the next_cursor of a page of this timeline, whole; the filters may differ",
        )
    return Position(*json.loads(text))


def _check(subject: Subject, text: bytes) -> bytes:
    """Tells a cursor that was cut, or is another timeline's."""
    owner = f"{subject.kind} {subject.id} ".encode(errors="surrogatepass")
    return crc32(text, crc32(owner)).to_bytes(_CHECK_BYTES, "big")
