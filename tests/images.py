"""The pictures of the HTML report in docs/images: the demo's log in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from playwright.sync_api import Browser

from browsers import Opened, shown
from cutting import run_here
from pages import CHECKOUT

IMAGES = CHECKOUT / "docs" / "images"


@dataclass(frozen=True)
class View:
    """One picture."""

    name: str
    command: tuple[str, ...]
    keys: tuple[str, ...] = ()
    search: str = ""
    scheme: str = "light"
    width: int = 1280
    height: int = 460


TREE = ("tree", "enrich-blue-train")
TIMELINE = ("timeline", "--album", "{album}")
VIEWS = (
    View("report-tree", TREE),
    View("report-details", TREE, keys=("f", "Enter"), scheme="dark", height=620),
    View("report-search", TREE, search="coltrane", scheme="dark"),
    View("report-timeline", TIMELINE),
    View("report-narrow", TREE, width=400, height=760),
)


def pictures(browser: Browser, database: str, folder: Path) -> Iterator[Path]:
    """Makes them in a folder, of a database with the demo's migrated log."""
    file = folder / "report.html"
    with psycopg.connect(database) as connection:
        found = connection.execute("""SELECT "id" FROM "albums" WHERE "title" = 'Blue Train'""").fetchone()
    assert found
    (album,) = found
    for view in VIEWS:
        words = [word.format(album=album) for word in view.command]
        done = run_here(*words, "--dsn", database, "--format", "html", "-o", str(file))
        assert done.code == 0, done.err
        with shown(browser, file, scheme=view.scheme, width=view.width, height=view.height) as window:
            prepare(window, view)
            picture = folder / f"{view.name}.png"
            window.page.screenshot(path=picture, animations="disabled")
            assert window.requests + window.faults == []
        yield picture


def prepare(window: Opened, view: View) -> None:
    if view.search:
        window.search(view.search)
    window.press(*view.keys)
