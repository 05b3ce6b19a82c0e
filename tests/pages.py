"""The pages of the documentation, as the tests and scripts/update_docs.py read them.

What is checked or made has a comment on the line above it, `<!-- kind argument -->`:

    run SCENE               console: each `$` line is typed in a shell, with the scene's database
    succeeds SCENE          sh: each line is typed so and exits with 0; JOB stands for a job of the log
    output COMMAND          text: what a command without a database prints
    keys SCENE PATH: COMMAND; COMMAND    table: the keys of their JSON documents, below PATH
    catalogue PREFIX        table: the findings and checks whose ids begin so
    rows                    table: rows of a log, with the root that each is to hold
    bench TABLE             table: make bench writes it, with what follows up to the comment that ends it
    sql NAME                sql: a test of that name runs it
    logger, bullmq          python: a test of the logger runs it
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
README = CHECKOUT / "README.md"
PAGES = [README, CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").glob("*.md"))]

_MARKER = re.compile(r"<!-- (\w+) ?(.*?) -->")
_LINK = re.compile(r"\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """A fenced block, or a table."""

    page: Path
    start: int
    """The first line inside, counted from 0."""
    language: str
    kind: str
    """Of the comment above it; empty without one."""
    argument: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(CHECKOUT)}:{self.start + 1}"

    def cells(self) -> list[list[str]]:
        """Of a table: its rows below the head, as they are written."""
        return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in self.lines[2:]]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks and the tables, in their order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    position = 0
    while position < len(lines):
        start = position
        if fence := re.fullmatch(r"```(\w*)", lines[position]):
            start, end = position + 1, lines.index("```", position + 1)
            position = end + 1
        elif lines[position].startswith("|"):
            end = next((n for n in range(position, len(lines)) if not lines[n].startswith("|")), len(lines))
            position = end
        else:
            position += 1
            continue
        above = _MARKER.fullmatch(lines[start - (2 if fence else 1)])
        kind, argument = above.groups() if above else ("", "")
        yield Block(page, start, fence[1] if fence else "table", kind, argument, tuple(lines[start:end]))


def every_block(kind: str) -> list[Block]:
    """Those of a kind, on all pages."""
    return [block for page in PAGES for block in blocks(page) if block.kind == kind]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    return [one or other for one, other in _LINK.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """What `#...` may name: each heading in lower case, with dashes for spaces."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
