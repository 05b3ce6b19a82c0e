from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    # Without hatchling here, build fetches it into an environment of its own.
    flags = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "build", "--wheel", *flags, "--outdir", str(folder), str(CHECKOUT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def contents(folder: Path, *skipped: str) -> dict[str, bytes]:
    """What the files below a folder hold, by their path in it."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not set(skipped) & set(file.relative_to(folder).parts)
    }


def test_sql_in_the_wheel_is_the_checkouts(unpacked: Path) -> None:
    packed = contents(unpacked / "llamactl" / "sql")
    assert packed == contents(CHECKOUT / "sql")
    assert any(path.endswith(".sql") for path in packed)


def test_modules_in_the_wheel_are_the_checkouts(unpacked: Path) -> None:
    packed = contents(unpacked / "llamactl", "sql")
    assert packed == contents(CHECKOUT / "src" / "llamactl", "__pycache__")
    assert "py.typed" in packed


def test_the_wheel_holds_nothing_else(unpacked: Path) -> None:
    (metadata,) = unpacked.glob("*.dist-info")
    assert {entry.name for entry in unpacked.iterdir()} == {"llamactl", metadata.name}
    assert (metadata / "licenses" / "LICENSE").is_file()


def test_metadata(unpacked: Path) -> None:
    (metadata,) = unpacked.glob("*.dist-info")
    fields = Parser().parsestr((metadata / "METADATA").read_text(encoding="utf-8"))
    assert fields["Name"] == "llamactl-joblog"  # llamactl on the index is another project
    assert fields["Description-Content-Type"] == "text/markdown"
    assert "llamactl = llamactl.__main__:main" in (metadata / "entry_points.txt").read_text().splitlines()


def test_the_wheel_reads_its_own_sql(unpacked: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from llamactl.sqlfiles import load; from llamactl.sqlfiles.names import Names\n"
        "for path in load.all_query_paths(): load.load_query(path, Names())\n"
        "print(load.sql_directory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(unpacked)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == (unpacked / "llamactl" / "sql").resolve()
