"""Phrases that no user should read, because plain technical English has a standard term for them.

The test searches the strings of src/llamactl except docstrings, the help of the commands, findings.toml, the
HTML report, and the prose of README.md, CHANGELOG.md and docs/. A phrase is banned in one sense; sentences
in which it has another meaning match `allowed`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pages import CHECKOUT, PAGES, prose
from source_strings import SOURCE, strings

CATALOGUE = SOURCE / "findings" / "findings.toml"
REPORT = SOURCE / "render" / "html" / "report.html"


@dataclass(frozen=True)
class Phrase:
    """What must not be written, and what to write instead."""

    pattern: str
    instead: str
    example: str
    """A sentence in which it is banned."""
    allowed: str = r"(?!)"
    """Matches sentences in which it has another meaning."""
    fine: str = ""
    """Such a sentence."""

    def found_in(self, sentence: str) -> bool:
        return bool(re.search(self.pattern, sentence)) and not re.search(self.allowed, sentence)


_BE = r"(?:is|are|was|were|be|been|being)"
_LOCKS = r"(?i)\block(?:s|ed)?\b|[a-z]Lock\b|\bACCESS (?:SHARE|EXCLUSIVE)\b|\bsnapshots?\b|\bclaims?\b"

PHRASES = [
    Phrase(
        r"(?i)(?<!\.)\b(?:hold|holds|held|holding)\b",
        "stored, contains, has",
        "The column holds another root",
        allowed=rf"{_LOCKS}|^holds$",
        fine="Sessions hold locks on the table",
    ),
    Phrase(
        rf"(?i)\b(?:{_BE}|nothing|anything|none|rows?|found none) left\b"
        r"(?! (?:out|behind|alone|unchanged|empty|NULL|unfinished)\b)",
        "existing, remaining",
        "No row is left without a root",
        fine="The index was left behind by an interrupted build",
    ),
    Phrase(
        r"(?i)(?<![\w-])cuts?\b(?![\w-])(?! off\b)",
        "interrupted, terminated, cancelled, truncated",
        "The connection was cut",
        allowed=r"\[\.\.\.\]",
        fine="A block with a line [...] is cut again between the same lines",
    ),
    Phrase(
        r"(?i)(?<![\w-])(?:stands?|standing|stood)\b(?! for\b)(?![\w-])",
        "is, exists, remains; is printed",
        "Nothing stands in the way",
        fine="The id stands for the root",
    ),
    Phrase(r"(?i)\basked for\b", "requested, selected", "The page that is asked for"),
    Phrase(r"(?i)\b(?:told|tell|tells|telling)\b", "reported, printed, shows", "The rows tell who wrote it"),
    Phrase(rf"(?i)\b{_BE} said\b", "reported, printed", "It is said on stderr"),
    Phrase(
        r"(?i)\bin (?:the|its|their) way\b(?! of\b)",
        "blocked by, waiting for",
        "In the way: pid 1",
        fine="It never gets in the way of the job",
    ),
    Phrase(
        rf"(?i)\b{_BE} prove[dn]\b|^Prove\b"
        r"|\bprov(?:es?|ing) (?:it\b|to be\b|(?:the|every|all|each|that) (?:roots?|rows?)\b)",
        "checks, checking",
        "Prove the roots",
        fine="Its record proves that a demo created it",
    ),
    Phrase(
        rf"(?i)\b(?:{_BE}|not) got\b|\bgot in time\b", "timed out waiting for", "A lock was not got in time"
    ),
    Phrase(
        rf"(?i)\b{_BE} no more\b(?! than\b)",
        "no longer exists",
        "Rows that are no more",
        fine="There are no more than ten",
    ),
    Phrase(r"(?i)\bfor ever\b", "permanently, forever", "It stays for ever"),
    Phrase(r"(?i)\b(?:goe?s?|went|going) on\b", "continues, resumes; rerun", "The same command goes on"),
    Phrase(
        r"(?i)(?<!there )\b(?:is|are) no (?!longer\b|more than\b|replacement\b)[a-z]",
        "is not a",
        "The category is no enum",
        fine="There is no enum",
    ),
    Phrase(r"(?i)\badmits?\b", "accepts, allows", "The server admits no such user"),
    Phrase(r"(?i)\bmeans? nothing to\b", "llamactl cannot use", "The rows mean nothing to llamactl"),
    Phrase(r"(?i)\bone would do\b|\bwill do\b(?! so\b)", "one is enough", "One would do."),
    Phrase(r"(?i)\bleaves? word\b", "reports", "Leaves word of the session's client"),
    Phrase(r"(?i)\bwhat was done stays\b", "what was committed remains", "what was done stays"),
    Phrase(r"(?i)\bwhether the commit was\b", "whether the COMMIT succeeded", "whether the commit was done"),
    Phrase(r"(?i)\badd(?:ing)? label\b", "Adding enum value", "Add label LINKED"),
    Phrase(r"^Of (?:stdout|Postgres)\b", "Format of stdout", "Of stdout."),
    Phrase(r"^Else\b", "Otherwise", "Else change nothing, and exit with 1."),
    Phrase(r"^Besides\b", "Also", "Besides: --dsn"),
    Phrase(r"(?i)\bof what\?", "a question that names the options", "A timeline of what?"),
    Phrase(r"(?i)\bin truth\b", "actually", "Rows that have a root in truth"),
    Phrase(r"(?i)\bcomes? to\b(?! (?:the|this|a|an)\b)", "amounts to, results in", "What the rows come to"),
    Phrase(r"(?i)\banew\b", "again", "The index is built anew"),
    Phrase(r"(?i)\bwork(?:s|ed)? out\b", "compute", "Reading the table to work out its lineage"),
    Phrase(r"(?i)\bkept waiting\b", "blocked", "Nobody is kept waiting"),
]


def sentences(text: str) -> Iterator[str]:
    """Yields the sentences of a paragraph, without code spans."""
    plain = re.sub(r"`[^`]*`", "CODE", text)
    for sentence in re.split(r"(?<=[.:;!?])\s+|\s\|\s|\n", plain):
        yield sentence.strip(" |*-#>\t")


def helps(tree: ast.AST) -> Iterator[str]:
    """Yields the docstrings of commands: Typer shows them as help."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(map(_is_command, node.decorator_list)):
            yield ast.get_docstring(node) or ""


def _is_command(decorator: ast.expr) -> bool:
    return bool(re.match(r"verb\(|\w+\.(?:command|callback)\(", ast.unparse(decorator)))


def in_source(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (text for _, text in strings(tree) if " " in text)  # a word alone is a key or a name
    if path.parent.name == "cli":
        yield from helps(tree)


def in_catalogue() -> Iterator[str]:
    for kind in tomllib.loads(CATALOGUE.read_text(encoding="utf-8")).values():
        yield from (kind["title"], kind["hint"])
        yield from (part for part in kind["description"].split("\n\n") if not part.startswith("    "))


def in_report() -> Iterator[str]:
    yield re.sub(r"<[^>]*>", "\n", REPORT.read_text(encoding="utf-8"))


def in_page(path: Path) -> Iterator[str]:
    text = re.sub(r"<!--.*?-->|(?<=\])\([^)]*\)", "", prose(path))
    for paragraph in re.split(r"\n\s*\n|\n(?=[|*#-]|\d+\. )", text):
        yield " ".join(paragraph.split())


def everything() -> Iterator[tuple[str, str]]:
    """Yields each file with each of its sentences."""
    texts = [(path, in_source(path)) for path in sorted(SOURCE.rglob("*.py"))]
    texts += [(CATALOGUE, in_catalogue()), (REPORT, in_report()), *((page, in_page(page)) for page in PAGES)]
    for path, found in texts:
        for text in found:
            for sentence in sentences(text):
                yield str(path.relative_to(CHECKOUT)), sentence


def test_no_user_reads_these_phrases() -> None:
    found = {
        f"{file}: {phrase.example!r}, write {phrase.instead}: {sentence}"
        for file, sentence in everything()
        for phrase in PHRASES
        if phrase.found_in(sentence)
    }
    assert sorted(found) == []


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.example)
def test_the_search_finds_a_phrase(phrase: Phrase) -> None:
    assert phrase.found_in(phrase.example)
    assert not phrase.fine or not phrase.found_in(phrase.fine)


def test_strings_of_every_kind_are_searched() -> None:
    source = '''
"""A docstring that holds."""
raise Error(f"{table} holds {count} rows", hint="Rows " "are left")
OPTION = Option(help="As asked for.")
@verb(app)
def run():
    """Prove it."""
def other():
    """Proves nothing to users."""
'''
    tree = ast.parse(source)
    assert {text for _, text in strings(tree)} == {" holds  rows", "Rows are left", "As asked for."}
    assert list(helps(tree)) == ["Prove it."]


def test_findings_and_pages_are_searched() -> None:
    files = {file for file, _ in everything()}
    assert {"README.md", "docs/lineage.md", "src/llamactl/findings/findings.toml"} <= files
    assert "src/llamactl/cli/options.py" in files
