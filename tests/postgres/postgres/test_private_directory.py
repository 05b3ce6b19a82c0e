"""What becomes of the directories that private servers leave behind, and of all that only looks like one."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llamactl.postgres.binaries import as_user, bin_directories, run_command
from llamactl.postgres.directory import remove_leftovers
from llamactl.postgres.server import PrivatePostgres
from owners import SOURCE, alive, finish, first_line, owner_script, processes_in, wait_until

KILL_ME = "os.kill(os.getpid(), signal.SIGKILL)"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def leave(tmp: Path) -> Path:
    """The directory of an owner that was killed before it started anything."""
    script = f"import os, signal\nfrom llamactl.postgres.directory import PrivateDirectory\n{{}}\n{KILL_ME}"
    done = subprocess.run(
        [sys.executable, "-c", script.format("print(PrivateDirectory(None).path, flush=True)")],
        env={**os.environ, "TMPDIR": str(tmp), "PYTHONPATH": SOURCE},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return Path(done.stdout.strip())


def change(directory: Path, line: int, text: object) -> None:
    """Replaces a line of the record; the lines are those of private_records.Record."""
    record = directory / "owner"
    lines = record.read_text().rstrip(" ").split("\n")
    lines[line] = str(text)
    record.write_text("\n".join(lines).ljust(1024))


DIRECTORY, INODE, BOOT, NAMESPACE, OWNER_PID, OWNER_STARTED, PID, STARTED = range(1, 9)


@contextmanager
def innocent() -> Iterator[tuple[int, str]]:
    """A process of somebody else's: its pid, and when it started, as a record has it."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
        yield process.pid, started
        assert process.poll() is None
        process.kill()


# --- what is ours, and done with --------------------------------------------------------------------------


def test_a_killed_owner_leaves_nothing_for_long(short_tmp: Path) -> None:
    owner = owner_script(KILL_ME, short_tmp)
    pid, directory = first_line(owner)
    finish(owner)
    assert alive(pid)
    assert directory.exists()
    with PrivatePostgres():
        wait_until(lambda: not alive(pid))
        assert not directory.exists()


@pytest.mark.parametrize(
    "part", ["owner", "data", "data/base", "data/postmaster.pid", "s/.s.PGSQL.5432.lock", "log"]
)
def test_an_owner_that_is_killed_while_it_starts(short_tmp: Path, part: str) -> None:
    """Whatever it had started by then ends too, initdb included; at most an empty directory stays."""
    owner = owner_script("sys.stdin.read()\n", short_tmp, stderr=subprocess.DEVNULL)
    wait_until(lambda: bool([*short_tmp.glob(f"llamactl-pg-*/{part}")]))
    owner.kill()
    finish(owner)
    remove_leftovers()
    wait_until(lambda: not processes_in(short_tmp))
    remove_leftovers()  # a server that initdb ran may have ended a moment after initdb
    assert {path.name for path in short_tmp.glob("*/*")} <= ({"owner"} if part == "owner" else set())


def test_an_owner_that_is_killed_before_its_record_is_written(short_tmp: Path) -> None:
    """Nothing proves that the directory is ours; there is nothing in it either."""
    script = (
        "import os, signal\nfrom llamactl.postgres import directory\n"
        f"directory.Record.make = lambda *_: {KILL_ME}\ndirectory.PrivateDirectory(None)"
    )
    environment = {**os.environ, "TMPDIR": str(short_tmp), "PYTHONPATH": SOURCE}
    subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    remove_leftovers()
    assert [path.name for path in short_tmp.glob("*/*")] == ["owner"]
    assert next(iter(short_tmp.glob("*/owner"))).read_bytes() == b""


def test_a_pid_that_is_anothers_by_now(short_tmp: Path) -> None:
    """The directory goes, the process stays: it started at another time, or after another boot."""
    with innocent() as (pid, started):
        reused = leave(short_tmp)
        change(reused, PID, pid)
        change(reused, STARTED, "1")
        (reused / "data").mkdir()
        (reused / "data" / "postmaster.pid").write_text(f"{pid}\n")
        rebooted = leave(short_tmp)
        change(rebooted, PID, pid)
        change(rebooted, STARTED, started)
        change(rebooted, OWNER_PID, pid)
        change(rebooted, OWNER_STARTED, started)
        change(rebooted, BOOT, "another")
        remove_leftovers()
    assert list(short_tmp.iterdir()) == []


def test_a_server_that_is_not_ended_by_a_signal_alone(short_tmp: Path) -> None:
    """It is stopped: it takes SIGKILL."""
    owner = owner_script(f"os.kill(server.postmaster_pid, signal.SIGSTOP); {KILL_ME}", short_tmp)
    pid, _ = first_line(owner)
    finish(owner)
    remove_leftovers()
    wait_until(lambda: not alive(pid))
    assert list(short_tmp.iterdir()) == []


# --- what is in use ---------------------------------------------------------------------------------------


def test_a_living_owner_is_left_alone(short_tmp: Path) -> None:
    owner = owner_script("sys.stdin.read()", short_tmp)
    pid, directory = first_line(owner)
    remove_leftovers()
    assert alive(pid)
    finish(owner)
    assert not alive(pid)
    assert not directory.exists()


def test_a_living_owner_or_another_containers_process(short_tmp: Path) -> None:
    with innocent() as (pid, started):
        owned = leave(short_tmp)
        change(owned, OWNER_PID, pid)
        change(owned, OWNER_STARTED, started)
        elsewhere = leave(short_tmp)
        change(elsewhere, NAMESPACE, "pid:[1]")
        remove_leftovers()
    assert {owned, elsewhere} == set(short_tmp.iterdir())


@contextmanager
def own_server(data: Path) -> Iterator[int]:
    """A server that the user runs on these data."""
    user = pwd.getpwuid(data.stat().st_uid) if os.geteuid() == 0 else None
    command = [str(bin_directories()[0] / "postgres"), "-D", str(data), "-c", "listen_addresses="]
    command += ["-c", f"unix_socket_directories={data}"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, **as_user(user)) as server:
        pidfile = data / "postmaster.pid"
        wait_until(lambda: pidfile.exists() and pidfile.read_text().startswith(f"{server.pid}\n"))
        yield server.pid
        assert server.poll() is None
        server.send_signal(signal.SIGQUIT)


def killed_with_its_server(tmp: Path) -> Path:
    """The directory of a server and an owner that were both killed, as the machine's end would do it."""
    owner = owner_script(f"os.kill(server.postmaster_pid, signal.SIGKILL); {KILL_ME}", tmp)
    pid, directory = first_line(owner)
    finish(owner)
    wait_until(lambda: not alive(pid) and not processes_in(tmp))
    return directory


def test_a_server_of_the_users_on_what_a_demo_left(short_tmp: Path) -> None:
    directory = killed_with_its_server(short_tmp)
    with own_server(directory / "data"):
        remove_leftovers()
        assert (directory / "data" / "PG_VERSION").exists()
    remove_leftovers()
    assert list(short_tmp.iterdir()) == []


def test_a_server_of_the_users_in_a_directory_of_that_name(short_tmp: Path) -> None:
    """A copy of what a demo left, or the thing itself under another name: its record is of another one."""
    directory = killed_with_its_server(short_tmp)
    copy, moved = short_tmp / "llamactl-pg-copy", short_tmp / "llamactl-pg-moved"
    subprocess.run(["cp", "-a", directory, copy], check=True)
    directory.rename(moved)
    subprocess.run(["cp", "-a", moved, directory], check=True)
    (copy / "owner").unlink()
    os.utime(copy, (0, 0))
    with own_server(copy / "data"):
        remove_leftovers()
    assert {path.name for path in short_tmp.iterdir()} == {copy.name, moved.name, directory.name}
    assert len([*short_tmp.glob("*/data/PG_VERSION")]) == 3


# --- what only looks like one of ours -----------------------------------------------------------------------


def test_what_is_not_ours_is_left_alone(short_tmp: Path) -> None:
    precious = short_tmp / "precious"
    precious.mkdir()
    (short_tmp / "llamactl-pg-link").symlink_to(precious)
    (short_tmp / "llamactl-pg-file").touch()
    for name in ("young", "old", "0.1"):
        (short_tmp / f"llamactl-pg-{name}").mkdir()
    (short_tmp / "llamactl-pg-old" / "precious").touch()
    os.utime(short_tmp / "llamactl-pg-old", (0, 0))
    (short_tmp / "llamactl-pg-0.1" / "owner").write_text("1234567\n1234568\n")
    linked = leave(short_tmp)
    shutil.move(linked, short_tmp / "real")
    linked.symlink_to(short_tmp / "real")
    if os.geteuid() == 0:
        os.chown(leave(short_tmp), 65534, 65534)
    before = {path.name for path in short_tmp.rglob("*")}
    remove_leftovers()
    assert {path.name for path in short_tmp.rglob("*")} == before


def no_access(record: Path) -> None:
    record.chmod(0)
    if os.geteuid() == 0:
        os.chown(record, 65534, 65534)  # root may read all, but not own all


def replace(record: Path, make: Callable[[Path], object]) -> None:
    record.unlink()
    make(record)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no record": lambda record: record.unlink(),
    "empty": lambda record: record.write_bytes(b""),
    "directory": lambda record: replace(record, Path.mkdir),
    "FIFO": lambda record: replace(record, os.mkfifo),
    "device": lambda record: replace(record, lambda path: path.symlink_to("/dev/zero")),
    "dangling link": lambda record: replace(record, lambda path: path.symlink_to("nothing")),
    "link to itself": lambda record: replace(record, lambda path: path.symlink_to(path)),
    "no access": no_access,
    "binary": lambda record: record.write_bytes(os.urandom(1024)),
    "zeros": lambda record: record.write_bytes(bytes(1024)),
    "huge": lambda record: os.truncate(record, 1 << 40),
    "half": lambda record: os.truncate(record, 60),
    "more": lambda record: record.write_text(record.read_text().rstrip(" ") + "more\n"),
    "no number": lambda record: change(record.parent, PID, "x"),
    "a pid of many digits": lambda record: change(record.parent, INODE, "9" * 700),
    "another inode": lambda record: change(record.parent, INODE, "1"),
    "another path": lambda record: change(record.parent, DIRECTORY, "/tmp/llamactl-pg-another"),
    "another format": lambda record: change(record.parent, 0, "llamactl private server 2"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_stops_nobody(short_tmp: Path, damage: str) -> None:
    """The directory stays, what is proven ours beside it goes, and a server starts."""
    damaged, whole = leave(short_tmp), leave(short_tmp)
    (damaged / "precious").touch()
    DAMAGE[damage](damaged / "owner")
    remove_leftovers()
    assert (damaged / "precious").exists()
    assert not whole.exists()


@pytest.mark.parametrize("damage", ["directory", "FIFO", "binary", "empty"])
def test_a_damaged_postmaster_pid(short_tmp: Path, damage: str) -> None:
    """Whether a server runs there cannot be told."""
    directory = leave(short_tmp)
    (directory / "data").mkdir()
    (directory / "data" / "postmaster.pid").touch()
    DAMAGE[damage](directory / "data" / "postmaster.pid")
    remove_leftovers()
    assert directory.exists()


# --- who may read it ----------------------------------------------------------------------------------------


def test_nobody_else_gets_in(short_tmp: Path) -> None:
    old = os.umask(0)
    try:
        with PrivatePostgres() as server:
            found = {
                path.name: stat.S_IMODE(path.stat().st_mode)
                for path in (server.directory, *server.directory.iterdir())
                if path.name != "copy"
            }
            assert found.pop(server.directory.name) == (0o710 if os.geteuid() == 0 else 0o700)
            assert found == {"owner": 0o600, "log": 0o600, "data": 0o700, "s": 0o700}
            if os.geteuid() == 0:
                owner = server.data.stat().st_uid
                other = next(
                    user for user in map(pwd.getpwnam, ("nobody", "daemon", "bin")) if user.pw_uid != owner
                )
                assert "denied" in run_command(["cat", str(server.log)], other)
                assert "denied" in run_command(["ls", str(server.directory)], other)
                assert run_command(["test", "-e", str(server.log)], other)
    finally:
        os.umask(old)
