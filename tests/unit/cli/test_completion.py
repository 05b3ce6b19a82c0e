"""What a shell completes."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from llamactl.cli.main import app, main
from llamactl.findings.kinds import FINDINGS
from llamactl.sqlfiles.names import DEFAULT_COLUMNS

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def complete(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> object:
    """A function: the words with which bash would complete the last word of a line."""

    def completed(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_LLAMACTL_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        assert main([]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.split()

    return completed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("llamactl ver", ["verify"]),
        ("llamactl guard ", ["install", "remove", "status"]),
        ("llamactl guard ins", ["install"]),
        ("llamactl migrate --expect", ["--expect-filled", "--expect-orphans"]),
        ("llamactl migrate --no-g", ["--no-guard"]),
        ("llamactl verify --format ", ["text", "json", "github", "junit"]),
        ("llamactl verify --format j", ["json", "junit"]),
        ("llamactl verify --fail-on w", ["warning"]),
        ("llamactl tree --column job", ["job_id="]),
        ("llamactl tree --column job_id=id --column par", ["parent_job_id="]),
        ("llamactl explain V0", sorted(id_ for id_ in FINDINGS if id_.startswith("V0"))),
        ("llamactl explain ll10", sorted(id_.lower() for id_ in FINDINGS if id_.startswith("LL10"))),
    ],
)
def test_completed(line: str, words: list[str], complete: object) -> None:
    assert callable(complete)
    found = complete(line)
    assert (sorted(found) if "explain" in line else found) == words


def test_all_commands_and_all_columns(complete: object) -> None:
    assert callable(complete)
    assert complete("llamactl ") == [command.name for command in app.registered_commands]
    assert complete("llamactl verify --column ") == [f"{name}=" for name in DEFAULT_COLUMNS]
    assert set(complete("llamactl explain ")) >= set(FINDINGS)


@pytest.mark.parametrize(("begun", "code"), [("llamactl guard ins", 0), ("llamactl guard xx", 1)])
def test_fish_learns_whether_there_is_something(
    begun: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_LLAMACTL_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "is-args")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", begun)
    assert main([]) == code


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_script_is_one_that_bash_takes(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_LLAMACTL_COMPLETE", "source_bash")
    assert main([]) == 0
    script = capsys.readouterr().out
    assert "_LLAMACTL_COMPLETE=complete_bash" in script
    script += "\ncomplete -p llamactl"
    subprocess.run(["bash", "--norc", "-c", script], check=True, capture_output=True)
