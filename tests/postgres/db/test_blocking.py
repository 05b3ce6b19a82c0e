"""For how long a command keeps others from the table: as it reports it, and as it shows it meanwhile."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from commands import CHAIN, make_fill_slow
from cutting import ASLEEP, Statement, run_here, wait_until
from llamactl.model.steps import StepName
from terminals import controlling_terminal, on_a_terminal, read_some

Insert = Callable[[Any], None]
Connection = psycopg.Connection[Any]

MIGRATED = "SELECT FROM \"LlamaLog\" WHERE job_id = 'b' AND to_jsonb(\"LlamaLog\") ->> 'root_job_id' = 'a'"


@pytest.fixture
def log(insert: Insert, database: str) -> str:
    insert(CHAIN)
    return database


def run_json(dsn: str, *words: str) -> dict[str, Any]:
    done = run_here(*words, "--format", "json", "--dsn", dsn)
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


@pytest.mark.parametrize("command", ["migrate", "undo"])
def test_it_is_measured_from_the_lock_to_the_commit(command: str, log: str) -> None:
    if command == "undo":
        run_json(log, "migrate", "--yes")
    times: dict[str, float] = {}

    def before(statement: Statement) -> None:
        if "LOCK TABLE" in str(statement):
            time.sleep(1)  # as if it waited so long for the lock: no part of it
        elif "locked" in times:
            times.setdefault("next", time.monotonic())
        if str(statement).startswith("COMMIT"):
            times["commit"] = time.monotonic()

    def after(statement: Statement) -> None:
        if "LOCK TABLE" in str(statement):
            times["locked"] = time.monotonic()

    done = run_here(command, "--yes", "--format", "json", "--dsn", log, before=before, after=after)
    blocked = json.loads(done.out)["blocked_seconds"]
    assert times["commit"] - times["next"] <= blocked + 0.0001
    assert blocked <= time.monotonic() - times["locked"]


def test_every_command_reports_it(log: str) -> None:
    for words in [
        ("migrate", "--yes"),
        ("guard", "install", "--yes"),
        ("guard", "remove", "--yes"),
        ("undo", "--yes"),
        ("migrate", "--online", "--yes", "--grace", "0s"),
    ]:
        assert run_json(log, *words)["blocked_seconds"] > 0, words
    # They take no such lock.
    for words in [("migrate", "--yes"), ("repair", "--yes"), ("guard", "install", "--yes")]:
        assert run_json(log, *words)["blocked_seconds"] == 0, words
    for words in [("migrate",), ("migrate", "--online"), ("repair",), ("undo",)]:
        assert "blocked_seconds" not in run_json(log, *words, "--dry-run"), words
    run_json(log, "undo", "--yes")
    assert run_json(log, "undo", "--yes")["blocked_seconds"] == 0


def test_a_fill_that_takes_long_is_part_of_it(log: str, connection: Connection) -> None:
    make_fill_slow(connection, 0.6)
    done = run_here("migrate", "--yes", "--dsn", log)
    (text,) = re.findall(r"The table was blocked for ([\d.]+) s\.", done.out)
    assert float(text) >= 0.6
    # Online nobody is kept out meanwhile.
    run_json(log, "undo", "--yes")
    online = run_json(log, "migrate", "--online", "--yes", "--grace", "0s")
    fill = next(step["seconds"] for step in online["steps"] if step["name"] == "fill")
    assert fill >= 0.6
    short = sum(step["seconds"] for step in online["steps"] if step["blocks"] != "none")
    assert online["blocked_seconds"] <= short


def test_an_expectation_that_is_not_met_blocked_the_table_too(log: str) -> None:
    done = run_here("migrate", "--yes", "--expect-filled", "99", "--format", "json", "--dsn", log)
    assert done.code == 1
    assert json.loads(done.out)["blocked_seconds"] > 0


STEP = re.compile(r"^(.+): (the table has|writes to the table have) been blocked for [\d.]+ s$")


def steps_in(lines: str) -> list[str]:
    """The names of the steps, which the lines give by their labels."""
    names = {step.label: step.replace("_", " ") for step in StepName}
    return [names[match[1]] for line in lines.splitlines() if (match := STEP.match(line))]


def test_off_a_terminal_each_step_is_a_line(log: str) -> None:
    def run(*words: str) -> list[str]:
        done = run_here(*words, "--yes", "--dsn", log)
        assert done.code == 0, done.err
        assert not steps_in(done.out)
        return steps_in(done.err)

    steps = run("migrate", "--format", "json")
    assert steps[0] == "resolve"
    assert steps[-1] == "commit"
    assert {"save parents", "clear parents", "add column", "fill", "prove", "create index"} <= {*steps}
    assert run("guard", "install") == ["create guard", "commit"]
    assert run("guard", "remove") == ["remove guard", "commit"]
    assert {"restore parents", "drop column", "commit"} <= {*run("undo")}
    online = run("migrate", "--online", "--grace", "0s")
    assert online[:4] == ["add column", "commit", "create guard", "commit"]
    assert "fill" not in online


def test_on_a_terminal_one_line_is_live(log: str, connection: Connection, cli_env: Mapping[str, str]) -> None:
    make_fill_slow(connection, 1.5)
    code, shown = on_a_terminal(cli_env, ["migrate", "--yes", "--dsn", log])
    assert code == 0
    live = re.findall(
        r"\r\x1b\[KFilling the root column, ([\d.]+) s: the table has been blocked for ([\d.]+) s", shown
    )
    assert len({step for step, _ in live}) >= 3, shown
    assert all(float(step) <= float(blocked) for step, blocked in live)
    assert not any(line.startswith("Filling") for line in shown.splitlines())
    last, report = shown.rsplit("\r\x1b[K", 1)
    assert "Migrated." in report  # the line is cleared before anything else is written
    assert "Migrated." not in last


@pytest.mark.parametrize("env", [{"CI": "true"}, pytest.param({"TERM": "dumb"}, marks=pytest.mark.slow)])
def test_a_terminal_that_is_a_log_gets_lines(
    env: Mapping[str, str], log: str, cli_env: Mapping[str, str]
) -> None:
    code, shown = on_a_terminal({**cli_env, **env}, ["migrate", "--yes", "--dsn", log])
    assert code == 0
    assert "\r\x1b[K" not in shown
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "\n")
    assert {"fill", "create index", "commit"} <= {*steps_in(lines)}


def test_after_a_failure_it_is_noted(log: str, connection: Connection, start_cli: Callable[..., Any]) -> None:
    make_fill_slow(connection, 60)
    with start_cli("migrate", "--yes", "--dsn", log) as process:
        wait_until(connection, ASLEEP)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.search(r"^The table was blocked for [\d.]+ s$", said, re.MULTILINE)
    assert not connection.execute(MIGRATED).fetchall()


@pytest.mark.parametrize("mode", [(), ("--online",)])
def test_a_lock_that_is_not_got_blocked_nobody(mode: tuple[str, ...], log: str) -> None:
    with psycopg.connect(log) as other:
        other.execute('LOCK TABLE "LlamaLog" IN ACCESS SHARE MODE')
        refused = run_here(
            *("migrate", *mode, "--yes", "--lock-timeout", "100ms", "--retries", "0", "--dsn", log)
        )
    assert refused.code == 3, refused.err
    assert "was blocked for" not in refused.err


@contextmanager
def migrating(env: Mapping[str, str], dsn: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A migration on a terminal, which SIGHUP does not end; the terminal's other end."""
    main, terminal = pty.openpty()

    def prepare() -> None:
        controlling_terminal(terminal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    command = [sys.executable, "-m", "llamactl", "migrate", "--yes", "--dsn", dsn]
    ends = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with subprocess.Popen(
        command, env={"TERM": "xterm", **env}, start_new_session=True, preexec_fn=prepare, **ends
    ) as process:
        os.close(terminal)
        try:
            yield main, process
        finally:
            process.kill()


def show_until(terminal: int, text: bytes) -> None:
    shown = b""
    while text not in shown:
        shown += read_some(terminal)


@pytest.mark.slow
def test_a_terminal_that_takes_no_more_does_not_hold_the_lock(
    log: str, connection: Connection, cli_env: Mapping[str, str]
) -> None:
    make_fill_slow(connection, 1)
    with migrating(cli_env, log) as (terminal, process):
        show_until(terminal, b"Filling the root column")
        os.write(terminal, b"\x13")  # Ctrl-S
        wait_until(connection, MIGRATED)
        os.write(terminal, b"\x11")
        show_until(terminal, b"Migrated.")
        while read_some(terminal):
            pass
        assert process.wait(60) == 0
        os.close(terminal)


@pytest.mark.slow
def test_a_terminal_that_is_lost_does_not_roll_back(
    log: str, connection: Connection, cli_env: Mapping[str, str]
) -> None:
    make_fill_slow(connection, 1)
    with migrating(cli_env, log) as (terminal, process):
        show_until(terminal, b"Filling the root column")
        os.close(terminal)
        process.wait(60)
    assert connection.execute(MIGRATED).fetchall()


@pytest.mark.slow
def test_a_pipe_that_nobody_reads_does_not_roll_back(
    log: str, connection: Connection, cli_env: Mapping[str, str]
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "llamactl", "migrate", "--yes", "--dsn", log]
    done = subprocess.run(command, env=cli_env, stderr=theirs, stdout=subprocess.PIPE, timeout=60)
    os.close(theirs)
    assert done.returncode == 0
    assert connection.execute(MIGRATED).fetchall()
