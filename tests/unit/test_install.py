"""scripts/install.py, which the Makefile installs with: it shows how far it is, and what went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pages import CHECKOUT
from transcripts import on_terminal

COMMAND = [sys.executable, str(CHECKOUT / "scripts" / "install.py")]


def package(folder: Path, *lines: str) -> str:
    """A package that is built without anything from elsewhere; its setup runs these lines first."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (folder / "backend.py").write_text("\n".join(lines))
    return str(folder)


def install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


def test_it_is_silent_about_what_goes_well() -> None:
    done = install("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Installed in ")
    assert len(done.stdout.splitlines()) == 1


def test_it_shows_all_that_pip_says_where_it_fails(tmp_path: Path) -> None:
    done = install("--no-deps", package(tmp_path / "broken", 'raise SystemExit("it is broken")'))
    assert done.returncode != 0
    assert "it is broken" in done.stderr
    assert "Installed" not in done.stdout


def test_a_terminal_shows_what_pip_does_on_one_line(tmp_path: Path) -> None:
    broken = package(tmp_path / "broken", 'raise SystemExit("it is broken")')
    shown = on_terminal([*COMMAND, "--no-deps", broken], {"PATH": os.environ["PATH"]}, tmp_path)
    live, _, failure = shown.rpartition("\r\x1b[K")
    assert "\n" not in live
    assert " s  Processing" in live or " s  Installing" in live or " s  Getting" in live
    assert "it is broken" in failure
