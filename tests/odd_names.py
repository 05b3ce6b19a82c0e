"""Names that a table may really have, and that break careless SQL."""

from __future__ import annotations

from typing import Any

import psycopg
from hypothesis import strategies as st
from psycopg import sql

from llamactl.sqlfiles.names import DEFAULT_COLUMNS, NAME_BYTES, Names

ODD_NAMES = {
    "snake": Names(table="llama_logs"),
    "schema with a space": Names(schema="job logs", enum_schema="other types"),
    "camelCase": Names(
        table="jobLog", columns={ours: ours.title().replace("_", "") for ours in DEFAULT_COLUMNS}
    ),
    "double quote": Names(
        schema='a"b', table='"', columns={"job_id": 'job"id', "root_job_id": '""'}, enum='kind"'
    ),
    "single quote and backslash": Names(schema="it's", table="\\d", columns={"id": "\\'", "job_id": "'; --"}),
    "percent": Names(schema="100%", table="%s", columns={"job_id": "%(job)s", "parent_job_id": "%I %%"}),
    "not ASCII": Names(schema="журнал", table="läma", columns={"job_id": "仕事", "is_root_job": "🦙"}),
    "closes a body": Names(table="$$", columns={"job_id": "a$$b", "root_job_id": "$solve$ $body$ $do$"}),
    "looks like a variable": Names(
        table=":'job'", columns={"job_id": ":root_type", "id": "$1", "user_id": "x::y"}
    ),
    "comments": Names(schema="-- no", table="/* ; */", columns={"job_id": "\n\\q\n", "created_at": "{# #}"}),
    "longest": Names(table="t" * NAME_BYTES, columns={"root_job_id": "é" * 31, "job_id": "j" * NAME_BYTES}),
    "keywords": Names(
        schema="select", table="table", columns={"id": "from", "job_id": "user", "category": "C"}
    ),
    "each other's": Names(table="job_id", columns={"job_id": "id", "id": "job_id", "status": "LlamaLog"}),
}

_names = (
    st.text(st.sampled_from("a\"'$%:;.\\-/*{#é🦙 \n1Aà") | st.characters(exclude_characters="\0"), min_size=1)
    .filter(lambda name: not any("\ud800" <= character <= "\udfff" for character in name))
    .filter(lambda name: len(name.encode()) <= NAME_BYTES)
)


@st.composite
def any_names(draw: st.DrawFn) -> Names:
    """Names of all kinds, those that break SQL more often than they would come by chance."""
    theirs = draw(
        st.lists(_names, min_size=4, max_size=4, unique=True).filter(set(DEFAULT_COLUMNS).isdisjoint)
    )
    columns = dict(zip(("id", "job_id", "parent_job_id", "root_job_id"), theirs, strict=True))
    return Names(draw(_names), draw(_names), columns, draw(_names), draw(_names))


def rename(connection: psycopg.Connection[Any], names: Names) -> None:
    """Gives the log table and its enum other names."""

    def run(statement: str, *identifiers: sql.Identifier) -> None:
        connection.execute(sql.SQL(statement).format(*identifiers))

    log = sql.Identifier("public", "LlamaLog")
    columns = {ours: theirs for ours, theirs in names.columns.items() if ours != "root_job_id"}
    interim = {ours: f"-{number}" for number, ours in enumerate(columns)}  # one may have another's name
    for before, after in [*interim.items(), *zip(interim.values(), columns.values(), strict=True)]:
        run("ALTER TABLE {} RENAME COLUMN {} TO {}", log, sql.Identifier(before), sql.Identifier(after))
    for what, old, schema, new in (
        ("TABLE", "LlamaLog", names.schema, names.table),
        ("TYPE", "LlamaLogCategory", names.enum_schema, names.enum),
    ):
        run("CREATE SCHEMA IF NOT EXISTS {}", sql.Identifier(schema))
        run(f"ALTER {what} {{}} RENAME TO {{}}", sql.Identifier("public", old), sql.Identifier("-"))
        run(f"ALTER {what} {{}} SET SCHEMA {{}}", sql.Identifier("public", "-"), sql.Identifier(schema))
        run(f"ALTER {what} {{}} RENAME TO {{}}", sql.Identifier(schema, "-"), sql.Identifier(new))
