"""status as text: the run in a few lines; or one line per change, if watched without a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from llamactl.model import AtWork, IndexBuild, RunState, RunStatus, RunStep, StatusReport
from llamactl.model.steps import StepName
from llamactl.render.console import Screen
from llamactl.render.page import Page, Part, apart
from llamactl.wording import duration

STYLES = {
    RunState.RUNNING: "bold green",
    RunState.WAITING: "bold yellow",
    RunState.CUT: "bold red",
    RunState.DONE: "bold green",
}
LIVE = (RunState.RUNNING, RunState.WAITING)
UNNAMED = "a session that is not llamactl's"
STATES = {**{state: str(state) for state in RunState}, RunState.CUT: "interrupted"}
"""The words for people; `cut` is the JSON's."""


def render(report: StatusReport, screen: Screen) -> Iterator[str]:
    """Yields the lines: the table, the run, its steps."""
    page, table = Page(screen), report.table
    migrated = "migrated" if table.migrated else "not migrated"
    guard = "guarded" if table.guard else "no guard"
    return apart(
        [page.line((table.name, "bold"), f"  {migrated}, {guard}")],
        _run(page, report.run, report.as_of) if report.run else [],
        _at_work(page, report.at_work) if report.at_work and _unrecorded(report) else [],
        [] if report.run or report.at_work else [page.line("no run")],
        _steps(page, report.steps, report.as_of),
    )


def line(report: StatusReport) -> str:
    """Returns the report in one line, without times and ages, which change by themselves."""
    run = report.run
    told = [f"{run.command} {STATES[run.state]}", _step_title(run.step), *_told(run)] if run else []
    if report.at_work and _unrecorded(report):
        step = _step_title(report.at_work.step)
        told += [f"{report.at_work.command or UNNAMED} {RunState.RUNNING}", step]
    return "; ".join(filter(None, told)) or "no run"


def _unrecorded(report: StatusReport) -> bool:
    """Returns whether the active session has recorded no run: it uses one transaction, or has just begun."""
    return not (report.run and report.run.state in LIVE)


def _at_work(page: Page, session: AtWork) -> Iterator[str]:
    who = " ".join(filter(None, ["pid", str(session.pid), session.user]))
    age = session.transaction_seconds
    since = f", in a transaction for {duration(age)}" if age is not None else ""
    style = STYLES[RunState.RUNNING]
    yield page.line((f"{session.command or UNNAMED}  ", "bold"), (RunState.RUNNING, style), f"  {who}{since}")
    if session.step:
        yield from page.table([[("  step", "bold"), _step_title(session.step)]])


def _told(run: RunStatus) -> Iterator[str]:
    yield _progress(run)
    if run.waits_for:
        yield f"waiting for {run.waits_for}"
    if run.blocked_by:
        yield f"blocked by {', '.join(_who(run))}"
    if run.index_build:
        yield _built(run.index_build)


def _who(run: RunStatus) -> Iterator[str]:
    for blocker in run.blocked_by:
        user = f" {blocker.user}" if blocker.user else ""
        yield f"pid {blocker.pid}{user}" if blocker.pid is not None else str(blocker.state)


def _run(page: Page, run: RunStatus, now: datetime) -> Iterator[str]:
    took = f"took {_age(run.began_at, run.ended_at)}" if run.ended_at else f"{_age(run.began_at, now)} ago"
    began = f"  began {run.began_at.isoformat(timespec='seconds')}, {took}"
    yield page.line((f"run {run.id}  {run.command}  ", "bold"), (STATES[run.state], STYLES[run.state]), began)
    rows: list[tuple[str, str]] = []
    if run.step and run.step_since:
        since = f" for {_age(run.step_since, now)}" if run.state is not RunState.CUT else ""
        rows.append(("step", f"{_step_title(run.step)}{since}"))
    rows.append(("rows", _progress(run)))
    if run.waits_for:
        since = f" for {_age(run.waits_since, now)}" if run.waits_since else ""
        rows.append(("waiting", f"{since.strip()}{': ' if since else ''}{run.waits_for}"))
    rows += [("blocked by", blocker.sentence) for blocker in run.blocked_by]
    if run.index_build:
        rows.append(("index", _built(run.index_build)))
    yield from page.table([[(f"  {name}", "bold"), text] for name, text in rows if text])


def _progress(run: RunStatus) -> str:
    """`120,000 of 1,000,000 (12.0%), 8,400 a second, about 2 min left`."""
    if not run.rows_done and run.rows_total is None:
        return ""
    share = ""
    if run.rows_total is not None:
        percent = f" ({100 * run.rows_done / run.rows_total:.1f}%)" if run.rows_total else ""
        share = f" of {run.rows_total:,}{percent}"
    rate = f", {run.rows_per_second:,.0f} a second" if run.rows_per_second else ""
    left = f", about {duration(run.eta_seconds)} left" if run.eta_seconds else ""
    return f"{run.rows_done:,}{share}{rate}{left}"


def _built(build: IndexBuild) -> str:
    counts = [
        f"{done:,} of {total:,} {what}"
        for done, total, what in (
            (build.blocks_done, build.blocks_total, "blocks"),
            (build.lockers_done, build.lockers_total, "transactions"),
        )
        if total
    ]
    return ", ".join([" ".join(filter(None, [build.index_name, build.phase])), *counts])


def _steps(page: Page, steps: tuple[RunStep, ...], now: datetime) -> Iterable[str]:
    rows: list[list[Part]] = [[("  step", "bold"), ("took", "bold"), ("began", "bold")]]
    for step in steps:
        took = _age(step.began_at, step.ended_at) if step.ended_at else "-"
        rows.append([f"  {_step_title(step.name)}", took, step.began_at.isoformat(timespec="seconds")])
    return page.table(rows, numeric={1}) if steps else []


def _step_title(name: str | None) -> str:
    """Returns what people call the step; another version may have recorded an unknown name."""
    known = {str(step): step.label for step in StepName}
    return known.get(name or "", (name or "").replace("_", " "))


def _age(since: datetime, until: datetime) -> str:
    return duration((until - since).total_seconds())
