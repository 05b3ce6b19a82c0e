"""The user's table, as the catalogs tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class IdKind(StrEnum):
    """What an id column holds; job_id and parent_job_id must be of one kind."""

    STRING = "string"
    INTEGER = "integer"
    UUID = "uuid"
    OTHER = "other"
    """Not usable as an id."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the user's table."""

    name: str
    type_name: str
    """As format_type gives it, length included: `character varying(100)`."""
    bare_type: str
    """Without the length: `character varying`, `bpchar`, `integer`, `uuid`."""
    kind: IdKind
    collation: str | None
    """Qualified and quoted, where it differs from the type's default; else None."""
    bytewise: bool
    """False where the type or collation may take different bytes for equal (citext, nondeterministic)."""
    not_null: bool
    generated: bool
    """GENERATED or IDENTITY ALWAYS: cannot be written."""
    readable: bool
    """The role may SELECT it."""

    @property
    def max_length(self) -> int | None:
        """In characters; None where the type has no bound."""
        bound = re.search(r"\((\d+)\)$", self.type_name)
        return int(bound[1]) if bound else None


@dataclass(frozen=True, slots=True)
class EnumType:
    """The enum type of the category column."""

    schema: str
    name: str
    owner: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """The user's table, as the catalogs tell it."""

    oid: int
    schema: str
    name: str
    kind: str
    """pg_class.relkind: r table, p partitioned, v view, m materialized view, f foreign."""
    persistence: str
    """pg_class.relpersistence: p permanent, u unlogged, t temporary."""
    owner: str
    inherits: bool
    """Has inheritance parents or children (partitions included)."""
    columns: Mapping[str, Column]
    """Keyed by our names (`job_id`, `created_at`, ...); only those that exist."""
    primary_key: tuple[str, ...]
    """Its columns, by the user's names."""
    enum: EnumType | None
    rows_estimate: int
    """pg_class.reltuples; -1 when never analysed."""
    bytes: int
    """Heap, indexes and TOAST."""
    index_bytes: int
    toast_bytes: int
    server_version: str
    """As SHOW server_version gives it."""
    server_version_num: int
    inheritance: str = ""
    """`parent`, `child` or `partition`; empty where `inherits` is false."""
    other_columns: tuple[str, ...] = ()
    """Those that are none of ours, by the user's names."""

    @property
    def root(self) -> Column | None:
        return self.columns.get("root_job_id")


@dataclass(frozen=True, slots=True)
class TableInfo:
    """The table, as preflight reports it."""

    name: str
    """Schema and name, quoted where need be."""
    rows: int | None
    """Exact where the rows were read, else None."""
    bytes: int
    index_bytes: int
    toast_bytes: int
    server_version: str
