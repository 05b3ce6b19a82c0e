"""The parameters of a URL that libpq knows, and the treatment of those that it does not know.

URLs are also written for other clients (Prisma, node-postgres, JDBC, poolers). A parameter that libpq does
not know is dropped and reported, unless without it the connection might lead to another database, use another
role, or be insecure.
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
"""Parameters of Prisma's own pool."""

_DECISIVE = {
    folded(name): name
    for name in (
        *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options"),
        *("schema", "target_session_attrs", "channel_binding", "require_auth", "requirepeer"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation", "gssencmode"),
    )
}
"""Parameters that decide where to connect, as whom, and how securely; keyed by folded() name."""

_OTHER_WORDS = {
    **dict.fromkeys(("database", "databasename", "db"), "dbname"),
    **dict.fromkeys(("username", "login"), "user"),
    **dict.fromkeys(("hostname", "server", "servername", "socket", "socketpath"), "host"),
    **dict.fromkeys(("pass", "passwd", "pwd"), "password"),
    **dict.fromkeys(("searchpath", "currentschema"), "schema"),
    "targetservertype": "target_session_attrs",
    "role": "options=-crole%3DNAME",
}
"""Names that other clients use for these parameters."""

_SECURING = ("ssl", "tls", "gss", "krb")


def drop_foreign(params: dict[str, str], source: str) -> tuple[list[str], list[str]]:
    """Removes the parameters that libpq does not know. Returns lines to print, and lines to print with -v.

    Raises LlamactlError (config) for a parameter without which the connection may be a different one.
    """
    foreign = [name for name in params if name not in LIBPQ]
    for name in foreign:
        if meant := _decisive(name):
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"The URL in {source} has an unknown parameter {name!r}, and ignoring it could lead to a "
                "different connection",
                f"Delete `{name}=...` from the URL, or replace it with `{meant}`",
            )
        del params[name]
    others = [name for name in foreign if name not in _POOL]
    notes = [f"Ignored {', '.join(others)} in {source}: libpq has no such parameter"] if others else []
    return notes, [
        f"Ignored {name} in {source}: it configures Prisma's own pool"
        for name in sorted(_POOL.intersection(foreign))
    ]


def _decisive(name: str) -> str | None:
    """Returns libpq's name for what the parameter decides; None if it decides nothing important."""
    plain = folded(name).replace("-", "")
    if plain in _OTHER_WORDS:
        return _OTHER_WORDS[plain]
    if close := get_close_matches(plain, _DECISIVE, n=1, cutoff=0.8):
        return _DECISIVE[close[0]]
    return "sslmode" if plain.startswith(_SECURING) else None
