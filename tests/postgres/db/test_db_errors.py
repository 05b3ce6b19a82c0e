"""What goes wrong with a connection or a statement is said in one line, without a password."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from llamactl.cli import main as cli
from llamactl.db import connect as db_connect
from llamactl.db.session import open_session
from llamactl.model import Changed, ErrorCode, LlamactlError
from servers import Server
from sessions import (
    make_commit_slow,
    query,
    refused,
    session,
    settings_for,
    when_asleep,
    with_options,
)


@pytest.fixture
def role(server: Server, connection: psycopg.Connection[Any]) -> Iterator[str]:
    """A role without any rights, to be become by options=-crole=NAME."""
    name = f"llamactl_test_{os.getpid()}_{time.monotonic_ns()}"
    connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    yield name
    connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(name)))


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch):
    with refused(ErrorCode.CONNECTION, "127.0.0.1:1/music as app") as error:
        open_session(settings_for("postgresql://app:s3cret@127.0.0.1:1/music"), "test").__enter__()
    assert "refused" in error.message
    assert "server is running" in error.hint
    with refused(ErrorCode.CONNECTION, "nowhere.invalid"):
        open_session(settings_for("postgresql://app:s3cret@nowhere.invalid/music"), "test").__enter__()
    with refused(ErrorCode.CONNECTION, "/nowhere"):
        open_session(settings_for("host=/nowhere password=s3cret"), "test").__enter__()


def test_a_server_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with refused(ErrorCode.CONNECTION, "timeout") as error:
            open_session(settings_for(f"host=127.0.0.1 port={port} connect_timeout=2"), "test").__enter__()
    assert time.monotonic() - started < 4
    assert "connect_timeout" in error.hint


def test_a_database_that_is_not_there(database: str):
    with refused(ErrorCode.CONNECTION, 'database "no such" does not exist') as error:
        open_session(settings_for(make_conninfo(database, dbname="no such")), "test").__enter__()
    assert "names" in error.hint


@pytest.mark.parametrize(
    "options", ["-c statement_timeout=soon", "-c lock_timeoutt=5s", "-c statement_timeout", "--x"]
)
def test_options_that_the_server_refuses(database: str, options: str):
    with refused(ErrorCode.CONFIG) as error:
        open_session(settings_for(make_conninfo(database, options=options)), "test").__enter__()
    assert "`options` of the URL" in error.hint, error.message
    with session(make_conninfo(database, options="-c statement_timeout=5s")):
        pass


def test_a_wrong_password_is_said_and_not_shown(own_server: Server, own_database: str):
    private = own_server.private
    assert private is not None
    with own_server.admin() as admin:
        admin.execute("CREATE ROLE app LOGIN PASSWORD 'right-hush'")
        rules = private.data / "pg_hba.conf"
        rules.write_text("local all app scram-sha-256\n" + rules.read_text())
        admin.execute("SELECT pg_reload_conf()")
    conninfo = make_conninfo(own_database, user="app", password="wrong-hush")
    with refused(ErrorCode.CONNECTION, 'password authentication failed for user "app"'):
        open_session(settings_for(conninfo), "test").__enter__()
    with refused(ErrorCode.CONNECTION, "no password supplied"):
        open_session(settings_for(make_conninfo(own_database, user="app")), "test").__enter__()
    with session(make_conninfo(own_database, user="app", password="right-hush")) as opened:
        assert opened.user == "app"


def test_too_many_connections(database: str, connection: psycopg.Connection[Any], server: Server):
    # Superusers may exceed a database's limit, so by a role of ours.
    role = f"llamactl_test_{time.monotonic_ns()}"
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT 0").format(sql.Identifier(role)))
    try:
        with refused(ErrorCode.CONNECTION, "too many connections") as error:
            open_session(settings_for(make_conninfo(database, user=role)), "test").__enter__()
    finally:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    assert "later" in error.hint


def test_an_old_server(database: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(db_connect, "OLDEST_SERVER", 990000)
    with refused(ErrorCode.CONFIG, "needs 14 or later"):
        open_session(settings_for(database), "test").__enter__()


def test_a_missing_right_names_the_effective_role_and_guesses_no_grant(
    database: str, connection: psycopg.Connection[Any], role: str
):
    """What the server's message names is not quoted, and may be in any language."""
    connection.execute("CREATE TABLE t ()")
    with session(with_options(database, role=role)) as opened:
        assert (opened.user, opened.database) == (role, connection.info.dbname)
        assert opened.target.endswith(f" (role {role})")
        for text in ("SELECT * FROM public.t", "CREATE SCHEMA mine", "ALTER TABLE public.t ADD COLUMN n int"):
            with refused(ErrorCode.PERMISSION, f"{role} lacks a privilege") as error:
                opened.run(query(text))
            assert "GRANT" not in error.hint
            assert "preflight" in error.hint


def test_a_policy_that_would_hide_rows(database: str, connection: psycopg.Connection[Any], role: str):
    connection.execute(
        "CREATE TABLE t (n int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; GRANT SELECT ON t TO PUBLIC"
    )
    with (
        session(with_options(database, role=role)) as opened,
        refused(ErrorCode.PERMISSION, "policy would hide rows") as error,
    ):
        opened.run(query("SELECT * FROM public.t"))
    assert "BYPASSRLS" in error.hint


def test_the_statement_timeout(database: str):
    with session(database, statement_timeout_ms=50) as opened, refused(ErrorCode.BUSY, "statement_timeout"):
        opened.run(query("SELECT pg_sleep(10)"))


def test_a_statement_that_somebody_else_cancels(database: str, connection: psycopg.Connection[Any]):
    with session(database) as opened:
        stopper = threading.Thread(target=when_asleep, args=(database, "pg_cancel_backend"))
        stopper.start()
        with refused(ErrorCode.CONNECTION, "was cancelled on the server"):
            opened.run(query("SELECT pg_sleep(10)"))
        stopper.join()


def test_a_lost_connection(database: str, connection: psycopg.Connection[Any]):
    connection.execute("CREATE TABLE t (n int)")
    with refused(ErrorCode.CONNECTION, "was lost") as error, session(database) as opened:
        stopper = threading.Thread(target=when_asleep, args=(database, "pg_terminate_backend"))
        stopper.start()
        with opened.transaction():
            opened.run(query("INSERT INTO public.t VALUES (1); SELECT pg_sleep(10)"))
    stopper.join()
    assert error.changed is Changed.NOTHING
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


def test_a_connection_lost_during_commit(database: str, connection: psycopg.Connection[Any]):
    """Nobody knows then whether it was done, and so it is said."""
    make_commit_slow(connection, 10)
    with (
        refused(
            ErrorCode.CONNECTION, "it is unknown whether the COMMIT succeeded: run `llamactl verify`"
        ) as error,
        session(database) as opened,
    ):
        stopper = threading.Thread(target=when_asleep, args=(database, "pg_terminate_backend"))
        stopper.start()
        with opened.transaction():
            opened.run(query("INSERT INTO public.t VALUES (1)"))
    stopper.join()
    assert error.changed is Changed.UNKNOWN


def test_a_commit_that_the_server_refuses(database: str, connection: psycopg.Connection[Any]):
    connection.execute("CREATE TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with refused(ErrorCode.CONFIG, "duplicate key"), session(database) as opened, opened.transaction():
        opened.run(query("INSERT INTO public.t VALUES (1), (1)"))
    with session(database) as opened:
        with pytest.raises(LlamactlError), opened.transaction():
            opened.run(query("INSERT INTO public.t VALUES (1), (1)"))
        assert opened.changed is Changed.NOTHING
        with opened.transaction():
            opened.run(query("INSERT INTO public.t VALUES (1)"))
        assert opened.changed is Changed.PARTLY


def test_a_text_that_the_database_cannot_hold(database: str):
    with session(database) as opened:
        with refused(ErrorCode.CONFIG, "UTF-8"):
            opened.run(query("SELECT :'x'::text"), x="\udcff")
        with refused(ErrorCode.CONFIG, "NUL"):
            opened.run(query("SELECT :'x'::text"), x="\0")


def test_a_fault_after_a_commit_says_that_something_was_changed(database: str):
    with refused(ErrorCode.INTERNAL, "changes committed so far remain"), session(database) as opened:
        with opened.transaction():
            opened.run(query("CREATE TABLE public.t ()"))
        opened.autocommit_run(query("SELECT 1 / 0"))


SORT = "SELECT n FROM pg_catalog.generate_series(1, 500000) AS n ORDER BY 1 DESC"


def test_a_limit_that_every_attempt_meets(database: str):
    """A later attempt needs as much: no hint may say that it helps."""
    with session(with_options(database, temp_file_limit="1MB")) as opened:
        with refused(ErrorCode.CONFIG, "temp_file_limit") as error:
            opened.run(query(f"SET work_mem = '64kB'; {SORT}"))
        assert f"ALTER ROLE {opened.user} SET temp_file_limit = -1;" in error.hint
    assert "later" not in error.hint


@pytest.mark.parametrize("raises", ["RAISE SQLSTATE 'LL999'", "PERFORM 1 / 0", "PERFORM no_such_function()"])
def test_what_a_trigger_raises_is_no_fault_of_llamactls(
    database: str, connection: psycopg.Connection[Any], raises: str
):
    connection.execute("CREATE TABLE t (n int)")
    connection.execute(
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {raises}; END $f$;
        CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()""".encode()
    )
    with session(database) as opened, refused(ErrorCode.CONFIG, "The database rejected a change"):
        opened.run(query("INSERT INTO public.t VALUES (1)"))


LONG = "SELECT string_agg(md5(n::text), '') AS id FROM generate_series(1, 500) AS n"


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TEMP TABLE t AS {LONG}; CREATE INDEX ON pg_temp.t (id)",
        "CREATE TEMP VIEW v AS SELECT DISTINCT 1 AS n; DELETE FROM pg_temp.v",
        "CREATE TEMP TABLE u (n int); CREATE TEMP TABLE v (m int)"
        "; CREATE RULE also AS ON UPDATE TO pg_temp.u DO ALSO INSERT INTO pg_temp.v VALUES (1)"
        "; WITH changed AS (UPDATE pg_temp.u SET n = 1 RETURNING n) SELECT n FROM changed",
    ],
)
def test_a_limit_of_the_servers_is_no_fault_of_llamactls(database: str, statement: str):
    with session(database) as opened, refused(ErrorCode.CONFIG, "The database rejected a change"):
        opened.run(query(statement))


LIMITED = """
import resource, sys
from llamactl.cli import main as cli
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 130_000_000,) * 2)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_client_that_runs_out_of_memory(database: str, connection: psycopg.Connection[Any]):
    """What is read does not fit into the process: the machine's fault, and neither ours nor the server's."""
    connection.execute(
        """INSERT INTO "LlamaLog" ("operation", "category", "status", "job_id", "error_message")
        SELECT 'x', 'FAILED', 'FAILED', 'a', repeat('x', 160000000)"""
    )
    command = [sys.executable, "-c", LIMITED, "tree", "a", "--dsn", database]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr[-2000:]
    assert "llamactl ran out of memory" in done.stderr
    assert "bug in llamactl" not in done.stderr


@pytest.mark.parametrize(
    "exc", [MemoryError(), OSError(12, "x"), RuntimeError("can't start new thread")], ids=repr
)
def test_what_says_that_there_is_no_memory(exc: Exception, capsys: pytest.CaptureFixture[str]):
    def fail(*_: object, **__: object) -> None:
        raise exc

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "app", fail)
        assert cli.main(["tree", "a"]) == 3
    assert "llamactl ran out of memory" in capsys.readouterr().err
