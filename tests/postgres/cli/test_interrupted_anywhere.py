"""A signal at any moment, from our first line to the end of the process: code 130 and one line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

Insert = Callable[[Any], None]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def console_script(tmp_path: Path) -> list[str]:
    """As pip makes it."""
    script = tmp_path / "llamactl"
    script.write_text("import sys\nfrom llamactl.__main__ import main\nsys.exit(main())\n")
    return [sys.executable, str(script)]


def handled(process: subprocess.Popen[str]) -> bool:
    """Whether the signals are ours by now; before that they are the interpreter's. False: it has ended."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        masks = re.findall(r"^Sig(?:Blk|Cgt):\t(\w+)", status.read_text(), re.MULTILINE)
        if any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks):
            return True
        time.sleep(0.001)
    return False


def interrupted(
    command: Sequence[str], env: dict[str, str], number: signal.Signals, seconds: float, times: int = 1
) -> tuple[int, str, str]:
    """The outcome of a process that gets the signal so long after its first moment."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True) as process:
        if handled(process):
            time.sleep(seconds)
            for _ in range(times):
                process.send_signal(number)
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def check(outcome: tuple[int, str, str], as_json: bool) -> bool:
    """Whether the signal came before the end."""
    code, out, err = outcome
    assert "Traceback" not in err, err
    assert "Exception ignored" not in err, err
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    if code not in (0, 1):
        assert code == 130, outcome
        assert len(errors) == 1, outcome
        assert errors[0].startswith("error: Interrupted"), outcome
    if as_json:
        document = json.loads(out)
        assert "error" not in document or document["error"]["code"] == "interrupted", out
    return code == 130


def moments(whole: float, number: int) -> Iterator[float]:
    return (whole * step / number for step in range(number))


def everywhere(command: Sequence[str], env: dict[str, str], number: int, *, as_json: bool = False) -> int:
    """Interrupts the command at so many moments, evenly spaced; returns how often that was before its end."""
    began = time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    whole = 1.2 * (time.monotonic() - began)
    assert "error: " not in done.stderr

    def at(point: tuple[int, float]) -> bool:
        index, seconds = point
        sent = SIGNALS[index % len(SIGNALS)]
        return check(interrupted(command, env, sent, seconds, times=1 + index % 2), as_json)

    # Two at once would find each other's claim on the table.
    with ThreadPoolExecutor(1 if "migrate" in command else 2) as pool:
        return sum(pool.map(at, enumerate(moments(whole, number))))


COMMANDS: dict[str, tuple[str, ...]] = {
    "help": ("--help",),
    "explain": ("explain", "LL105", "--format", "json"),
    "verify": ("verify", "--grace", "0s", "--format", "json"),
    "migrate": ("migrate", "--yes", "--format", "json"),
    "online": ("migrate", "--online", "--yes", "--format", "json"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", COMMANDS)
def test_at_many_moments(
    case: str, console_script: list[str], cli_env: dict[str, str], insert: Insert, database: str
) -> None:
    insert([("a", None), ("b", "a"), ("k", "b", True)])
    env = {**cli_env, "LLAMACTL_DSN": database}
    words = COMMANDS[case]
    assert everywhere([*console_script, *words], env, 24, as_json="json" in words) > 6


def test_at_some_moments(console_script: list[str], cli_env: dict[str, str]) -> None:
    assert everywhere([*console_script, "explain", "LL105"], cli_env, 6) > 1


@pytest.mark.parametrize("number", SIGNALS)
def test_at_the_first_moment(number: signal.Signals, cli_env: dict[str, str]) -> None:
    """Among the imports, as `python -m llamactl`."""
    command = [sys.executable, "-m", "llamactl", "explain", "LL105", "--format", "json"]
    outcome = interrupted(command, cli_env, number, 0)
    assert check(outcome, as_json=True)
    assert json.loads(outcome[1])["error"]["code"] == "interrupted"


@pytest.mark.parametrize("number", SIGNALS)
def test_while_it_connects(number: signal.Signals, cli_env: dict[str, str], tmp_path: Path) -> None:
    """To a server that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dsn = f"postgresql://app@127.0.0.1:{listener.getsockname()[1]}/music?connect_timeout=60"
        command = [sys.executable, "-m", "llamactl", "verify", "--dsn", dsn]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=cli_env, stdout=pipe, stderr=pipe, text=True) as process:
            accepted, _ = listener.accept()
            accepted.recv(8)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
            accepted.close()
    assert (process.returncode, out) == (130, "")
    assert [line for line in err.splitlines() if line.startswith("error")] == ["error: Interrupted"]


AT_EXIT = """
import atexit, sys, time
from llamactl.__main__ import main
def late():
    print("leaving", flush=True)
    time.sleep(60)
code = main()
atexit.register(late)
sys.exit(code)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_at_exit(number: signal.Signals, cli_env: dict[str, str]) -> None:
    """Once the command has written everything."""
    command = [sys.executable, "-c", AT_EXIT, "--version"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=cli_env, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("llamactl ")
        assert process.stdout.readline() == "leaving\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "error: Interrupted\n")


SWALLOWED = """
import os, signal, sys
import llamactl.cli.main
from llamactl.findings import kinds
class Swallows:
    def __del__(self):
        os.kill(os.getpid(), signal.{})
        for _ in range(1000): pass
def find(_):
    Swallows()
    while True: pass
kinds.find_kind = find
from llamactl.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_where_python_swallows_exceptions(number: signal.Signals, cli_env: dict[str, str]) -> None:
    """In __del__, and whatever the garbage collector calls."""
    command = [sys.executable, "-c", SWALLOWED.format(number.name), "explain", "LL105"]
    done = subprocess.run(command, env=cli_env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "error: Interrupted\n")


INSIDE_AN_IMPORT = """
import os, sys
import llamactl.cli.main
from llamactl.findings import kinds
def find(_):
    import swallows
    while swallows.COMPLETE: pass
kinds.find_kind = find
from llamactl.__main__ import main
sys.exit(main())
"""
SWALLOWS = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass
except BaseException:
    COMPLETE = False
else:
    COMPLETE = True
"""


def test_inside_an_import(cli_env: dict[str, str], tmp_path: Path) -> None:
    """Of a module that takes KeyboardInterrupt for the failed import of an optional part."""
    (tmp_path / "swallows.py").write_text(SWALLOWS)
    env = {**cli_env, "PYTHONPATH": f"{cli_env['PYTHONPATH']}{os.pathsep}{tmp_path}"}
    command = [sys.executable, "-c", INSIDE_AN_IMPORT, "explain", "LL105"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "error: Interrupted\n"), done


ENDLESS = """
import sys
print("importing", flush=True)
while True: pass
"""


def test_a_second_signal_ends_an_endless_import(cli_env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "swallows.py").write_text(ENDLESS)
    env = {**cli_env, "PYTHONPATH": f"{cli_env['PYTHONPATH']}{os.pathsep}{tmp_path}"}
    command = [sys.executable, "-c", INSIDE_AN_IMPORT, "explain", "LL105"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        time.sleep(1.2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "error: Interrupted\n")


def test_an_ignored_signal_stays_ignored(cli_env: dict[str, str]) -> None:
    """nohup, and a shell's background job."""
    program = "trap '' INT HUP; exec \"$@\""
    command = ["sh", "-c", program, "sh", sys.executable, "-c", AT_EXIT.replace("60", "1"), "--version"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=cli_env, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        for number in (signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
