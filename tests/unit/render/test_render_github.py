"""Annotations of GitHub Actions, read back by the rules of actions/toolkit and the runner."""

from __future__ import annotations

import re
from dataclasses import replace

from llamactl.model import ErrorCode, LlamactlError, OutputFormat, PreflightReport, VerifyReport
from llamactl.render import failure, lines
from reports import BROKEN, CLEAN, FOUND, NASTY, NASTY_SHOWN, PIPE, VERIFIED, many_findings, same_as_golden


def rendered(report: PreflightReport | VerifyReport) -> str:
    return "".join(lines(report, "preflight", OutputFormat.GITHUB, PIPE))


def annotations(output: str) -> list[tuple[str, str, str]]:
    """Level, title and message, as the runner decodes them."""
    found = []
    for line in output.splitlines():
        if match := re.fullmatch(r"::(\w+) title=([^:,]*)::(.*)", line):
            level, title, message = match.groups()
            title = title.replace("%3A", ":").replace("%2C", ",")
            found.append((level, title.replace("%25", "%"), message.replace("%25", "%")))
        else:
            assert not line.startswith("::")
    return found


def test_preflight_and_verify() -> None:
    same_as_golden("preflight.github.txt", lines(FOUND, "preflight", OutputFormat.GITHUB, PIPE))
    same_as_golden("verify_failed.github.txt", lines(BROKEN, "verify", OutputFormat.GITHUB, PIPE))


def test_what_the_database_holds_makes_no_annotation_of_its_own() -> None:
    assert "\n" in NASTY
    message = annotations(rendered(FOUND))[1][2]
    assert NASTY_SHOWN in message
    forged = replace(FOUND.findings[0], title="a:b,c%\n::error::d", sample=("x\r\n::error title=y::z",))
    (found,) = annotations(rendered(PreflightReport((forged,), None, (), None, FOUND.table)))
    assert found[:2] == ("error", f"{forged.id} {forged.slug}: a:b,c%\\n::error::d")
    assert r"x\r\n::error title=y::z" in found[2]


def test_errors_first_ten_at_most_the_last_counting_the_rest() -> None:
    findings = many_findings()
    found = annotations(rendered(PreflightReport(findings, None, (), None, FOUND.table)))
    assert [level for level, _, _ in found] == ["error"] * 3 + ["warning"] * 7
    assert found[-1] == ("warning", "5 more", "left out here: 1 warning, 4 notices")
    assert len(findings) == 9 + 5


def test_ten_need_no_count() -> None:
    found = annotations(rendered(PreflightReport(many_findings()[:10], None, (), None, FOUND.table)))
    assert len(found) == 10
    assert not any("left out" in message for _, _, message in found)


def test_nothing_to_say() -> None:
    assert rendered(CLEAN) == "preflight: 0 findings\n"
    assert rendered(VERIFIED) == "verify: 0 of 11 checks failed\n"


def test_a_failure_to_run() -> None:
    problem = LlamactlError(ErrorCode.CONNECTION, "100% gone:\nnow", "hint")
    output = failure(problem, "verify", OutputFormat.GITHUB, PIPE)
    assert output == "::error title=llamactl verify::100%25 gone:\\nnow | hint\n"
