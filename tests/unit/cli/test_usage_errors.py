"""A mistyped command line: one plain sentence, and the word that was probably meant."""

from __future__ import annotations

import json

import pytest

from llamactl.cli.main import main

Capture = pytest.CaptureFixture[str]

MISTYPED = [
    ("guard instal", "ACTION must be install, remove or status, not instal", "Did you mean install?"),
    ("guard INSTALL", "ACTION must be install, remove or status, not INSTALL", "Did you mean install?"),
    ("guard stat", "ACTION must be install, remove or status, not stat", "Did you mean status?"),
    (
        "guard uninstall",
        "ACTION must be install, remove or status, not uninstall",
        "See llamactl guard --help",
    ),
    ("guard", "ACTION is missing: install, remove or status", "See llamactl guard --help"),
    ("guard install now", "Unexpected argument: now", "See llamactl guard --help"),
    ("verifi", "No such command: verifi", "Did you mean verify?"),
    ("Migrate", "No such command: Migrate", "Did you mean migrate?"),
    ("xyzzy", "No such command: xyzzy", "llamactl --help lists the commands"),
    ("it's", "No such command: it's", "llamactl --help lists the commands"),
    ("verify --grase 1m", "No such option: --grase", "Did you mean --grace?"),
    ("migrate --dry_run", "No such option: --dry_run", "Did you mean --dry-run?"),
    ("migrate --expect-fill 3", "No such option: --expect-fill", "Did you mean --expect-filled?"),
    ("migrate dry-run", "Unexpected argument: dry-run", "Did you mean --dry-run?"),
    ("verify -x", "No such option: -x", "See llamactl verify --help"),
    ("--dsn x verify", "No such option: --dsn", "Options follow the command: llamactl COMMAND --dsn"),
    ("--versoin", "No such option: --versoin", "Did you mean --version?"),
    ("verify --format jsn", "--format must be text, json, github or junit, not jsn", "Did you mean json?"),
    ("tree a --format junit", "--format must be text, json or html, not junit", "See llamactl tree --help"),
    ("verify --fail-on errors", "--fail-on must be error, warning, info or never", "Did you mean error?"),
    ("migrate --check notvalid", "--check must be auto, not-valid or no", "Did you mean not-valid"),
    ("sql --dangling nul", "--dangling must be fill or null, not nul", "Did you mean null?"),
    ("verify --sample many", "--sample must be a whole number, 0 or more, not many", "See llamactl verify"),
    ("verify --sample -1", "--sample must be a whole number, 0 or more, not -1", "See llamactl verify"),
    ("tree a --limit 0", "--limit must be a whole number, 1 or more, not 0", "See llamactl tree --help"),
    ("tree", "JOB is missing", "See llamactl tree --help"),
    ("verify --dsn", "--dsn needs a value", "See llamactl verify --help"),
    ("tree a b c", "Unexpected argument: b c", "See llamactl tree --help"),
]


@pytest.mark.parametrize(("line", "message", "hint"), MISTYPED, ids=[line for line, *_ in MISTYPED])
def test_mistyped(line: str, message: str, hint: str, capsys: Capture) -> None:
    assert main(line.split()) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert f"\nhint:  {hint}" in err
    assert len(err.splitlines()) == 2
    for foreign in ("\\n", "\\t", "Value error", "Input should", "Choose from", "Did you mean '"):
        assert foreign not in err


def test_the_document_says_the_same(capsys: Capture) -> None:
    assert main(["guard", "instal", "--format", "json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["hint"]) == ("usage", "Did you mean install?")


@pytest.mark.parametrize(
    "words", [["guard", "postgresql://a:hush-hush@h/d"], ["postgresql://a:hush-hush@h/d"]]
)
def test_a_password_in_the_wrong_place_is_not_shown(words: list[str], capsys: Capture) -> None:
    assert main(words) == 2
    assert "hush-hush" not in "".join(capsys.readouterr())


def test_control_characters_are_shown_as_escapes(capsys: Capture) -> None:
    for words in (["guard", "a\x1b[31m\n"], ["a\x1b[31m\n"], ["verify", "--a\x1b[31m\n"]):
        assert main(words) == 2
        assert "\x1b" not in capsys.readouterr().err
