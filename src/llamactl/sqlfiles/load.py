"""Finds, loads and checks the SQL files.

A file is plain SQL with variables of psql. Its header declares their defaults, `-- Default sample: 10`, which
`python -m llamactl.sqlfiles PATH` writes as psql needs them. Loading retargets a file to the
user's names, splits it into statements, and turns the variables into the driver's: `:'job'` becomes `$1`,
`:root_type` the type's name, `:entry` the SELECT of its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from llamactl.model import ErrorCode, LlamactlError
from llamactl.sqlfiles.names import Edit, Names, apply, edits, fault, tokenize

if TYPE_CHECKING:
    from sqlglot import Token

TYPE_VARIABLES = ("root_type", "root_cast", "parent_cast", "id_cast")
"""The variables that stand for the names of types instead of values, by their fields in Names."""

INLINED = {
    "entry": "lineage/entry",
    "rooted": "lineage/rooted",
    "target": "online/target",
    "shape": "online/shape",
    "broken": "verify/broken",
}
"""The variables that stand for a SELECT in parentheses, by its file."""

_DEFAULT = re.compile(r"^-- Default (\w+): (.*)$", re.MULTILINE)
_HEADER = re.compile(r"(?:--[^\n]*\n)+")
_OWN_CODE = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "LOCK", "DO")
"""First words of statements that run none of the user's code, unless they name the user's objects."""
_DEFAULT_NAME = re.compile(r"""'("[^"']+"(?:\."[^"']+")?)'""")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a file, retargeted."""

    sql: str
    """The text for the driver: values as $1 .., with comments, without the final semicolon."""
    parameters: tuple[str, ...]
    """The psql variables that $1, $2 .. stand for."""
    around: tuple[str, ...]
    """The texts between its values: one more than `values` has names."""
    values: tuple[str, ...]

    def written(self, given: Mapping[str, object]) -> str:
        """Returns the statement for display, with its values written out; those not given stay :'name'."""
        literals = [quote_literal(given[name]) if name in given else f":'{name}'" for name in self.values]
        parts = [part for pair in zip(self.around, [*literals, ";"], strict=True) for part in pair]
        return "".join(parts).strip()


@dataclass(frozen=True, slots=True)
class Query:
    """An SQL file, retargeted."""

    path: str
    statements: tuple[Statement, ...]
    script: str
    """The whole file for psql, which sets the variables that were not given to their defaults."""
    runs_users_code: bool
    """Whether its statements may run triggers and the like, and therefore need the user's search path."""

    def literal(self, **flags: bool) -> Query:
        """Returns the query with flags written into its statements, for those that accept no parameters."""
        statements = []
        for one in self.statements:
            text = one.written(flags).removesuffix(";")
            statements.append(replace(one, sql=text, parameters=(), around=(text,), values=()))
        return replace(self, statements=tuple(statements))


@cache
def sql_directory() -> Path:
    """Returns the directory of the SQL files: that in the wheel, else that of the checkout."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "sql", here.parents[1] / "sql"):
        if folder.is_dir():
            return folder
    raise LlamactlError(ErrorCode.INTERNAL, "The SQL files are missing", "Install llamactl again")


def all_query_paths() -> list[str]:
    """Returns all paths that load_query() accepts, sorted."""
    return sorted(
        file.relative_to(sql_directory()).with_suffix("").as_posix()
        for file in sql_directory().rglob("*.sql")
    )


@cache
def query_text(path: str) -> str:
    """Returns the unchanged text of a file, with the default names."""
    file = sql_directory() / f"{path}.sql"
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise LlamactlError(ErrorCode.INTERNAL, f"There is no sql/{path}.sql") from exc


@lru_cache(maxsize=512)
def load_query(path: str, names: Names) -> Query:
    """Returns the file sql/<path>.sql, retargeted to these names."""
    return parse_query(path, query_text(path), names)


def as_written(path: str, sql: str) -> Query:
    """Returns a query that the file `path` generated: SQL written by the server with the pinned path."""
    return Query(path, (Statement(sql, (), (sql,), ()),), script=sql, runs_users_code=False)


def inlined(variable: str, names: Names) -> str:
    """Returns the replacement of a variable of INLINED: the only SELECT of its file, without the header.

    Raises LlamactlError (internal) where the file has values, which would need numbers in each statement.
    """
    path = INLINED[variable]
    (statement,) = load_query(path, names).statements
    if statement.parameters:
        raise LlamactlError(ErrorCode.INTERNAL, f"sql/{path}.sql takes values: it cannot be inlined")
    return f"(\n{_HEADER.sub('', statement.sql, count=1)}\n)"


def parse_query(path: str, source: str, names: Names) -> Query:
    """Parses the text of a file to a query. Raises LlamactlError (internal) with file and line."""
    where = f"sql/{path}.sql"
    tokens = tokenize(source, where)
    for token in tokens:
        if source[token.start] == "\\":
            raise fault(source, token.start, where, "psql commands are made from the header's defaults")
    names_and_types = edits(source, tokens, names, where)
    values: list[tuple[Edit, str]] = []
    for edit, value in _variables(source, tokens, names, where):
        if value is None:
            names_and_types.append(edit)
        else:
            values.append((edit, value))
    spans = list(_spans(source, tokens, where))
    declared = [Edit(line.start(), line.end() + 1, "") for line in _declared(source)]
    return Query(
        path,
        tuple(_statement(source, start, end, [*names_and_types, *declared], values) for start, end in spans),
        script=apply(source, [*names_and_types, *_psql_defaults(source, names, where)]),
        runs_users_code=any(
            _runs_users_code([token for token in tokens if start <= token.start < end])
            for start, end in spans
        ),
    )


def _variables(
    source: str, tokens: Sequence[Token], names: Names, where: str
) -> Iterator[tuple[Edit, str | None]]:
    """Yields each psql variable: with its name if it is a value, with None if it is a type or a SELECT.

    psql leaves strings, comments and dollar-quoted bodies alone, and so does this.
    """
    from sqlglot import TokenType

    for colon, token in pairwise(tokens):
        if colon.token_type is not TokenType.COLON or colon.end + 1 != token.start:
            continue
        written = source[token.start : token.end + 1]
        if re.fullmatch(r"'\w+'", written):
            yield Edit(colon.start, token.end + 1, ""), token.text
        elif written in TYPE_VARIABLES:
            yield Edit(colon.start, token.end + 1, getattr(names, written)), None
        elif written in INLINED:
            yield Edit(colon.start, token.end + 1, inlined(written, names)), None
        elif token.token_type is not TokenType.NUMBER:  # a slice, [1:2]
            raise fault(
                source, colon.start, where, f":{written} is neither a value (:'name') nor a type nor a SELECT"
            )


def _spans(source: str, tokens: Sequence[Token], where: str) -> Iterator[tuple[int, int]]:
    """Yields the start of each statement and the position of its semicolon."""
    from sqlglot import TokenType

    start, opened = 0, False
    for token in tokens:
        if token.token_type is not TokenType.SEMICOLON:
            opened = True
        elif opened:
            yield start, token.start
            start, opened = token.end + 1, False
        else:
            raise fault(source, token.start, where, "an empty statement")
    if opened:
        raise fault(source, len(source.rstrip()), where, "the last statement has no semicolon")


def _runs_users_code(tokens: Sequence[Token]) -> bool:
    """Returns whether a statement may run the user's triggers, event triggers, CHECKs or expressions.

    DDL may, that on temporary relations included, and so may ANALYZE, and what writes to relations that are
    not temporary.
    """
    from sqlglot import TokenType

    words = [token.text.upper() for token in tokens]
    if words[0] == "DO":
        bodies = [token.text for token in tokens if token.token_type is TokenType.HEREDOC_STRING]
        return any('"' in body or "llamactl." in body for body in bodies)
    if words[0] not in _OWN_CODE:
        return words[:2] != ["ANALYZE", "PG_TEMP"]
    return any(
        (token.token_type is TokenType.IDENTIFIER or token.text == "llamactl")
        and (word in ("UPDATE", "INTO") or (before, word) == ("DELETE", "FROM"))
        for before, word, token in zip(["", *words], words, tokens[1:], strict=False)
    )


def _statement(
    source: str, start: int, end: int, always: list[Edit], values: list[tuple[Edit, str]]
) -> Statement:
    mine = [(edit, name) for edit, name in values if start <= edit.start < end]
    parameters = tuple(dict.fromkeys(name for _, name in mine))
    numbered = [Edit(edit.start, edit.end, f"${parameters.index(name) + 1}") for edit, name in mine]
    around, at = [], start
    for edit, _ in sorted(mine, key=lambda value: value[0].start):
        around.append(apply(source, always, at, edit.start))
        at = edit.end
    return Statement(
        sql=apply(source, [*always, *numbered], start, end).strip(),
        parameters=parameters,
        around=(*around, apply(source, always, at, end).rstrip()),
        values=tuple(name for _, name in sorted(mine, key=lambda value: value[0].start)),
    )


def quote_literal(value: object) -> str:
    """Returns the value as an SQL literal, for display only."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, list):  # of numbers
        text = "{" + ",".join(map(str, value)) + "}"
    return "NULL" if value is None else "'" + text.replace("'", "''") + "'"


def header_defaults(source: str) -> dict[str, str]:
    """Returns the defaults declared in a file's header, by variable, in the notation of psql's \\set."""
    return {line[1]: line[2] for line in _declared(source)}


def _declared(source: str) -> list[re.Match[str]]:
    header = _HEADER.match(source)
    return list(_DEFAULT.finditer(source, 0, header.end())) if header else []


def _psql_defaults(source: str, names: Names, where: str) -> Iterator[Edit]:
    """Yields psql commands for the header's defaults, which set a variable if it is not set yet."""
    for line in _declared(source):
        name, begin, end = line[1], line.start(2), line.end(2)
        value = apply(source, _default_edits(source, begin, end, names, where), begin, end)
        commands = f"\\if :{{?{name}}}\n\\else\n\\set {name} {value}\n\\endif"
        yield Edit(line.start(), line.end(), commands)


def _default_edits(source: str, begin: int, end: int, names: Names, where: str) -> Iterator[Edit]:
    """Yields the edits that retarget a default with quoted names, as in `'"public"."LlamaLog"'`."""
    for default in _DEFAULT_NAME.finditer(source, begin, end):
        # Lines before it, so that an error names the file's line.
        lead = "\n" * source.count("\n", 0, begin)
        start, inside = default.start(1) - len(lead), lead + default[1]
        for edit in edits(inside, tokenize(inside, where), names, where):
            # Inside single quotes psql reads C-like escapes.
            escaped = edit.text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
            yield Edit(start + edit.start, start + edit.end, escaped)
