"""JUnit XML: well-formed whatever the database holds."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from llamactl.findings.kinds import FINDINGS
from llamactl.model import (
    Check,
    CheckStatus,
    ErrorCode,
    LlamactlError,
    OutputFormat,
    PreflightReport,
    VerifyReport,
)
from llamactl.render import failure, lines
from reports import BROKEN, CLEAN, FOUND, NASTY_SHOWN, PIPE, VERIFIED, same_as_golden


def suite(report: PreflightReport | VerifyReport, command: str) -> ET.Element:
    text = "".join(lines(report, command, OutputFormat.JUNIT, PIPE))
    assert text.isascii()
    root = ET.fromstring(text)
    (suite,) = root.findall("testsuite")
    for element in (root, suite):
        assert int(element.attrib["tests"]) == len(suite.findall("testcase"))
        assert int(element.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(element.attrib["errors"]) == len(suite.findall("testcase/error"))
    return suite


def test_verify_is_a_case_per_check() -> None:
    found = suite(BROKEN, "verify")
    assert [case.attrib["name"][:3] for case in found.findall("testcase[failure]")] == ["V02", "V08"]
    assert len(found.findall("testcase")) == len(BROKEN.checks)
    assert NASTY_SHOWN in (found.findtext("testcase/failure") or "")
    assert not suite(VERIFIED, "verify").findall("testcase/failure")
    same_as_golden("verify_failed.junit.xml", lines(BROKEN, "verify", OutputFormat.JUNIT, PIPE))


def test_preflight_is_a_case_per_thing_looked_for() -> None:
    """The names are the same in each run, so that a CI's history of them means something."""
    found, clean = suite(FOUND, "preflight"), suite(CLEAN, "preflight")
    looked_for = [f"{kind.id} {kind.slug}: {kind.title}" for kind in FINDINGS.values() if not kind.is_check]
    for element in (found, clean):
        assert [case.attrib["name"] for case in element.findall("testcase")] == looked_for
    assert [case.attrib["name"][:5] for case in found.findall("testcase[failure]")] == ["LL007"]
    warned = [case.attrib["name"][:5] for case in found.findall("testcase[system-out]")]
    assert warned == ["LL101", "LL103", "LL107", "LL201"]
    assert not clean.findall("testcase/*")


def test_a_failure_to_run() -> None:
    problem = LlamactlError(ErrorCode.CONNECTION, "gone \x00", "come back")
    root = ET.fromstring(failure(problem, "verify", OutputFormat.JUNIT, PIPE))
    error = root.find("testsuite/testcase/error")
    assert error is not None
    assert error.attrib == {"type": "connection", "message": r"gone \x00"}
    assert root.attrib["errors"] == "1"


@given(st.text())
def test_any_text_is_well_formed(text: str) -> None:
    suite(
        VerifyReport((Check("V02", "missing-root", text, CheckStatus.FAILED, None, 1, (text,)),), None),
        "verify",
    )
