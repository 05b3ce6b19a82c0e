"""The contract of the command line: flags, exit codes, streams, and what every kind of failure looks like."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.main import get_command

from llamactl import __version__
from llamactl.cli.main import app, main
from llamactl.findings.kinds import FINDINGS
from llamactl.model import ErrorCode, FailOn, LlamactlError
from reports import BROKEN, CLEAN, FOUND, VERIFIED
from terminals import on_a_terminal

Run = Callable[..., subprocess.CompletedProcess[str]]

TABLE = {
    *("--dsn", "--schema", "--table", "--column", "--dangling", "--trust-root-flag", "--no-trust-root-flag"),
    *("--lock-timeout", "--statement-timeout", "--sample"),
}
OUTPUT = {"--format", "--no-color", "-v", "--verbose"}
OPTIONS = {
    "preflight": {*TABLE, *OUTPUT, "--fail-on"},
    "migrate": {
        *(*TABLE, *OUTPUT, "--dry-run", "--yes", "--retries", "--check"),
        *("--expect-filled", "--expect-orphans", "--keep-indexes", "--online"),
        *("--guard", "--no-guard", "--grace"),
    },
    "verify": {*TABLE, *OUTPUT, "--grace", "--fail-on"},
    "repair": {*TABLE, *OUTPUT, "--dry-run", "--yes", "--overwrite", "--grace", "--retries"},
    "undo": {*TABLE, *OUTPUT, "--dry-run", "--yes", "--retries"},
    "tree": {
        *(*TABLE, *OUTPUT, "--subtree", "--up", "--only", "--depth", "--limit", "--ascii", "--output", "-o"),
    },
    "timeline": {
        *(*TABLE, *OUTPUT, "--root", "--album", "--artist", "--track", "--no-orphans", "--category"),
        *("--since", "--until", "--limit", "--after", "--output", "-o"),
    },
    "guard": {*TABLE, *OUTPUT, "--yes", "--retries"},
    "status": {*TABLE, *OUTPUT, "--watch"},
    "stats": {*TABLE, *OUTPUT, "--since"},
    "explain": OUTPUT,
    "sql": {*TABLE, *OUTPUT},
    "demo": {*OUTPUT, "--faults", "--keep"},
}
CHAIN = [("root", None), ("child", "root"), ("grandchild", "child"), (None, None)]
NOWHERE = "postgresql://app:hush-hush@127.0.0.1:1/music"


@pytest.fixture
def log(database: str, insert: Callable[[Any], None]) -> str:
    """Conninfo of a log with one chain of three and one untracked row."""
    insert(CHAIN)
    return database


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def llamactl(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Done]:
    """A function: run main() here, in an empty directory; where no stream is at stake."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for name in [name for name in os.environ if name.startswith("LLAMACTL_") or name.endswith("_URL")]:
        monkeypatch.delenv(name)

    def run(*words: str) -> Done:
        capsys.readouterr()
        code = main(words)
        return Done(code, *capsys.readouterr())

    return run


Llamactl = Callable[..., Done]


@pytest.fixture
def migrated(log: str, llamactl: Llamactl) -> str:
    assert llamactl("migrate", "--yes", "--dsn", log).returncode == 0
    return log


def document(done: Done | subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """stdout as one JSON document."""
    assert "Traceback" not in done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    assert parsed["schema_version"] == 2
    return parsed


def is_migrated(database: str) -> bool:
    with psycopg.connect(database) as connection:
        query = "SELECT FROM information_schema.columns WHERE column_name = 'root_job_id'"
        return connection.execute(query).rowcount == 1


def commands() -> Mapping[str, Any]:
    group: Any = get_command(app)
    listed: Mapping[str, Any] = group.commands
    return listed


def test_these_commands_and_no_others() -> None:
    assert list(commands()) == list(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_these_options_and_no_others(name: str) -> None:
    options = [parameter for parameter in commands()[name].params if parameter.param_type_name == "option"]
    found = {word for option in options for word in (*option.opts, *option.secondary_opts)}
    assert found - {"--help"} == OPTIONS[name]


def loaded_by(env: dict[str, str], *words: str) -> set[str]:
    """The modules that a command has loaded at its end."""
    code = (
        "import sys; from llamactl.cli.main import main;"
        " main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=env, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_waits_for_nothing_heavy(cli_env: dict[str, str]) -> None:
    assert not loaded_by(cli_env, "--help") & {
        "rich",
        "pydantic",
        "psycopg",
        "sqlglot",
        "dotenv",
        "llamactl.migrate.run",
        "llamactl.findings.kinds",
        "llamactl.model.audit",
        "llamactl.model.tree",
    }


@pytest.mark.parametrize("command", ["verify", "stats"])
def test_a_piped_report_waits_for_nothing_that_it_does_not_need(
    migrated: str, cli_env: dict[str, str], command: str
) -> None:
    loaded = loaded_by(cli_env, command, "--dsn", migrated, "--format", "text")
    assert not loaded & {"rich.console", "pydantic", "llamactl.model.tree", "llamactl.model.timeline"}


def test_help_comes_at_once(cli_env: dict[str, str]) -> None:
    """In processor time, beside what Typer takes to load: other work on the machine lengthens both."""

    def seconds(*words: str) -> float:
        begun = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], env=cli_env, stdout=subprocess.DEVNULL, check=True)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return ended.ru_utime - begun.ru_utime + ended.ru_stime - begun.ru_stime

    rounds = [(seconds("-m", "llamactl", "--help"), seconds("-c", "import typer.main")) for _ in range(6)]
    ours, typers = map(min, zip(*rounds, strict=True))
    assert ours <= max(0.25, 2.5 * typers)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"llamactl {__version__}\n"


WRONG_USAGE = [
    ["verify", "--nope"],
    ["verify", "extra"],
    ["verify", "--sample", "-1"],
    ["verify", "--sample", "many"],
    ["verify", "--dangling", "maybe"],
    ["verify", "--grace", "soon"],
    ["verify", "--fail-on", "fatal"],
    ["verify", "--lock-timeout", "long", "--dsn", NOWHERE],
    ["verify", "--column", "job_id", "--dsn", NOWHERE],
    ["verify", "--dsn", ""],
    ["migrate", "--dsn", NOWHERE],
    ["migrate", "--yes", "--retries", "-1"],
    ["migrate", "--dry-run", "--expect-filled", "all"],
    ["migrate", "--dry-run", "--strategy", "update"],
    ["migrate", "--strategy", "rewrite"],
    ["migrate", "--online", "--strategy="],
    ["migrate", "--dry-run", "--check", "yes"],
    ["tree"],
    ["tree", "job", "--depth", "-1"],
    ["tree", "job", "--limit", "0"],
    ["tree", "job", "--up", "--depth", "1"],
    ["explain", "LL999"],
    ["explain", ""],
    ["demo", "--dsn", NOWHERE],
    ["nope"],
    ["--dsn", NOWHERE, "verify"],
    [],
]


@pytest.mark.parametrize("words", WRONG_USAGE, ids=" ".join)
def test_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(re.findall("^error: ", err, re.MULTILINE)) == 1
    assert "hush-hush" not in err
    for place in (0, len(words)):
        if place == 0 and words and words[0] in OPTIONS:
            continue  # options stand after the command
        assert main([*words[:place], "--format", "json", *words[place:]]) == 2
        out, err = capsys.readouterr()
        found = json.loads(out)
        assert found["command"] == (words[0] if place and words and words[0] in OPTIONS else None)
        assert found["error"]["code"] == "usage"
        assert set(found["error"]) == {"code", "message", "hint", "changed"}
        assert found["error"]["changed"] == "nothing"
        assert "nothing was changed" not in err
        assert "hush-hush" not in out + err


def test_options_stand_after_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--format=json", "verify"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


@pytest.mark.parametrize(
    "words", [["verify", "--format", "xml"], ["verify", "--format"], ["tree", "a", "--format=junit"]]
)
def test_a_format_that_the_command_does_not_have(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert "--format" in capsys.readouterr().err


@pytest.mark.parametrize("format_", ["github", "junit"])
def test_wrong_usage_in_the_formats_of_ci(format_: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--nope", "--format", format_]) == 2
    out = capsys.readouterr().out
    assert out.startswith("::error title=llamactl verify::No such option" if format_ == "github" else "<?xml")


def test_a_url_where_none_belongs_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", NOWHERE, "--format", "json"]) == 2
    out, err = capsys.readouterr()
    assert "app:***@" in out
    assert "hush-hush" not in out + err


def test_an_argument_that_is_no_utf8(run_cli: Run, cli_env: dict[str, str], tmp_path: Path) -> None:
    words: list[str | bytes] = [sys.executable, "-m", "llamactl", "tree", b"\xff", "--format", "json"]
    done = subprocess.run(words, env=cli_env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert document(done)["error"]["message"] == "The command line is not valid UTF-8"


def test_everything_in_order(log: str, llamactl: Llamactl) -> None:
    """Preflight, dry run, migrate, verify, tree, sql: exit codes, documents and streams."""

    def run(*words: str) -> dict[str, Any]:
        done = llamactl(*words, "--dsn", log, "--format", "json")
        assert done.returncode == 0, done.stderr
        assert "Connection: --dsn" in done.stderr
        found = document(done)
        assert found["command"] == words[0]
        return found

    looked = run("preflight")
    assert looked["ok"] is True
    assert looked["table"]["rows"] == 4
    planned = run("migrate", "--dry-run", "--expect-filled", "3", "--expect-orphans", "1")
    assert planned["dry_run"] is True
    assert "ADD COLUMN" in run("sql")["sql"]
    done = run("migrate", "--yes")
    assert done["counts"] == planned["counts"]
    assert all("seconds" in step for step in done["steps"])
    assert run("verify")["ok"] is True
    tree = run("tree", "child")
    assert [node["job_id"] for node in tree["nodes"]] == ["root", "child", "grandchild"]


def test_thresholds(log: str, llamactl: Llamactl) -> None:
    """--fail-on changes the code and never what is shown."""
    codes, outputs = [], []
    for threshold in ("error", "info"):
        done = llamactl("preflight", "--dsn", log, "--fail-on", threshold, "--format", "json")
        codes.append(done.returncode)
        outputs.append([finding["id"] for finding in document(done)["findings"]])
    assert codes == [0, 1]
    assert outputs[0] == outputs[1]


def test_each_threshold() -> None:
    warned = replace(FOUND, findings=FOUND.findings[1:])
    told = replace(FOUND, findings=FOUND.findings[-1:])
    for report, failing in ((FOUND, 3), (warned, 2), (told, 1), (CLEAN, 0)):
        assert [report.fails(threshold) for threshold in FailOn] == [
            *(failing == 3, failing >= 2, failing >= 1),
            False,
        ]
    assert [BROKEN.fails(threshold) for threshold in FailOn] == [True, True, True, False]
    assert not any(VERIFIED.fails(threshold) for threshold in FailOn)


def test_verify_goes_red(migrated: str, llamactl: Llamactl) -> None:
    with psycopg.connect(migrated) as connection:
        connection.execute("UPDATE \"LlamaLog\" SET root_job_id = 'other' WHERE job_id = 'child'")
    done = llamactl("verify", "--dsn", migrated, "--format", "json")
    assert done.returncode == 1
    assert document(done)["ok"] is False
    assert llamactl("verify", "--dsn", migrated, "--fail-on", "never").returncode == 0
    assert "FAIL V03" in llamactl("verify", "--dsn", migrated).stdout


def test_not_migrated_yet(log: str, llamactl: Llamactl) -> None:
    done = llamactl("verify", "--dsn", log)
    assert done.returncode == 1
    assert "not migrated yet" in done.stdout + done.stderr


def test_an_expectation_that_is_not_met(log: str, llamactl: Llamactl) -> None:
    for words in (["--dry-run"], ["--yes"]):
        done = llamactl("migrate", *words, "--expect-filled", "1567", "--dsn", log, "--format", "json")
        assert done.returncode == 1
        assert document(done)["unmet"] == ["expected 1567 filled, computed 3"]
    assert not is_migrated(log)


def test_a_job_that_is_not_there(log: str, llamactl: Llamactl) -> None:
    done = llamactl("tree", "nobody", "--dsn", log, "--format", "json")
    assert done.returncode == 1
    assert document(done)["error"]["code"] == "not_found"


def test_a_job_that_looks_like_an_option(log: str, llamactl: Llamactl) -> None:
    done = llamactl("tree", "--dsn", log, "--format", "json", "--", "--yes")
    assert document(done)["error"]["code"] == "not_found"


def test_unreachable(llamactl: Llamactl) -> None:
    done = llamactl("verify", "--dsn", NOWHERE, "--format", "json")
    assert done.returncode == 3
    assert document(done)["error"]["code"] == "connection"
    assert "127.0.0.1" in done.stderr
    assert "hush-hush" not in done.stdout + done.stderr


def test_a_table_that_is_not_there(log: str, llamactl: Llamactl) -> None:
    done = llamactl("preflight", "--dsn", log, "--table", "LamaLog", "--format", "json")
    assert done.returncode == 2
    error = document(done)["error"]
    assert error["code"] == "config"
    assert "LlamaLog" in error["message"] + error["hint"]


def test_the_formats_of_ci(migrated: str, llamactl: Llamactl) -> None:
    assert "0 of 11 checks failed" in llamactl("verify", "--dsn", migrated, "--format", "github").stdout
    assert "<testsuites" in llamactl("preflight", "--dsn", migrated, "--format", "junit").stdout


def test_verbose_tells_more_on_stderr(log: str, llamactl: Llamactl) -> None:
    quiet, verbose = llamactl("preflight", "--dsn", log), llamactl("preflight", "--dsn", log, "-v")
    assert "Connected to" not in quiet.stderr
    assert "Connected to" in verbose.stderr


def test_debug_shows_the_traceback_without_passwords(run_cli: Run) -> None:
    done = run_cli("verify", "--dsn", NOWHERE, env={"LLAMACTL_DEBUG": "1"})
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert "hush-hush" not in done.stderr


def test_a_fault_of_ours(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(id_: str) -> None:
        raise RuntimeError(f"with {NOWHERE}")

    monkeypatch.setattr("llamactl.findings.kinds.find_kind", broken)
    assert main(["explain", "V01", "--format", "json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "internal"
    assert "RuntimeError" in err
    assert "Traceback" not in err
    assert "hush-hush" not in out + err


@pytest.mark.parametrize(
    ("raised", "code"),
    [(KeyboardInterrupt(), 130), (LlamactlError(ErrorCode.LOCK, "locked"), 3), (SystemExit(1), 0)],
)
def test_other_ends(
    raised: BaseException, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ending(id_: str) -> None:
        raise raised

    monkeypatch.setattr("llamactl.findings.kinds.find_kind", ending)
    assert main(["explain", "V01"]) == code
    assert capsys.readouterr().out == ""


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ll105"]) == 0
    by_id = capsys.readouterr().out
    assert by_id.startswith("LL105 cycle  warning\n")
    assert main(["explain", "Cycle"]) == 0
    assert capsys.readouterr().out == by_id


def test_explain_without_an_id_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ")] == list(FINDINGS)
    assert main(["explain", "--format", "json"]) == 0
    assert [kind["id"] for kind in json.loads(capsys.readouterr().out)["findings"]] == list(FINDINGS)


# Streams that are closed, full, or cannot show more than ASCII -----------------------------------------


def with_stdout(
    env: Mapping[str, str], stdout: int, *words: str, stderr: int = subprocess.PIPE
) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "llamactl", *words],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stderr or ""


@pytest.fixture
def closed_pipe() -> Iterator[int]:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["explain", "V01"], 0),
        (["--help"], 0),
        (["--version"], 0),
        (["verify", "--nope", "--format", "json"], 2),
    ],
)
def test_a_closed_pipe_ends_it_quietly(
    words: list[str], code: int, closed_pipe: int, cli_env: dict[str, str]
) -> None:
    found, err = with_stdout(cli_env, closed_pipe, *words)
    assert found == code
    assert not re.search("Traceback|Broken|Exception", err)


def test_a_closed_pipe_and_a_database(closed_pipe: int, log: str, cli_env: dict[str, str]) -> None:
    """The first lines of a tree or a timeline are what its reader wanted; a verdict holds all the same."""
    for words, code in (
        (["tree", "root"], 0),
        (["timeline", "--root", "root"], 0),
        (["verify"], 1),
        (["verify", "--format", "json"], 1),
    ):
        found, err = with_stdout(cli_env, closed_pipe, *words, "--dsn", log)
        assert found == code
        assert not re.search("Traceback|Broken|Exception", err)


def test_nobody_reads_the_notes(closed_pipe: int, log: str, cli_env: dict[str, str]) -> None:
    """Notes that cannot be written must not undo a migration."""
    code, _ = with_stdout(cli_env, subprocess.DEVNULL, "migrate", "--yes", "--dsn", log, stderr=closed_pipe)
    assert code == 0
    assert is_migrated(log)


def test_without_stdout_or_stderr(cli_env: dict[str, str]) -> None:
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        script = f'exec "{sys.executable}" -m llamactl explain V01 {closed}'
        done = subprocess.run(["sh", "-c", script], env=cli_env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk(cli_env: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        code, err = with_stdout(cli_env, full.fileno(), "explain", "V01")
    assert code == 3
    assert err == "error: Cannot write to stdout: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("dry", [True, False])
def test_a_full_disk_and_a_database(dry: bool, log: str, cli_env: dict[str, str]) -> None:
    """The report comes after the session, which has changed what it has changed."""
    with Path("/dev/full").open("w") as full:
        words = ("migrate", "--dry-run" if dry else "--yes", "--dsn", log)
        code, err = with_stdout(cli_env, full.fileno(), *words)
        told = "nothing was changed" if dry else "changes committed so far remain"
        last = f"error: Cannot write to stdout: No space left on device; {told}"
        assert (code, err.splitlines()[-1], is_migrated(log)) == (3, last, not dry)
        code, err = with_stdout(cli_env, full.fileno(), "verify", "--dsn", log)
    assert (code, err.splitlines()[-1]) == (3, "error: Cannot write to stdout: No space left on device")


@pytest.mark.parametrize(
    ("raised", "code"), [(KeyError("odd"), 2), (MemoryError(), 3), (KeyboardInterrupt(), 130)]
)
def test_a_fault_after_the_commit(
    raised: BaseException, code: int, log: str, llamactl: Llamactl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise raised

    monkeypatch.setattr("llamactl.render.lines", broken)
    done = llamactl("migrate", "--yes", "--dsn", log, "--format", "json")
    error = document(done)["error"]
    assert (done.returncode, error["changed"], is_migrated(log)) == (code, "partly", True)
    assert error["message"].endswith("; changes committed so far remain")
    assert f"error: {error['message']}\n" in done.stderr


@pytest.mark.parametrize("words", [["migrate", "--yes"], ["undo", "--yes"], ["repair", "--yes"], ["verify"]])
def test_what_was_changed_is_told_once_by_those_that_change(
    words: list[str], log: str, llamactl: Llamactl
) -> None:
    for wrong in (["--dsn", NOWHERE], ["--dsn", log, "--table", "nope"]):
        done = llamactl(*words, *wrong, "--format", "json")
        error = document(done)["error"]
        assert error["changed"] == "nothing"
        assert error["message"].count("nothing was changed") == (words != ["verify"])
        assert error["message"].endswith("; nothing was changed") == (words != ["verify"])
    done = llamactl(*words, "--dsn", "http://nowhere", "--format", "json")
    assert (done.returncode, document(done)["error"]["changed"]) == (2, "nothing")
    assert "nothing was changed" not in document(done)["error"]["message"]


@pytest.mark.parametrize("format_", ["text", "json"])
def test_ascii_where_stdout_cannot_show_more(format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    title = "w\u00e4hrend \u65e5\u672c \udcff"  # the last one is a byte that is not UTF-8
    monkeypatch.setattr(
        "llamactl.findings.kinds.find_kind", lambda id_: replace(FINDINGS["V01"], title=title)
    )
    written = io.BytesIO()
    with io.TextIOWrapper(written, encoding="ascii") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        assert main(["explain", "V01", "--format", format_]) == 0
        shown = written.getvalue().decode("ascii")
    if format_ == "json":
        assert json.loads(shown)["title"] == "w\u00e4hrend \u65e5\u672c \\xff"
    else:
        assert r"w\xe4hrend \u65e5\u672c \xff" in shown


# On a terminal -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", ["n\r", "\r", "\x04", "\x03", "maybe\r"], ids=["n", "enter", "eof", "ctrl-c", "maybe"]
)
def test_declined(answer: str, log: str, cli_env: dict[str, str]) -> None:
    code, shown = on_a_terminal(cli_env, ["migrate", "--dsn", log], answer)
    assert code == 130
    assert "LlamaLog" in shown
    assert "nothing was changed" in shown
    assert not is_migrated(log)


def test_accepted(log: str, cli_env: dict[str, str]) -> None:
    code, shown = on_a_terminal(cli_env, ["migrate", "--dsn", log], "y\r")
    assert code == 0
    assert "Migrated." in shown
    assert is_migrated(log)


def test_nobody_is_asked_who_could_not_answer(log: str, llamactl: Llamactl) -> None:
    done = llamactl("migrate", "--dsn", log)
    assert done.returncode == 2
    assert "--yes" in done.stderr


@pytest.mark.parametrize(
    ("words", "env", "coloured"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"NO_COLOR": ""}, True),
        ([], {"TERM": "dumb"}, False),
    ],
)
def test_colours(words: list[str], env: dict[str, str], coloured: bool, cli_env: dict[str, str]) -> None:
    for verb in (["explain", "LL105"], ["explain", "nope"]):
        code, shown = on_a_terminal({**cli_env, **env}, [*verb, *words])
        assert code == (2 if "nope" in verb else 0)
        assert ("\x1b[" in shown) is coloured
