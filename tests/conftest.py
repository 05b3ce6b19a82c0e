"""Servers, databases, and the command line for the tests.

The server is a private one, unless LLAMACTL_TEST_DSN names a server that is there (as a superuser) or
LLAMACTL_TEST_BACKEND=testcontainers asks for a container. LLAMACTL_TEST_PG_BINS lists bin directories of more
versions, parted by colons, for the tests that run on each (`each_server`, `each_database`).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

import llamactl
from llamactl.model import LlamactlError
from llamactl.postgres.binaries import bin_directories, version_of
from poolers import pooler
from servers import Server, check_backend, complete, given_server, private_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server that tests share; each uses databases of its own."""
    with given_server() as server:
        yield server


@pytest.fixture
def new_database(server: Server) -> Iterator[Callable[..., str]]:
    """A function: conninfo of one more database, with the log table or (`empty=True`) without."""
    made: list[str] = []

    def new(*, empty: bool = False) -> str:
        made.append(server.create("template0" if empty else server.template))
        return server.conninfo(made[-1])

    yield new
    for name in made:
        server.drop(name)


@pytest.fixture
def database(new_database: Callable[..., str]) -> str:
    """Conninfo of a database that holds the log table, empty; dropped after the test."""
    return new_database()


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    """To `database`, in autocommit."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@cache
def every_bin() -> list[Path]:
    """Those listed, then all that are found; none where the tests have another's server."""
    listed = [Path(path) for path in os.environ.get("LLAMACTL_TEST_PG_BINS", "").split(":") if path]
    try:
        return listed + bin_directories()
    except LlamactlError:
        return listed


@cache
def major_version(binaries: Path) -> int:
    return int(version_of(binaries).split(".")[0])


def every_version() -> list[Any]:
    """As pytest parameters, each major version once, the oldest first; with none the test is skipped.

    All but the newest are for the slow tests.
    """
    by_major: dict[int, Path] = {}
    for path in every_bin():
        by_major.setdefault(major_version(path), path)
    newest = max(by_major, default=0)
    return [
        pytest.param(path, id=f"pg{major}", marks=() if major == newest else pytest.mark.slow)
        for major, path in sorted(by_major.items())
    ]


def pytest_configure(config: pytest.Config) -> None:
    """Keep out the PG* variables of whoever runs the tests: LLAMACTL_TEST_DSN then holds what they gave it.
    And ignored signals, which a shell passes on to what it runs in the background, and nohup to all.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    if dsn := os.environ.get("LLAMACTL_TEST_DSN"):
        os.environ["LLAMACTL_TEST_DSN"] = complete(dsn)
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    if not hasattr(config, "workerinput"):  # once, before the workers of pytest-xdist
        check_backend()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "each_server" in metafunc.fixturenames:
        metafunc.parametrize("each_server", every_version(), indirect=True, scope="session")


@pytest.fixture
def pooled(database: str, tmp_path: Path) -> Iterator[str]:
    """Conninfo of `database` through pgbouncer, in transaction mode."""
    with pooler(database, tmp_path) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def each_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A private server of each version that is to be had: the test runs once on each."""
    with private_server(request.param) as server:
        yield server


@pytest.fixture(scope="session")
def icu_server() -> Iterator[Server]:
    """A private server that has ICU, as Debian's have and the wheel's have not."""
    found = [path for path in every_bin() if b"libicui18n" in (path / "postgres").read_bytes()]
    if not found:
        pytest.skip("no server with ICU is installed")
    with private_server(found[0]) as server:
        yield server


@pytest.fixture
def each_database(each_server: Server) -> Iterator[str]:
    """As `database`, on each version."""
    name = each_server.create(each_server.template)
    yield each_server.conninfo(name)
    each_server.drop(name)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A private server for this test alone, to stop, kill and start again (`own_server.private`)."""
    if not every_bin():
        pytest.skip("there are no binaries for a private server")
    with private_server() as server:
        yield server


@pytest.fixture
def own_database(own_server: Server) -> str:
    """As `database`, on the test's own server."""
    return own_server.conninfo(own_server.create(own_server.template))


@pytest.fixture
def short_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of the test's own, in which servers find room."""
    path = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    path.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    shutil.rmtree(path)


# What a row needs, where a test does not care.
ANY_ROW = {"entity_type": "ALBUM", "operation": "ENRICH", "category": "ENRICHED", "status": "SUCCESS"}
LogRow = Sequence[Any] | Mapping[str, Any]


def insert_log(database: str, rows: Iterable[LogRow]) -> None:
    with psycopg.connect(database) as connection:
        for row in rows:
            if not isinstance(row, Mapping):
                row = dict(zip(("job_id", "parent_job_id", "is_root_job"), row, strict=False))
            values = {
                name: Jsonb(value) if name == "metadata" else value
                for name, value in {**ANY_ROW, **row}.items()
            }
            statement = sql.SQL('INSERT INTO "public"."LlamaLog" ({}) VALUES ({})').format(
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join([sql.Placeholder()] * len(values)),
            )
            connection.execute(statement, list(values.values()))


@pytest.fixture(scope="session")
def insert_into() -> Callable[[str, Iterable[LogRow]], None]:
    """A function (conninfo, rows): add rows to the log, each a mapping of column to value, or a tuple
    (job, parent) or (job, parent, flagged). What a row needs besides is filled in.
    """
    return insert_log


@pytest.fixture
def insert(database: str) -> Callable[[Iterable[LogRow]], None]:
    """As `insert_into`, for `database`."""
    return partial(insert_log, database)


def find_tool(name: str) -> Path:
    """psql, pg_dump ... of the newest version that has it (a pg_dump reads servers up to its own version)."""
    for path in sorted(every_bin(), key=major_version, reverse=True):
        if (path / name).exists():
            return path / name
    if on_path := shutil.which(name):
        return Path(on_path)
    pytest.fail(f"there is no {name}: install the demo extra")


@pytest.fixture(scope="session")
def pg_tool() -> Callable[[str], Path]:
    """A function: the path of a client program of Postgres."""
    return find_tool


@pytest.fixture(scope="session")
def psql() -> Path:
    return find_tool("psql")


@pytest.fixture(scope="module")  # its event loop must not outlive the tests that need it
def browser() -> Iterator[Browser]:
    """A Chromium without a window, which all tests share."""
    from browsers import chromium, launched

    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium: scripts/install_packages.sh installs it")
    with launched(path) as browser:
        yield browser


@pytest.fixture
def cli_env(tmp_path: Path) -> dict[str, str]:
    """The environment of a llamactl that knows nothing of ours."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LLAMACTL_PG_BIN") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(Path(llamactl.__file__).parents[1]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLUMNS": "110",
    }


@pytest.fixture
def run_cli(tmp_path: Path, cli_env: Mapping[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function: run `python -m llamactl ARGS` in an empty directory, with `env` over `cli_env`."""

    def run(
        *args: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "llamactl", *map(str, args)],
            env={**cli_env, **(env or {})},
            cwd=cwd or tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def start_cli(
    tmp_path: Path, cli_env: Mapping[str, str]
) -> Callable[..., AbstractContextManager[subprocess.Popen[str]]]:
    """A function: a context with a running `python -m llamactl ARGS`, which is killed at its end."""

    @contextmanager
    def start(*arguments: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "llamactl", *arguments]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=cli_env, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return start
