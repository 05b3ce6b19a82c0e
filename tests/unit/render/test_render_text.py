"""What a person sees, pinned in tests/golden."""

from __future__ import annotations

import re

import pytest

from llamactl.findings.kinds import FINDINGS, Catalogue
from llamactl.render import text
from llamactl.render.console import Screen
from reports import (
    BROKEN,
    CLEAN,
    COLOURS,
    DRY_RUN,
    EMPTY,
    FOUND,
    LONG,
    MIGRATED,
    NASTY_SHOWN,
    NOT_MIGRATED,
    NOTHING_TO_DO,
    PIPE,
    TERMINAL,
    UNMET,
    UNREAD,
    VERIFIED,
    same_as_golden,
)

REPORTS = {
    "preflight": FOUND,
    "preflight_clean": CLEAN,
    "preflight_unread": UNREAD,
    "migrate_dry_run": DRY_RUN,
    "migrate": MIGRATED,
    "migrate_nothing_to_do": NOTHING_TO_DO,
    "migrate_unmet": UNMET,
    "verify": VERIFIED,
    "verify_failed": BROKEN,
    "verify_not_migrated": NOT_MIGRATED,
    "explain": FINDINGS["LL105"],
    "explain_all": Catalogue(tuple(FINDINGS.values())),
}


@pytest.mark.parametrize("screen", [pytest.param(TERMINAL, id="terminal"), pytest.param(PIPE, id="pipe")])
@pytest.mark.parametrize("name", REPORTS)
def test_reports(name: str, screen: Screen) -> None:
    kind = "terminal" if screen.terminal else "pipe"
    same_as_golden(f"{name}.{kind}.txt", text.render(REPORTS[name], screen))


@pytest.mark.parametrize("name", REPORTS)
def test_a_terminal_of_80_columns_is_wide_enough(name: str) -> None:
    for chunk in text.render(REPORTS[name], TERMINAL):
        for line in chunk.splitlines():
            assert len(line) <= 80


@pytest.mark.parametrize("name", REPORTS)
def test_no_line_ends_in_a_space(name: str) -> None:
    for screen in (TERMINAL, PIPE):
        assert not re.search(r"[ \t]$", "".join(text.render(REPORTS[name], screen)), re.MULTILINE)


def test_a_pipe_gets_one_finding_a_line_with_whole_ids() -> None:
    lines = "".join(text.render(FOUND, PIPE)).splitlines()
    found = [line for line in lines if re.match(r"(error|warning|info) +LL", line)]
    assert len(found) == len(FOUND.findings)
    assert any(LONG in line for line in found)
    for line, finding in zip(found, FOUND.findings, strict=True):
        assert finding.id in line
        assert finding.hint in line


def test_what_the_database_holds_is_shown_and_not_obeyed() -> None:
    for report in (FOUND, BROKEN):
        shown = "".join(text.render(report, COLOURS))
        assert "\x1b[31mb" not in shown  # red is never asked for without bold
        assert NASTY_SHOWN in "".join(text.render(report, PIPE))


def test_statements_come_with_verbose_and_before_the_counts() -> None:
    assert "ALTER TABLE" not in "".join(text.render(DRY_RUN, PIPE))
    shown = "".join(text.render(DRY_RUN, PIPE, verbose=True))
    assert shown.index("ALTER TABLE") < shown.index("\n  rows ") < shown.index("\n  step ")
    assert "Add -v" not in shown
    assert "".join(text.render(MIGRATED, PIPE, verbose=True)) == "".join(text.render(MIGRATED, PIPE))


def test_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = "".join(text.render(BROKEN, COLOURS))
    plain = "".join(text.render(BROKEN, TERMINAL))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize("name", REPORTS)
def test_the_frame_is_ascii(name: str) -> None:
    """There is nothing to fall back from: only what the database holds can be beyond ASCII."""
    assert "".join(text.render(REPORTS[name], TERMINAL)).isascii()


def test_an_empty_table() -> None:
    report = CLEAN.__class__((), EMPTY, (), 0, CLEAN.table)
    shown = "".join(text.render(report, PIPE))
    assert re.search(r"^  rows +0$", shown, re.MULTILINE)
    assert "%" not in shown


def test_lists_that_are_cut_say_by_how_much() -> None:
    shown = "".join(text.render(FOUND, PIPE))
    assert "472 more" in shown  # of 482 dangling parents, ten are in the sample
    assert "99,990 more" in shown  # jobs of a cycle
    assert "... 40 more  --sample 42" in shown  # cycles


def test_the_slug_stands_beside_the_id() -> None:
    for screen in (TERMINAL, PIPE):
        found = "".join(text.render(FOUND, screen))
        assert all(f"  {one.id} {one.slug}  " in found for one in FOUND.findings)
        checked = "".join(text.render(BROKEN, screen))
        assert all(f" {one.id} {one.slug} " in checked for one in BROKEN.checks)


def test_the_list_is_grouped_and_has_an_id_a_line() -> None:
    shown = "".join(text.render(REPORTS["explain_all"], PIPE))
    groups = [group.splitlines() for group in shown.split("\n\n")]
    assert [group[0].partition(":")[0] for group in groups[:4]] == [
        "Errors",
        "Warnings",
        "Info",
        "Checks of verify",
    ]
    ids = [[line.split()[0] for line in group[1:]] for group in groups[:4]]
    starts = ("LL0", "LL1", "LL2", "V")
    assert ids == [[id_ for id_ in FINDINGS if id_.startswith(start)] for start in starts]


def test_every_id_can_be_explained() -> None:
    for kind in FINDINGS.values():
        shown = "".join(text.render(kind, TERMINAL))
        assert shown.startswith(f"{kind.id} {kind.slug}  {kind.severity}\n{kind.title[:60]}")
        assert max(map(len, shown.splitlines())) <= 80  # the SQL too, which is never wrapped
        assert "{" not in kind.title
