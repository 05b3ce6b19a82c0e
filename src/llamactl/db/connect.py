"""Opens connections and configures their sessions."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TypeAlias

import psycopg
from psycopg import conninfo, pq
from psycopg.rows import TupleRow

from llamactl.config.dsn import Dsn
from llamactl.config.file import meant
from llamactl.config.settings import Settings
from llamactl.db.encoding import ENCODING, read_any_bytes
from llamactl.db.errors import not_connected
from llamactl.db.liveness import CLIENT, SERVER
from llamactl.db.search_path import SearchPath
from llamactl.db.target import Target
from llamactl.model import ErrorCode, LlamactlError

Connection: TypeAlias = psycopg.Connection[TupleRow]

OLDEST_SERVER = 140000

_SET = b"""SELECT pg_catalog.set_config(name, value, $3)
FROM unnest($1::text[], $2::text[]) AS wanted(name, value)
WHERE CASE WHEN name IN ('work_mem', 'temp_buffers')
           THEN pg_size_bytes(current_setting(name)) < pg_size_bytes(value)
           WHEN name = ANY ($4::text[])
           THEN NOT EXISTS (SELECT FROM pg_catalog.pg_settings AS present
                            WHERE present.name = wanted.name
                              AND present.setting::bigint BETWEEN 1 AND wanted.value::bigint)
           ELSE true END"""
"""Makes several settings at once.

The two sizes are only raised, the limits ($4) only lowered; 0 is no limit.
"""

_ROLE = b"SELECT current_user"
_DATABASE = b"SELECT pg_catalog.current_database()"
_PID = b"SELECT pg_catalog.pg_backend_pid()"

_OPTIONAL = ("client_connection_check_interval", "temp_buffers")
"""Settings that some platforms lack, or that fail if a pooler's former client used temporary tables."""

# Without a handler, logging's last resort would print psycopg's warnings on stderr.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


def open_connection(dsn: Dsn, verb: str) -> Connection:
    """Returns an autocommit connection.

    Raises LlamactlError: config for an invalid parameter or a server that is too old, connection otherwise.
    """
    _check_names(dsn)
    target = planned_target(dsn)
    try:
        connection = _connect(parameters(dsn, verb))
        if connection.info.parameter_status("server_encoding") == ENCODING:
            # With any other client_encoding the server validates what it sends, and fails at an invalid byte.
            connection.close()
            connection = _connect({**parameters(dsn, verb), "client_encoding": ENCODING})
            read_any_bytes(connection)
    except psycopg.Error as exc:
        error = not_connected(exc, target, dsn)
        exc.args = tuple(dsn.scrub(str(arg)) for arg in exc.args)
        raise error from exc
    connection.server_cursor_factory = psycopg.RawServerCursor
    if connection.info.server_version < OLDEST_SERVER:
        version = connection.info.parameter_status("server_version")
        connection.close()
        raise LlamactlError(ErrorCode.CONFIG, f"{target} is Postgres {version}; llamactl needs 14 or later")
    return connection


def _connect(params: Mapping[str, str]) -> Connection:
    return psycopg.connect(
        conninfo.make_conninfo(**params),
        autocommit=True,
        prepare_threshold=None,
        cursor_factory=psycopg.RawCursor,
    )


def parameters(dsn: Dsn, verb: str) -> dict[str, str]:
    """Returns libpq's parameters, with llamactl's defaults for those that nothing else sets."""
    given = _defaults(dsn)
    return {
        **{name: value for name, value in CLIENT.items() if not given.get(name)},
        **dsn.params,
        "application_name": f"llamactl {verb}",
        "client_encoding": "UTF8",
    }


def _check_names(dsn: Dsn) -> None:
    known = [option.keyword.decode() for option in pq.Conninfo.get_defaults()]
    for name in dsn.params:
        if name not in known:
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"Unknown connection parameter {name!r} in {dsn.source}",
                meant(name, known),
            )


def _defaults(dsn: Dsn) -> dict[str, str]:
    """Returns the parameters from libpq's environment variables, service file and built-in defaults."""
    service = dsn.params.get("service")
    before = os.environ.get("PGSERVICE")
    try:
        if service:  # libpq reads the service file only if the environment names the service
            os.environ["PGSERVICE"] = service
        options = pq.Conninfo.get_defaults()
    finally:
        if service:
            os.environ.pop("PGSERVICE", None)
            os.environ.update({"PGSERVICE": before} if before is not None else {})
    return {
        option.keyword.decode(): option.val.decode(errors="replace")
        for option in options
        if option.val is not None
    }


def planned_target(dsn: Dsn) -> Target:
    """Returns where a connection would lead, before there is one."""
    given = _defaults(dsn)
    params = {**given, **dsn.params}
    hosts = [found[name] for found in (dsn.params, given) for name in ("host", "hostaddr") if found.get(name)]
    user = params.get("user", "")
    port, database = params.get("port", ""), params.get("dbname") or user
    return Target(hosts[0] if hosts else "", port, database, user)


def reached_target(connection: Connection) -> Target:
    info = connection.info
    return Target(info.host or info.hostaddr, str(info.port), info.dbname, info.user)


def true_target(path: SearchPath, target: Target) -> Target:
    """Returns the target as the server knows it: a pooler may use other names, a login another role."""
    return replace(target, database=path.value(_DATABASE), effective=path.value(_ROLE))


def is_pooled(connection: Connection, path: SearchPath, dsn: Dsn) -> bool:
    """Returns whether a pooler is in between: another backend answers than the one that greeted."""
    return dsn.pgbouncer or path.value(_PID) != connection.info.backend_pid


def wanted_settings(settings: Settings, version: int) -> dict[str, str]:
    """Returns the session's settings, which override the defaults of the role and of the database."""
    wanted = {
        # A policy that would hide rows becomes an error instead of a wrong count.
        "row_security": "off",
        # The statement of a killed client is cancelled instead of keeping its locks.
        "client_connection_check_interval": "1s",
        "lock_timeout": f"{settings.lock_timeout_ms}ms",
        "statement_timeout": f"{settings.statement_timeout_ms}ms",
        **{name: str(limit) for name, limit in SERVER.items()},
        # A trigger that raises a NOTICE for each row could otherwise fill the connection while a lock is
        # held.
        "client_min_messages": "error",
        # Temporary relations need it off; session.read_only_default keeps the original value.
        "default_transaction_read_only": "off",
        # The SQL files assume these.
        "standard_conforming_strings": "on",
        "quote_all_identifiers": "off",
        # Measured: JIT compilation costs more than it saves, and sorts and hashes should stay in memory.
        "jit": "off",
        "work_mem": "64MB",
        "hash_mem_multiplier": "2",  # the default since Postgres 15
        "temp_buffers": "128MB",
    }
    if version >= 170000:
        wanted["transaction_timeout"] = "0"
    return wanted


def apply_settings(connection: Connection, path: SearchPath, wanted: Mapping[str, str]) -> dict[str, str]:
    """Makes the settings; returns those that the server accepted. Through a pooler it only tries them."""
    local = path.shared
    *tries, last = (
        {name: value for name, value in wanted.items() if name not in left_out}
        for left_out in ((), *((name,) for name in _OPTIONAL), _OPTIONAL)
    )
    for accepted in tries:
        with suppress(psycopg.errors.InvalidParameterValue), path.transaction() if local else nullcontext():
            set_config(connection, accepted, local)
            return accepted
    with path.transaction() if local else nullcontext():
        set_config(connection, last, local)
    return last


def set_config(connection: Connection, settings: Mapping[str, str], local: bool) -> None:
    """Makes all settings in one statement."""
    connection.execute(_SET, [list(settings), list(settings.values()), local, list(SERVER)])
