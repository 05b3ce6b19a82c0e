"""The HTML report in a browser: it does what it shows, and neither runs nor fetches what the data hold."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest

pytest.importorskip("playwright", reason="playwright is not installed: it is of the extra dev")

import psycopg
from playwright.sync_api import Browser

from browsers import Opened, shown
from cutting import run_here
from images import IMAGES, pictures
from llamactl.model import Mark, MarkKind, Node, Timeline, Tree
from report_data import EVIL, SMALL, TIMELINE, evil, failure, large, row, timeline_row, tree, written
from transcripts import DEMO

Open = Callable[..., Opened]
JOBS = ["album-1", "artist-2", "enrich-3", "track-4", "track-5", "gone-6", "track-7"]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """A function: a report in a window. In the end it has asked for nothing, and nothing failed."""
    with ExitStack() as stack:
        windows: list[Opened] = []

        def open_(report: Tree | Timeline, **how: object) -> Opened:
            read = {"read": how.pop("read")} if "read" in how else {}
            file = written(report, tmp_path, **read)
            windows.append(stack.enter_context(shown(browser, file, **how)))
            return windows[-1]

        yield open_
        assert [window.requests + window.faults for window in windows] == [[]] * len(windows)


def test_a_small_tree_is_open_at_the_job_that_was_asked_for(opened: Open) -> None:
    window = opened(SMALL)
    assert window.lines("id") == [*JOBS, "(no job id, row row-8)"]
    assert window.active() == "enrich-3"
    assert window.page.inner_text("#subject") == "album-1"
    assert window.page.inner_text("#facts") == (
        '8 jobs, 51 rows, depth 2, 2 failed; first failure: track:failed "first of all"'
    )


def test_expand_and_collapse(opened: Open) -> None:
    window = opened(SMALL)
    assert window.page.locator("#lines .left-out .label").inner_text().startswith("... 480 more")
    window.press("ArrowLeft")
    assert window.lines("id")[:3] == ["album-1", "artist-2", "enrich-3"]
    assert window.page.locator(".left-out").count() == 0
    assert window.page.locator(".line[aria-selected=true] .below").inner_text() == "2 below, 1 failed"
    window.press("c")
    assert window.lines("id") == ["album-1", "artist-2", "enrich-3", "gone-6"]
    window.press("e")
    assert len(window.lines()) == 9
    window.page.click(".line:first-child .twisty")
    assert window.lines("id") == ["album-1"]


def test_keys_move_through_the_tree(opened: Open) -> None:
    window = opened(SMALL)
    for key, job in [
        ("ArrowDown", "track-4"),
        ("ArrowUp", "enrich-3"),
        ("ArrowRight", "track-4"),
        ("ArrowLeft", "enrich-3"),
        ("ArrowLeft", "enrich-3"),
        ("ArrowLeft", "album-1"),
        ("End", "(no job id, row row-8)"),
        ("Home", "album-1"),
        ("a", "enrich-3"),
    ]:
        window.press(key)
        assert window.active() == job, key


def test_the_first_failure_is_one_key_away(opened: Open) -> None:
    window = opened(SMALL)
    window.press("c", "f")
    assert window.active() == "track-7"  # the oldest, not the topmost
    window.press("f")
    assert window.active() == "track-5"
    window.press("F")
    assert window.active() == "track-7"
    window.page.click("#failure")
    assert window.active() == "track-5"


def test_search_keeps_what_leads_to_it(opened: Open) -> None:
    window = opened(SMALL)
    assert window.search("FIRST of") == "1 of 8 jobs match; Esc shows all"
    assert window.lines("id") == ["album-1", "gone-6", "track-7"]
    assert window.page.inner_text("mark") == "first of"
    assert window.page.locator(".line.kept").count() == 2
    assert window.search("no such thing").startswith("0 of 8")
    assert window.page.inner_text("#window") == "Nothing matches."
    assert window.search("cycle").startswith("1 of 8")  # marks too
    window.press("Escape")
    assert len(window.lines()) == 9
    window.press("/")
    window.page.keyboard.type("track")
    window.page.wait_for_timeout(200)
    window.press("Enter")
    assert window.active() == "track-5"
    window.press("Shift+Enter")
    assert window.active() == "track-4"


def test_filters_by_status_and_category(opened: Open) -> None:
    window = opened(SMALL)
    chips = window.page.locator(".chips button").all_inner_texts()
    assert [chip.replace("\n", "") for chip in chips] == [
        *("✘ failed2", "✔ ok3", "» skipped1"),
        *("FAILED2", "CREATED3", "LINKED1"),
    ]
    window.page.click("text=skipped")
    assert window.lines("id") == ["album-1", "artist-2"]
    window.page.click("text=✘ failed")
    assert window.page.inner_text("#found").startswith("3 of 8")
    window.page.click("#categories >> text=FAILED")
    assert window.page.inner_text("#found").startswith("2 of 8")
    assert window.page.get_attribute("#categories >> text=FAILED", "aria-pressed") == "true"
    window.press("Escape")
    assert len(window.lines()) == 9


def test_details_have_all_columns(opened: Open) -> None:
    window = opened(SMALL)
    window.press("Enter")
    panel = window.page.locator("#details")
    assert panel.locator("h2").inner_text() == "enrich-3"
    assert panel.locator("section").count() == 20
    assert panel.locator("h3").first.inner_text() == "Row 1 of 45"
    panel.locator("text=Show 20 of 25 more rows").click()
    panel.locator("text=Show 5 of 5 more rows").click()
    assert panel.locator("section").count() == 45
    first = panel.locator("section").first
    assert first.locator("dt").all_inner_texts() == ["id", "error_message", "metadata", "sources"]
    assert first.locator("pre").all_inner_texts() == [
        "row-enrich-3.0",
        "first\nsecond",
        '{\n  "album": {\n    "title": "Blue Train",\n    "n": 90071992547409931,\n    "none": []\n  }\n}',
        "x" * 10,
    ]
    assert first.locator(".cut").inner_text() == "4,999,990 more characters are not in this file"
    assert first.locator("> p").inner_text() == "NULL: reason"
    window.press("ArrowDown")
    assert panel.locator("h2").inner_text() == "track-4"
    assert "a cycle" in panel.inner_text()
    window.press("Escape")
    assert not panel.is_visible()
    window.page.click(".line >> text=first of all")
    assert panel.locator("h2").inner_text() == "track-7"


def test_when_a_job_ran(opened: Open) -> None:
    window = opened(SMALL)
    assert window.page.locator(".tick").all_inner_texts() == ["0ms", "25.0s", "50.0s", "1m15s", "1m40s"]
    whole, *_ = (bar.bounding_box() for bar in window.page.locator(".fall:has(.run)").all())
    bars = [bar.bounding_box() for bar in window.page.locator(".run").all()]
    assert whole is not None
    shares = [
        ((bar["x"] - whole["x"]) / whole["width"], bar["width"] / whole["width"]) for bar in bars if bar
    ]
    assert [round(begin, 2) for begin, _ in shares] == [0, 0.01, 0.02, 0.03, 0.6, 0.5, 0.09]
    assert [round(width, 1) for _, width in shares] == [1, 0, 0.5, 0, 0.3, 0.3, 0]


def test_what_assistive_technology_hears(opened: Open) -> None:
    window = opened(SMALL)
    tree_ = window.page.get_by_role("tree", name="Tree of album-1")
    assert tree_.evaluate("one => one === document.activeElement")
    item = window.page.get_by_role("treeitem").nth(4)
    assert {
        name: item.get_attribute(f"aria-{name}") for name in ("level", "setsize", "posinset", "expanded")
    } == {
        "level": "3",
        "setsize": "2",
        "posinset": "2",
        "expanded": "true",
    }
    window.press("ArrowDown")
    described = tree_.get_attribute("aria-activedescendant")
    assert window.page.get_attribute(f"#{described}", "aria-selected") == "true"
    outline = "one => getComputedStyle(one).outlineStyle"
    assert window.page.locator(".line[aria-selected=true]").evaluate(outline) == "solid"
    assert window.page.get_by_role("status").count() == 1
    assert window.lines("status") == ["ok", "skipped", "ok", "ok", "failed", "no rows", "failed", "none"]


def test_origin_unknown_is_a_badge(opened: Open) -> None:
    window = opened(SMALL)
    badge = window.page.locator(".badge.origin_unknown")
    assert badge.inner_text() == "Origin unknown"
    window.press("?")
    assert "has no root" in window.page.inner_text("#legend")
    assert "also has that parent" not in window.page.inner_text("#legend")  # not in this tree


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(opened: Open, scheme: str) -> None:
    window = opened(SMALL, scheme=scheme)
    colour = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(247, 247, 245)", "rgb(21, 23, 26)"
    assert window.page.evaluate(colour) == (light if scheme == "light" else dark)
    window.press("t")
    assert (window.page.evaluate(colour), window.page.inner_text("#theme")) == (light, "Theme: light")
    window.page.click("#theme")
    assert (window.page.evaluate(colour), window.page.inner_text("#theme")) == (dark, "Theme: dark")


def test_who_wants_no_motion_gets_none(opened: Open) -> None:
    window = opened(SMALL)
    moves = "getComputedStyle(document.querySelector('.line')).transitionProperty"
    assert window.page.evaluate(moves) == "background-color"
    window.page.emulate_media(reduced_motion="reduce")
    assert window.page.evaluate(moves) == "all"
    assert (
        window.page.evaluate("getComputedStyle(document.querySelector('.line')).transitionDuration") == "0s"
    )


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("report", [SMALL, TIMELINE], ids=["tree", "timeline"])
def test_nothing_is_wider_than_the_window(opened: Open, report: Tree | Timeline, width: int) -> None:
    window = opened(report, width=width)
    window.press("Enter")
    for selector in ("document.documentElement", "document.querySelector('#details')"):
        assert window.page.evaluate(f"{selector}.scrollWidth <= {selector}.clientWidth")
    outside = "found => found.filter(one => one.getBoundingClientRect().right > innerWidth).length"
    assert window.page.eval_on_selector_all("#scroller .line, .line > *, button", outside) == 0


def test_a_timeline(opened: Open) -> None:
    window = opened(TIMELINE)
    assert window.page.inner_text("h1") == "Timeline of album Blue Train (e-1)"
    assert window.lines("when") == ["2026-02-09 10:15:00", "2026-02-09 11:15:00", "2026-02-09 12:15:00"]
    assert window.lines("badge") == ["root", "Origin unknown"]
    assert window.page.locator(".unrooted .label").inner_text() == "ENRICH"
    assert window.page.get_by_role("listbox").get_by_role("option").count() == 4
    assert window.page.locator(".left-out").inner_text().startswith("... 6 more")
    window.press("f", "Enter")
    assert window.page.inner_text("#details h2") == "track-2"
    assert window.search("lazy").startswith("2 of 3 rows match")


def test_a_timeline_that_filters_left_empty(opened: Open) -> None:
    window = opened(replace(TIMELINE, rows=(), omitted={}, failed=0))
    window.press("ArrowDown", "Enter", "f", "n", "Home", "e", "c", "a", "*", "ArrowLeft", "ArrowRight", " ")
    assert window.page.inner_text("#window") == "No rows."


# --- what comes from the database ----------------------------------------------------------------------


def test_markup_and_scripts_in_the_data_are_text(opened: Open) -> None:
    nodes = [Node("root", None, 0, (), (row("root"),))]
    for number, text in enumerate(EVIL):
        log = replace(failure(f"{number}", error=text), operation=text, category=text, entity_id=text)
        nodes.append(Node(f"{number} {text}", "root", 1, (Mark(MarkKind.ALSO_UNDER, text),), (log,)))
    window = opened(tree(nodes), read=evil)
    for _ in EVIL:
        window.press("f", "Enter")
        text = window.page.inner_text("#details h2")[2:]
        assert window.page.locator("#details pre").count() == len(EVIL)
        window.press("Escape")
        assert window.active("label") == text
    assert window.search("<img src=x").startswith(f"1 of {len(nodes)}")
    assert window.page.inner_text("mark") == "<img src=x"
    assert window.page.locator("img, #lines script, #details script").count() == 0
    shows = window.page.inner_text("#lines")
    assert not set(shows) & set("\x00\x1b\x7f\x85\u202e\u2028\u2029\ud800")
    assert window.page.title() == "Tree of root"


def test_an_evil_subject_is_text(opened: Open) -> None:
    text = "".join(EVIL)
    window = opened(replace(TIMELINE, of=replace(TIMELINE.of, name=text), rows=(timeline_row(text, 0),)))
    assert window.page.locator("h1 *").count() == 2
    assert window.page.title().startswith(f"Timeline of album {EVIL[0]}{EVIL[1]}")


TRIES = {
    "script-src-elem": "document.body.append(make('script', {text: 'window.ran = 1'}))",
    "script-src-attr": "document.body.setAttribute('onclick', 'window.ran = 1'); document.body.click()",
    "style-src-attr": "document.body.setAttribute('style', 'color: red')",
    "img-src": "document.body.append(make('img', {src: URL}))",
    "frame-src": "document.body.append(make('iframe', {src: URL}))",
    "connect-src": "fetch(URL).catch(() => 0)",
    "form-action": "document.body.appendChild(make('form', {action: URL})).submit()",
    "base-uri": "document.head.append(make('base', {href: URL}))",
}
"""What a script that got in could try, by the directive that stops it."""


def sent_to(server: socket.socket) -> bytes:
    """What came: a browser opens a connection for a form or a frame before it sees that it may not use it."""
    server.setblocking(False)
    received = b""
    with suppress(BlockingIOError):
        while True:
            connection, _ = server.accept()
            with connection, suppress(TimeoutError):
                connection.settimeout(0.3)
                received += connection.recv(1000)
    return received


def test_the_policy_stops_what_gets_in_all_the_same(browser: Browser, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, shown(browser, written(SMALL, tmp_path)) as window:
        window.page.evaluate(
            "port => { window.URL = `http://127.0.0.1:${port}/x`;"
            " window.make = (tag, given) => Object.assign(document.createElement(tag), given) }",
            server.getsockname()[1],
        )
        for directive, code in TRIES.items():
            window.faults.clear()
            window.page.evaluate(f"() => {{ {code} }}")
            deadline = time.monotonic() + 10
            while f"violated {directive}" not in window.faults and time.monotonic() < deadline:
                window.page.wait_for_timeout(20)
            assert f"violated {directive}" in window.faults
        assert window.page.evaluate("window.ran") is None
        assert sent_to(server) == b""


# --- large ones ------------------------------------------------------------------------------------------


def test_only_what_is_seen_is_in_the_page(opened: Open) -> None:
    window = opened(large(3_000))
    assert len(window.lines()) == 21  # closed but for the way to the first failure
    window.press("e")
    elements = window.page.evaluate("document.querySelectorAll('*').length")
    assert elements < 1_000
    window.press("End")
    assert window.active() == "job-0001110"  # the last in preorder
    window.page.mouse.move(600, 500)
    window.page.mouse.wheel(0, -20_000)
    window.page.wait_for_timeout(200)
    assert "job-0001110" not in window.lines("id")
    assert window.page.evaluate("document.querySelectorAll('*').length") < 1_000
    seen = window.page.locator(".line").first.bounding_box()
    assert seen is not None


@pytest.mark.slow
def test_a_tree_higher_than_a_browser_can_lay_out(opened: Open) -> None:
    nodes = [Node("root", None, 0, (), (row("root"),))]
    shared = row("leaf")
    nodes += [Node(f"leaf-{number:06}", "root", 1, (), (shared,)) for number in range(400_000)]
    window = opened(tree(nodes), read=lambda ids: [])
    window.press("End")
    assert window.active() == "leaf-399999"
    box = window.page.locator(".line[aria-selected=true]").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 800
    window.press("PageUp", "PageUp", "ArrowUp")
    assert window.active().startswith("leaf-3999")
    window.press("Home")
    assert window.active() == "root"


def test_a_deep_chain_tells_its_depth(opened: Open) -> None:
    nodes = [Node(f"job-{n}", f"job-{n - 1}" if n else None, n, (), (row(f"job-{n}"),)) for n in range(5_000)]
    window = opened(tree(nodes))
    window.press("e", "End")
    assert window.active() == "job-4999"
    assert window.active("deeper").endswith("4,999")
    label = window.page.locator(".line[aria-selected=true] .label").bounding_box()
    assert label is not None
    assert label["x"] < 640


@pytest.mark.slow
@pytest.mark.timed
def test_50_000_jobs_are_there_within_3_seconds(browser: Browser, tmp_path: Path) -> None:
    file = written(large(50_000), tmp_path)
    begun = perf_counter()
    with shown(browser, file) as window:
        window.press("f")
        assert window.active() == "job-0000057"
        assert perf_counter() - begun < 3
        for act in (lambda: window.press("e", "End"), lambda: window.search("job-0049")):
            begun = perf_counter()
            act()
            assert perf_counter() - begun < 1
        assert window.page.inner_text("#found").startswith("1,000 of 50,000")
        assert window.page.evaluate("document.querySelectorAll('*').length") < 1_500
        assert window.faults == []


# --- the documentation's pictures ------------------------------------------------------------------------


def test_pictures(browser: Browser, database: str, tmp_path: Path) -> None:
    """Those of docs/images can be made again, by scripts/update_docs.py; their pixels are the fonts' own."""
    with psycopg.connect(database) as connection:
        connection.execute((DEMO / "planned_rows.sql").read_bytes())
    assert run_here("migrate", "--yes", "--dsn", database).code == 0
    made = [*pictures(browser, database, tmp_path)]
    assert {file.name for file in made} == {file.name for file in IMAGES.glob("report-*.png")}
    for file in made:
        kept, new = (path.read_bytes()[:24] for path in (IMAGES / file.name, file))
        assert kept == new  # a PNG of that width and height
