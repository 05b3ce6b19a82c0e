"""Which parameters of a URL libpq knows, and what becomes of those that it does not.

URLs are written for other clients too (Prisma, node-postgres, JDBC, poolers). What libpq does not know is
dropped, and named, unless the connection without it may be to another database, as another role, or unsafe.
"""

from __future__ import annotations

from difflib import get_close_matches

from llamactl.model import ErrorCode, LlamactlError
from llamactl.wording import folded

LIBPQ = frozenset(
    {
        *("service", "user", "password", "passfile", "channel_binding", "connect_timeout", "dbname", "host"),
        *("hostaddr", "port", "client_encoding", "options", "application_name", "fallback_application_name"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        *("sslmode", "sslnegotiation", "sslcompression", "sslcert", "sslkey", "sslcertmode", "sslpassword"),
        *("sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requirepeer", "require_auth"),
        *("min_protocol_version", "max_protocol_version", "ssl_min_protocol_version"),
        *("ssl_max_protocol_version", "gssencmode", "krbsrvname", "gsslib", "gssdelegation", "replication"),
        *("target_session_attrs", "load_balance_hosts", "scram_client_key", "scram_server_key"),
        *("oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope", "sslkeylogfile"),
    }
)
"""As of Postgres 18."""

_POOL = frozenset(
    {
        *("connection_limit", "pool_timeout", "max_connection_lifetime", "max_idle_connection_lifetime"),
        *("statement_cache_size", "single_use_connections", "socket_timeout"),
    }
)
"""Of Prisma's own pool."""

_DECISIVE = {
    folded(name): name
    for name in (
        *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options"),
        *("schema", "target_session_attrs", "channel_binding", "require_auth", "requirepeer"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation", "gssencmode"),
    )
}
"""They say where to connect, as whom, and how securely. By their names without case and underscores."""

_OTHER_WORDS = {
    **dict.fromkeys(("database", "databasename", "db"), "dbname"),
    **dict.fromkeys(("username", "login"), "user"),
    **dict.fromkeys(("hostname", "server", "servername", "socket", "socketpath"), "host"),
    **dict.fromkeys(("pass", "passwd", "pwd"), "password"),
    **dict.fromkeys(("searchpath", "currentschema"), "schema"),
    "targetservertype": "target_session_attrs",
    "role": "options=-crole%3DNAME",
}
"""What other clients call the same."""

_SECURING = ("ssl", "tls", "gss", "krb")


def drop_foreign(params: dict[str, str], source: str) -> tuple[list[str], list[str]]:
    """Takes out what libpq does not know. Returns lines to be said, and lines to be said under -v.

    Raises LlamactlError (config) for a parameter without which the connection may be another one.
    """
    foreign = [name for name in params if name not in LIBPQ]
    for name in foreign:
        if meant := _decisive(name):
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"The URL of {source} has an unknown parameter {name!r}, without which the connection may be "
                "another one",
                f"Delete `{name}=...` from the URL, or write `{meant}` in its place",
            )
        del params[name]
    others = [name for name in foreign if name not in _POOL]
    notes = [f"Dropped {', '.join(others)} of {source}: libpq has no such parameter"] if others else []
    return notes, [
        f"Dropped {name} of {source}: it is for Prisma's own pool"
        for name in sorted(_POOL.intersection(foreign))
    ]


def _decisive(name: str) -> str | None:
    """Returns what libpq calls that which the parameter decides; None where it decides nothing of weight."""
    plain = folded(name).replace("-", "")
    if plain in _OTHER_WORDS:
        return _OTHER_WORDS[plain]
    if close := get_close_matches(plain, _DECISIVE, n=1, cutoff=0.8):
        return _DECISIVE[close[0]]
    return "sslmode" if plain.startswith(_SECURING) else None
