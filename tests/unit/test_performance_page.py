"""The tables of docs/performance.md are as `make bench` writes them. Their figures are not compared."""

from __future__ import annotations

import re
from pathlib import Path

import figures
import pytest
from figures import BARE, Run

from pages import every_block

RUN = Run(1.5, 0.5, 3.0, 40.0, 20.0, 0.0, 60.0, 1.25)
ROUNDS = [dict.fromkeys(figures.TITLES, RUN), dict.fromkeys(figures.TITLES, RUN)]
_RATIO = re.compile(r"\d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)|1 \(\d+\.\d s\)")
_OTHERS = re.compile(r"([\d,]+ MB)?\|([\d,]+ MB)?\|(\d\.\d\dx)?\|([\d,]+ MB)?")


def test_the_table_of_the_page_has_the_shape_that_the_benchmark_writes() -> None:
    shown, _ = every_block("bench")
    assert shown.argument == "migration"
    assert list(shown.lines[:2]) == figures.markdown(figures.HEAD, []).splitlines()
    titles = [row[0] for row in shown.cells()]
    assert titles == [title for title in figures.TITLES.values() if title in titles]
    assert figures.TITLES[BARE] in titles
    for _, cpu, wall, *others in (*shown.cells(), *figures.table(ROUNDS)):
        assert _RATIO.fullmatch(cpu), cpu
        assert _RATIO.fullmatch(wall), wall
        assert _OTHERS.fullmatch("|".join(others)), others


def test_ratios_are_those_of_the_same_round() -> None:
    slow = Run(3.0, 1.0, 6.0, 40.0, 20.0, 0.0, 60.0, 1.25)
    rounds = [{BARE: RUN, "verify": slow}, {BARE: slow, "verify": slow}, {BARE: slow, "verify": RUN}]
    assert figures.table(rounds)[1][1:3] == ("1.00 (0.50 to 2.00)", "1.00 (0.50 to 2.00)")


def test_only_what_is_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    old = "<!-- bench others -->\n| old |\n\nold\n<!-- end of bench others -->\n"
    page.write_text(f"# Page\n\n{old}\nThe end\n")
    figures.write("others", figures.markdown(("a", ""), [("b", "c")], "New."), page)
    assert page.read_text() == (
        "# Page\n\n<!-- bench others -->\n| a |  |\n| --- | --- |\n| b | c |\n\nNew.\n"
        "<!-- end of bench others -->\n\nThe end\n"
    )
    with pytest.raises(SystemExit, match="markers"):
        figures.write("migration", "", page)
