"""stats as text: one line per monitor, then the details of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from llamactl.model import Monitor, StatsReport
from llamactl.model.words import plural
from llamactl.render.console import Screen
from llamactl.render.page import Page, Part, apart
from llamactl.render.words import not_logged
from llamactl.wording import size

STATES: dict[bool | None, tuple[str, str]] = {
    True: ("ok", "green"),
    False: ("ALERT", "bold red"),
    None: ("unknown", "bold yellow"),
}


def render(report: StatsReport, screen: Screen) -> Iterator[str]:
    """Yields the lines: the monitors, their details, the verdict."""
    page = Page(screen)
    table = report.table
    parts = f"indexes {size(table.index_bytes)}, TOAST {size(table.toast_bytes)}"
    head = f"{size(table.bytes)} ({parts}), Postgres {table.server_version}"
    return apart(
        page.hanging([(table.name, "bold"), "  "], head),
        page.table([_line(monitor) for monitor in report.monitors], numeric={2}),
        *(_details(page, monitor) for monitor in report.monitors),
        _not_logged(page, report),
        _verdict(page, report),
    )


def _line(monitor: Monitor) -> list[Part]:
    value = "-" if monitor.value is None else _with_unit(monitor.value, monitor.unit)
    reason = monitor.detail.get("reason")
    return [
        STATES[monitor.ok],
        (monitor.id, "bold"),
        value,
        _limit(monitor),
        monitor.title + (f": {reason}" if reason else ""),
    ]


def _limit(monitor: Monitor) -> str:
    limit = _with_unit(monitor.threshold, monitor.unit)
    return f"(alert: {limit} or more)" if monitor.id == "depth" else f"(alert: over {limit})"


def _with_unit(value: float, unit: str) -> str:
    match unit:
        case "bytes":
            return size(int(value))
        case "ms":
            return f"{value:,.2f} ms" if value % 1 else f"{value:,.0f} ms"
        case _:
            return plural(int(value), unit.removesuffix("s"))


def _details(page: Page, monitor: Monitor) -> Iterable[str]:
    detail = monitor.detail
    if monitor.value is None:
        return []
    match monitor.id:
        case "depth":
            return _deep(page, monitor.threshold, detail)
        case "size":
            return _growth(page, monitor.threshold, detail)
        case "timeline":
            return _timelines(page, detail["roots"])
        case _:
            return _unrooted(page, int(monitor.value), detail)


def _deep(page: Page, threshold: int, detail: Any) -> Iterator[str]:
    if detail["jobs"]:
        head = f"{plural(detail['jobs'], 'job')} at depth {threshold} or more"
        yield from _one_a_line(page, head, detail["sample"], detail["jobs"])


def _growth(page: Page, threshold: int, detail: Any) -> Iterator[str]:
    each = ""
    if detail["rows_per_root"] is not None:
        each = f"{_number(detail['rows_per_root'])} rows and {size(round(detail['bytes_per_root']))} each"
    rows: list[list[Part]] = [
        [("rows", "bold"), f"{detail['rows']:,}", _daily(detail["rows_per_day"]), ""],
        [("roots", "bold"), _known(detail["roots"]), _daily(detail["roots_per_day"]), each],
    ]
    yield from page.table(rows, numeric={1, 2})
    if detail["days"] is not None:
        left = detail["days_until_threshold"]
        then = "" if left is None else f": {size(threshold)} in {left:,.0f} days"
        grown = f"{size(detail['bytes_per_day'])} a day, by the last {detail['days']:,.0f} days{then}"
        yield from page.hanging([("growth", "bold"), "  "], grown)


def _known(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _daily(count: float | None) -> str:
    return "" if count is None else f"{_number(count)} a day"


def _number(value: float) -> str:
    return f"{value:,.1f}" if value % 1 else f"{value:,.0f}"


def _timelines(page: Page, roots: Any) -> Iterator[str]:
    head: list[Part] = [(word, "bold") for word in ("rows", "ms", "largest roots")]
    rows: list[list[Part]] = [head]
    for root in roots:
        read = "" if root["rows_read"] == root["rows"] else f"  (the first {root['rows_read']:,} rows)"
        rows.append([f"{root['rows']:,}", f"{root['median_ms']:,.2f}", root["root_job_id"] + read])
    return page.table(rows, numeric={0, 1})


def _unrooted(page: Page, count: int, detail: Any) -> Iterator[str]:
    if count:
        shown = [f"row {row['row']}: job {row['job']}, parent {row['parent']}" for row in detail["sample"]]
        yield from _one_a_line(page, f"{plural(count, 'row')} without a root", shown, count)


def _one_a_line(page: Page, head: str, sample: Sequence[str], count: int) -> Iterator[str]:
    yield page.line((head, "bold"))
    for one in sample:
        yield from page.hanging(["  "], one)
    if count > len(sample):
        yield page.line(f"  and {count - len(sample):,} more")


def _not_logged(page: Page, report: StatsReport) -> Iterator[str]:
    if unlogged := not_logged(report.root_not_logged):
        yield from page.hanging([], unlogged)


def _verdict(page: Page, report: StatsReport) -> Iterator[str]:
    past = sum(monitor.ok is False for monitor in report.monitors)
    unknown = sum(monitor.ok is None for monitor in report.monitors)
    rest = f"; {unknown} unknown" if unknown else ""
    count = plural(len(report.monitors), "monitor")
    if past:
        yield page.line((f"ALERT: {past} of {count} past the threshold{rest}.", "bold red"))
    else:
        yield page.line((f"OK: {count}{rest}.", "bold green"))
