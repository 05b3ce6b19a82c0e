"""What --help shows: panels of commands, groups of options, examples; and what the program shows alone."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from typer.main import get_command

from llamactl import __version__
from llamactl.cli.main import app, main

PANELS = {
    "Migrate": ["preflight", "migrate", "verify", "repair", "undo"],
    "See": ["tree", "timeline"],
    "Keep": ["guard", "status", "stats"],
    "More": ["explain", "sql", "demo"],
}
COMMANDS = [name for names in PANELS.values() for name in names]
SHARED = {
    "Connection and table": [
        *("--dsn", "--schema", "--table", "--column", "--dangling", "--[no-]trust-root-flag"),
        *("--lock-timeout", "--statement-timeout", "--sample"),
    ],
    "Output": ["--format", "--no-color", "-v", "-h"],
}

Capture = pytest.CaptureFixture[str]


def help_of(capsys: Capture, *words: str) -> str:
    assert main([*words, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return str(out)


def sections(shown: str) -> dict[str, list[str]]:
    """The lines below each heading, those that go on with a text left out."""
    found: dict[str, list[str]] = {}
    for block in shown.split("\n\n"):
        heading, *lines = block.splitlines()
        if re.fullmatch(r"[A-Z][a-z ]+:", heading):
            found[heading.rstrip(":")] = [line for line in lines if re.match("  [^ ]", line)]
    return found


def names(lines: list[str]) -> list[str]:
    return [re.split("[ ,]", line.strip())[0] for line in lines]


def test_commands_stand_in_four_panels(capsys: Capture) -> None:
    found = sections(help_of(capsys))
    assert {panel: names(found[panel]) for panel in PANELS} == PANELS
    assert list(found) == [*PANELS, "Options", "Start here"]
    assert names(found["Options"]) == ["-V", "--install-completion", "--show-completion", "-h"]


@pytest.mark.parametrize("command", COMMANDS)
def test_own_options_first_and_each_once(command: str, capsys: Capture) -> None:
    found = sections(help_of(capsys, command))
    database = command not in ("explain", "demo")
    order = ["Arguments", "Options", *(["Connection and table"] if database else []), "Output", "Examples"]
    assert list(found) == [title for title in order if title in found]
    assert {"Output", "Examples"} <= found.keys()
    for title in ("Connection and table", "Output") if database else ("Output",):
        assert [name for name in names(found[title]) if name != "-o"] == SHARED[title]
    listed = [name for title in ("Options", *SHARED) for name in names(found.get(title, []))]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_are_command_lines_of_the_command(command: str, capsys: Capture) -> None:
    """Typer takes them; the sql command shows what is done with its script too."""
    group: Any = get_command(app)
    examples = [line for line in sections(help_of(capsys, command))["Examples"] if "psql -f" not in line]
    assert examples
    for example in examples:
        program, name, *words = shlex.split(example.partition(" > ")[0])
        assert (program, name) == ("llamactl", command)
        group.commands[name].make_context(name, words)


@pytest.mark.parametrize(
    ("command", "columns", "widest"),
    [*((command, "80", 80) for command in COMMANDS), ("", "80", 80), ("", "140", 100), ("tree", "140", 100)],
)
def test_help_fits(
    command: str, columns: str, widest: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = help_of(capsys, *filter(None, [command]))
    assert max(map(len, shown.splitlines())) <= widest
    assert "..." not in shown  # nothing is cut
    assert not re.search(r"[<>]=|\[default|Value", shown)  # nothing is said in Typer's own notation


@pytest.mark.parametrize("words", [[], ["migrate"], ["guard"], ["tree"]])
def test_h_is_help(words: list[str], capsys: Capture) -> None:
    long = help_of(capsys, *words)
    assert main([*words, "-h"]) == 0
    assert capsys.readouterr().out == long


def test_capital_v_is_version(capsys: Capture) -> None:
    assert main(["-V"]) == 0
    assert capsys.readouterr().out == f"llamactl {__version__}\n"


def test_alone_it_says_what_to_do_first(capsys: Capture) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) < 10
    assert names(sections(err)["Start here"]) == ["llamactl"] * 3
    for command in ("llamactl preflight", "llamactl demo", "llamactl --help"):
        assert f"\n  {command}  " in err


def test_defaults_are_shown(capsys: Capture) -> None:
    shown = " ".join(help_of(capsys, "migrate").split())
    for option in ("--retries N How often to retry a lock timeout (default: 5)", "CHECK (default: auto)."):
        assert option in shown
    assert not re.search(r"default: (None|False|True)|CheckPolicy", shown)
