"""Where --output writes to: who may read the file, what becomes of one that exists, pipes and open files."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cutting import run_here
from llamactl.model import ErrorCode, LlamactlError
from llamactl.render.file import descriptor, replacing

Cli = Callable[..., Any]
NOBODY = 65534
REPORT = ("tree", "a", "--format", "html")


@pytest.fixture
def log(database: str, insert: Any) -> str:
    insert([("a", None, True), ("b", "a"), ("c", "b")])
    return database


@contextmanager
def umask(mask: int) -> Iterator[None]:
    old = os.umask(mask)
    try:
        yield
    finally:
        os.umask(old)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, text: str = "new\n") -> None:
    with replacing(path) as take:
        assert take([text[:1], text[1:]])


def interrupted(path: Path) -> None:
    with replacing(path) as take:
        take(["half"])
        raise KeyboardInterrupt


def is_report(text: str | bytes) -> bool:
    text = text.decode() if isinstance(text, bytes) else text
    return text.startswith("<!doctype html>") and text.endswith("</html>\n")


# Files ------------------------------------------------------------------------------------------------


def test_the_modes_of_a_report(log: str, tmp_path: Path) -> None:
    new, kept, target, link = (tmp_path / name for name in ("new", "kept", "target", "link"))
    kept.write_text("old" * 100_000)
    kept.chmod(0o640)
    target.touch(0o600)
    target.chmod(0o600)
    link.symlink_to(target)
    for path, file, mode in ((new, new, 0o600), (kept, kept, 0o640), (link, target, 0o600)):
        with umask(0o000):
            done = run_here(*REPORT, "--dsn", log, "-o", str(path))
        assert (done.code, done.out) == (0, "")
        assert is_report(file.read_text())
        assert mode_of(file) == mode
    assert link.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"new", "kept", "target", "link"}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_the_umask_decides_nothing(tmp_path: Path, mask: int) -> None:
    old = tmp_path / "old"
    old.touch()
    old.chmod(0o644)
    with umask(mask):
        write(tmp_path / "new")
        write(old)
    assert (mode_of(tmp_path / "new"), mode_of(old)) == (0o600, 0o644)


@pytest.mark.parametrize("mode", [0o600, 0o400 | 0o200, 0o660, 0o666, 0o755])
def test_an_existing_mode_is_kept(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "file"
    file.write_text("longer than what follows")
    file.chmod(mode)
    write(file)
    assert (file.read_text(), mode_of(file)) == ("new\n", mode)


def test_links(tmp_path: Path) -> None:
    """A link of links stays, relative ones too; one that leads to no file makes it."""
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(Path("real", "file"))
    write(tmp_path / "one")
    assert mode_of(real / "file") == 0o600
    (real / "file").chmod(0o604)
    write(tmp_path / "one", "again\n")
    assert ((real / "file").read_text(), mode_of(real / "file")) == ("again\n", 0o604)
    assert (tmp_path / "one").is_symlink()
    assert (tmp_path / "two").is_symlink()
    assert [path.name for path in real.iterdir()] == ["file"]


def test_a_hard_link_stays_one(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("old" * 100)
    file.chmod(0o600)
    other.hardlink_to(file)
    write(file)
    assert other.read_text() == "new\n"
    assert file.samefile(other)
    assert mode_of(other) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    file.chmod(0o640)
    os.chown(file, NOBODY, NOBODY)
    number = file.stat().st_ino
    write(file)
    found = file.stat()
    assert (found.st_uid, found.st_gid, mode_of(file)) == (NOBODY, NOBODY, 0o640)
    assert found.st_ino != number


@pytest.mark.skipif(sys.platform != "linux", reason="extended attributes as Linux has them")
def test_attributes_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    try:
        os.setxattr(file, "user.kept", b"yes")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    number = file.stat().st_ino
    write(file)
    assert os.getxattr(file, "user.kept") == b"yes"
    assert (file.read_text(), file.stat().st_ino) == ("new\n", number)


WRITE = """
import sys
from pathlib import Path
from llamactl.render.file import replacing
with replacing(Path(sys.argv[1])) as take:
    take(["new\\n"])
"""


@pytest.fixture
def unprivileged() -> Iterator[tuple[Path, Callable[[Path], subprocess.CompletedProcess[str]]]]:
    """A directory, and a function that writes a file as somebody who is not its owner, nor root."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)

    def write_as_nobody(path: Path) -> subprocess.CompletedProcess[str]:
        # What is imported is imported first: the checkout may be root's alone.
        program = (
            f"import os, sys; sys.path[:] = {sys.path!r}; import encodings.ascii, llamactl.render.file\n"
        )
        program += f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n{WRITE}"
        command = [sys.executable, "-c", program, str(path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    yield folder, write_as_nobody
    shutil.rmtree(folder)


def test_anothers_file_and_a_directory_that_takes_no_new_one(unprivileged: Any) -> None:
    folder, write_as_nobody = unprivileged
    writable, readable = folder / "writable", folder / "readable"
    for file, mode in ((writable, 0o666), (readable, 0o644)):
        file.write_text("old" * 100)
        file.chmod(mode)
    assert write_as_nobody(writable).stderr == ""
    assert (writable.read_text(), writable.stat().st_uid, mode_of(writable)) == ("new\n", 0, 0o666)
    for file in (readable, folder / "new"):
        assert "Permission denied" in write_as_nobody(file).stderr
    assert readable.read_text() == "old" * 100
    folder.chmod(0o777)
    assert write_as_nobody(writable).stderr == ""
    assert (writable.stat().st_uid, mode_of(writable)) == (0, 0o666)
    # Not replaced either: its owner lets nobody else write.
    assert "Permission denied" in write_as_nobody(readable).stderr
    assert sorted(path.name for path in folder.iterdir()) == ["readable", "writable"]


def test_what_is_not_whole_is_not_written(tmp_path: Path) -> None:
    file, twin = tmp_path / "file", tmp_path / "twin"
    file.write_text("old")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            interrupted(file)
        assert file.read_text() == "old"
        if not twin.exists():
            twin.hardlink_to(file)
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "twin"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "lost").symlink_to(Path("nowhere", "file"))
    (tmp_path / "file").touch()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    with listening:
        for name in (".", "loop", "lost", "file/x", "no/x", "socket", "x" * 300):
            with pytest.raises(LlamactlError) as caught, replacing(tmp_path / name):
                pass
            assert caught.value.code is ErrorCode.USAGE, name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "lost", "socket"]


# Open files and pipes ---------------------------------------------------------------------------------


def in_bash(log: str, rest: str, cli_env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[bytes]:
    command = f"{sys.executable} -m llamactl {' '.join(REPORT)} --dsn '{log}' {rest}"
    return subprocess.run(["bash", "-c", command], env=cli_env, cwd=cwd, capture_output=True, timeout=120)


def test_a_process_substitution(log: str, cli_env: dict[str, str], tmp_path: Path) -> None:
    done = in_bash(log, "-o >(gzip >x.gz; : >done) && while ! [ -e done ]; do :; done", cli_env, tmp_path)
    assert done.returncode == 0, done.stderr
    assert is_report(gzip.decompress((tmp_path / "x.gz").read_bytes()))
    assert b"Wrote /dev/fd/" in done.stderr


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "out"])
def test_stdout_by_name(log: str, cli_env: dict[str, str], tmp_path: Path, name: str) -> None:
    (tmp_path / "out").symlink_to("/dev/stdout")
    done = in_bash(log, f"-o {name} | cat", cli_env, tmp_path)
    assert is_report(done.stdout)
    assert b"Wrote stdout: 3 jobs" in done.stderr


def test_stdout_that_is_a_file_or_has_no_reader(log: str, cli_env: dict[str, str], tmp_path: Path) -> None:
    """What the shell opened is written to, from where it stands; its name and mode are the shell's matter."""
    file = tmp_path / "file"
    file.write_text("first\n")
    file.chmod(0o640)
    assert in_bash(log, "-o /dev/stdout >>file", cli_env, tmp_path).returncode == 0
    assert file.read_text().startswith("first\n<!doctype")
    assert mode_of(file) == 0o640
    done = in_bash(log, "-o /dev/stdout | head -c 5; exit ${PIPESTATUS[0]}", cli_env, tmp_path)
    assert (done.returncode, done.stdout) == (0, b"<!doc")


@pytest.mark.parametrize("name", ["/dev/fd/7", "/dev/stderr"])
def test_another_open_file(log: str, cli_env: dict[str, str], tmp_path: Path, name: str) -> None:
    file = tmp_path / "file"
    file.write_text("first\n")
    redirect = "2>>file" if name == "/dev/stderr" else "7>>file"
    done = in_bash(log, f"-o {name} {redirect}", cli_env, tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert "first\n" in file.read_text()
    assert "</html>\n" in file.read_text()
    done = in_bash(log, "-o /dev/fd/7 7> >(head -c 5)", cli_env, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["/dev/fd/77", "/dev/fd/0"])
def test_an_open_file_that_takes_nothing(
    log: str, cli_env: dict[str, str], tmp_path: Path, name: str
) -> None:
    done = in_bash(log, f"-o {name} </dev/null", cli_env, tmp_path)
    assert done.returncode == 2
    assert f"Cannot write {name}: Bad file descriptor".encode() in done.stderr


def test_a_named_pipe(log: str, run_cli: Cli, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        done = run_cli(*REPORT, "--dsn", log, "-o", str(pipe))
        read, _ = reader.communicate(timeout=60)
    assert done.returncode == 0
    assert is_report(read)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_which_paths_are_open_files(tmp_path: Path) -> None:
    (tmp_path / "7").touch()
    (tmp_path / "link").symlink_to("/dev/fd/7")
    (tmp_path / "dev").symlink_to("/dev")
    (tmp_path / "loop").symlink_to("loop")
    numbers = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/fd/63": 63, "/dev/null": None, "/dev/fd/x": None}
    numbers |= {str(tmp_path / "link"): 7, str(tmp_path / "dev/stdout"): 1, f"/proc/{os.getpid()}/fd/5": 5}
    numbers |= {str(tmp_path / name): None for name in ("7", "loop", "new")}
    for path, number in numbers.items():
        assert descriptor(Path(path)) == number, path
