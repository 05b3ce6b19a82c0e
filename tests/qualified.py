"""What a statement names that could be something else under another search path.

Such are a function, an operator, a type, a collation or a relation without its schema, and what implies an
operator by its bare name, as IN does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llamactl.sqlfiles.names import tokenize

SCHEMAS = ("pg_catalog", "pg_temp", "llamactl")
# They imply operators by their bare names.
IMPLYING = ("BETWEEN", "LIKE", "ILIKE", "SIMILAR", "NATURAL", "NULLIF", "OVERLAPS")
# SQL's own words: the server looks for none of these by the search path.
KEYWORD_TYPES = (
    *("BIGINT", "BIT", "BOOLEAN", "CHARACTER", "DECIMAL", "DOUBLE", "FLOAT", "INT", "INTEGER", "INTERVAL"),
    *("NUMERIC", "REAL", "SMALLINT", "TIME", "TIMESTAMP", "VARCHAR"),
)
BEFORE_PARENTHESES = (
    *("ALL", "AND", "ANY", "ARRAY", "AS", "BY", "CAST", "CHECK", "COALESCE", "DISTINCT", "ELSE", "EXISTS"),
    *(
        "EXTRACT",
        "FILTER",
        "FROM",
        "GREATEST",
        "IF",
        "JOIN",
        "KEY",
        "LATERAL",
        "LEAST",
        "MATERIALIZED",
        "NOT",
    ),
    *("ON", "OPERATOR", "OR", "OVER", "ROW", "SELECT", "SOME", "THEN", "UNIQUE", "VALUES", "VARYING", "WHEN"),
    *("WHERE", *KEYWORD_TYPES),
)
PUNCTUATION = (*"(),.;[]:", "::", ":=")
OWN_PATH = re.compile(r"SET search_path = pg_catalog, pg_temp\s")


@dataclass(frozen=True)
class Word:
    text: str
    depth: int
    """Of parentheses around it."""

    @property
    def upper(self) -> str:
        return self.text.upper()

    @property
    def plain(self) -> bool:
        return bool(re.fullmatch(r"[A-Za-z_]\w*", self.text))

    @property
    def quoted(self) -> bool:
        return self.text.startswith('"')

    @property
    def operator(self) -> bool:
        return not re.match(r"[\w\"'$]", self.text) and self.text not in PUNCTUATION


END = Word("", 0)


def unqualified(statement: str) -> list[str]:
    """What is wrong with a statement of which every name is to have its schema, in words."""
    words = list(words_of(statement))
    found = [*_operators(words), *_functions(words), *_types(words), *_relations(words)]
    for word in words:
        # What has a path of its own sees no other.
        body = re.fullmatch(r"(\$\w*\$)(.*)\1", word.text, re.DOTALL)
        if body and not OWN_PATH.search(statement):
            found += unqualified(body[2])
    return found


def words_of(statement: str) -> Iterator[Word]:
    depth = 0
    for token in tokenize(statement, "a test's statement"):
        text = statement[token.start : token.end + 1]
        depth -= text in (")", "]")
        # Some key words are one token of two words, as SIMILAR TO.
        for part in text.split() if re.fullmatch(r"\w+(\s+\w+)+", text) else [text]:
            yield Word(part, depth)
        depth += text in ("(", "[")


def _around(words: Sequence[Word]) -> Iterator[tuple[Word, Word, Word, Word]]:
    """Each word, after the two that come before it, and before the next."""
    padded = [END, END, *words, END]
    yield from zip(padded, padded[1:], padded[2:], padded[3:], strict=False)


def _operators(words: Sequence[Word]) -> Iterator[str]:
    assigning = -1
    for second, before, word, after in _around(words):
        if word.upper == "SET":
            assigning = word.depth
        elif word.depth == assigning and word.upper in ("FROM", "WHERE", "RETURNING"):
            assigning = -1
        if word.operator:
            assigned = word.text == "=" and word.depth == assigning and second.upper in ("SET", ",")
            everything = word.text == "*" and before.upper in ("(", ".", "SELECT")
            given = before.text == "." and second.text == "pg_catalog"
            if not (assigned or everything or given):
                yield f"operator {word.text}"
        elif (
            word.upper in IMPLYING
            or (word.upper in ("IN", "USING") and (after.text == "(" or after.upper == "OPERATOR"))
            or (word.upper == "DISTINCT" and "IS" in (before.upper, second.upper))
            or (word.upper == "CASE" and after.upper != "WHEN")
        ):
            yield word.upper


def _functions(words: Sequence[Word]) -> Iterator[str]:
    for second, before, word, after in _around(words):
        if after.text != "(" or not (word.plain or word.quoted):
            continue
        given = before.text == "." and (second.text in SCHEMAS or second.quoted)
        if not (given or word.upper in BEFORE_PARENTHESES or before.upper in ("AS", "TABLE")):
            yield f"function {word.text}"


def _types(words: Sequence[Word]) -> Iterator[str]:
    for at, _ in enumerate(words):
        if (of := _where_a_type_is(words, at)) is None:
            continue
        first, dot = (*words[of : of + 2], END, END)[:2]
        given = dot.text == "." and (first.text in SCHEMAS or first.quoted)
        if not (given or first.upper in KEYWORD_TYPES):
            yield f"type {first.text}"
    for _, before, word, _ in _around(words):
        if before.upper == "COLLATE" and word.text != "pg_catalog" and not word.quoted:
            yield f"collation {word.text}"
        if before.upper == "COLLATE" and word.text in ('"C"', '"POSIX"', '"default"'):
            yield f"collation {word.text}"


def _where_a_type_is(words: Sequence[Word], at: int) -> int | None:
    """The place of the type that the word at this place announces."""
    word = words[at]
    if word.text == "::" or word.upper == "RETURNS":
        return at + 1
    if word.upper == "AS" and _opened_by(words, at) == "CAST":
        return at + 1
    if not (word.plain or word.quoted):
        return None
    before = _upper(words[max(at - 5, 0) : at])
    if _declared(words, at):
        return at + 1 + (words[at + 1].upper == "CONSTANT")
    if before[-2:] == ["ADD", "COLUMN"] or before == ["ADD", "COLUMN", "IF", "NOT", "EXISTS"]:
        return None if word.upper == "IF" else at + 1
    if before[-1:] in (["("], [","]) and _opened_by(words, at) in ("TABLE", "FUNCTION"):
        return None if word.upper in ("PRIMARY", "UNIQUE", "CHECK", "CONSTRAINT") else at + 1
    return None


def _upper(words: Sequence[Word]) -> list[str]:
    return [word.upper for word in words]


def _declared(words: Sequence[Word], at: int) -> bool:
    """Whether a variable of a DECLARE is named here."""
    before = _upper(words[:at])
    return before[-1:] == ["DECLARE"] or (
        before[-1:] == [";"] and "DECLARE" in before and "BEGIN" not in (*before, words[at].upper)
    )


def _opened_by(words: Sequence[Word], at: int) -> str:
    """What the parentheses around a place belong to: CAST, or the TABLE or FUNCTION that is created."""
    opening = next((i for i in range(at - 1, -1, -1) if words[i].depth < words[at].depth), None)
    if opening is None:
        return ""
    name = opening - 1
    while name > 1 and words[name - 1].text == ".":
        name -= 2
    if words[opening - 1].upper == "CAST":
        return "CAST"
    kind = words[name - 1].upper
    if kind == "EXISTS":  # IF NOT EXISTS
        kind = words[name - 4].upper
    return kind if kind in ("TABLE", "FUNCTION") and words[name - 2].upper != "EXECUTE" else ""


def _relations(words: Sequence[Word]) -> Iterator[str]:
    own = {
        name.text
        for name, as_, next_ in zip(words, words[1:], words[2:], strict=False)
        if as_.upper == "AS" and next_.upper in ("MATERIALIZED", "(", "NOT")
    }
    for at, (_, before, word, after) in enumerate(_around(words)):
        if before.upper not in ("FROM", "JOIN", "UPDATE", "INTO", "REFERENCES", "USING") or word is END:
            continue
        if before.upper == "FROM" and _opened_by_extract(words, at):
            continue
        if word.upper in ("(", "LATERAL", "ON", "SET", "OF") or word.text in own:
            continue
        if not (after.text == "." and (word.text in SCHEMAS or word.quoted)):
            yield f"relation {word.text}"


def _opened_by_extract(words: Sequence[Word], at: int) -> bool:
    opening = next((i for i in range(at - 1, 0, -1) if words[i].depth < words[at].depth), 0)
    return words[opening - 1].upper == "EXTRACT"
