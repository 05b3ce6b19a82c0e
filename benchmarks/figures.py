"""The figures of a benchmark as tables: on the screen, and in docs/performance.md between two markers.

Each ratio compares with the bare UPDATE of the same round, since machines change their pace.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meter import Cost

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BARE = "bare UPDATE"
"""The contender that the others are compared with."""
TITLES = {
    BARE: "bare `UPDATE ... SET root_job_id = job_id`, and its index",
    "migrate": "`migrate`",
    "migrate --keep-indexes": "`migrate --keep-indexes`",
    "migrate --online": "`migrate --online`, with the guard and its index",
    "dry run": "`migrate --dry-run`",
    "verify": "`verify`",
    "preflight": "`preflight`",
}
"""The contenders in the order of the run, as the page names them."""
HEAD = ("", "CPU", "wall time", "WAL", "temp disk", "table after", "client memory")


@dataclass(frozen=True)
class Run(Cost):
    """One run of one contender."""

    size_ratio: float
    """The table with its indexes, after to before."""


Round = Mapping[str, Run]
"""Contender -> its run."""


def table(rounds: Sequence[Round]) -> list[tuple[str, ...]]:
    """Returns the cells below HEAD: ratios of CPU and wall time as `median (smallest to largest)`."""
    return [(TITLES[name], *_cells(name, rounds)) for name in TITLES if name in rounds[0]]


def _cells(name: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    runs = [measured[name] for measured in rounds]
    memory = [run.client_mb for run in runs if run.client_mb is not None]
    temp = max(run.temp_mb for run in runs)
    wal = statistics.median(run.wal_mb for run in runs)
    size = statistics.median(run.size_ratio for run in runs)
    return (
        _ratio(name, rounds, lambda run: run.cpu),
        _ratio(name, rounds, lambda run: run.wall),
        f"{wal:,.0f} MB" if wal >= 1 else "",
        f"{temp:,.0f} MB" if temp >= 1 else "",
        f"{size:.2f}x" if size > 1 else "",
        f"{max(memory):,.0f} MB" if memory else "",
    )


def _ratio(name: str, rounds: Sequence[Round], value: Callable[[Run], float]) -> str:
    if name == BARE:
        return f"1 ({statistics.median(value(measured[BARE]) for measured in rounds):.1f} s)"
    ratios = [value(measured[name]) / value(measured[BARE]) for measured in rounds]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Returns a table, and the paragraph below it."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + (f"\n{caption}\n" if caption else "")


def write(mark: str, text: str, page: Path = PAGE) -> None:
    """Replaces what is between the markers `<!-- bench MARK -->` and `<!-- end of bench MARK -->`."""
    begin, end = f"<!-- bench {mark} -->\n", f"<!-- end of bench {mark} -->\n"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    if not after:
        raise SystemExit(f"{page} does not have the markers of the table {mark!r}")
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")
