"""Opens a connection and sets its session up."""

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
from llamactl.db.errors import Target, not_connected
from llamactl.db.liveness import CLIENT, SERVER
from llamactl.db.search_path import SearchPath
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
"""Sets several at once; the two sizes are only ever raised, the limits ($4) only lowered, and 0 is none."""

_ROLE = b"SELECT current_user"
_DATABASE = b"SELECT pg_catalog.current_database()"
_PID = b"SELECT pg_catalog.pg_backend_pid()"

_OPTIONAL = ("client_connection_check_interval", "temp_buffers")
"""Refused on a system that cannot tell, or where a pooler's former client used temporary tables."""

# Its warnings would reach stderr through logging's last resort.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


def open_connection(dsn: Dsn, verb: str) -> Connection:
    """Returns an autocommit connection.

    Raises LlamactlError: config for a parameter or a server that cannot be, connection for the rest.
    """
    _check_names(dsn)
    target = planned_target(dsn)
    try:
        connection = _connect(parameters(dsn, verb))
        if connection.info.parameter_status("server_encoding") == ENCODING:
            # The server checks what it sends against any other encoding, and fails at one wrong byte.
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
        raise LlamactlError(ErrorCode.CONFIG, f"{target} is Postgres {version}; llamactl needs 14 or newer")
    return connection


def _connect(params: Mapping[str, str]) -> Connection:
    return psycopg.connect(
        conninfo.make_conninfo(**params),
        autocommit=True,
        prepare_threshold=None,
        cursor_factory=psycopg.RawCursor,
    )


def parameters(dsn: Dsn, verb: str) -> dict[str, str]:
    """libpq's parameters: our defaults where neither the URL nor libpq's own sources have a value."""
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
                f"The connection of {dsn.source} has an unknown parameter {name!r}",
                meant(name, known),
            )


def _defaults(dsn: Dsn) -> dict[str, str]:
    """What libpq takes from its environment variables and the service file, and its own defaults."""
    service = dsn.params.get("service")
    before = os.environ.get("PGSERVICE")
    try:
        if service:  # libpq tells what a service has only where the environment names it
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
    """Where a connection would go, before there is one."""
    given = _defaults(dsn)
    params = {**given, **dsn.params}
    hosts = [found[name] for found in (dsn.params, given) for name in ("host", "hostaddr") if found.get(name)]
    user = params.get("user", "")
    port, database = params.get("port", ""), params.get("dbname") or user
    return Target(hosts[0] if hosts else "the local socket", port, database, user)


def reached_target(connection: Connection) -> Target:
    info = connection.info
    return Target(info.host or info.hostaddr, str(info.port), info.dbname, info.user)


def true_target(path: SearchPath, target: Target) -> Target:
    """The target as the server has it: a pooler may use other names, a login may have another role."""
    return replace(target, database=path.value(_DATABASE), effective=path.value(_ROLE))


def is_pooled(connection: Connection, path: SearchPath, dsn: Dsn) -> bool:
    """Whether something stands in between: the process that answers is not the one that greeted."""
    return dsn.pgbouncer or path.value(_PID) != connection.info.backend_pid


def wanted_settings(settings: Settings, version: int) -> dict[str, str]:
    """The session's settings. A role's or database's own defaults do not count here."""
    wanted = {
        # A policy that would hide rows is then an error, not a wrong count.
        "row_security": "off",
        # A killed client's statement ends, instead of holding its locks.
        "client_connection_check_interval": "1s",
        "lock_timeout": f"{settings.lock_timeout_ms}ms",
        "statement_timeout": f"{settings.statement_timeout_ms}ms",
        **{name: str(limit) for name, limit in SERVER.items()},
        # Else a trigger's NOTICE a row could fill the connection while a lock is held.
        "client_min_messages": "error",
        # Temporary relations need it off; session.read_only_default remembers what it was.
        "default_transaction_read_only": "off",
        # What the files are written for.
        "standard_conforming_strings": "on",
        "quote_all_identifiers": "off",
        # Measured: compiling costs more than it saves, and sorts and hashes should stay in memory.
        "jit": "off",
        "work_mem": "64MB",
        "temp_buffers": "128MB",
    }
    if version >= 170000:
        wanted["transaction_timeout"] = "0"
    return wanted


def apply_settings(connection: Connection, path: SearchPath, wanted: Mapping[str, str]) -> dict[str, str]:
    """Sets them for the session; returns those that the server took. Through a pooler it only tries them."""
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
    """Sets them in one statement."""
    connection.execute(_SET, [list(settings), list(settings.values()), local, list(SERVER)])
