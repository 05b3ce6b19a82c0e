"""Combines flags, environment, .env and configuration files into one frozen Settings object.

This module does not import psycopg: `llamactl --help` must not wait for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llamactl.config.dsn import Dsn
from llamactl.config.dsn_sources import find_dsn
from llamactl.config.file import ConfigFile, meant, read_config
from llamactl.model import DanglingPolicy, ErrorCode, LlamactlError
from llamactl.sqlfiles.names import DEFAULT_COLUMNS

_UNITS = {"": 1000, "ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000}
_MAX_MS = 2**31 - 1
"""The maximum of the server's timeouts."""


_NO_DIRECTORY = "The working directory no longer exists: did not look for .env and configuration files"


@dataclass(frozen=True, slots=True)
class Flags:
    """The options given on the command line; None for those that were not given."""

    dsn: str | None = None
    schema: str | None = None
    table: str | None = None
    columns: Sequence[str] = ()
    """As written: `ours=theirs`."""
    dangling: DanglingPolicy | None = None
    trust_root_flag: bool | None = None
    lock_timeout: str | None = None
    statement_timeout: str | None = None
    sample: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a command needs to know before it connects."""

    dsn: Dsn
    schema: str | None = None
    """From the flag, the file, or the URL's `schema`, in this order."""
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """llamactl's column name -> the user's, only those that were given."""
    dangling: DanglingPolicy = DanglingPolicy.FILL
    trust_root_flag: bool = True
    lock_timeout_ms: int = 2000
    statement_timeout_ms: int = 0
    """0: no limit."""
    depth_alert: int = 8
    """The depth from which preflight and stats warn."""
    table_bytes_alert: int = 500 * 2**20
    """Size of heap, indexes and TOAST above which stats warns."""
    timeline_ms_alert: int = 100
    """Duration of the timeline query of a root above which stats warns."""
    unrooted_rows_alert: int = 0
    """Number of rows of the last day with a parent but no root above which stats warns."""
    sample: int = 10
    """How many samples and cycles are shown."""
    notes: tuple[str, ...] = ()
    """Lines to print on stderr: unusual interpretations of parameters."""
    details: tuple[str, ...] = ()
    """Lines to print on stderr with -v."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value as the user wrote it, and where."""

    value: object
    where: str
    code: ErrorCode

    def refused(self, why: str, hint: str = "") -> LlamactlError:
        return LlamactlError(self.code, f"{self.where}: {why}", hint)


def load_settings(flags: Flags, env: Mapping[str, str], cwd: Path | None) -> Settings:
    """Returns the settings. `cwd`: None if the working directory no longer exists.

    Raises LlamactlError: usage for a flag, config for a file or a URL.
    """
    file = read_config(cwd) if cwd else ConfigFile(notes=(_NO_DIRECTORY,))
    dsn = find_dsn(flags.dsn, env, cwd)
    given = _in_file(file) | _on_command_line(flags)
    columns = _columns_of_file(_in_file(file).get("columns")) | _columns_of_flags(flags.columns)
    return Settings(
        dsn=dsn,
        schema=_text(given.get("schema")) or dsn.schema,
        table=_text(given.get("table")),
        columns=columns,
        dangling=_dangling(given.get("dangling")),
        trust_root_flag=_boolean(given.get("trust_root_flag"), True),
        lock_timeout_ms=_lock_timeout(given.get("lock_timeout")),
        statement_timeout_ms=_duration(given.get("statement_timeout"), 0),
        depth_alert=_number(given.get("thresholds.depth"), 8, 1),
        table_bytes_alert=_bytes(given.get("thresholds.table_bytes"), 500 * 2**20),
        timeline_ms_alert=_number(given.get("thresholds.timeline_ms"), 100, 1),
        unrooted_rows_alert=_number(given.get("thresholds.unrooted_rows"), 0, 0),
        sample=_number(given.get("sample"), 10, 0),
        notes=(*file.notes, *dsn.notes),
        details=(*([f"Settings: {file.path}"] if file.path else []), *dsn.details),
    )


def duration_ms(text: str) -> int:
    """Returns the milliseconds of `500ms`, `2s`, `10m`, `1h`, or a number of seconds. Raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip(), re.ASCII)
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a duration")
    milliseconds = round(float(match[1]) * _UNITS[match[2]])
    if milliseconds > _MAX_MS or (milliseconds == 0 and float(match[1])):
        raise ValueError(f"{text!r} is too {'long' if milliseconds else 'short'}")
    return milliseconds


def _in_file(file: ConfigFile) -> dict[str, Given]:
    return {
        name: Given(value, f"{name} in {file.path}", ErrorCode.CONFIG) for name, value in file.values.items()
    }


def _on_command_line(flags: Flags) -> dict[str, Given]:
    values = {
        "schema": flags.schema,
        "table": flags.table,
        "columns": flags.columns or None,
        "dangling": flags.dangling,
        "trust_root_flag": flags.trust_root_flag,
        "lock_timeout": flags.lock_timeout,
        "statement_timeout": flags.statement_timeout,
        "sample": flags.sample,
    }
    return {
        name: Given(value, f"--{name.replace('_', '-')}", ErrorCode.USAGE)
        for name, value in values.items()
        if value is not None
    }


def _text(given: Given | None) -> str | None:
    if given is None:
        return None
    if not isinstance(given.value, str) or not given.value:
        raise given.refused("must be a name")
    return given.value


def _boolean(given: Given | None, default: bool) -> bool:
    if given is None:
        return default
    if not isinstance(given.value, bool):
        raise given.refused("must be true or false")
    return given.value


def _number(given: Given | None, default: int, least: int) -> int:
    if given is None:
        return default
    if not isinstance(given.value, int) or isinstance(given.value, bool) or given.value < least:
        raise given.refused(f"must be a whole number, {least} or more")
    return given.value


def _bytes(given: Given | None, default: int) -> int:
    """Returns the bytes of `500MB`, in the server's units (multiples of 1024), or of a plain number."""
    if given is None or isinstance(given.value, int):
        return _number(given, default, 1)
    match = re.fullmatch(r"([1-9]\d*)\s*(kB|MB|GB|TB)", str(given.value), re.ASCII)
    if match is None:
        raise given.refused("must be a size", 'For example "500MB", "2GB"; a plain number is bytes')
    return int(match[1]) << 10 * (1 + ("kB", "MB", "GB", "TB").index(match[2]))


def _dangling(given: Given | None) -> DanglingPolicy:
    if given is None:
        return DanglingPolicy.FILL
    words = [policy.value for policy in DanglingPolicy]
    if given.value not in words:
        raise given.refused(f"must be {' or '.join(words)}")
    return DanglingPolicy(given.value)


def _duration(given: Given | None, default: int) -> int:
    if given is None:
        return default
    if isinstance(given.value, bool) or not isinstance(given.value, str | int | float):
        raise given.refused("must be a duration", "For example 2s, 500ms, 10m; a plain number is seconds")
    try:
        return duration_ms(str(given.value))
    except ValueError as exc:
        raise given.refused(str(exc), "For example 2s, 500ms, 10m; a plain number is seconds") from exc


def _lock_timeout(given: Given | None) -> int:
    milliseconds = _duration(given, 2000)
    if given is not None and milliseconds == 0:
        raise given.refused(
            "0 would wait forever, and block all sessions that queue behind it", "Give a time, for example 2s"
        )
    return milliseconds


def _columns_of_flags(pairs: Sequence[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        given = Given(pair, f"--column {pair}", ErrorCode.USAGE)
        if not equals or not theirs:
            raise given.refused("must have the form ours=theirs", "For example --column job_id=jobId")
        if ours in columns:
            raise given.refused(f"{ours} is given twice")
        _known_column(ours, given)
        columns[ours] = theirs
    return columns


def _columns_of_file(given: Given | None) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given.value, dict):
        raise given.refused("must be a table", 'For example columns = { job_id = "jobId" }')
    for ours, theirs in given.value.items():
        _known_column(ours, given)
        if not isinstance(theirs, str) or not theirs:
            raise given.refused(f"{ours} must be the name of a column")
    return dict(given.value)


def _known_column(ours: str, given: Given) -> None:
    if ours not in DEFAULT_COLUMNS:
        raise given.refused(f"{ours!r} is not a column that can be mapped", meant(ours, DEFAULT_COLUMNS))
