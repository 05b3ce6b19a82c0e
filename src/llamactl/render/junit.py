"""JUnit XML.

Written with the standard library. Of the packages for it, junit-xml rests since 2020; junitparser 5, alive
and small, lets through the characters that XML cannot hold: the hard part would be ours all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from llamactl.findings.kinds import FINDINGS, FindingKind
from llamactl.model import Check, CheckStatus, Finding, LlamactlError, PreflightReport, Severity, VerifyReport
from llamactl.model.words import plural
from llamactl.render import safe
from llamactl.render.words import sampled


@dataclass(frozen=True, slots=True)
class Case:
    """A `testcase`, with a `failure`, an `error` or `skipped` unless it passed."""

    name: str
    outcome: str | None = None
    """The name of the element; None if it passed."""
    kind: str = ""
    message: str = ""
    details: tuple[str, ...] = ()
    """The lines of the failure; for a passed case, its system-out."""


def render(report: PreflightReport | VerifyReport) -> Iterator[str]:
    """Yields the document: a case per check, or per thing that preflight looks for, the same in each run.

    Errors are failures, whatever --fail-on says: it changes the exit code only.
    """
    if isinstance(report, VerifyReport):
        unlogged = report.root_not_logged
        properties = {} if unlogged is None else {"root_not_logged": str(unlogged)}
        yield _document("verify", map(_check, report.checks), properties)
    else:
        known = {one.id: _skipped(FINDINGS[one.id], one.reason) for one in report.skipped}
        known |= {finding.id: _finding(finding) for finding in report.findings}
        kinds = [kind for kind in FINDINGS.values() if not kind.is_check]
        yield _document("preflight", [known.get(kind.id, Case(_name(kind))) for kind in kinds])


def error(problem: LlamactlError, command: str | None) -> str:
    """Returns the document for a command that could not run."""
    case = Case("runs", "error", problem.code, problem.message, _lines(problem.message, problem.hint))
    return _document(command or "llamactl", [case])


def _name(one: Check | Finding | FindingKind) -> str:
    return f"{one.id} {one.slug}: {one.title}"


def _check(check: Check) -> Case:
    name = _name(check)
    match check.status:
        case CheckStatus.PASSED:
            return Case(name)
        case CheckStatus.SKIPPED:
            return Case(name, "skipped", message=check.reason or "")
    details = _lines(sampled(check.sample, check.violations), check.hint)
    return Case(name, "failure", check.severity, plural(check.violations, "violation"), details)


def _skipped(kind: FindingKind, reason: str) -> Case:
    return Case(_name(kind), "skipped", message=reason)


def _finding(finding: Finding) -> Case:
    name = _name(finding)
    details = _lines(sampled(finding.sample, finding.count), finding.hint)
    if finding.severity is Severity.ERROR:
        return Case(name, "failure", finding.severity, f"{finding.title} ({finding.count:,})", details)
    return Case(name, details=(f"{finding.severity}: {finding.title} ({finding.count:,})", *details))


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)


_TOTALS = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def _document(command: str, cases: Iterable[Case], properties: Mapping[str, str] | None = None) -> str:
    suite = ET.Element("testsuite", name=f"llamactl {command}")
    totals = {"tests": 0, **dict.fromkeys(_TOTALS.values(), 0)}
    if properties:
        listed = ET.SubElement(suite, "properties")
        for name, value in properties.items():
            ET.SubElement(listed, "property", name=name, value=value)
    for case in cases:
        element = ET.SubElement(suite, "testcase", classname=f"llamactl.{command}", name=_clean(case.name))
        text = "\n".join(map(_clean, case.details))
        totals["tests"] += 1
        if case.outcome:
            totals[_TOTALS[case.outcome]] += 1
            kind = {"type": case.kind} if case.kind else {}
            problem = ET.SubElement(element, case.outcome, kind, message=_clean(case.message))
            problem.text = text or None
        elif text:
            ET.SubElement(element, "system-out").text = text
    suites = ET.Element("testsuites", name="llamactl")
    for element in (suites, suite):
        element.attrib.update({name: str(total) for name, total in totals.items()})
    suites.append(suite)
    ET.indent(suites)
    # ASCII with character references is valid in every encoding that stdout may have.
    body = ET.tostring(suites, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _clean(text: str) -> str:
    return safe.xml_characters(safe.visible(text))
