"""What a private server needs of its owner's process: no libpq variables, and signals that clean up."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from libpq_variables import HOSTILE, hostile
from llamactl.postgres.owner import OWNER
from llamactl.postgres.server import PrivatePostgres
from owners import alive, finish, first_line, owner_script, processes_in, wait_until


@pytest.fixture
def held_apart() -> Iterator[None]:
    """The process as it is without a server: the tests' own servers have emptied its environment for long."""
    servers, OWNER._servers = OWNER._servers, 0
    handlers, OWNER._handlers = OWNER._handlers, {}
    yield
    OWNER._servers, OWNER._handlers = servers, handlers


def test_no_variable_of_libpqs_counts(monkeypatch: pytest.MonkeyPatch, held_apart: None) -> None:
    variables = hostile()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(psycopg.Error):
        psycopg.connect("host=/nonexistent")
    with PrivatePostgres() as server, psycopg.connect(server.conninfo()) as connection:
        assert not [name for name in os.environ if name.startswith("PG")]
        assert connection.execute("SHOW TimeZone").fetchone() == ("UTC",)
        with PrivatePostgres() as second, psycopg.connect(second.conninfo()):
            pass
        assert "PGHOSTADDR" not in os.environ
    assert {name: os.environ[name] for name in variables} == variables


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), sorted(HOSTILE.items()))
def test_each_variable_alone(short_tmp: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    owner = owner_script("import psycopg; psycopg.connect(server.conninfo()); print('connected')", short_tmp)
    first_line(owner)
    assert finish(owner) == "connected\n"


def test_files_in_the_home_directory(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = short_tmp / "home"
    home.mkdir()
    (home / ".pg_service.conf").write_text("[elsewhere]\nhost=/nonexistent\n[nothing\n")
    (home / ".pgpass").write_text("*:*:*:*:wrong\n")
    (home / ".pgpass").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    owner = owner_script("import psycopg; psycopg.connect(server.conninfo()); print('connected')", short_tmp)
    first_line(owner)
    assert finish(owner) == "connected\n"


# --- signals ----------------------------------------------------------------------------------------------

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
WAITS = "print('waiting', flush=True)\ntime.sleep(600)"


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_cleans_up(short_tmp: Path, number: signal.Signals, times: int) -> None:
    owner = owner_script(WAITS, short_tmp, stderr=subprocess.DEVNULL)
    server, _ = first_line(owner)
    assert owner.stdout
    assert owner.stdout.readline() == "waiting\n"
    for _ in range(times):
        owner.send_signal(number)
    assert owner.wait(60) != 0
    finish(owner)
    assert not alive(server)
    assert list(short_tmp.iterdir()) == []


def stage(tmp: Path, *parts: str) -> Callable[[], bool]:
    """Whether a private directory is there, with a file or directory of that name in it."""
    return lambda: bool([*tmp.glob("/".join(["llamactl-pg-*", *parts]))])


@pytest.mark.parametrize(
    "number",
    [pytest.param(number, marks=() if number == signal.SIGTERM else pytest.mark.slow) for number in ENDING],
)
@pytest.mark.parametrize(
    "parts", [(), ("owner",), ("data", "base"), ("data", "postmaster.pid"), ("s", ".s.PGSQL.5432")], ids=str
)
def test_a_signal_while_it_starts(short_tmp: Path, number: signal.Signals, parts: tuple[str, ...]) -> None:
    owner = owner_script(WAITS, short_tmp, stderr=subprocess.DEVNULL)
    wait_until(stage(short_tmp, *parts))
    owner.send_signal(number)
    owner.send_signal(number)
    assert owner.wait(60) != 0
    finish(owner)
    assert processes_in(short_tmp) == []
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_any_number_of_signals(short_tmp: Path, number: signal.Signals) -> None:
    owner = owner_script(WAITS, short_tmp, stderr=subprocess.DEVNULL)
    wait_until(stage(short_tmp, "data", "postmaster.pid"))
    while owner.poll() is None:
        owner.send_signal(number)
    finish(owner)
    assert processes_in(short_tmp) == []
    assert list(short_tmp.iterdir()) == []


def test_a_signal_that_is_ignored_stays_so(short_tmp: Path) -> None:
    body = "print('up', flush=True); sys.stdin.read(); print('still here')"
    owner = owner_script(body, short_tmp, before="signal.signal(signal.SIGHUP, signal.SIG_IGN)\n")
    first_line(owner)
    assert owner.stdout
    assert owner.stdout.readline() == "up\n"
    owner.send_signal(signal.SIGHUP)
    assert finish(owner) == "still here\n"


def test_handlers_are_put_back(held_apart: None) -> None:
    before = [signal.getsignal(number) for number in ENDING]
    # The handlers of the tests' own servers may be in place.
    for number in ENDING:
        signal.signal(number, lambda *_: None)
    try:
        own = [signal.getsignal(number) for number in ENDING]
        with PrivatePostgres() as server:
            assert not set(own) & {signal.getsignal(number) for number in ENDING}
            with PrivatePostgres():
                pass
            server.stop("kill")
        assert [signal.getsignal(number) for number in ENDING] == own
    finally:
        for number, handler in zip(ENDING, before, strict=True):
            signal.signal(number, handler)


def test_a_forked_child_dies_of_a_signal(short_tmp: Path) -> None:
    body = (
        "began, begin = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0: os.write(begin, b'x'); time.sleep(600)\n"
        "os.read(began, 1)\n"  # Python forgets a signal that comes while it forks
        "os.kill(child, signal.SIGTERM); print(os.waitpid(child, 0)[1], flush=True)\n"
        "os.kill(server.postmaster_pid, 0); print('alive')"
    )
    owner = owner_script(body, short_tmp)
    first_line(owner)
    assert finish(owner) == f"{int(signal.SIGTERM)}\nalive\n"
