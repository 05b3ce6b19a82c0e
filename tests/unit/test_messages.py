"""No message says by hand what a failed command changed: the session knows, and the CLI adds the sentence."""

from __future__ import annotations

import ast
import re

import pytest

from llamactl.model import Changed
from source_strings import SOURCE, strings

BY_HAND = re.compile(
    r"(?:nothing (?:was|is|has been) changed|rolled back, .*"
    r"|what (?:was|had been|the command) .*(?:stays?|stands?)|whether the commit .*)$",
    re.IGNORECASE,
)
THE_SENTENCES = SOURCE / "model" / "outcome.py"


def by_hand(text: str) -> list[int]:
    return [line for line, string in strings(ast.parse(text)) if BY_HAND.search(string)]


def test_no_message_ends_in_a_hand_written_outcome() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{line}"
        for path in SOURCE.rglob("*.py")
        if path != THE_SENTENCES
        for line in by_hand(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize(
    "text",
    [
        'x = "declined; nothing was changed"',
        'f"{table} is locked; nothing was changed"',
        'x = (f"{a} of {b} came back;" " rolled back, nothing was changed")',
        'error("Cannot write; what the command did stands")',
    ],
)
def test_the_search_finds(text: str) -> None:
    assert by_hand(text) != []


def test_the_sentences() -> None:
    again = "rerun the same command to continue"
    assert {changed: (changed.sentence(""), changed.sentence(again)) for changed in Changed} == {
        Changed.NOTHING: ("nothing was changed", "nothing was changed"),
        Changed.PARTLY: ("changes committed so far remain", f"changes committed so far remain: {again}"),
        Changed.UNKNOWN: (
            "it is unknown whether the COMMIT succeeded: run `llamactl verify`",
            f"it is unknown whether the COMMIT succeeded: {again}",
        ),
    }
