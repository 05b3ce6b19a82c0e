"""How much of another session's query may be shown: its shape, without any value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llamactl.wording import shortened

MOST = 80
"""Characters of a query that are shown."""

# As the server's own lexer (scan.l) divides a query. Quantifiers are possessive: what has no end is
# no token.
# A plain string in which a backslash stands before a quote ends there or not, as standard_conforming_strings
# is set in that session, which nobody else can know: it is no token either.
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
"""Else a name may be a connection string, or another secret in the wrong quotes."""
_SETTING = frozenset({"ALTER", "CREATE", "SET"})
"""How statements begin in which a value, a password included, can be a bare word."""
_BEFORE_VALUE = frozenset({"=", "TO", "PASSWORD"})


class _UnreadableError(ValueError):
    """The query does not end where a token does: it was truncated, or is no SQL."""


def redacted(query: str | None) -> str | None:
    """Returns the query in one line of at most 80 characters, with `?` for each literal and comment.

    Returns None where there is none, and where it cannot be read to its end: what looks like code there may
    be the inside of a literal.
    """
    try:
        return shortened("".join(_shown(query or "")), MOST) or None
    except _UnreadableError:
        return None


def _shown(query: str) -> Iterator[str]:
    """Yields each token, or what is shown in its place. Raises _UnreadableError."""
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
        # The last group that matched is the outer one.
        kind, at = str(match.lastgroup), match.end()
        if match[0] == "/*":
            at = _comment_end(query, at)
        yield kind, query[match.start() : at]


def _comment_end(query: str, at: int) -> int:
    """Returns where the comment ends that was opened before `at`; comments nest. Raises _UnreadableError."""
    depth = 1
    for mark in _COMMENT_MARK.finditer(query, at):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    raise _UnreadableError
