"""Shadows of what pg_catalog has, in a schema that is searched before it.

A shadow that runs is reported in the server's log: no rollback undoes that, and READ ONLY does not stop it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise, product
from pathlib import Path
from typing import Any

import psycopg

from llamactl.sqlfiles.load import all_query_paths, load_query
from llamactl.sqlfiles.names import Names
from qualified import Word, words_of

Connection = psycopg.Connection[Any]

PATH = "evil, public, pg_catalog"

# IN, BETWEEN, NULLIF, LIKE and the like imply these.
COMPARING = ("=", "<>", "<", "<=", ">", ">=")
LIKENESS = ("~~", "!~~", "~~*", "!~~*")
TYPES = (
    *("text", "varchar", "name", "char", "int8", "int4", "int2", "oid", "regclass", "bool", "tid"),
    *("numeric", "float8", "timestamptz", "uuid", "jsonb", "text[]", "name[]", "int2[]", "oid[]"),
)
"""Comparisons are shadowed for each two of them."""
CLOSE = {
    "text": ("text", "varchar", "name"),
    "regclass": ("regclass", "oid"),
    "oid": ("oid", "regclass"),
    "int8": ("int8", "int4", "int2"),
    "int4": ("int4", "int8", "int2"),
    "anyarray": ("text[]", "name[]", "int2[]", "int8[]", "oid[]"),
    "anycompatiblearray": ("text[]", "name[]", "int2[]", "oid[]"),
    "anyelement": ("text", "int8", "int4", "int2", "oid", "uuid"),
    "anynonarray": ("text", "int8", "int4", "oid", "name"),
    "anycompatible": ("text", "name", "int2", "int4", "oid"),
    "any": ("text", "name", "int8", "int4", "oid", "bool", "uuid", "varchar"),
}
"""What may be given for an argument of pg_catalog's function: a shadow for that very type matches better."""
OWN_RELATIONS = (
    *("setting", "node", "edge", "cut", "cut_parent", "lineage", "cyclic", "cyclic_edge"),
    *(
        "odd_job",
        "job_tally",
        "tally",
        "suspect",
        "pending",
        "clearing",
        "matched",
        "run",
        "step",
        "cleared_parent",
    ),
)
NO_ARGUMENTS = {
    *("internal", "cstring", "trigger", "event_trigger", "record", "anyrange", "anyenum", "anymultirange")
}

SCHEMA = """
CREATE SCHEMA evil;
CREATE COLLATION evil."C" (provider = libc, locale = 'POSIX');
CREATE FUNCTION evil.seen(name pg_catalog.text) RETURNS pg_catalog.bool LANGUAGE plpgsql
AS $$BEGIN RAISE LOG 'shadow of %', name; RETURN true; END$$;
"""
FUNCTIONS = """
SELECT p.proname::text, p.prokind::text, p.proretset, p.provariadic = '"any"'::regtype,
  ARRAY(SELECT CASE WHEN e.typname IS NOT NULL THEN e.typname || '[]' ELSE t.typname::text END
        FROM unnest(p.proargtypes) WITH ORDINALITY AS a (oid, n)
        JOIN pg_type AS t ON t.oid = a.oid
        LEFT JOIN pg_type AS e ON e.typarray = t.oid
        ORDER BY a.n)
FROM pg_proc AS p
LEFT JOIN pg_aggregate AS g ON g.aggfnoid = p.oid
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY (%s) AND coalesce(g.aggkind, 'n') = 'n'
  AND p.prokind <> 'p'
ORDER BY 1, 5
"""
OPERATORS = """
SELECT o.oprname::text, coalesce(l.typname::text, ''), r.typname::text
FROM pg_operator AS o
LEFT JOIN pg_type AS l ON l.oid = o.oprleft
JOIN pg_type AS r ON r.oid = o.oprright
WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprname = ANY (%s)
  AND coalesce(l.typtype, 'b') = 'b' AND r.typtype = 'b' AND coalesce(l.typelem, 0) = 0 AND r.typelem = 0
"""
# Without the columns that a view cannot have.
RELATIONS = """
SELECT c.relname::text, string_agg('found.' || quote_ident(a.attname), ', ' ORDER BY a.attnum)
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type AS t ON t.oid = a.atttypid AND t.typtype <> 'p'
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v')
  AND c.relname !~ '^pg_stat(istic|s)'
GROUP BY c.relname
"""
TYPE_NAMES = """
SELECT typname::text FROM pg_type
WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typelem = 0
ORDER BY 1
"""


@dataclass(frozen=True)
class Shadow:
    """A function, an aggregate, an operator, a relation or a type in the schema evil."""

    name: str
    create: str
    probe: str
    """Uses it by its bare name."""


@cache
def used() -> tuple[frozenset[str], frozenset[str]]:
    """The words before parentheses, and the operators, in all SQL files."""
    called: set[str] = set()
    operators = {*COMPARING, *LIKENESS}
    for path in all_query_paths():
        for statement in load_query(path, Names()).statements:
            for words in _bodies(statement.sql):
                before = [word for word, next_ in pairwise(words) if word.plain and next_.text == "("]
                called |= {word.text.lower() for word in before}
                operators |= {word.text for word in words if word.operator}
    return frozenset(called), frozenset(operators)


def _bodies(statement: str) -> Iterator[list[Word]]:
    words = list(words_of(statement))
    yield words
    for word in words:
        if body := re.fullmatch(r"(\$\w*\$)(.*)\1", word.text, re.DOTALL):
            yield from _bodies(body[2])


def qualified(type_: str) -> str:
    element = type_.removesuffix("[]")
    return f'pg_catalog."{element}"{type_.removeprefix(element)}'


def _given(types: Iterable[str]) -> str:
    return ", ".join(map(qualified, types))


def _null(type_: str) -> str:
    return f"NULL::{qualified(type_)}"


def _report(name: str, then: str) -> str:
    literal = "'" + name.replace("'", "''") + "'"
    return f"LANGUAGE plpgsql AS $$BEGIN RAISE LOG 'shadow of %', {literal}; {then}; END$$"


def functions(connection: Connection) -> list[Shadow]:
    """Of each function that a file calls: for all types of arguments that make it the better match."""
    made: dict[tuple[str, tuple[str, ...]], Shadow] = {}
    for name, kind, set_, variadic, types in connection.execute(FUNCTIONS, [list(used()[0])]).fetchall():
        for arguments in () if NO_ARGUMENTS & set(types) else _arguments(types, variadic):
            if (name, arguments) not in made:
                made[name, arguments] = _function(name, kind, set_, arguments, len(made))
    return list(made.values())


def _arguments(types: Sequence[str], variadic: bool) -> Iterator[tuple[str, ...]]:
    choices = [CLOSE.get(type_, (type_,)) for type_ in types]
    for more in range(3 if variadic else 1):
        yield from islice(product(*choices, *[CLOSE["any"]] * more), 200)


def _function(name: str, kind: str, set_: bool, arguments: tuple[str, ...], number: int) -> Shadow:
    returns = "SETOF pg_catalog.text" if set_ else "pg_catalog.text"
    report = _report(name, "RETURN" if set_ else "RETURN NULL")
    call = f'"{name}"({", ".join(map(_null, arguments))})' if arguments or kind != "a" else f"{name}(*)"
    if kind != "a":
        create = f'CREATE FUNCTION evil."{name}"({_given(arguments)}) RETURNS {returns} {report}'
        return Shadow(name, create, f"SELECT {call}{' OVER ()' if kind == 'w' else ''}")
    state = _given(["text", *arguments])
    create = f"""CREATE FUNCTION evil.step_{number}({state}) RETURNS {returns} {report};
        CREATE AGGREGATE evil."{name}"({_given(arguments) or "*"})
          (SFUNC = evil.step_{number}, STYPE = pg_catalog.text)"""
    return Shadow(name, create, f"SELECT {call}")


def operators(connection: Connection) -> list[Shadow]:
    """Of each operator that a file uses or implies: for pg_catalog's types, and for each two of TYPES."""
    signatures = {tuple(row) for row in connection.execute(OPERATORS, [list(used()[1])]).fetchall()}
    signatures |= {(name, *types) for name in COMPARING for types in product(TYPES, TYPES)}
    signatures |= {(name, *types) for name in LIKENESS for types in product(TYPES[:4], TYPES[:4])}
    return [_operator(*signature, number) for number, signature in enumerate(sorted(signatures))]


def _operator(name: str, left: str, right: str, number: int) -> Shadow:
    types = [type_ for type_ in (left, right) if type_]
    side = f"LEFTARG = {qualified(left)}, " if left else ""
    function = f"evil.operator_{number}"
    create = f"""CREATE FUNCTION {function}({_given(types)}) RETURNS pg_catalog.bool
        {_report(name, "RETURN NULL")};
        CREATE OPERATOR evil.{name} ({side}RIGHTARG = {qualified(right)}, FUNCTION = {function})"""
    return Shadow(name, create, f"SELECT {_null(left) if left else ''} {name} {_null(right)}")


def relations(connection: Connection) -> list[Shadow]:
    """Of all of pg_catalog's, and of llamactl's own, temporary ones included."""
    columns = dict(connection.execute(RELATIONS).fetchall())
    source = {name: (name, columns[name]) for name in columns}
    source |= dict.fromkeys(OWN_RELATIONS, ("pg_am", "found.oid AS job"))
    return [
        Shadow(
            name,
            f"""CREATE VIEW evil.{name} AS SELECT {listed}
                FROM (SELECT evil.seen('{name}') AS seen OFFSET 0) AS reporting
                LEFT JOIN pg_catalog.{relation} AS found ON true
                WHERE reporting.seen""",
            f"SELECT FROM {name} LIMIT 1",
        )
        for name, (relation, listed) in source.items()
    ]


def types(connection: Connection) -> list[Shadow]:
    """Of those that have no key word: domains, whose CHECK reports them."""
    return [
        Shadow(
            name,
            f"""CREATE DOMAIN evil."{name}" AS pg_catalog."{name}" CHECK (evil.seen('{name}'))""",
            f'SELECT NULL::"{name}"',
        )
        for (name,) in connection.execute(TYPE_NAMES).fetchall()
    ]


def install(connection: Connection) -> list[Shadow]:
    """Creates all of them; returns them."""
    shadows = [shadow for of in (functions, operators, relations, types) for shadow in of(connection)]
    connection.execute(SCHEMA)
    for start in range(0, len(shadows), 500):
        statements = [shadow.create for shadow in shadows[start : start + 500]]
        connection.execute(";\n".join(statements).encode())
    return shadows


def that_run(connection: Connection, log: Path, shadows: Iterable[Shadow]) -> set[str]:
    """The names of those that run where they are used by their bare names, under PATH."""
    since, found = log.stat().st_size, set()
    connection.execute(f"SET search_path = {PATH}".encode())
    for shadow in shadows:
        try:
            connection.execute(shadow.probe.encode())
        except psycopg.Error as error:
            # No window function can be written in plpgsql: what finds one of these fails.
            if "is not a window function" in str(error):
                found.add(shadow.name)
    return found | {line.partition(" in ")[0] for line in reported(log, since)}


def reported(log: Path, since: int) -> list[str]:
    """The shadows that ran since the log had so many bytes, each with the statement that used it."""
    text = log.read_bytes()[since:].decode(errors="replace")
    entries = re.split(r"^(?=\S+ \S+ \S+ \[\d+\] \w+:  )", text, flags=re.MULTILINE)
    found = []
    for at, entry in enumerate(entries):
        if name := re.search(r"LOG:  shadow of (\S+)", entry):
            statement = " ".join(part for part in entries[at + 1 : at + 3] if "STATEMENT:" in part)
            found.append(f"{name[1]} in {statement[:300]}")
    return found
