"""Reports for people: dense on a terminal, one finding a line elsewhere. Words before colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from llamactl.findings import FINDINGS, FindingKind
from llamactl.model import (
    Check,
    Counts,
    Cycle,
    Finding,
    MigrationReport,
    PreflightReport,
    Severity,
    Step,
    StrategyName,
    VerifyReport,
)
from llamactl.render.console import Screen
from llamactl.render.page import Page, Part
from llamactl.render.words import plural, sampled
from llamactl.wording import size

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}
READS_ONLY = ("", "AccessShareLock")
"""Locks of the steps that change nothing of the user's."""


def render(report: object, screen: Screen) -> Iterator[str]:
    """Yields the lines of a report."""
    match report:
        case PreflightReport():
            return preflight(report, screen)
        case MigrationReport():
            return migration(report, screen)
        case VerifyReport():
            return verification(report, screen)
        case FindingKind():
            return explanation(report, screen)
        case _:
            raise TypeError(f"no text for {type(report).__name__}")


def preflight(report: PreflightReport, screen: Screen) -> Iterator[str]:
    """What was found, errors first; then what the rows come to."""
    page, table = Page(screen), report.table
    rows = "rows not read" if table.rows is None else plural(table.rows, "row")
    parts = f"indexes {size(table.index_bytes)}, TOAST {size(table.toast_bytes)}"
    yield from page.hanging(
        [(table.name, "bold"), "  "], f"{rows}, {size(table.bytes)} ({parts}), Postgres {table.server_version}"
    )
    yield "\n"
    for finding in report.findings:
        yield from _finding(page, finding)
    if report.findings:
        yield "\n"
    if report.counts:
        yield from _counts(page, report.counts)
    if report.cycles:
        yield "\n"
        yield from _cycles(page, report.cycles, report.cycles_total or 0)
    yield "\n"
    tally = Counter(finding.severity for finding in report.findings)
    found = ", ".join(plural(tally[severity], severity) for severity in (Severity.ERROR, Severity.WARNING))
    verdict = "nothing stands in the way of the migration" if report.ok else "the migration is not possible yet"
    yield from page.hanging([], (f"{found}, {tally[Severity.INFO]} info: {verdict}.", "bold"))


def _finding(page: Page, finding: Finding) -> Iterator[str]:
    return page.entry(
        [(f"{finding.severity:<7}", STYLES[finding.severity]), f"  {finding.id}  "],
        [(finding.title, "bold"), f" ({finding.count:,})"],
        [sampled(finding.sample, finding.count), finding.hint],
    )


def _cycles(page: Page, cycles: tuple[Cycle, ...], total: int) -> Iterator[str]:
    yield page.line((plural(total, "cycle"), "bold"))
    rows = [[f"  {plural(cycle.size, 'job')}", sampled(cycle.jobs, cycle.size)] for cycle in cycles]
    yield from page.table(rows)
    if total > len(cycles):
        yield page.line(f"  ... {total - len(cycles):,} more  --sample {total}")


def _counts(page: Page, counts: Counts) -> Iterator[str]:
    """The figures of lineage, in rows; parts that are 0 are left out."""
    by, orphans = counts.filled_by, counts.orphans_by
    lines: list[tuple[str, int, str]] = [
        ("rows", counts.total, ""),
        ("filled", counts.filled, _breakdown({"root": by.root, "descendant": by.descendant})),
        (
            "orphans",
            counts.orphans,
            _breakdown(
                {
                    "untracked": orphans.untracked,
                    "cyclic": orphans.cyclic,
                    "ambiguous": orphans.ambiguous,
                    "dangling": orphans.dangling,
                }
            ),
        ),
        ("dangling", counts.dangling, "below a parent that the log does not hold" if counts.dangling else ""),
        ("already set", counts.already_set, ""),
        ("conflicts", counts.conflicts, "hold another root than the computed one" if counts.conflicts else ""),
        ("depth", counts.max_depth, _depths(counts.depths)),
    ]
    rows: list[list[Part]] = []
    for name, value, note in lines:
        share = f"{100 * value / counts.total:.1f}%" if name in ("filled", "orphans") and counts.total else ""
        rows.append([("  " + name, "bold"), f"{value:,}", share, (note, "dim")])
    yield from page.table(rows, numeric={1, 2})


def _breakdown(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)


def _depths(depths: Mapping[str, int]) -> str:
    return "jobs by depth  " + "  ".join(f"{depth}:{count:,}" for depth, count in depths.items()) if depths else ""


def migration(report: MigrationReport, screen: Screen) -> Iterator[str]:
    """The counts and the steps; of a dry run with their statements."""
    page = Page(screen)
    if report.unmet:
        headline = ("An expectation was not met: nothing was changed.", "bold red")
    elif report.dry_run:
        headline = ("Dry run: nothing was changed.", "bold")
    else:
        headline = ("Migrated.", "bold green")
    yield from page.hanging([], headline)
    for line in report.unmet:
        yield from page.hanging([("FAIL", "bold red"), "  "], line)
    yield "\n"
    yield from _counts(page, report.counts)
    yield "\n"
    yield from _strategy(page, report)
    yield "\n"
    yield from _steps(page, report)
    if report.skipped:
        yield "\n"
        yield from page.hanging([("skipped  ", "bold")], ", ".join(map(_words, report.skipped)))
    if report.dry_run:
        yield from _statements(page, report.steps)


def _strategy(page: Page, report: MigrationReport) -> Iterator[str]:
    strategy = report.strategy
    sound = "" if strategy.rewrite_sound else "not "
    other = "" if strategy.name is StrategyName.REWRITE else f"; a rewrite would {sound}be sound here"
    yield page.line(("strategy ", "bold"), strategy.name, other)
    for reason in strategy.reasons:
        yield from page.hanging(["  - "], reason)


def _steps(page: Page, report: MigrationReport) -> Iterator[str]:
    rows: list[list[Part]] = [[(word, "bold") for word in ("  step", "lock", "blocks", "seconds", "")]]
    for step in report.steps:
        seconds = step.estimate_seconds if report.dry_run else step.seconds
        shown = "" if seconds is None else f"{'~' if report.dry_run else ''}{seconds:,.1f}"
        rows.append([f"  {_words(step.name)}", step.lock or "-", step.blocks, shown, ""])
    yield from page.table(rows, numeric={3})


def _statements(page: Page, steps: tuple[Step, ...]) -> Iterator[str]:
    """The SQL of the steps that do more than read the user's table, without its comment lines."""
    for step in steps:
        if step.lock in READS_ONLY and "CREATE TEMP" in step.sql:
            continue
        yield "\n"
        yield page.line((f"-- {_words(step.name)}", "dim"))
        for line in step.sql.splitlines():
            if line.strip() and not line.lstrip().startswith("--"):
                yield page.line(line)
    yield "\n"
    yield page.line(("-- `llamactl sql` prints the whole, resolving the chains included", "dim"))


def _words(name: str) -> str:
    return name.replace("_", " ")


def verification(report: VerifyReport, screen: Screen) -> Iterator[str]:
    """The checks, then the counts, then the verdict."""
    page = Page(screen)
    for check in report.checks:
        yield from _check(page, check)
    yield "\n"
    if report.counts:
        yield from _counts(page, report.counts)
        yield "\n"
    if report.waiting:
        waiting = "younger than --grace still lack a root; not a failure"
        yield from page.hanging([], f"{plural(report.waiting, 'row')} {waiting}.")
    failed = sum(not check.ok for check in report.checks)
    if failed:
        yield page.line((f"FAILED: {failed} of {plural(len(report.checks), 'check')}.", "bold red"))
    else:
        yield page.line((f"OK: {plural(len(report.checks), 'check')}.", "bold green"))


def _check(page: Page, check: Check) -> Iterator[str]:
    if check.ok:
        return page.hanging([("ok  ", "green"), f" {check.id}  "], check.title)
    return page.entry(
        [("FAIL", "bold red"), f" {check.id}  "],
        [(check.title, "bold"), f" ({check.violations:,})"],
        [sampled(check.sample, check.violations), FINDINGS[check.id].hint],
    )


def explanation(kind: FindingKind, screen: Screen) -> Iterator[str]:
    """An id's title and description; prose is wrapped on a terminal, code never."""
    page = Page(screen)
    yield from page.hanging([(kind.id, "bold"), "  ", (kind.severity, STYLES[kind.severity]), "  "], (kind.title, "bold"))
    for paragraph in kind.description.split("\n\n"):
        yield "\n"
        lines = paragraph.splitlines()
        if lines[0].startswith("    "):
            yield from map(page.line, lines)
        else:
            yield from page.hanging([], " ".join(lines))
