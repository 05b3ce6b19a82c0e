"""What the README and docs/ show is what happens. scripts/update_docs.py puts new output in place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import every_bin
from cutting import run_here
from images import IMAGES
from pages import CHECKOUT, PAGES, README, Block, anchors, blocks, every_block, links, prose
from picture import PICTURE, picture, words
from servers import Server
from transcripts import Stage, examples, same, value

CHECKED = {
    "console": {"run"},
    "text": {"output"},
    "sql": {"sql"},
    "toml": {"toml"},
    "python": {"logger", "bullmq"},
    "yaml": {"workflow"},
    "prisma": {"prisma"},
    "sh": {"", "succeeds"},
    "table": {
        "keys",
        "catalogue",
        "rows",
        "bench",
        "exits",
        "errors",
        "steps",
        "online_steps",
        "marks",
        "poolers",
        "",
    },
}
"""The comments that a block may have; other tests (test_reference, test_poolers, ...) see to the others."""


@pytest.fixture
def stage(server: Server, tmp_path: Path, psql: Path) -> Iterator[Stage]:
    made: list[str] = []

    def new_database() -> str:
        made.append(server.create(server.template))
        return server.conninfo(made[-1])

    yield Stage(new_database, tmp_path / "stage", psql)
    for name in made:
        server.drop(name)


def named(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def test_nothing_is_shown_that_is_not_checked() -> None:
    for page in PAGES:
        for block in blocks(page):
            assert block.kind in CHECKED[block.language], block.where


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_is_shown_is_what_happens(page: Path, stage: Stage) -> None:
    for block in blocks(page):
        if block.kind == "output" and not every_bin():
            continue  # the demo has no server to run
        try:
            fresh = stage.fresh(block)
        except ValueError as gone:
            pytest.fail(f"{block.where}: a line beside a cut is not printed any more: {gone}")
        assert [same(line) for line in fresh] == [same(line) for line in block.lines], (
            f"{block.where} is out of date: scripts/update_docs.py {named(page)}"
        )


@pytest.mark.parametrize("block", every_block("succeeds"), ids=lambda block: block.where)
def test_lines_that_succeed(block: Block, stage: Stage) -> None:
    lines = [re.sub(r"\bJOB\b", "enrich-blue-train", line) for line in block.lines]
    printed = stage.printed(block.argument, [command for line in lines for command in (line, "echo $?")])
    assert [code for (code,) in printed[1::2]] == ["0"] * len(lines), printed


def test_the_pictures(stage: Stage) -> None:
    drawn = words(PICTURE.read_text(encoding="utf-8"))
    assert drawn == words(picture(stage)), "it is out of date: scripts/update_docs.py"
    shown = [link for link in links(README) if link.startswith("docs/images/")]
    assert shown == [named(PICTURE), named(IMAGES / "report-tree.png")]


def test_the_example_rows_get_their_roots(stage: Stage) -> None:
    conninfo = stage.database("examples")
    assert run_here("migrate", "--yes", "--dsn", conninfo).code == 0
    with psycopg.connect(conninfo) as connection:
        query = 'SELECT "job_id", "root_job_id" FROM "LlamaLog" ORDER BY "id"'
        found = connection.execute(query).fetchall()
    assert found == [(value(job), value(root)) for job, _, _, root in examples()]


def paths(document: object, above: str = "") -> Iterator[str]:
    """The keys of a document, as the tables name them: `findings[].id`."""
    if isinstance(document, dict) and document:
        for key, inside in document.items():
            yield from paths(inside, f"{above}.{key}" if above else key)
    elif isinstance(document, list) and document:
        for inside in document:
            yield from paths(inside, f"{above}[]")
    else:
        yield above


def covers(key: str, path: str) -> bool:
    """Whether the table's key stands for the path: it is that, or holds it; or is in a list without any."""
    return path == key or path.startswith((f"{key}.", f"{key}[]")) or key.startswith(f"{path}[]")


@pytest.mark.parametrize("block", every_block("keys"), ids=lambda block: block.where)
def test_keys_of_json(block: Block, stage: Stage) -> None:
    match = re.fullmatch(r"(\w+) (\w*): ?(.*)", block.argument)
    assert match, block.where
    scene, below, commands = match.groups()
    where = [] if scene == "none" else ["--dsn", stage.database(scene)]
    found: set[str] = set()
    for command in commands.split("; "):
        words = command.split()[1:]
        document: dict[str, Any] = json.loads(run_here(*words, *where).out)
        assert document.pop("schema_version") == 2
        assert document.pop("command") == words[0]
        found.update(paths(document[below] if below else document))
    keys = [row[0].strip("`") for row in block.cells()]
    assert {path for path in found if not any(covers(key, path) for key in keys)} == set()
    assert {key for key in keys if not any(covers(key, path) for path in found)} == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(CHECKOUT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_linked_from_the_readme() -> None:
    assert {named(page) for page in PAGES} - set(links(README)) == {"README.md"}


def test_the_readme_is_short() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150
    assert len([line for line in lines if line.startswith("- **")]) == 5
    assert [len(block.lines) for block in blocks(README) if block.kind == "succeeds"] == [6]


def test_the_readme_says_how_to_install_it() -> None:
    """And that the name on the public index is taken."""
    assert "llamactl-joblog" in prose(README)
    shown = [line for block in blocks(README) if block.language == "sh" for line in block.lines]
    assert {"make demo", "make test", "uv tool install .", "pipx install ."} <= set(shown)


def test_no_line_is_too_long() -> None:
    """Prose is wrapped at 120 columns, for those who read it in an editor."""
    for page in PAGES:
        for number, line in enumerate(prose(page).splitlines()):
            assert len(line) <= 120 or line.startswith(("|", "<!--")), f"{named(page)}, line {number}"
