"""The strings in the code of llamactl."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import llamactl

SOURCE = Path(llamactl.__file__).parent


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each string with its line: of an f-string the whole, with nothing for its values. No docstrings."""
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped.update(map(id, node.values))
            parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value
