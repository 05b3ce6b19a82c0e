"""Leaves values alone that are already what a command's function takes.

Typer converts every value with pydantic, also those that nobody gave, and loading pydantic takes longer than
loading Typer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args


@dataclass(frozen=True, slots=True)
class _LateConversion:
    """Stands for the conversion of a parameter, and for the method that returns it."""

    original: Callable[[], Any]

    def __call__(self) -> _LateConversion:
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Returns the converted value. Raises BadParameter."""
        if param.multiple or param.nargs != 1:
            return () if value is None else self._converted(value, param, ctx)
        ready = value is None or value is param.default or _is_one(value, param.type_descriptor.annotation)
        return value if ready else self._converted(value, param, ctx)

    def _converted(self, value: Any, param: Any, ctx: Any) -> Any:
        return self.original().coerce(value, param=param, ctx=ctx)


def _is_one(value: Any, annotation: Any) -> bool:
    """Returns whether the value is a string and the annotation is str, or a Literal with this value."""
    return isinstance(value, str) and (annotation is str or value in get_args(annotation))


def convert_late(parameter: Any) -> Any:
    """Returns the parameter, which now converts only what it has to; unchanged if Typer has no pydantic."""
    original = getattr(parameter, "get_runtime_param", None)
    if original is not None and not isinstance(original, _LateConversion):
        parameter.get_runtime_param = _LateConversion(original)
    return parameter
