"""Converts rows to frozen dataclasses by column name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from psycopg.rows import BaseRowFactory, RowMaker, no_result

from llamactl.model import ErrorCode, LlamactlError

T = TypeVar("T")


def into(as_: type[T], where: str) -> BaseRowFactory[T]:
    """Returns a row factory for a dataclass. Arrays become tuples if the field is a tuple.

    The factory raises LlamactlError (internal) if columns and fields do not match.
    """
    if not is_dataclass(as_):
        raise TypeError(f"{as_} is not a dataclass")
    wanted = {field.name: str(field.type).startswith("tuple") for field in fields(as_)}

    def factory(cursor: Any) -> RowMaker[T]:
        if cursor.description is None:
            return no_result
        names = [column.name for column in cursor.description]
        if sorted(names) != sorted(wanted):
            odd = ", ".join(sorted(wanted.keys() ^ set(names))) or "a duplicate column"
            raise LlamactlError(ErrorCode.INTERNAL, f"{where}: columns do not match {as_.__name__}: {odd}")

        def make(values: Sequence[Any]) -> T:
            row = {
                name: tuple(value) if wanted[name] and value is not None else value
                for name, value in zip(names, values, strict=True)
            }
            return as_(**row)

        return make

    return factory
