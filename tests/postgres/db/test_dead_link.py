"""A network link that goes down between llamactl and the server: both notice, and nothing stays held."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from commands import CHAIN, make_fill_slow
from cutting import run_here, wait_until
from links import Link, link
from servers import Server, private_server

Connection = psycopg.Connection[Any]
InsertInto = Callable[[str, Any], None]

SHORT = {
    "idle_in_transaction_session_timeout": "3s",
    "idle_session_timeout": "3s",
    "tcp_user_timeout": "3s",
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
}
SHORT_FOR_THE_CLIENT = {"tcp_user_timeout": "3000", "keepalives_idle": "1", "keepalives_interval": "1"}
WHERE = {
    "idle in a transaction": (1, ("migrate",)),
    "in a statement": (600, ("migrate",)),
    "in a batch": (1, ("migrate", "--online", "--grace", "0s")),
}
NOBODY = """SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'llamactl%')"""
ASLEEP = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name LIKE 'llamactl%'"


@pytest.fixture
def linked() -> Iterator[Link]:
    with link() as up:
        yield up


@pytest.fixture
def reached(linked: Link) -> Iterator[Server]:
    """A server that listens on the link."""
    with private_server(None, listen_addresses=linked.server) as server:
        assert server.private
        with (server.private.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {linked.client}/32 trust\n")
        with server.admin() as admin:
            admin.execute("SELECT pg_reload_conf()")
        yield server


@contextmanager
def far_away(
    linked: Link, dsn: str, cli_env: Mapping[str, str], tmp_path: Path, *words: str
) -> Iterator[subprocess.Popen[str]]:
    """A llamactl at the other end of the link."""
    command = [*linked.at_the_client, sys.executable, "-m", "llamactl", *words, "--yes", "--dsn", dsn]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=dict(cli_env), cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def over_a_dead_link(
    linked: Link,
    server: Server,
    insert_into: InsertInto,
    cli_env: Mapping[str, str],
    tmp_path: Path,
    case: str,
    *,
    short: bool,
) -> None:
    seconds, words = WHERE[case]
    name = server.create(server.template)
    near = server.conninfo(name)
    insert_into(near, CHAIN)
    with psycopg.connect(near, autocommit=True) as connection:
        make_fill_slow(connection, seconds)
        for setting, value in SHORT.items() if short else ():
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'".encode())
        client = SHORT_FOR_THE_CLIENT if short else {}
        far = make_conninfo(near, host=linked.server, **client)
        with far_away(linked, far, cli_env, tmp_path, *words) as process:
            wait_until(connection, ASLEEP, seconds=60)
            linked.down()
            assert connection.execute('SELECT count(*) FROM "LlamaLog"').fetchone() == (len(CHAIN),)
            wait_until(connection, NOBODY, seconds=300)
            out, err = process.communicate(timeout=300)
        assert (process.returncode, out) == (3, ""), err
        assert "was lost" in err
        connection.execute('DROP TRIGGER slow ON "LlamaLog"')
    assert run_here(*words, "--yes", "--dsn", near).code == 0
    assert run_here("verify", "--dsn", near, "--grace", "0s").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("case", WHERE)
def test_a_link_that_goes_down(
    case: str,
    linked: Link,
    reached: Server,
    insert_into: InsertInto,
    cli_env: dict[str, str],
    tmp_path: Path,
) -> None:
    over_a_dead_link(linked, reached, insert_into, cli_env, tmp_path, case, short=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["idle in a transaction", "in a statement"])
def test_a_link_that_goes_down_under_the_real_limits(
    case: str,
    linked: Link,
    reached: Server,
    insert_into: InsertInto,
    cli_env: dict[str, str],
    tmp_path: Path,
) -> None:
    over_a_dead_link(linked, reached, insert_into, cli_env, tmp_path, case, short=False)
