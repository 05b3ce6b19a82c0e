"""Parses a URL in the notation of Prisma, libpq or SQLAlchemy, or a `key=value` string, to libpq's
parameters.

libpq never sees the text itself: its messages about a URL that it cannot parse quote parts of the password.
Prisma's parameters: https://www.prisma.io/docs/orm/overview/databases/postgresql
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from llamactl.config.url_parameters import LIBPQ, drop_foreign
from llamactl.model import ErrorCode, LlamactlError

_SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
_SCHEME = re.compile(r"(postgres(?:ql)?)(\+\w+)?://", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[A-Za-z][\w+.-]*(?=:)")
_KEYWORD = re.compile(
    r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s\\']|\\.)(?:[^\s\\]|\\.)*|(?=\s|$))(?=\s|$)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Dsn:
    """The parameters of a connection. Its repr contains only the source."""

    params: Mapping[str, str] = field(repr=False)
    """libpq's connection parameters, including the password."""
    source: str
    """Where it comes from: `--dsn`, `DATABASE_URL in ./.env`, ..."""
    schema: str | None = None
    """The URL's `schema` parameter."""
    pgbouncer: bool = False
    """The URL says that the connection goes through a pooler in transaction mode."""
    notes: tuple[str, ...] = ()
    """Lines to print on stderr."""
    details: tuple[str, ...] = ()
    """Lines to print on stderr with -v."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Secrets that libpq gets from elsewhere (PGPASSWORD)."""

    @property
    def has_secret(self) -> bool:
        """Whether the text that it was read from contains a secret."""
        return any(self.params.get(name) for name in _SECRETS)

    def scrub(self, text: str) -> str:
        """Returns the text without any secret, whether plain or percent-encoded."""
        public = {self.params.get(key) for key in ("user", "host", "dbname")}
        secrets = {self.params[key] for key in _SECRETS if key in self.params} | set(self.hidden)
        for secret in sorted(secrets - public - {""}, key=len, reverse=True):
            for form in (secret, quote(secret, safe=""), quote(secret)):
                text = text.replace(form, "***")
        return text


def read_dsn(text: str, source: str, cwd: Path | None, hidden: Iterable[str] = ()) -> Dsn:
    """Parses a URL or a `key=value` string. Raises LlamactlError (config), which never quotes the text."""
    text = _unquoted(text.strip())
    if scheme := _SCHEME.match(text):
        notes = (
            []
            if scheme[2] is None
            else [f"Read the `{scheme[2]}://` URL in {source} as a plain Postgres URL"]
        )
        params = _checked(_url_params(text[scheme.end() :], source), source)
        return _from_prisma(params, source, cwd, notes, tuple(hidden))
    if other := _OTHER_SCHEME.match(text):
        raise _not_postgres(other[0], source)
    return Dsn(_checked(_keyword_params(text, source), source), source, hidden=tuple(hidden))


def _unquoted(text: str) -> str:
    """Returns the text without quotes that were copied from a .env file."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'`":
        return text[1:-1].strip()
    return text


def _not_postgres(scheme: str, source: str) -> LlamactlError:
    if scheme.lower().startswith("prisma"):
        return LlamactlError(
            ErrorCode.CONFIG,
            f"The URL in {source} begins with `{scheme}://`, which only Prisma's client can open",
            "Use the direct URL of the database (postgresql://...) with --dsn or DIRECT_URL",
        )
    return LlamactlError(
        ErrorCode.CONFIG,
        f"The URL in {source} is not a Postgres URL: it begins with `{scheme}:`",
        "It must begin with postgresql:// or postgres://",
    )


def _unescaped(char: str, source: str) -> LlamactlError:
    return LlamactlError(
        ErrorCode.CONFIG,
        f"The URL in {source} has an unescaped `{char}`, probably in the password: its host is unclear",
        f"Write `{char}` as {quote(char, safe='')} there (likewise / as %2F, @ as %40, # as %23, ? as %3F)",
    )


def _misplaced(rest: str) -> str | None:
    """Returns an unescaped character of the password that ends the authority too early, if there is one.

    1. A database URL has no fragment, so `#` must be in the password.
    2. The authority ends at the first `/` or `?`; a second `@` in it belongs to the password.
    3. If the path contains `@`, the `/` before it is in the password.
    4. If the query does not begin with `key=`, the `?` before it is in the password.
    5. If `@` occurs only after the authority, and the port is not a number, likewise.
    """
    if "#" in rest:
        return "#"
    authority, end, tail = _cut(rest)
    path, _, query = (tail if end == "/" else f"?{tail}").partition("?")
    if authority.count("@") > 1:
        return "@"
    if "@" in path:
        return "/"
    if "@" in query and "=" not in query.partition("@")[0]:
        return "?" if "@" in authority else end
    port = authority.rpartition(":")[2] if ":" in authority and not authority.endswith("]") else "0"
    if "@" not in authority and "@" in query and port and not port.isdecimal():
        return end
    return None


def _cut(rest: str) -> tuple[str, str, str]:
    """Returns the authority, the character that ends it, and the rest."""
    end = next((index for index, char in enumerate(rest) if char in "/?"), len(rest))
    return rest[:end], rest[end : end + 1], rest[end + 1 :]


def _url_params(rest: str, source: str) -> dict[str, str]:
    """Parses what follows `postgresql://` as libpq does: several hosts, brackets, overriding parameters."""
    if char := _misplaced(rest):
        raise _unescaped(char, source)
    authority, end, tail = _cut(rest)
    path, _, query = tail.partition("?") if end == "/" else ("", "", tail)
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    host, port = _hosts(hosts, source)
    params = {
        name: _decoded(text, source)
        for name, text in {
            "user": user,
            "password": password,
            "host": host,
            "port": port,
            "dbname": path,
        }.items()
        if text
    }
    for pair in filter(None, query.split("&")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise LlamactlError(ErrorCode.CONFIG, f"A parameter in the URL in {source} has no `=`")
        if "@" in value and key not in LIBPQ:
            raise _unescaped("?", source)
        params[_decoded(key, source)] = _decoded(value, source)
    return params


def _checked(params: dict[str, str], source: str) -> dict[str, str]:
    """Rejects invalid ports: libpq would fail to resolve the host, with a misleading message."""
    for port in params.get("port", "").split(","):
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise LlamactlError(ErrorCode.CONFIG, f"A port in {source} is not a number from 1 to 65535")
    return params


def _hosts(text: str, source: str) -> tuple[str, str]:
    """`h1:5432,[::1]:5433` -> (`h1,::1`, `5432,5433`)."""
    hosts: list[str] = []
    ports: list[str] = []
    for part in text.split(","):
        match = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::(\d*))?", part)
        if match is None:
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"The URL in {source} has a port that is not a number",
                "Write it as postgresql://user:password@host:5432/database",
            )
        hosts.append(match[1] or match[2] or "")
        ports.append(match[3] or "")
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _decoded(text: str, source: str) -> str:
    """Returns the text percent-decoded. A `%` without two hex digits after it is kept, as in Prisma."""
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise LlamactlError(
            ErrorCode.CONFIG, f"The URL in {source} has a %-sequence that is not UTF-8"
        ) from None
    if "\0" in value:
        raise LlamactlError(ErrorCode.CONFIG, f"The URL in {source} contains %00")
    return value


def _keyword_params(text: str, source: str) -> dict[str, str]:
    """Parses libpq's `host=... dbname='...'` notation."""
    params: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        match = _KEYWORD.match(text, position)
        if match is None:
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"The value of {source} is neither a Postgres URL nor a list of key=value pairs",
                "Put values with spaces in single quotes, or use postgresql://user:password@host/database",
            )
        value = match[2][1:-1] if match[2].startswith("'") else match[2]
        params[match[1]] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        position = match.end()
    return params


def _from_prisma(
    params: dict[str, str], source: str, cwd: Path | None, notes: list[str], hidden: tuple[str, ...]
) -> Dsn:
    """Extracts the parameters that libpq would reject or interpret differently."""
    schema = params.pop("schema", None)
    pgbouncer = params.pop("pgbouncer", "") == "true"
    if pgbouncer:
        notes.append(f"The URL in {source} goes through a pooler; prefer a direct URL (DIRECT_URL or --dsn)")
    notes += _tls(params, source, cwd)
    dropped, details = drop_foreign(params, source)
    notes += dropped
    return Dsn(params, source, schema or None, pgbouncer, tuple(notes), tuple(details), hidden)


def _ssl_mode(ssl: str, source: str) -> str:
    """Returns node-postgres' `ssl` as an sslmode. Raises LlamactlError (config) for an unknown value."""
    modes = {"true": "require", "1": "require", "no-verify": "require", "false": "disable", "0": "disable"}
    if ssl not in modes:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"The `ssl` in the URL in {source} must be one of {', '.join(modes)}",
            "Delete `ssl=...` from the URL, or replace it with sslmode=require, verify-full or disable",
        )
    return modes[ssl]


def _tls(params: dict[str, str], source: str, cwd: Path | None) -> list[str]:
    """Converts the TLS parameters of Prisma and node-postgres to libpq's. Returns notes."""
    if "sslidentity" in params:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"libpq cannot read a PKCS#12 file, which sslidentity in the URL in {source} refers to",
            "Delete `sslidentity=...` from the URL, convert the file (openssl pkcs12 -in FILE -clcerts"
            " -nokeys -out cert.pem, and -nocerts -out key.pem), and use sslcert=cert.pem&sslkey=key.pem",
        )
    accept, ssl = params.pop("sslaccept", None), params.pop("ssl", None)
    if params.get("sslmode") == "no-verify":
        params["sslmode"] = "require"
    if ssl is not None:
        params.setdefault("sslmode", _ssl_mode(ssl, source))
    if accept == "strict" and params.get("sslmode") != "disable":
        params["sslmode"] = "verify-full"
    elif accept is not None:
        params.setdefault("sslmode", "require")
    # If there is also a key or a CA, sslcert can only have libpq's meaning.
    if "sslcert" in params and not {"sslkey", "sslrootcert"} & params.keys():
        path = params.pop("sslcert")
        beside_schema = cwd / "prisma" / path if cwd else None
        params["sslrootcert"] = str(beside_schema) if beside_schema and beside_schema.is_file() else path
        return [f"Used sslcert in {source} as the server's CA, as Prisma does (libpq calls it sslrootcert)"]
    return []
