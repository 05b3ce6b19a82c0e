"""Reports for people: dense on a terminal, one finding a line elsewhere. Words before colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import chain

from llamactl.findings.kinds import Catalogue, FindingKind
from llamactl.model import (
    Check,
    CheckStatus,
    Counts,
    Cycle,
    Finding,
    MigrationReport,
    PreflightReport,
    RepairReport,
    Severity,
    VerifyReport,
)
from llamactl.model.words import plural
from llamactl.render import explain_text, steps_text
from llamactl.render.console import Screen
from llamactl.render.page import SEVERITY_STYLES, Page, Part, apart
from llamactl.render.words import not_logged, sampled, unlooked
from llamactl.wording import size


def render(report: object, screen: Screen, verbose: bool = False) -> Iterator[str]:
    """Yields the lines of a report. `verbose`: with the SQL of planned steps."""
    match report:
        case PreflightReport():
            return preflight(report, screen)
        case RepairReport():
            return repaired(report, screen)
        case MigrationReport():
            return migration(report, screen, verbose)
        case VerifyReport():
            return verification(report, screen)
        case FindingKind():
            return explain_text.explanation(report, screen)
        case Catalogue():
            return explain_text.catalogue(report, screen)
        case _:
            raise TypeError(f"no text for {type(report).__name__}")


def preflight(report: PreflightReport, screen: Screen) -> Iterator[str]:
    """What was found, errors first; then what the rows come to."""
    page, table = Page(screen), report.table
    rows = "rows not read" if table.rows is None else plural(table.rows, "row")
    parts = f"indexes {size(table.index_bytes)}, TOAST {size(table.toast_bytes)}"
    return apart(
        page.hanging(
            [(table.name, "bold"), "  "],
            f"{rows}, {size(table.bytes)} ({parts}), Postgres {table.server_version}",
        ),
        chain.from_iterable(_finding(page, finding) for finding in report.findings),
        _counts(page, report.counts, depths=True),
        _cycles(page, report.cycles, report.cycles_total or 0),
        _unlooked(page, report),
        _verdict(page, report),
    )


def _unlooked(page: Page, report: PreflightReport) -> Iterator[str]:
    for line in unlooked(report):
        yield from page.hanging(["skipped  "], line)


def _verdict(page: Page, report: PreflightReport) -> Iterator[str]:
    tally = Counter(finding.severity for finding in report.findings)
    found = ", ".join(plural(tally[severity], severity) for severity in (Severity.ERROR, Severity.WARNING))
    verdict = "nothing blocks the migration" if report.ok else "the migration is not possible yet"
    return page.hanging([], (f"{found}, {tally[Severity.INFO]} info: {verdict}.", "bold"))


def _finding(page: Page, finding: Finding) -> Iterator[str]:
    return page.entry(
        [(f"{finding.severity:<7}", SEVERITY_STYLES[finding.severity]), "  "],
        [f"{finding.id} {finding.slug}  ", (finding.title, "bold"), f" ({finding.count:,})"],
        [sampled(finding.sample, finding.count), finding.hint],
    )


def _cycles(page: Page, cycles: tuple[Cycle, ...], total: int) -> Iterator[str]:
    if not cycles:
        return
    yield page.line((plural(total, "cycle"), "bold"))
    rows = [[f"  {plural(cycle.size, 'job')}", sampled(cycle.jobs, cycle.size)] for cycle in cycles]
    yield from page.table(rows)
    if total > len(cycles):
        yield page.line(f"  ... {total - len(cycles):,} more  --sample {total}")


def _counts(page: Page, counts: Counts | None, *, depths: bool) -> Iterator[str]:
    """The figures of lineage, in rows; parts that are 0 are left out. `depths`: with the jobs of each."""
    if counts is None:
        return
    lines: list[tuple[str, int, str]] = [
        ("rows", counts.total, ""),
        ("filled", counts.filled, _breakdown(asdict(counts.filled_by))),
        ("orphans", counts.orphans, _breakdown(asdict(counts.orphans_by))),
        ("dangling", counts.dangling, "below a parent that is not logged" if counts.dangling else ""),
        ("already set", counts.already_set, ""),
        (
            "conflicts",
            counts.conflicts,
            "store a root that differs from the computed one" if counts.conflicts else "",
        ),
        ("depth", counts.max_depth, _depths(counts.depths) if depths else ""),
    ]
    rows: list[list[Part]] = []
    for name, value, note in lines:
        share = f"{100 * value / counts.total:.1f}%" if name in ("filled", "orphans") and counts.total else ""
        rows.append([("  " + name, "bold"), f"{value:,}", share, (note, "dim")])
    yield from page.table(rows, numeric={1, 2})


def _breakdown(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)


def _depths(depths: Mapping[str, int]) -> str:
    by_depth = "  ".join(f"{depth}:{count:,}" for depth, count in depths.items())
    return f"jobs by depth  {by_depth}" if by_depth else ""


def migration(report: MigrationReport, screen: Screen, verbose: bool = False) -> Iterator[str]:
    """The counts and the steps; `verbose`: of a dry run before them their statements, which may be long."""
    page = Page(screen)
    ran = any(step.seconds is not None for step in report.steps)
    unmet = (page.hanging([("FAIL", "bold red"), "  "], line) for line in report.unmet)
    sections: list[Iterable[str]] = [chain([page.line(_headline(report, ran))], *unmet)]
    if report.dry_run and verbose:
        sections += steps_text.statements(page, report.steps)
    sections.append(_counts(page, report.counts, depths=report.dry_run))
    if ran or report.dry_run:
        sections += [
            steps_text.table(page, report.steps, report.dry_run),
            steps_text.skipped(page, report.steps, report.skipped, steps_text.ADDING),
        ]
    sections.append(steps_text.blocked(page, report.blocked_seconds, report.blocked_estimate_seconds))
    if report.dry_run and not verbose:
        sections.append(steps_text.hint(page))
    return apart(*sections)


def _headline(report: MigrationReport, ran: bool) -> Part:
    if report.unmet:
        return ("An expectation was not met: nothing was changed.", "bold red")
    if report.dry_run:
        return ("Dry run: nothing was changed.", "bold")
    if report.failed:
        return (f"Not complete: {_undone(report)}.", "bold red")
    return ("Migrated." if ran else "Nothing to do: the table is migrated already.", "bold green")


def repaired(report: RepairReport, screen: Screen) -> Iterator[str]:
    """What was found and written; then the counts."""
    page = Page(screen)
    found = [
        (report.missing, "had no root"),
        (report.wrong, "had a root that differed from the computed one"),
        (report.disregarded, "with the root flag had a parent"),
        (report.waiting, "too young to be written (--grace)"),
    ]
    if report.dry_run:
        found = found[3:]
    lines = [page.line(f"  {plural(rows, 'row')} {what}") for rows, what in found if rows]
    counts = _counts(page, report.counts, depths=report.dry_run)
    return apart(chain([page.line(_repair_headline(report))], lines), counts)


def _repair_headline(report: RepairReport) -> Part:
    if report.dry_run:
        return (f"Dry run: nothing was changed. {_would_repair(report)}", "bold")
    if report.failed:
        return (f"Not complete: {_repaired(report)}; {_undone(report)}.", "bold red")
    if report.written or report.cleared:
        return (f"Repaired: {_repaired(report)}.", "bold green")
    if report.conflicts_left:
        conflicts = plural(report.conflicts_left, "row has", "rows have")
        return (f"Nothing written: {conflicts} a root that differs from the computed one.", "bold yellow")
    return ("Nothing to repair.", "bold green")


def _would_repair(report: RepairReport) -> str:
    """A sentence: what a repair would write."""
    planned = (
        (report.missing, "filled"),
        (report.wrong, "corrected"),
        (report.disregarded, "cleared of the parent because of the root flag"),
    )
    parts = [f"{plural(rows, 'row')} would be {what}" for rows, what in planned if rows]
    return f"{', '.join(parts)}." if parts else "No row would be written."


def _repaired(report: RepairReport) -> str:
    parts = [f"{plural(report.written, 'row')} written"]
    if report.cleared:
        parts.append(f"{plural(report.cleared, 'parent')} cleared")
    return ", ".join(parts)


def _undone(report: MigrationReport | RepairReport) -> str:
    """What the rows lack at the end."""
    parts = (
        (report.unfilled, "without a root"),
        (report.uncleared, "with a parent that should have been cleared"),
    )
    return ", ".join(f"{plural(rows, 'row')} {what}" for rows, what in parts if rows)


def verification(report: VerifyReport, screen: Screen) -> Iterator[str]:
    """The checks, then the counts, then the verdict."""
    page, widest = Page(screen), max((len(check.slug) for check in report.checks), default=0)
    return apart(
        chain.from_iterable(_check(page, check, widest) for check in report.checks),
        _counts(page, report.counts, depths=False),
        _proved(page, report),
    )


def _proved(page: Page, report: VerifyReport) -> Iterator[str]:
    if report.waiting:
        waiting = "younger than --grace without a root; not a failure"
        yield from page.hanging([], f"{plural(report.waiting, 'row')} {waiting}.")
    if unlogged := not_logged(report.root_not_logged):
        yield from page.hanging([], f"{unlogged}; not a failure.")
    failed, skipped = len(report.failed), len(report.skipped)
    made = plural(len(report.checks) - skipped, "check")
    rest = f", {skipped} skipped" if skipped else ""
    if failed:
        yield page.line((f"FAILED: {failed} of {made}{rest}.", "bold red"))
    else:
        yield page.line((f"OK: {made}{rest}.", "bold green"))


def _check(page: Page, check: Check, widest: int) -> Iterator[str]:
    name = f" {check.id} {check.slug:<{widest}}  "
    if check.status is CheckStatus.PASSED:
        return page.hanging([("ok  ", "green"), name], check.title)
    if check.status is CheckStatus.SKIPPED:
        return page.hanging([("skip", "yellow"), name], f"{check.title}: {check.reason}")
    return page.entry(
        [("FAIL", "bold red"), name],
        [(check.title, "bold"), f" ({check.violations:,})"],
        [sampled(check.sample, check.violations), check.hint],
    )
