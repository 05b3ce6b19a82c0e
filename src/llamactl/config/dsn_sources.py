"""Finds the connection: in the first of these sources that has one.

1. --dsn
2. LLAMACTL_DSN
3. DIRECT_URL, else DATABASE_URL, in the environment
4. the same two in ./.env
5. the same two in prisma/.env
6. libpq's own variables and service files

A source that exists but has no usable connection (an unreadable file, an empty variable) is an error: the
next source may lead to another database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from llamactl.config.dsn import Dsn, read_dsn
from llamactl.config.source_file import read_source
from llamactl.model import ErrorCode, LlamactlError

_OWN_VARIABLE = ("LLAMACTL_DSN",)
_URL_VARIABLES = ("DIRECT_URL", "DATABASE_URL")
_ENV_FILES = (".env", "prisma/.env")
_LIBPQ_VARIABLES = (
    *("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"),
    *("PGPASSFILE", "PGSERVICE", "PGSERVICEFILE"),
)
_REFERENCE = re.compile(r"(\\?)\$\{(\w*)\}", re.ASCII)
_URL_NAME = re.compile(rf"\b(?:{'|'.join(_URL_VARIABLES)})\b")
_ELSEWHERE = "or set the connection with --dsn or LLAMACTL_DSN"


def find_dsn(flag: str | None, env: Mapping[str, str], cwd: Path | None) -> Dsn:
    """Returns the connection. `cwd`: None if the working directory no longer exists.

    Raises LlamactlError: usage for an empty --dsn, config for any other source that cannot be used.
    """
    hidden = [env["PGPASSWORD"]] if env.get("PGPASSWORD") else []
    if flag is not None:
        if not flag.strip():
            # Most likely from an unset shell variable; the next source could be an entirely different
            # database.
            raise LlamactlError(
                ErrorCode.USAGE, "--dsn is empty", "Check that the variable that it comes from is set"
            )
        return read_dsn(flag, "--dsn", cwd, hidden)
    for names in (_OWN_VARIABLE, _URL_VARIABLES):
        if name := _given(names, env, ""):
            return read_dsn(env[name], name, cwd, hidden)
    for path in _ENV_FILES if cwd else ():
        shown = path if "/" in path else f"./{path}"
        values = _env_file(cwd / path, shown, env) if cwd else {}
        if name := _given(_URL_VARIABLES, values, f" in {shown}"):
            return read_dsn(values[name], f"{name} in {shown}", cwd, hidden)
    if any(env.get(name) for name in _LIBPQ_VARIABLES):
        return Dsn({}, "PG* variables and service files", hidden=tuple(hidden))
    return Dsn({}, "libpq's defaults (no URL and no PG* variables were found)", hidden=tuple(hidden))


def _given(names: tuple[str, ...], values: Mapping[str, str], where: str) -> str | None:
    """Returns the first of a source's variables that has a value; None if it has none of them.

    Raises LlamactlError (config) if it has some, and all of these are empty.
    """
    present = [name for name in names if name in values]
    filled = [name for name in present if values[name].strip()]
    if present and not filled:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"{present[0]}{where} is empty",
            f"Set it or remove it, {_ELSEWHERE}: the next source may be another database",
        )
    return filled[0] if filled else None


def _env_file(path: Path, shown: str, env: Mapping[str, str]) -> dict[str, str]:
    """Returns the file's variables, expanded as in Prisma: `${NAME}` only, so that a password may contain
    `$`."""
    text = read_source(path, f"Make the file readable, {_ELSEWHERE}")
    if text is None:
        return {}
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error and _URL_NAME.search(binding.original.string):
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"Line {binding.original.line} of {shown} cannot be parsed",
                'Write it as NAME="value", with closing quotes',
            )
        if binding.key is not None:
            values[binding.key] = binding.value or ""
    return {
        name: _expanded(name, values[name], values, env, shown) for name in _URL_VARIABLES if name in values
    }


def _expanded(
    name: str, text: str, values: Mapping[str, str], env: Mapping[str, str], shown: str, depth: int = 8
) -> str:
    """Replaces each `${NAME}`, from the environment before the file; `\\${` becomes `${`.

    Raises LlamactlError (config) if a name is not set: the remaining text may lead to another database.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        value = env.get(match[2], values.get(match[2]))
        if value is None:
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"{name} in {shown} refers to ${{{match[2]}}}, which is not set",
                f"Set it in {shown} or in the environment; write a literal ${{ as \\${{",
            )
        return _expanded(name, value, values, env, shown, depth - 1) if depth else ""

    return _REFERENCE.sub(replacement, text)
