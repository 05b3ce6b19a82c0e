"""Makes text from the database safe to show: on a terminal, in JSON, in XML."""

from __future__ import annotations

import re

# C0, DEL and C1 control terminals; bidi controls reorder text; the separators break lines; lone surrogates
# cannot be encoded.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi marks, embeddings, overrides, isolates
    "\u2028\u2029\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)
_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as Python reads it (surrogateescape)."""
_BYTE_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)(?<!\\ud[89ab][0-9a-f][0-9a-f])\\udc([89a-f][0-9a-f])")
"""Likewise as a JSON escape, unless it is the second half of a surrogate pair."""
UNSAFE_SURROGATE = re.compile("[\ud800-\udfff]")
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
PASSWORD = re.compile(
    r"(?P<before>\w://[^\s:/@]*:)\S+(?=@)|(?P<key>\b(?:ssl)?password\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s&]+)",
    re.IGNORECASE,
)
SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in SHORT:
        return SHORT[character]
    code = ord(character)
    if _BYTE.match(character):
        code -= 0xDC00
    return rf"\x{code:02x}" if code < 0x100 else rf"\u{code:04x}"


def visible(text: str) -> str:
    """Returns `text` on one line, with terminal control characters shown as escapes (`\\x1b`)."""
    if text.isascii() and text.isprintable():
        return text
    return UNSAFE.sub(_escape, text)


def visible_lines(text: str) -> str:
    """Returns `text` like visible(), but with its line breaks."""
    return "\n".join(visible(line) for line in text.split("\n"))


def json_escapes(document: str) -> str:
    """Returns a JSON document with these characters as `\\u` escapes; they occur only inside its strings."""
    document = _BYTE.sub(lambda match: rf"\\x{ord(match[0]) - 0xDC00:02x}", document)
    document = _BYTE_ESCAPE.sub(r"\1\\\\x\2", document)
    return UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else rf"\u{ord(match[0]):04x}", document)


def xml_characters(text: str) -> str:
    """Returns `text` with characters that XML 1.0 does not allow shown as escapes."""
    return NOT_XML.sub(_escape, text)


def without_passwords(text: str) -> str:
    """Returns `text` with the passwords of URLs and connection strings replaced."""
    return PASSWORD.sub(lambda match: (match["before"] or match["key"]) + "***", text)
