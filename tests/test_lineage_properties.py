"""Lineage in the database against the oracle, on tables with every fault mixed in: not one row may differ."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import psycopg
import pytest
from graphs import IdStyle, Table, flatten, make_table, seeds, small_tables
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from oracle import ALL_OPTIONS, Answer, Options, Row, ask
from psycopg import sql

from llamactl import lineage, queries
from llamactl.db import Session
from llamactl.names import Names
from llamactl.settings import Settings

EVERYTHING = 1_000_000_000
"""A sample that leaves nothing out."""

ODD_COLUMNS = {
    "id": 'Primary "Key"',
    "job_id": "job id",
    "parent_job_id": "100% Parent's",
    "is_root_job": "is\\root?",
    "root_job_id": "root_$1_:'job'",
    "created_at": "select",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """A table to load: its names, the types of its columns, and which it has."""

    label: str
    names: Names
    id_type: str
    job_type: str
    parent_type: str
    style: IdStyle
    optional: bool = True
    """Has is_root_job, root_job_id and created_at."""

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier(self.names.schema, self.names.table)

    def columns(self) -> list[str]:
        ours = ["id", "job_id", "parent_job_id", *(["is_root_job", "root_job_id"] if self.optional else [])]
        return [self.names.columns[name] for name in ours]

    def held(self, row: Row) -> Row:
        """The row as this table can hold it."""
        id_ = row.id if self.id_type != "uuid" else str(uuid.UUID(int=int(row.id)))
        return replace(row, id=id_) if self.optional else replace(row, id=id_, is_root_job=None, root_job_id=None)

    def values(self, row: Row) -> Sequence[str | bool | None]:
        all_ = (row.id, row.job_id, row.parent_job_id, row.is_root_job, row.root_job_id)
        return all_ if self.optional else all_[:3]


ODD = Names(schema='of "odd" names', table="job logs; 50% of them", columns=ODD_COLUMNS)
TEXT, CHAR, INTEGER, UUID = IdStyle.TEXT, IdStyle.CHAR, IdStyle.INTEGER, IdStyle.UUID
LAYOUTS = {
    layout.label: layout
    for layout in (
        Layout("default", Names(), "uuid", "varchar(100)", "varchar(100)", TEXT),
        Layout("odd-names", ODD, "bigint", "text", "text", TEXT),
        Layout("collated", Names(), "text", 'text COLLATE "en-x-icu"', "varchar", TEXT),
        Layout("char", Names(), "integer", "char(120)", "char(110)", CHAR),
        Layout("integer", replace(ODD, root_type="integer"), "integer", "integer", "bigint", INTEGER),
        Layout("uuid", Names(table="llama_logs", root_type="uuid"), "uuid", "uuid", "uuid", UUID),
        Layout("bare", Names(table="llama_logs"), "bigint", "text", "text", TEXT, optional=False),
    )
}


class Bench:
    """A table in a database of its own, to be filled again for each example."""

    def __init__(self, layout: Layout, dsn: str, settings: Settings) -> None:
        self.layout = layout
        self.settings = settings
        self.loader = psycopg.connect(dsn, autocommit=True)
        self._create()

    def _create(self) -> None:
        layout, column = self.layout, self.layout.names.columns
        types = {"id": f"{layout.id_type} PRIMARY KEY", "job_id": layout.job_type}
        types["parent_job_id"] = layout.parent_type
        if layout.optional:
            types |= {"is_root_job": "boolean", "root_job_id": layout.job_type}
            types["created_at"] = "timestamp(3) NOT NULL DEFAULT now()"
        schema = sql.Identifier(layout.names.schema)
        self.loader.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        self.loader.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(layout.table))
        parts = [sql.SQL("{} {}").format(sql.Identifier(column[name]), sql.SQL(type_)) for name, type_ in types.items()]
        self.loader.execute(sql.SQL("CREATE TABLE {} ({})").format(layout.table, sql.SQL(", ").join(parts)))

    def load(self, rows: Sequence[Row]) -> list[Row]:
        """Replaces the table's rows; returns them as it holds them."""
        held = [self.layout.held(row) for row in rows]
        columns = sql.SQL(", ").join(map(sql.Identifier, self.layout.columns()))
        copy_in = sql.SQL("COPY {} ({}) FROM STDIN").format(self.layout.table, columns)
        with self.loader.transaction(), self.loader.cursor() as cursor:
            cursor.execute(sql.SQL("TRUNCATE {}").format(self.layout.table))
            with cursor.copy(copy_in) as copy:
                for row in held:
                    copy.write_row(self.layout.values(row))
        return held
