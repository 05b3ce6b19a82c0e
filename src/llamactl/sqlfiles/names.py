"""The user's names, and how a text written against the default names is retargeted to them.

In the SQL files a quoted identifier is the user's and an unquoted one is ours. Retargeting edits the
original text at the offsets that sqlglot's tokenizer gives, so comments and layout survive, and no SQL
that sqlglot generates is ever executed. sqlglot is imported late: `--help` does not need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import md5
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from llamactl.model import ErrorCode, LlamactlError

if TYPE_CHECKING:
    from sqlglot import Token, Tokenizer

NAME_BYTES = 63
"""NAMEDATALEN - 1. The server silently truncates longer names, so they are rejected."""

DEFAULT_COLUMNS = (
    *("id", "entity_type", "entity_id", "artist_id", "album_id", "track_id", "operation", "category"),
    *("sources", "status", "reason", "fields_enriched", "data_quality_before", "data_quality_after"),
    *("error_message", "error_code", "retry_count", "duration_ms", "api_call_count", "metadata"),
    *("job_id", "parent_job_id", "root_job_id", "is_root_job", "triggered_by", "user_id", "created_at"),
)
"""The columns of the original table; the SQL files use no others."""

SERVER_NAMES = ("C", "char")
"""Quoted names of the server that are never retargeted: a collation and a type."""

_GAP = re.compile(r"(?:\s|--[^\n]*|/\*(?:/\*.*?\*/|.)*?\*/)*", re.DOTALL)
"""What may be between two tokens; comments nest once."""
_TAG = re.compile(r"\$(?:[^\W\d]\w*)?\$")


def quote(name: str) -> str:
    """Returns the name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the user's table, its columns and its enum type; the defaults are those in the SQL files.

    Raises LlamactlError (config) where a name cannot be, a key of `columns` is not ours, or two of our
    columns other than id share one of theirs. Columns that are not given keep their default names.
    """

    schema: str = "public"
    table: str = "LlamaLog"
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    """llamactl's column name -> the user's; complete after construction."""
    enum_schema: str = "public"
    enum: str = "LlamaLogCategory"
    root_type: str = "pg_catalog.text"
    """The verbatim replacement of :root_type; always a result of format_type(), with its COLLATE."""
    root_cast: str = "pg_catalog.text"
    """The replacement of :root_cast, the type that computed roots are cast to. It is text for strings: an
    assignment to a column of limited length raises an error, where a cast would truncate silently."""
    parent_cast: str = "pg_catalog.text"
    """The replacement of :parent_cast: the same for parents that are restored."""
    id_cast: str = "text"
    """The replacement of :id_cast, the type in which keys are compared; text if some texts cannot be cast."""
    made: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The actual names of objects that llamactl created, where they differ from the properties below because
    the table was renamed since."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.columns) - set(DEFAULT_COLUMNS))
        if unknown:
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"{unknown[0]!r} is not a column that can be mapped",
                f"Columns that can be mapped: {', '.join(DEFAULT_COLUMNS)}",
            )
        columns = {ours: self.columns.get(ours, ours) for ours in DEFAULT_COLUMNS}
        object.__setattr__(self, "columns", MappingProxyType(columns))
        for what in ("schema", "table", "enum_schema", "enum"):
            _check_name(what.replace("_", " "), getattr(self, what))
        taken: dict[str, str] = {}
        for ours, theirs in columns.items():
            _check_name(f"name for column {ours}", theirs)
            if theirs in taken:
                raise LlamactlError(
                    ErrorCode.CONFIG,
                    f"Columns {taken[theirs]} and {ours} are both mapped to {theirs!r}",
                    "Map each of these columns to a different column",
                )
            if ours != "id":  # the key may be another one of these columns: job_id, if each job has one row
                taken[theirs] = ours

    @property
    def index(self) -> str:
        """The index on the root column, named as Prisma would name it."""
        return self.made.get("index") or _derived(self.table, self.columns["root_job_id"], "_idx")

    @property
    def check(self) -> str:
        """The CHECK constraint that no row's job is its own parent."""
        return self.made.get("check") or _derived(self.table, self.columns["job_id"], "_not_parent_check")

    @property
    def job_index(self) -> str:
        """The index for the guard's lookups, named as Prisma would name it."""
        columns = f"{self.columns['job_id']}_{self.columns['parent_job_id']}"
        name = _derived(self.table, columns, "_idx")
        # With the longest table names, the names of both indexes are truncated to the same text.
        apart = name if name != self.index else _derived(self.table, columns, "_job_idx")
        return self.made.get("job_index") or apart

    @property
    def guard(self) -> str:
        """The guard's function, in the schema llamactl, which contains those of tables in all schemas."""
        return self.made.get("guard") or _guard(self.schema, self.table)

    def quoted_table(self) -> str:
        """Returns the qualified, quoted table, for display or as a value for ::regclass."""
        return f"{quote(self.schema)}.{quote(self.table)}"


def _check_name(what: str, name: str) -> None:
    if not name:
        problem = "is empty"
    elif "\0" in name:
        problem = "contains a NUL character, which Postgres does not allow"
    elif any("\ud800" <= character <= "\udfff" for character in name):
        problem = "is not valid UTF-8"
    elif len(name.encode()) > NAME_BYTES:
        problem = f"is {len(name.encode())} bytes long; Postgres allows {NAME_BYTES}"
    else:
        return
    raise LlamactlError(
        ErrorCode.CONFIG, f"The {what} {problem}: {name!r}", "Give the name as it is in the database"
    )


def _derived(table: str, column: str, suffix: str) -> str:
    """Returns <table>_<column><suffix> in at most 63 bytes, without truncating the suffix.

    Prisma's rule: `<table>_<columns>` is cut to 63 bytes less the suffix, never inside a character, then
    the suffix follows (prisma-engines, psl-core datamodel_connector/constraint_names.rs,
    `ConstraintNames::index_name_impl`). Postgres, choosing a name itself, would cut both parts evenly.
    """
    stem = f"{table}_{column}".encode()[: NAME_BYTES - len(suffix)]
    return stem.decode(errors="ignore") + suffix


def _guard(schema: str, table: str) -> str:
    """Returns <table>_guard; with a distinguishing part outside of public, or if it would be truncated."""
    suffix = "_guard"
    if schema != "public" or len((table + suffix).encode()) > NAME_BYTES:
        told_apart = md5(f"{quote(schema)}.{quote(table)}".encode(), usedforsecurity=False).hexdigest()[:8]
        suffix = f"_{told_apart}_guard"
    return table.encode()[: NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces text[start:end]."""

    start: int
    end: int
    text: str


def apply(text: str, edits: Iterable[Edit], start: int = 0, end: int | None = None) -> str:
    """Returns text[start:end] with the edits that lie in it applied. Edits do not overlap."""
    stop = len(text) if end is None else end
    parts: list[str] = []
    for edit in sorted(edits, key=lambda edit: edit.start):
        if start <= edit.start and edit.end <= stop:
            parts += [text[start : edit.start], edit.text]
            start = edit.end
    return "".join([*parts, text[start:stop]])


@cache
def _tokenizer() -> Tokenizer:
    from sqlglot.dialects.postgres import Postgres

    class Plain(Postgres.Tokenizer):
        # Otherwise DO, CALL, SHOW and the like turn the rest of their statement into one opaque string.
        COMMANDS: ClassVar = set()

    return Plain()


def tokenize(text: str, where: str) -> list[Token]:
    """Returns the tokens of a piece of SQL. Raises LlamactlError (internal), naming `where`."""
    from sqlglot.errors import TokenError

    try:
        tokens = _tokenizer().tokenize(text)
    except TokenError as exc:
        raise LlamactlError(ErrorCode.INTERNAL, f"{where}: not SQL that can be retargeted: {exc}") from exc
    # Everything depends on the offsets, and sqlglot's releases differ: a lost or shifted token shows as a
    # gap.
    end = 0
    for start, next_end in [*((token.start, token.end + 1) for token in tokens), (len(text), len(text))]:
        if not _GAP.fullmatch(text, end, start):
            raise fault(text, end, where, "the tokenizer lost its way")
        end = next_end
    return tokens


def fault(text: str, offset: int, where: str, what: str) -> LlamactlError:
    """Returns the error for a mistake in one of llamactl's SQL files, with its line."""
    return LlamactlError(ErrorCode.INTERNAL, f"{where}, line {text.count(chr(10), 0, offset) + 1}: {what}")


def retarget(text: str, names: Names, where: str = "text") -> str:
    """Returns the text with the default names replaced by the user's."""
    return apply(text, edits(text, tokenize(text, where), names, where))


def edits(text: str, tokens: Sequence[Token], names: Names, where: str) -> list[Edit]:
    """Returns the edits that retarget the text, including dollar-quoted bodies.

    Raises LlamactlError (internal) at a quoted identifier that is none of the default names.
    """
    from sqlglot import TokenType

    singles, pairs = _maps(names)
    made: list[Edit] = []
    done = 0
    for at, token in enumerate(tokens):
        if at < done:
            continue
        if token.token_type is TokenType.HEREDOC_STRING:
            made += _body_edits(text, token, names, where)
        if text[token.start] == "$" and token.token_type is TokenType.PARAMETER:
            # After a $1, sqlglot may mistake what follows for the tag of a dollar quote.
            raise fault(text, token.start, where, "a parameter needs a name")
        if token.token_type is not TokenType.IDENTIFIER:
            continue
        qualified = tokens[at : at + 3]
        dotted = [part.token_type for part in qualified[1:]] == [TokenType.DOT, TokenType.IDENTIFIER]
        if dotted and (token.text, qualified[2].text) in pairs:
            new = pairs[token.text, qualified[2].text]
            made.append(Edit(token.start, qualified[2].end + 1, f"{quote(new[0])}.{quote(new[1])}"))
            done = at + 3
        elif token.text in singles:
            made.append(Edit(token.start, token.end + 1, quote(singles[token.text])))
        else:
            raise fault(text, token.start, where, f"{quote(token.text)} is not a name of the user's")
    return made


def _maps(names: Names) -> tuple[dict[str, str], dict[tuple[str, str], tuple[str, str]]]:
    """Returns the replacements of names that stand alone, and of names with their schema."""
    default = _DEFAULT
    singles = {**names.columns, default.index: names.index, default.check: names.check}
    singles |= {default.job_index: names.job_index, default.guard: names.guard}
    singles.update({name: name for name in SERVER_NAMES})
    pairs = {
        (default.schema, default.table): (names.schema, names.table),
        (default.schema, default.index): (names.schema, names.index),
        (default.schema, default.job_index): (names.schema, names.job_index),
        (default.enum_schema, default.enum): (names.enum_schema, names.enum),
    }
    return singles, pairs


def _body_edits(text: str, token: Token, names: Names, where: str) -> list[Edit]:
    """Returns the edit of a dollar-quoted body, with a tag that does not occur in the new body."""
    tag = text[token.start : text.index("$", token.start + 1) + 1]
    begin, end = token.start + len(tag), token.end + 1 - len(tag)
    if not _TAG.fullmatch(tag) or text[end : token.end + 1] != tag:
        raise fault(text, token.start, where, f"{tag} is not the tag of a dollar-quoted body")
    body = text[begin:end]
    # Lines before it, so that an error inside names the file's line.
    lead = "\n" * text.count("\n", 0, begin)
    new = retarget(lead + body, names, where)[len(lead) :]
    if new == body:
        return []
    count = 0
    fence = tag
    while (new + fence).index(fence) != len(new):
        count += 1
        fence = f"${tag.strip('$') or 'body'}{count}$"
    return [Edit(token.start, token.end + 1, fence + new + fence)]


_DEFAULT = Names()
