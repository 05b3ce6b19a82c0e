"""Phrases that a native speaker would stumble over do not come back to documentation, messages, findings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages import CHECKOUT, PAGES, prose
from source_strings import SOURCE, strings

HOLD = r"(?<!\.)\b(hold|holds|held)\b"
LOCKS = re.compile(r"\b(locks?|ACCESS|claim|snapshots?)\b")
"""These are held; rows, columns and logs are not."""
INSTEAD = {
    HOLD: "has, contains, stores",
    r"\bcut\b(?! off\b)": "interrupted, terminated, truncated",
    r"\b(is|are|was|were|be|been) told\b": "printed, reported",
    r"\b(is|are|was|were|be|been) left\b(?! (behind|out|unchanged|alone)\b)": "stays, remains",
    r"\b(tell|tells|told) (what|which|how|whether|of|who)\b": "say, show, state",
    r"\basked for\b": "requested, selected",
    r"\bin the way\b(?! of\b)": "blocking, blocked by",
    r"\bnot got\b|\bgot in time\b": "not granted, timed out",
    r"\b(stands|standing)\b(?! for\b)": "is, exists, existing",
    r"\b(go|goes|went|going) on\b": "continue, resume",
    r"\banew\b": "again",
    r"^Besides\b": "also",
    r"\b(is|are) no more\b(?! than\b)": "no longer exist",
    r"\bwill do\b(?! so\b)": "works, is enough",
    r"\bwork(s|ed)? out\b": "compute",
    r"\bkept waiting\b": "blocked",
}
"""What is banned, and what to write."""
PHRASES = {re.compile(pattern, re.MULTILINE): instead for pattern, instead in INSTEAD.items()}


NAMES_A_LOCK = "table/locks.py"
"""Which lock a session holds is a value in its messages."""


def found(text: str) -> list[str]:
    """The banned phrases in a text, each with what to write."""
    return [
        f"{text[max(0, match.start() - 30) : match.end() + 20]!r}: {match[0]!r}: write {instead}"
        for phrase, instead in PHRASES.items()
        for match in phrase.finditer(text)
        if phrase.pattern != HOLD or not LOCKS.search(text, max(0, match.start() - 60), match.end() + 60)
    ]


def plain(page: Path) -> str:
    """The prose of a page without code, with each paragraph on one line."""
    text = re.sub(r"<!--.*?-->|`[^`]*`", "CODE", prose(page))
    return re.sub(r"(?<=\S)\n(?=[^\n|#-])", " ", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_the_documentation(page: Path) -> None:
    assert found(plain(page)) == []


def messages() -> Iterator[tuple[str, str]]:
    """Yields each string of the code that has several words and is no pattern, and where it is."""
    for path in SOURCE.rglob("*.py"):
        where = path.relative_to(SOURCE).as_posix()
        for line, text in strings(ast.parse(path.read_bytes())):
            pattern = re.search(r"\\[bsw]|\(\?", text)
            if " " in text and not pattern and where != NAMES_A_LOCK:
                yield f"{where}:{line}", text


def test_messages() -> None:
    assert {where: found(text) for where, text in messages() if found(text)} == {}


def test_findings() -> None:
    catalogue = (SOURCE / "findings" / "findings.toml").read_text(encoding="utf-8")
    assert found(re.sub(r"(?<=\S)\n(?=\S)", " ", catalogue)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Every row that has a root holds it",
        "The lock is held. " + "It says much else, and something more. " * 2 + "The log holds no such job",
        "A lock was not got in time",
        "Run the same command again when it was cut",
        "It is told which table that is",
        "The job that was asked for",
        "It names who is in the way",
        "nothing stands in the way",
        "the same command goes on",
    ],
)
def test_the_search_finds(text: str) -> None:
    assert found(text) != []


def test_a_lock_can_be_held() -> None:
    assert (
        found("The lock is held by pid 1; it is left unchanged, whatever runs cut off by the network") == []
    )
