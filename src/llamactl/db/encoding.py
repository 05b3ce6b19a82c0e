"""Reads and writes text of a SQL_ASCII database, which may contain any bytes.

Bytes that are not UTF-8 become the characters U+DC80 to U+DCFF (PEP 383), which become the same bytes again
when they are sent: ids that differ stay different. In output they appear as escapes: `\\xff`.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.adapt import Buffer, Loader
from psycopg.types.string import StrDumperUnknown

ENCODING = "SQL_ASCII"

_TEXT_TYPES = ("text", "varchar", "bpchar", "name", 0)
"""0 stands for all types that have no loader of their own."""


class _BytesLoader(Loader):
    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "surrogateescape")


class _BytesDumper(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer | None:
        if obj.isascii() or "\0" in obj:
            return super().dump(obj)
        return obj.encode("utf-8", "surrogateescape")


def read_any_bytes(connection: Connection[Any]) -> None:
    """Makes a connection with client_encoding SQL_ASCII read and write text as described above."""
    for type_ in _TEXT_TYPES:
        connection.adapters.register_loader(type_, _BytesLoader)
    connection.adapters.register_dumper(str, _BytesDumper)
