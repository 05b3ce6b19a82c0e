"""JUnit XML.

Written with the standard library. Of the packages for it, junit-xml rests since 2020; junitparser 5, alive
and small, lets through the characters that XML cannot hold: the hard part would be ours all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from llamactl.findings import FINDINGS
from llamactl.model import Finding, LlamactlError, PreflightReport, Severity, VerifyReport
from llamactl.render import safe
from llamactl.render.words import plural, sampled


@dataclass(frozen=True, slots=True)
class Case:
    """A `testcase`, with a `failure` or an `error` where it did not pass."""

    name: str
    outcome: str | None = None
    """The element's name; None: passed."""
    kind: str = ""
    message: str = ""
    details: tuple[str, ...] = ()
    """Lines of the failure; of a passed case its system-out."""


def render(report: PreflightReport | VerifyReport) -> Iterator[str]:
    """Yields the document: a case per check, or per thing that preflight looks for, the same in each run.

    Errors are failures, whatever --fail-on says: it changes the exit code only.
    """
    if isinstance(report, VerifyReport):
        cases = [
            Case(f"{check.id} {check.title}")
            if check.ok
            else Case(
                f"{check.id} {check.title}",
                "failure",
                check.severity,
                plural(check.violations, "violation"),
                _lines(sampled(check.sample, check.violations), FINDINGS[check.id].hint),
            )
            for check in report.checks
        ]
        yield _document("verify", cases)
    else:
        found = {finding.id: finding for finding in report.findings}
        cases = [
            _finding(found[kind.id]) if kind.id in found else Case(f"{kind.id} {kind.title}")
            for kind in FINDINGS.values()
            if kind.id.startswith("LL")
        ]
        yield _document("preflight", cases)


def error(problem: LlamactlError, command: str | None) -> str:
    """The document of a failure to run at all."""
    case = Case("runs", "error", problem.code, problem.message, _lines(problem.message, problem.hint))
    return _document(command or "llamactl", [case])


def _finding(finding: Finding) -> Case:
    name = f"{finding.id} {finding.title}"
    details = _lines(sampled(finding.sample, finding.count), finding.hint)
    if finding.severity is Severity.ERROR:
        return Case(name, "failure", finding.severity, f"{finding.title} ({finding.count:,})", details)
    return Case(name, details=(f"{finding.severity}: {finding.title} ({finding.count:,})", *details))


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)


def _document(command: str, cases: Iterable[Case]) -> str:
    suite = ET.Element("testsuite", name=f"llamactl {command}")
    totals = {"tests": 0, "failures": 0, "errors": 0}
    for case in cases:
        element = ET.SubElement(suite, "testcase", classname=f"llamactl.{command}", name=_clean(case.name))
        text = "\n".join(map(_clean, case.details))
        totals["tests"] += 1
        if case.outcome:
            totals[case.outcome + "s"] += 1
            problem = ET.SubElement(element, case.outcome, type=case.kind, message=_clean(case.message))
            problem.text = text
        elif text:
            ET.SubElement(element, "system-out").text = text
    suites = ET.Element("testsuites", name="llamactl")
    for element in (suites, suite):
        element.attrib.update({name: str(total) for name, total in totals.items()})
    suites.append(suite)
    ET.indent(suites)
    # ASCII with character references is right in every encoding that stdout may have.
    body = ET.tostring(suites, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _clean(text: str) -> str:
    return safe.xml_characters(safe.visible(text))
