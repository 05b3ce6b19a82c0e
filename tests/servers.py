"""The servers that tests run on: a private one, one that is there, or a container."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import llamactl
from llamactl.postgres.server import NOT_DURABLE, PrivatePostgres

LOG_TABLE = (Path(llamactl.__file__).parent / "demo" / "log_table.sql").read_text()
# Small, as each worker and version has a server of its own.
SERVER_SETTINGS = {
    **NOT_DURABLE,
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
    with (
        PrivatePostgres(binaries, SERVER_SETTINGS | settings) as private,
        Server(private.conninfo(), private).with_template() as server,
    ):
        yield server


def complete(dsn: str) -> str:
    """The connection string with what libpq's variables and the service file add to it."""
    added = {
        option.keyword.decode(): option.val.decode()
        for option in pq.Conninfo.get_defaults()
        if option.val is not None and option.val != option.compiled and option.keyword != b"service"
    }
    return make_conninfo(**{**added, **conninfo_to_dict(dsn)})


def check_backend() -> None:
    """Say at once where the server that the environment asks for is not to be had."""
    backend = os.environ.get("LLAMACTL_TEST_BACKEND", "private")
    if dsn := os.environ.get("LLAMACTL_TEST_DSN"):
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
        except psycopg.Error as error:
            raise pytest.UsageError(f"LLAMACTL_TEST_DSN: {error}") from error
    elif backend == "testcontainers":
        probe_docker()
    elif backend != "private":
        raise pytest.UsageError(f"LLAMACTL_TEST_BACKEND is {backend!r}; it is private or testcontainers")


def probe_docker() -> None:
    """A daemon that hangs would block the container's start for a minute."""
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        client = docker.from_env(timeout=2)
        client.ping()
        client.close()
    except (DockerException, RequestException) as error:
        raise pytest.UsageError(f"LLAMACTL_TEST_BACKEND=testcontainers: {error}") from error


@contextmanager
def given_server() -> Iterator[Server]:
    """The server that the environment asks for."""
    if dsn := os.environ.get("LLAMACTL_TEST_DSN"):
        with Server(dsn).with_template() as server:
            yield server
    elif os.environ.get("LLAMACTL_TEST_BACKEND") == "testcontainers":
        with container_server() as server:
            yield server
    else:
        with private_server() as server:
            yield server


@contextmanager
def container_server() -> Iterator[Server]:
    from testcontainers.community.postgres import PostgresContainer

    with (
        PostgresContainer("postgres:17", driver=None) as container,
        Server(container.get_connection_url()).with_template() as server,
    ):
        yield server
