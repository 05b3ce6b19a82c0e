"""Values that a command is given, and those that it is not, are what its function takes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.main import get_command

from llamactl.cli.help import CommandHelp


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"name": "x", "size": Size.SMALL, "form": "text", "count": None, "more": None, "flag": None}),
        (["--name", "5"], {"name": "5"}),
        (["--size", "large"], {"size": Size.LARGE}),
        (["--size", "small"], {"size": Size.SMALL}),
        (["--form", "json"], {"form": "json"}),
        (["--count", "5"], {"count": 5}),
        (["--more", "a", "--more", "b"], {"more": ["a", "b"]}),
        (["--no-flag"], {"flag": False}),
    ],
)
def test_values_have_their_types(words: list[str], expected: dict[str, Any]) -> None:
    taken = run(words)
    for name, value in expected.items():
        assert (taken[name], type(taken[name])) == (value, type(value))


@pytest.mark.parametrize(
    "words", [["--size", "huge"], ["--form", "xml"], ["--count", "many"], ["--count", "-1"], ["--name"]]
)
def test_wrong_values_are_rejected(words: list[str]) -> None:
    with pytest.raises(typer.TyperException):
        run(words)


def run(words: list[str]) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    app = typer.Typer(add_completion=False)

    @app.command(cls=CommandHelp)
    def command(
        name: str = "x",
        size: Size = Size.SMALL,
        form: Literal["text", "json"] = "text",
        count: Annotated[int | None, typer.Option(min=0)] = None,
        more: list[str] | None = None,
        flag: Annotated[bool | None, typer.Option("--flag/--no-flag")] = None,
    ) -> None:
        taken.update(name=name, size=size, form=form, count=count, more=more, flag=flag)

    get_command(app).main(words, standalone_mode=False)
    return taken
