"""Reads a URL as Prisma, libpq and SQLAlchemy write it, or a `key=value` string, into libpq's parameters.

libpq never sees the text itself: its messages about a URL that it cannot read quote parts of the
password. What Prisma's parameters mean: https://www.prisma.io/docs/orm/overview/databases/postgresql
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
    """A connection, resolved. Its repr tells only where it came from."""

    params: Mapping[str, str] = field(repr=False)
    """libpq's connection parameters, the password included."""
    source: str
    """What gave it: `--dsn`, `DATABASE_URL in ./.env`, ..."""
    schema: str | None = None
    """The URL's `schema` parameter."""
    pgbouncer: bool = False
    """The URL says that a pooler in transaction mode stands in between."""
    notes: tuple[str, ...] = ()
    """To be said on stderr."""
    details: tuple[str, ...] = ()
    """To be said on stderr under -v."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Secrets that reach libpq on other ways (PGPASSWORD)."""

    def scrub(self, text: str) -> str:
        """The text without any secret, in plain or percent-encoded form."""
        public = {self.params.get(key) for key in ("user", "host", "dbname")}
        secrets = {self.params[key] for key in _SECRETS if key in self.params} | set(self.hidden)
        for secret in sorted(secrets - public - {""}, key=len, reverse=True):
            for form in (secret, quote(secret, safe=""), quote(secret)):
                text = text.replace(form, "***")
        return text


def read_dsn(text: str, source: str, cwd: Path | None, hidden: Iterable[str] = ()) -> Dsn:
    """Reads a URL or a `key=value` string. Raises LlamactlError (config), which never quotes the text."""
    text = _unquoted(text.strip())
    if scheme := _SCHEME.match(text):
        notes = [] if scheme[2] is None else [f"Read `{scheme[2]}://` of {source} as a plain Postgres URL"]
        params = _checked(_url_params(text[scheme.end() :], source), source)
        return _from_prisma(params, source, cwd, notes, tuple(hidden))
    if other := _OTHER_SCHEME.match(text):
        raise _not_postgres(other[0], source)
    return Dsn(_checked(_keyword_params(text, source), source), source, hidden=tuple(hidden))


def _unquoted(text: str) -> str:
    """Without the quotes that were copied along from a .env file."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'`":
        return text[1:-1].strip()
    return text


def _not_postgres(scheme: str, source: str) -> LlamactlError:
    if scheme.lower().startswith("prisma"):
        return LlamactlError(
            ErrorCode.CONFIG,
            f"The URL of {source} is a `{scheme}://` one, which only Prisma's client can open",
            "Give the direct URL of the database (postgresql://...), as --dsn or DIRECT_URL",
        )
    return LlamactlError(
        ErrorCode.CONFIG,
        f"The URL of {source} is not a Postgres one: it begins with `{scheme}:`",
        "It must begin with postgresql:// or postgres://",
    )


def _unescaped(char: str, source: str) -> LlamactlError:
    return LlamactlError(
        ErrorCode.CONFIG,
        f"The URL of {source} has an unescaped `{char}`, in its password it seems: the host cannot be told",
        f"Write `{char}` as {quote(char, safe='')} there (also / as %2F, @ as %40, # as %23, ? as %3F)",
    )


def _misplaced(rest: str) -> str | None:
    """The character that ends the authority too early, where the rest shows that one does.

    1. `#` never belongs into a database URL, so it stands in the password.
    2. The authority ends at the first `/` or `?`; a second `@` in it belongs to the password.
    3. An `@` in the path: the `/` before it stood in the password.
    4. A query that does not begin with `key=`: the `?` before it stood in the password.
    5. An `@` only after the authority, and what looks like a port is no number: the same.
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
    """The authority, the character that ends it, and what follows."""
    end = next((index for index, char in enumerate(rest) if char in "/?"), len(rest))
    return rest[:end], rest[end : end + 1], rest[end + 1 :]


def _url_params(rest: str, source: str) -> dict[str, str]:
    """What follows `postgresql://`, by libpq's rules: several hosts, brackets, parameters that override."""
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
            raise LlamactlError(ErrorCode.CONFIG, f"A parameter in the URL of {source} has no `=`")
        if "@" in value and key not in LIBPQ:
            raise _unescaped("?", source)
        params[_decoded(key, source)] = _decoded(value, source)
    return params


def _checked(params: dict[str, str], source: str) -> dict[str, str]:
    """Refuses ports that cannot be: resolving the host would fail on them, with words about the host."""
    for port in params.get("port", "").split(","):
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise LlamactlError(ErrorCode.CONFIG, f"A port that {source} gives is no number from 1 to 65535")
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
                f"The URL of {source} has a port that is not a number",
                "The form is postgresql://user:password@host:5432/database",
            )
        hosts.append(match[1] or match[2] or "")
        ports.append(match[3] or "")
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _decoded(text: str, source: str) -> str:
    """Percent-decoded. A `%` that no two hex digits follow stays, as in Prisma."""
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise LlamactlError(
            ErrorCode.CONFIG, f"The URL of {source} has a %-sequence that is not UTF-8"
        ) from None
    if "\0" in value:
        raise LlamactlError(ErrorCode.CONFIG, f"The URL of {source} holds %00")
    return value


def _keyword_params(text: str, source: str) -> dict[str, str]:
    """libpq's `host=... dbname='...'` form."""
    params: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        match = _KEYWORD.match(text, position)
        if match is None:
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"What {source} gives is neither a Postgres URL nor a list of key=value",
                "Values with spaces stand in single quotes; the URL form is postgresql://user:password@host/database",
            )
        value = match[2][1:-1] if match[2].startswith("'") else match[2]
        params[match[1]] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        position = match.end()
    return params


def _from_prisma(
    params: dict[str, str], source: str, cwd: Path | None, notes: list[str], hidden: tuple[str, ...]
) -> Dsn:
    """Takes out what libpq would reject or read otherwise."""
    schema = params.pop("schema", None)
    pgbouncer = params.pop("pgbouncer", "") == "true"
    if pgbouncer:
        notes.append(
            f"The URL of {source} goes through a pooler; a direct one is better: DIRECT_URL or --dsn"
        )
    notes += _tls(params, source, cwd)
    dropped, details = drop_foreign(params, source)
    notes += dropped
    return Dsn(params, source, schema or None, pgbouncer, tuple(notes), tuple(details), hidden)


def _ssl_mode(ssl: str, source: str) -> str:
    """What node-postgres' `ssl` is as an sslmode. Raises LlamactlError (config) for another word."""
    modes = {"true": "require", "1": "require", "no-verify": "require", "false": "disable", "0": "disable"}
    if ssl not in modes:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"The `ssl` in the URL of {source} is none of {', '.join(modes)}",
            "Delete `ssl=...` from the URL, or write sslmode=require, verify-full or disable in its place",
        )
    return modes[ssl]


def _tls(params: dict[str, str], source: str, cwd: Path | None) -> list[str]:
    """Puts Prisma's and node-postgres' TLS words into libpq's."""
    if "sslidentity" in params:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"The sslidentity in the URL of {source}: libpq cannot read a PKCS#12 file",
            "Delete `sslidentity=...` from the URL, convert the file (openssl pkcs12 -in FILE -clcerts"
            " -nokeys -out cert.pem, and -nocerts -out key.pem), and give sslcert=cert.pem&sslkey=key.pem",
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
    # With a key of its own, or a CA besides, sslcert can only be what libpq means by it.
    if "sslcert" in params and not {"sslkey", "sslrootcert"} & params.keys():
        path = params.pop("sslcert")
        beside_schema = cwd / "prisma" / path if cwd else None
        params["sslrootcert"] = str(beside_schema) if beside_schema and beside_schema.is_file() else path
        return [f"Took sslcert of {source} for the server's CA, as Prisma does (libpq: sslrootcert)"]
    return []
