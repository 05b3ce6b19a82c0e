"""Redacts another session's query: shows its structure, but no value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llamactl.wording import shortened

MOST = 80
"""Characters of a query that are shown."""

# Tokens as in the server's lexer (scan.l). Quantifiers are possessive: an unterminated literal is not a
# token. A plain string with a backslash before a quote is not a token either: whether it ends there depends
# on standard_conforming_strings in that session, which other sessions cannot see.
_TOKEN = re.compile(
    r"""
    (?P<space> [ \t\n\r\f\v]+ )
  | (?P<comment> --[^\n\r]*+ | /\* )
  | (?P<literal>
        [eE]'(?:[^'\\]|\\.|'')*+'
      | (?:[bBnNxX]|[uU]&)?'(?:[^'\\]|\\(?!')|'')*+'
      | \$(?P<tag>(?:[^\W\d]\w*+)?)\$.*?\$(?P=tag)\$
      | (?:\d|\.\d)(?:[eE][+-]\d|[\w.])*+
      | [uU]&"(?:[^"]|"")*+"
    )
  | (?P<name> "(?:[^"]|"")*+" )
  | (?P<word> [^\W\d][\w$]*+ )
  | (?P<other> \$\d++ | [-+*/<>=~!@\#%^&|`?,()\[\].;:] )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")
_PLAIN_NAME = re.compile(r'"?[\w .-]{1,63}"?')
"""Any other name may be a connection string or another secret in the wrong quotes."""
_SETTING = frozenset({"ALTER", "CREATE", "SET"})
"""The first words of statements in which a value, even a password, can be a bare word."""
_BEFORE_VALUE = frozenset({"=", "TO", "PASSWORD"})


class _UnreadableError(ValueError):
    """The query does not end at the end of a token: it was truncated, or is not SQL."""


def redacted(query: str | None) -> str | None:
    """Returns the query in one line of at most 80 characters, with `?` for each literal and comment.

    Returns None if there is no query, or if it cannot be tokenized to its end: what looks like code may then
    be the inside of a literal.
    """
    try:
        return shortened("".join(_shown(query or "")), MOST) or None
    except _UnreadableError:
        return None


def _shown(query: str) -> Iterator[str]:
    """Yields each token or its replacement. Raises _UnreadableError."""
    begins, hidden = "", False
    for kind, text in _tokens(query):
        word = text.upper()
        if kind in ("literal", "comment") or (kind == "name" and (hidden or not _PLAIN_NAME.fullmatch(text))):
            yield "?"
        elif kind == "word":
            yield "?" if hidden or not _PLAIN_NAME.fullmatch(text) else text
            begins = begins or word
        else:
            yield text
        if text == ";":
            begins, hidden = "", False
        elif begins in _SETTING and word in _BEFORE_VALUE:
            hidden = True


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    """Yields the kind and the text of each token. Raises _UnreadableError."""
    at = 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None:
            raise _UnreadableError
        # The last group that matched is the outermost one.
        kind, at = str(match.lastgroup), match.end()
        if match[0] == "/*":
            at = _comment_end(query, at)
        yield kind, query[match.start() : at]


def _comment_end(query: str, at: int) -> int:
    """Returns the end of the comment that was opened before `at`; comments nest. Raises _UnreadableError."""
    depth = 1
    for mark in _COMMENT_MARK.finditer(query, at):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    raise _UnreadableError
