"""Makes anew what the documentation shows: transcripts, tables of findings, the picture.

    .venv/bin/python scripts/update_docs.py [PAGE ...]

tests/postgres/cli/test_readme.py fails where a page shows what llamactl does not do. Then run this, and read
the diff.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from browsers import chromium, launched
from images import IMAGES, pictures
from pages import CHECKOUT, PAGES, Block, blocks
from picture import PICTURE, picture
from servers import Server, private_server
from transcripts import Stage, catalogue, same


def main(names: list[str]) -> int:
    """Rewrites the pages that are named, or all. Returns 1 where a cut of a transcript has lost its place."""
    wanted = [(CHECKOUT / name).resolve() for name in names] or PAGES
    lost = 0
    with private_server() as server:
        for page in wanted:
            with stage(server) as made:
                lost += rewrite(page, made.fresh)
        with stage(server) as made:
            PICTURE.write_text(picture(made), encoding="utf-8")
            if path := chromium():
                with launched(path) as browser:
                    for file in pictures(browser, made.database("migrated"), made.folder):
                        shutil.copy(file, IMAGES)
            else:
                print("There is no Chromium, and so no new pictures of the report", file=sys.stderr)
    return 1 if lost else 0


@contextmanager
def stage(server: Server) -> Iterator[Stage]:
    assert server.private is not None
    with tempfile.TemporaryDirectory() as folder:
        yield Stage(
            lambda: server.conninfo(server.create(server.template)),
            Path(folder),
            server.private.binaries / "psql",
        )


def rewrite(page: Path, fresh: Callable[[Block], list[str]]) -> int:
    """Returns how many blocks could not be made anew."""
    lines, lost, shift = page.read_text(encoding="utf-8").splitlines(), 0, 0
    for block in blocks(page):
        try:
            new = catalogue(block.argument) if block.kind == "catalogue" else fresh(block)
            if [same(line) for line in new] == [same(line) for line in block.lines]:
                continue  # other seconds and ids are no news
        except ValueError as gone:
            print(f"{block.where}: beside a cut: {gone}; mend it by hand", file=sys.stderr)
            lost += 1
            continue
        start = block.start + shift
        lines[start : start + len(block.lines)] = new
        shift += len(new) - len(block.lines)
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lost


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
