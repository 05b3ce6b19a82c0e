"""A source of the connection or of settings that is there and cannot be used never gives way to the next."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from llamactl.config import source_file
from llamactl.config.settings import Flags, Settings, load_settings
from llamactl.model import ErrorCode, ExitCode, LlamactlError

URL = "postgresql://app:hush@right/music"
OTHER = "postgresql://app:hush@wrong/music"
ENV = {"PGHOST": "wrong"}
"""What comes after all files."""

Cli = Callable[..., Any]


def refusal(cwd: Path | None, env: Mapping[str, str] = ENV, **flags: Any) -> LlamactlError:
    with pytest.raises(LlamactlError) as caught:
        load_settings(Flags(**flags), env, cwd)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "hush" not in caught.value.message + caught.value.hint
    return caught.value


def host(cwd: Path | None, env: Mapping[str, str] = ENV) -> str | None:
    return load_settings(Flags(), env, cwd).dsn.params.get("host")


@contextmanager
def written(pipe: Path, content: bytes, times: int = 1) -> Iterator[None]:
    """Somebody writes to the named pipe so many times."""

    def write() -> None:
        for _ in range(times):
            try:
                pipe.write_bytes(content)
            except BrokenPipeError:
                return

    thread = Thread(target=write, daemon=True)
    thread.start()
    yield
    thread.join(20)
    assert not thread.is_alive()


def make(kind: str, path: Path) -> None:
    """Makes something at the path that is no file with text in it."""
    if kind == "directory":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "link to a directory":
        path.symlink_to(".")
    elif kind == "device":
        path.symlink_to("/dev/null")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "Latin-1":
        path.write_bytes("DATABASE_URL=x\nname=\xfc".encode("latin-1"))
    elif kind == "UTF-16":
        path.write_text(f"DATABASE_URL={OTHER}", encoding="utf-16")


KINDS = {
    "directory": "it is a directory",
    "link to a directory": "it is a directory",
    "dangling link": "it is a link to a file that does not exist",
    "loop": "Too many levels of symbolic links",
    "device": "it is a device",
    "socket": "it is a socket",
    "Latin-1": "it is not UTF-8",
    "UTF-16": "it is not UTF-8",
}
FILES = (".env", "prisma/.env", "llamactl.toml", "pyproject.toml")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_text_file_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "prisma").mkdir()
    if name == ".env":
        (tmp_path / "prisma/.env").write_text(f"DATABASE_URL={OTHER}\n")
    make(kind, tmp_path / name)
    error = refusal(tmp_path)
    assert error.code is ErrorCode.CONFIG
    assert error.message == f"Cannot read {tmp_path / name}: {KINDS[kind]}"
    assert error.hint
    if name.endswith(".env"):
        # Nobody looks at it where the connection is given.
        assert load_settings(Flags(dsn=URL), ENV, tmp_path).dsn.params["host"] == "right"
        assert host(tmp_path, {"LLAMACTL_DSN": URL}) == "right"
        assert host(tmp_path, {"DATABASE_URL": URL}) == "right"
    else:
        refusal(tmp_path, dsn=URL)
        below = tmp_path / "below"
        below.mkdir()
        assert refusal(below).message == error.message


@pytest.mark.parametrize("folder", ["", "prisma"])
def test_what_is_not_there_is_passed_by(tmp_path: Path, folder: str) -> None:
    (tmp_path / "prisma").touch()  # no directory
    assert load_settings(Flags(), ENV, tmp_path).dsn.source == "PG* variables and service files"


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(f"\ufeffDATABASE_URL={URL}\n", encoding="utf-8")
    (tmp_path / ".env").symlink_to("real")
    assert host(tmp_path) == "right"


@pytest.mark.parametrize("name", [".env", "prisma/.env"])
def test_a_named_pipe_is_read_once(tmp_path: Path, name: str) -> None:
    """As 1Password makes one: both variables are in what it gives, the second one wanted."""
    (tmp_path / "prisma").mkdir()
    os.mkfifo(tmp_path / name)
    with written(tmp_path / name, f"OTHER=1\nDATABASE_URL={URL}\n".encode()):
        assert load_settings(Flags(), ENV, tmp_path).dsn.source.startswith("DATABASE_URL in ")
    with written(tmp_path / name, f"DATABASE_URL={OTHER}\nDIRECT_URL={URL}\n".encode()):
        assert host(tmp_path) == "right"


@pytest.mark.parametrize("name", ["llamactl.toml", "pyproject.toml"])
def test_settings_from_a_named_pipe(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    header = "[tool.llamactl]\n" if name == "pyproject.toml" else ""
    with written(tmp_path / name, f'{header}table = "t"\n'.encode()):
        assert load_settings(Flags(dsn=URL), {}, tmp_path).table == "t"


def test_a_named_pipe_that_gives_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / ".env"
    os.mkfifo(pipe)
    with written(pipe, b""):
        assert "closed without any data" in refusal(tmp_path).message
    with written(pipe, b"A=1\n" * 2**19):
        assert "more than" in refusal(tmp_path).message
    monkeypatch.setattr(source_file, "PIPE_SECONDS", 0.2)
    message = refusal(tmp_path).message
    assert message == f"Cannot read {pipe}: the named pipe was not written and closed within 0 s"
    with pipe.open("wb"):  # what still waits to open it
        pass
    # Somebody opens it, and neither writes nor closes.
    writer = os.open(pipe, os.O_RDWR)
    assert "not written and closed" in refusal(tmp_path).message
    os.close(writer)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"LLAMACTL_DSN": ""}, "LLAMACTL_DSN is empty"),
        ({"LLAMACTL_DSN": " ", "DATABASE_URL": OTHER}, "LLAMACTL_DSN is empty"),
        ({"DATABASE_URL": ""}, "DATABASE_URL is empty"),
        ({"DIRECT_URL": "\n"}, "DIRECT_URL is empty"),
    ],
)
def test_an_empty_variable_is_refused(tmp_path: Path, env: dict[str, str], said: str) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={OTHER}\n")
    error = refusal(tmp_path, {**ENV, **env})
    assert (error.code, error.message) == (ErrorCode.CONFIG, said)
    assert "--dsn" in error.hint
    assert load_settings(Flags(dsn=URL), env, tmp_path).dsn.params["host"] == "right"


def test_an_empty_flag_is_refused(tmp_path: Path) -> None:
    for text in ("", " "):
        assert refusal(tmp_path, {"DATABASE_URL": OTHER}, dsn=text).code is ErrorCode.USAGE


def test_of_two_in_one_place_one_is_enough(tmp_path: Path) -> None:
    assert host(tmp_path, {"DIRECT_URL": "", "DATABASE_URL": URL}) == "right"
    (tmp_path / ".env").write_text(f"DIRECT_URL=\nDATABASE_URL={URL}\n")
    assert host(tmp_path) == "right"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("DATABASE_URL=", "DATABASE_URL in ./.env is empty"),
        ("DATABASE_URL", "DATABASE_URL in ./.env is empty"),
        ('DATABASE_URL="" # later', "DATABASE_URL in ./.env is empty"),
        ("export DIRECT_URL=''", "DIRECT_URL in ./.env is empty"),
        ("DATABASE_URL=${DATABASE_URL}", "DATABASE_URL in ./.env is empty"),
        ("DATABASE_URL=${HERE}", "DATABASE_URL in ./.env refers to ${HERE}, which is not set"),
        ("A=${HERE}\nDATABASE_URL=${A}", "DATABASE_URL in ./.env refers to ${HERE}, which is not set"),
        (
            "DATABASE_URL=postgresql://app:hush@${HERE}/music",
            "DATABASE_URL in ./.env refers to ${HERE}, which is not set",
        ),
        (f'A=1\nDATABASE_URL="{OTHER}\nB=2', "Line 2 of ./.env cannot be parsed"),
        (f"DATABASE_URL: {OTHER}", "Line 1 of ./.env cannot be parsed"),
        (f"set DATABASE_URL={OTHER}", "Line 1 of ./.env cannot be parsed"),
        (f'A="x\nDATABASE_URL="{OTHER}"', "Line 1 of ./.env cannot be parsed"),
    ],
)
def test_a_variable_of_a_file_that_gives_nothing(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "prisma").mkdir()
    (tmp_path / "prisma/.env").write_text(f"DATABASE_URL={OTHER}\n")
    (tmp_path / ".env").write_text(line + "\n")
    assert refusal(tmp_path).message == said


def test_a_file_that_speaks_of_other_things_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "prisma").mkdir()
    (tmp_path / "prisma/.env").write_text(f"DATABASE_URL={URL}\n")
    for text in ("", "PORT=3000\n", "# DATABASE_URL=x\n", 'NAME="unclosed\n', "MY_DATABASE_URLS=\n"):
        (tmp_path / ".env").write_text(text)
        assert host(tmp_path) == "right"


def test_no_working_directory() -> None:
    for flags, env in ((Flags(dsn=URL), {}), (Flags(), {"DATABASE_URL": URL})):
        loaded: Settings = load_settings(flags, env, None)
        assert loaded.dsn.params["host"] == "right"
        assert any("working directory no longer exists" in note for note in loaded.notes)
    assert load_settings(Flags(dsn=f"{URL}?sslcert=ca.pem"), {}, None).dsn.params["sslrootcert"] == "ca.pem"


@pytest.mark.parametrize("name", ["llamactl.toml", "pyproject.toml"])
def test_a_byte_order_mark(tmp_path: Path, name: str) -> None:
    header = "[tool.llamactl]\r\n" if name == "pyproject.toml" else ""
    (tmp_path / name).write_bytes(f'\ufeff{header}table = "t"\r\n'.encode())
    assert load_settings(Flags(dsn=URL), {}, tmp_path).table == "t"


# The command ------------------------------------------------------------------------------------------


def test_a_command_never_takes_another_database(
    new_database: Callable[..., str], run_cli: Cli, tmp_path: Path
) -> None:
    right, wrong = new_database(), new_database(empty=True)
    elsewhere = libpq_variables(wrong)
    (tmp_path / ".env").symlink_to("lost")
    done = run_cli("verify", env=elsewhere)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Cannot read" in done.stderr
    (tmp_path / ".env").unlink()
    os.mkfifo(tmp_path / ".env")
    with written(tmp_path / ".env", f'DATABASE_URL="{right}"\n'.encode()):
        done = run_cli("tree", "nobody", env=elsewhere)
    assert done.returncode == 1, done.stderr
    assert "Connection: DATABASE_URL in ./.env" in done.stderr


def libpq_variables(conninfo: str) -> dict[str, str]:
    given = conninfo_to_dict(conninfo)
    names = {"dbname": "PGDATABASE"}
    return {names.get(key, f"PG{key.upper()}"): str(value) for key, value in given.items()}


@pytest.mark.parametrize(
    "env",
    [
        {"PGSERVICE": "music", "PGSERVICEFILE": "/nowhere/pg_service.conf"},
        {"PGSERVICE": "music", "PGSERVICEFILE": "/dev/null"},
        {"DATABASE_URL": "service=music", "PGSERVICEFILE": "/"},
    ],
)
def test_a_service_that_is_not_there(database: str, run_cli: Cli, env: dict[str, str]) -> None:
    """libpq's own sources are libpq's to refuse: it does, and connects nowhere."""
    done = run_cli("verify", env={**libpq_variables(database), "PGSYSCONFDIR": "/nowhere", **env})
    assert done.returncode in (2, 3)
    assert "service" in done.stderr


def test_a_deleted_working_directory(database: str, cli_env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    program = "import os, sys; os.rmdir(os.getcwd()); from llamactl.cli.main import main; sys.exit(main())"
    for words in (("preflight",), ("tree", "nobody", "--format", "html", "-o", str(tmp_path / "x"))):
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-c", program, *words, "--dsn", database]
        done = subprocess.run(command, env=cli_env, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == (0 if words == ("preflight",) else 1), done.stderr
        assert "The working directory no longer exists" in done.stderr
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", program, "tree", "x", "--dsn", database, "--format", "html", "-o", "x"]
    done = subprocess.run(command, env=cli_env, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's rights to read all."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_may_not_be_read(name: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "prisma").mkdir()
        (folder / name).write_text("")
        with unprivileged():
            assert host(folder) is None
        (folder / name).chmod(0o000)
        with unprivileged():
            assert refusal(folder).message == f"Cannot read {folder / name}: Permission denied"
        # Whether something is there cannot be known.
        (folder / name).unlink()
        (folder / name).parent.chmod(0o600)
        with unprivileged():
            assert "Permission denied" in refusal(folder).message
        (folder / name).parent.chmod(0o755)
