"""A browser for the tests of the HTML report: the Chromium of the system."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
WATCH = """
addEventListener("securitypolicyviolation", (event) => console.error(`violated ${event.effectiveDirective}`));
"""


def chromium() -> str | None:
    """The path of one; None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    """The browser at this path, without a window."""
    with sync_playwright() as playwright:
        # Its sandbox wants rights that a container lacks; the pages are our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A report in a window, and what went on there."""

    page: Page
    requests: list[str] = field(default_factory=list)
    """All but the one for the report itself."""
    faults: list[str] = field(default_factory=list)
    """Errors on the console, errors of scripts, dialogs, violations of the policy."""

    def lines(self, part: str = "label") -> list[str]:
        """One cell of each line that is in the page."""
        return self.page.eval_on_selector_all(f".line .{part}", "found => found.map(one => one.textContent)")

    def active(self, part: str = "id") -> str:
        """One cell of the active line."""
        return self.page.inner_text(f'.line[aria-selected="true"] .{part}')

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def search(self, text: str) -> str:
        """Types the text into the search; returns how many match."""
        self.page.fill("#search", text)
        self.page.wait_for_timeout(200)  # it waits for whoever is typing
        return self.page.inner_text("#found")


@contextmanager
def shown(
    browser: Browser, file: Path, *, width: int = 1280, height: int = 800, scheme: str = "light"
) -> Iterator[Opened]:
    """The file in a window of its own, once it is ready."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    opened = Opened(page)
    page.add_init_script(WATCH)
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("pageerror", lambda error: opened.faults.append(str(error)))
    page.on("dialog", lambda dialog: (opened.faults.append(dialog.message), dialog.dismiss()))
    page.on(
        "console", lambda said: opened.faults.append(said.text) if said.type in ("error", "warning") else None
    )
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    assert opened.requests.pop(0) == file.as_uri()
    try:
        yield opened
    finally:
        page.close()
