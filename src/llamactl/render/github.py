"""Workflow annotations of GitHub Actions: `::error title=...::message`.

GitHub shows ten annotations of a kind and drops the rest without a word.
Therefore the tenth counts what is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llamactl.model import Check, Finding, LlamactlError, PreflightReport, Severity, VerifyReport
from llamactl.model.words import plural
from llamactl.render import safe
from llamactl.render.words import joined, not_logged, sampled, unlooked

MOST = 10
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


@dataclass(frozen=True, slots=True)
class Annotation:
    """One `::level title=...::message`."""

    severity: Severity
    title: str
    message: str

    def __str__(self) -> str:
        return f"::{LEVELS[self.severity]} title={_property(self.title)}::{_data(self.message)}\n"


def render(report: PreflightReport | VerifyReport) -> Iterator[str]:
    """Yields the annotations, errors first, then one line for the log."""
    if isinstance(report, PreflightReport):
        yield from _cut([_finding(finding) for finding in report.findings])
        for line in unlooked(report):
            yield f"skipped {line}\n"
        yield f"preflight: {plural(len(report.findings), 'finding')}\n"
    else:
        failed, skipped = report.failed, report.skipped
        yield from _cut(
            [
                *(_check(check) for check in failed),
                *(
                    Annotation(
                        Severity.INFO, f"{check.id} {check.slug} skipped: {check.title}", check.reason or ""
                    )
                    for check in skipped
                ),
            ]
        )
        made = plural(len(report.checks) - len(skipped), "check")
        rest = (f"{len(skipped)} skipped" if skipped else "", not_logged(report.root_not_logged))
        yield ", ".join(filter(None, [f"verify: {len(failed)} of {made} failed", *rest])) + "\n"


def error(problem: LlamactlError, command: str | None) -> str:
    """Returns the annotation of a failure."""
    title = " ".join(["llamactl", *([command] if command else [])])
    return str(Annotation(Severity.ERROR, title, joined(problem.message, problem.hint)))


def _finding(finding: Finding) -> Annotation:
    message = joined(f"{finding.count:,}", sampled(finding.sample, finding.count), finding.hint)
    return Annotation(finding.severity, f"{finding.id} {finding.slug}: {finding.title}", message)


def _check(check: Check) -> Annotation:
    message = joined(
        plural(check.violations, "violation"),
        sampled(check.sample, check.violations),
        check.hint,
    )
    return Annotation(check.severity, f"{check.id} {check.slug} FAILED: {check.title}", message)


def _cut(annotations: Sequence[Annotation]) -> Iterator[str]:
    order = list(LEVELS)
    ranked = sorted(annotations, key=lambda annotation: order.index(annotation.severity))
    if len(ranked) <= MOST:
        yield from map(str, ranked)
        return
    shown, rest = ranked[: MOST - 1], ranked[MOST - 1 :]
    yield from map(str, shown)
    counts = Counter(LEVELS[annotation.severity] for annotation in rest)
    words = ", ".join(plural(count, level) for level, count in counts.items())
    yield str(Annotation(rest[0].severity, f"{len(rest)} more", f"left out here: {words}"))


def _data(text: str) -> str:
    """Returns the text after the last `::`, escaped like actions/toolkit; visible() removes line breaks."""
    return safe.visible(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
