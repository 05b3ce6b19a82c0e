"""Finds and reads the configuration file: `llamactl.toml`, or `[tool.llamactl]` in pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llamactl.config.source_file import read_source
from llamactl.model import ErrorCode, LlamactlError
from llamactl.wording import near

_HINT = "Make the file readable, or remove it"

KEYS = (
    "schema",
    "table",
    "columns",
    "dangling",
    "trust_root_flag",
    "lock_timeout",
    "statement_timeout",
    "thresholds",
)
THRESHOLDS = ("depth", "table_bytes", "timeline_ms", "unrooted_rows")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The contents of the file: known keys with unchecked TOML values."""

    path: Path | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    """By name, with underscores; those of a nested table as `thresholds.depth`."""
    notes: tuple[str, ...] = ()


def read_config(cwd: Path) -> ConfigFile:
    """Returns the nearest configuration, from cwd upwards. Raises LlamactlError (config)."""
    for folder in (cwd, *cwd.parents):
        own, project = folder / "llamactl.toml", folder / "pyproject.toml"
        section, text = _section(project), read_source(own, _HINT)
        if text is not None:
            notes = (
                []
                if section is None
                else [f"Settings are from {own}; [tool.llamactl] in the pyproject.toml beside it is ignored"]
            )
            return ConfigFile(own, _checked(_parsed(own, text), str(own)), tuple(notes))
        if section is not None:
            return ConfigFile(project, _checked(section, f"[tool.llamactl] in {project}"))
    return ConfigFile()


def meant(word: str, known: Sequence[str]) -> str:
    """Returns the hint for an unknown name: the similar ones, else all known names."""
    close = near(word, known)
    return f"Similar names: {', '.join(close)}" if close else f"Known names: {', '.join(known)}"


def _section(project: Path) -> Mapping[str, Any] | None:
    text = read_source(project, _HINT)
    if text is None:
        return None
    tool = _parsed(project, text).get("tool", {})
    section = tool.get("llamactl") if isinstance(tool, dict) else None
    if section is not None and not isinstance(section, dict):
        raise LlamactlError(ErrorCode.CONFIG, f"[tool.llamactl] in {project} must be a table")
    return section


def _parsed(path: Path, text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise LlamactlError(ErrorCode.CONFIG, f"Cannot read {path}: {exc}") from exc


def _checked(section: Mapping[str, Any], where: str) -> dict[str, object]:
    values = _renamed(section, KEYS, where)
    if "thresholds" in values:
        thresholds = values.pop("thresholds")
        if not isinstance(thresholds, dict):
            raise LlamactlError(ErrorCode.CONFIG, f"thresholds in {where} must be a table")
        known = _renamed(thresholds, THRESHOLDS, f"thresholds in {where}")
        values.update({f"thresholds.{key}": value for key, value in known.items()})
    return values


def _renamed(section: Mapping[str, Any], known: Sequence[str], where: str) -> dict[str, object]:
    """Returns the values under names with underscores.

    Raises if a key is unknown or given in both spellings.
    """
    values: dict[str, object] = {}
    for key, value in section.items():
        name = key.replace("-", "_")
        if name not in known:
            raise LlamactlError(ErrorCode.CONFIG, f"Unknown setting {key!r} in {where}", meant(name, known))
        if name in values:
            raise LlamactlError(
                ErrorCode.CONFIG, f"Setting {name} is given twice in {where}", "Keep one of the spellings"
            )
        values[name] = value
    return values
