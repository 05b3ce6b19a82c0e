"""pgbouncer in front of a test's server."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

PGBOUNCER = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


@contextmanager
def pooler(
    database: str, directory: Path, mode: str = "transaction", pool: int = 1, **settings: object
) -> Iterator[str]:
    """Conninfo of `database` through pgbouncer, with at most `pool` connections to the server."""
    if PGBOUNCER is None:
        pytest.skip("there is no pgbouncer: apt-get install pgbouncer")
    direct = conninfo_to_dict(database)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    at = " ".join(f"{name}={direct[name]}" for name in ("host", "port") if direct.get(name))
    config = directory / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n{direct['dbname']} = {at} dbname={direct['dbname']} user={direct['user']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {mode}\ndefault_pool_size = {pool}\nignore_startup_parameters = extra_float_digits\n"
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    # As root it does not run; nor may anybody but the server's own user reach its socket.
    owner = pwd.getpwuid(Path(str(direct["host"])).stat().st_uid) if os.geteuid() == 0 else None
    if owner:
        config = Path(shutil.copy(config, Path(str(direct["host"])) / "pgbouncer.ini"))
        config.chmod(0o644)
    user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    with subprocess.Popen([PGBOUNCER, "-q", config], stderr=subprocess.PIPE, text=True, **user) as process:
        dsn = make_conninfo(database, host="127.0.0.1", port=port)
        try:
            wait_for_answer(dsn)
            yield dsn
        finally:
            process.terminate()
            process.communicate()


def wait_for_answer(dsn: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(dsn, prepare_threshold=None).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
