"""demo, as a user runs it: whatever is set up for other databases, it touches its own server only."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from libpq_variables import hostile
from llamactl.demo import REPORT
from llamactl.postgres.server import PrivatePostgres
from owners import alive, processes_in
from pages import CHECKOUT
from transcripts import on_terminal

COMMANDS = ["preflight", "migrate", "migrate", "verify", "tree"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@contextmanager
def free_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        yield int(bound.getsockname()[1])


@pytest.fixture(scope="module")
def production() -> Iterator[PrivatePostgres]:
    """Another server, on TCP, that takes everybody."""
    with free_port() as port:
        settings = {"listen_addresses": "127.0.0.1", "port": str(port)}
    with PrivatePostgres(settings={**settings, "fsync": "off", "log_connections": "on"}) as server:
        yield server


@pytest.fixture
def untouched(production: PrivatePostgres) -> Iterator[PrivatePostgres]:
    """The other server, of which it is checked that nobody connected to it."""
    before = production.log.read_text().count("connection authorized")
    yield production
    assert production.log.read_text().count("connection authorized") == before
    with psycopg.connect(production.conninfo()) as connection:
        assert connection.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall() == [
            ("postgres",),
            ("template0",),
            ("template1",),
        ]


def aimed_at(server: PrivatePostgres) -> dict[str, str]:
    return {"PGHOSTADDR": "127.0.0.1", "PGPORT": server.settings["port"]}


def succeeded(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    ran = json.loads(done.stdout)["commands"]
    assert [one["typed"].split()[1] for one in ran] == COMMANDS
    assert [one["exit_code"] for one in ran] == [0] * len(COMMANDS)


def test_another_servers_address(run_cli: Run, untouched: PrivatePostgres) -> None:
    done = run_cli("demo", "-v", env=aimed_at(untouched))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("$ llamactl ") == len(COMMANDS) + 1  # the last one writes the page
    assert "V11" in done.stdout  # all of what the commands print


def test_whatever_is_set_up_for_other_databases(
    run_cli: Run, untouched: PrivatePostgres, short_tmp: Path
) -> None:
    """All of libpq's variables, all sources of a URL, and configuration files."""
    url = f"postgresql://postgres@127.0.0.1:{untouched.settings['port']}/postgres"
    home, work, tmp = (short_tmp / name for name in ("home", "work", "t m%p"))
    for folder in (home, work, tmp, work / "prisma"):
        folder.mkdir()
    (home / ".pg_service.conf").write_text(
        f"[production]\nhost=127.0.0.1\nport={untouched.settings['port']}\n"
    )
    (home / ".pgpass").write_text("*:*:*:*:wrong\n")
    os.mkfifo(work / ".env")
    (work / "prisma" / ".env").write_text(f"DIRECT_URL={url}\n")
    (work / "llamactl.toml").write_text('table = "other"\nno_such_setting = 1\n')
    (work / "pyproject.toml").write_text("[tool.llamactl]\nschema = 1\n")
    urls = dict.fromkeys(("DATABASE_URL", "DIRECT_URL", "LLAMACTL_DSN"), url)
    other = {"LC_ALL": "xx_XX.nothing", "LANGUAGE": "de", "TZ": "nowhere", "LLAMACTL_DEBUG": "1"}
    aimed = {**hostile(), **aimed_at(untouched), "PGSERVICE": "production"}
    aimed.pop("PGSERVICEFILE")
    environment = {**aimed, **urls, **other, "HOME": str(home), "TMPDIR": str(tmp)}
    before = {path: path.read_bytes() for path in work.rglob("*.*") if path.is_file()}
    succeeded(run_cli("demo", "--format", "json", env=environment, cwd=work))
    assert {path: path.read_bytes() for path in before} == before
    assert not (work / REPORT).exists()
    assert list(tmp.iterdir()) == []


INSTALLING = 8
"""Lines that `make demo` prints before the demo: 2 of the Makefile's, those of scripts/install.py in 80 s."""


@pytest.mark.parametrize("width", [80, pytest.param(140, marks=pytest.mark.slow)])
def test_it_fits_a_screen_or_two_and_writes_a_page(
    cli_env: dict[str, str], short_tmp: Path, tmp_path: Path, width: int
) -> None:
    command = [sys.executable, "-m", "llamactl", "demo"]
    environment = {**cli_env, "TMPDIR": str(short_tmp), "COLUMNS": str(width)}
    shown = on_terminal(command, environment, tmp_path, width)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert INSTALLING + sum(max(1, math.ceil(len(line) / width)) for line in lines) < 60, shown
    for essential in ("  filled ", "  orphans ", "Migrated.", "OK: 11 checks", "└── ✘ track"):
        assert any(essential in line for line in lines), essential
    page = tmp_path / REPORT
    assert f"Open {page.as_uri()}" in lines
    assert "album-create-blue-train" in page.read_text(encoding="utf-8")
    assert lines[-3].startswith("Now on your own database")
    assert lines[-1].endswith("llamactl preflight")


@pytest.mark.slow
def test_a_page_that_cannot_be_written_here_goes_to_the_temporary_directory(
    cli_env: dict[str, str], short_tmp: Path, tmp_path: Path
) -> None:
    """The working directory is deleted."""
    folder = tmp_path / "gone"
    folder.mkdir()
    script = f'rmdir "{folder}" && exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "llamactl", "demo"]
    environment = {**cli_env, "TMPDIR": str(short_tmp)}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in short_tmp.iterdir()] == [REPORT]
    assert f"Open {(short_tmp / REPORT).as_uri()}" in done.stdout


TEMPORARY: Mapping[str, str] = {
    "with spaces": "with  spaces ",
    "long": "long" * 30,
    "a comma": "a,b",
    "a quote": "it's",
    "a line end": "a\nb",
    "not UTF-8": "\udcff",
    "missing": "missing/dir",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TEMPORARY)
def test_an_odd_tmpdir(run_cli: Run, short_tmp: Path, name: str) -> None:
    odd = short_tmp / TEMPORARY[name]
    if name != "missing":
        odd.mkdir()
    succeeded(run_cli("demo", "--format", "json", env={"TMPDIR": str(odd)}))


@pytest.mark.slow
def test_a_relative_pythonpath(run_cli: Run, cli_env: dict[str, str], tmp_path: Path) -> None:
    relative = os.path.relpath(cli_env["PYTHONPATH"], tmp_path)
    succeeded(run_cli("demo", "--format", "json", env={"PYTHONPATH": relative}))


@pytest.mark.slow
def test_the_example_too(cli_env: dict[str, str], untouched: PrivatePostgres) -> None:
    command = [sys.executable, str(CHECKOUT / "examples" / "album_import.py")]
    environment = {**cli_env, **aimed_at(untouched), "PGOPTIONS": "-c no_such_setting=1"}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


# --- how it ends ------------------------------------------------------------------------------------------


@contextmanager
def running(
    cli_env: Mapping[str, str], tmp: Path, *arguments: str, **more: str
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "llamactl", "demo", *arguments],
        env={**cli_env, "TMPDIR": str(tmp), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(stream: Any, text: str) -> str:
    for line in stream:
        if text in line:
            return str(line)
    raise AssertionError(f"it ended without {text!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(cli_env: dict[str, str], short_tmp: Path, number: signal.Signals) -> None:
    with running(cli_env, short_tmp) as demo:
        read_until(demo.stdout, "$ llamactl migrate --dry-run")
        demo.send_signal(number)
        _, said = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert said.splitlines()[-1].startswith("error: Interrupted; ")
    assert "Traceback" not in said
    assert processes_in(short_tmp) == []
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_kept_until_a_signal(cli_env: dict[str, str], short_tmp: Path, number: signal.Signals) -> None:
    """It tells how to connect from a shell whose variables lead elsewhere."""
    elsewhere = {"PGHOSTADDR": "127.0.0.1", "DIRECT_URL": "postgresql://nowhere/nothing", "PGTZ": "nowhere"}
    with running(cli_env, short_tmp, "--keep", "--format", "json", **elsewhere) as demo:
        kept = read_until(demo.stderr, "Kept for you: ").partition("Kept for you: ")[2].split("   ")[0]
        assert kept.startswith("unset DIRECT_URL PGHOSTADDR PGTZ; export DATABASE_URL=")
        status = [sys.executable, "-m", "llamactl", "status", "--format", "json"]
        shell = ["sh", "-c", f'{kept}; exec "$@"', "sh", *status]
        shown = subprocess.run(
            shell, env={**cli_env, **elsewhere}, capture_output=True, text=True, check=True
        )
        assert json.loads(shown.stdout)["command"] == "status"
        demo.send_signal(number)
        demo.send_signal(number)
        demo.communicate(timeout=60)
    assert demo.returncode in (0, 130)  # the second one may come before the first one's "Stopped"
    assert not alive(demo.pid)
    assert processes_in(short_tmp) == []
    assert list(short_tmp.iterdir()) == []
