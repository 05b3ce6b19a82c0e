"""The sizes of modules, functions and signatures: what has outgrown them is two things."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "llamactl"
MODULES = sorted(PACKAGE.rglob("*.py"))

MOST_LINES_OF_A_MODULE = 300
MOST_LINES_OF_A_FUNCTION = 40
"""From `def` to the last line of the body, signature and docstring included."""
MOST_PARAMETERS = 6
"""Without `self` and `cls`."""

PUBLIC_SIGNATURES = {
    "logger/_sync.py LlamaLogger.__init__": "Keyword arguments with defaults are how a library is set up.",
    "logger/_aio.py AsyncLlamaLogger.__init__": "The same as of LlamaLogger.",
    "logger/_context.py Job.__init__": "Made by the loggers only, from the arguments of their methods.",
}
"""Functions that take more, and why. A public function of `cli` is a command: its parameters are options."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(node: ast.AST, inside: str = "") -> Iterator[tuple[str, Function]]:
    """Yields the qualified names and definitions of all functions, nested ones too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            name = f"{inside}{child.name}"
            if isinstance(child, Function):
                yield name, child
            yield from functions(child, f"{name}.")
        else:
            yield from functions(child, inside)


def every_function() -> Iterator[tuple[str, Function]]:
    for module in MODULES:
        for name, function in functions(ast.parse(module.read_bytes())):
            yield f"{module.relative_to(PACKAGE).as_posix()} {name}", function


def lines(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def parameters(function: Function) -> int:
    """How many it takes; `*rest` and `**rest` count as one each."""
    given = function.args
    named = [one.arg for one in (*given.posonlyargs, *given.args)]
    own = named[:1] in (["self"], ["cls"])
    return len(named) - own + len(given.kwonlyargs) + sum(map(bool, (given.vararg, given.kwarg)))


def is_command(where: str) -> bool:
    return where.startswith("cli/") and not where.rpartition(" ")[2].startswith("_")


def test_modules_are_short() -> None:
    counted = {module: len(module.read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert len(counted) > 100
    assert {module.name: n for module, n in counted.items() if n > MOST_LINES_OF_A_MODULE} == {}


def test_functions_are_short() -> None:
    counted = {where: lines(function) for where, function in every_function()}
    assert len(counted) > 1000
    assert {where: n for where, n in counted.items() if n > MOST_LINES_OF_A_FUNCTION} == {}


def test_functions_take_few_parameters() -> None:
    found = {
        where
        for where, one in every_function()
        if parameters(one) > MOST_PARAMETERS and not is_command(where)
    }
    assert found == PUBLIC_SIGNATURES.keys()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(a, b=1, *, c): pass", [("f", 1, 3)]),
        ("def f(a, /, b, *rest, c, **more):\n    '''Tells.'''\n    return 1", [("f", 3, 5)]),
        (
            "class C:\n    @property\n    def m(self): return 1\n    @classmethod\n    def n(cls, a): pass",
            [("C.m", 1, 0), ("C.n", 1, 1)],
        ),
        (
            "if True:\n    async def f():\n        def g(self, a):\n            pass\n        return g",
            [("f", 4, 0), ("f.g", 2, 1)],
        ),
    ],
)
def test_what_is_counted(text: str, found: list[tuple[str, int, int]]) -> None:
    assert [(name, lines(one), parameters(one)) for name, one in functions(ast.parse(text))] == found
