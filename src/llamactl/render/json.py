"""JSON output: one document, valid for any content of the database and any encoding of stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any

from llamactl.findings.kinds import Catalogue, FindingKind
from llamactl.model import (
    SCHEMA_VERSION,
    Check,
    DemoReport,
    GuardReport,
    LlamactlError,
    MigrationReport,
    PreflightReport,
    RepairReport,
    StatsReport,
    StatusReport,
    Step,
    Timeline,
    Tree,
    UndoReport,
    VerifyReport,
)
from llamactl.render import safe
from llamactl.render.console import Screen


def render(report: object, command: str, screen: Screen) -> Iterator[str]:
    """Yields the document in pieces: a tree or a timeline may be long."""
    head = {"schema_version": SCHEMA_VERSION, "command": command}
    if isinstance(report, Tree):
        yield from _long(head, report, "nodes", screen)
    elif isinstance(report, Timeline):
        yield from _long(head, report, "rows", screen)
    else:
        yield _dumps({**head, **_body(report)}, screen, indent=2) + "\n"


def error(problem: LlamactlError, command: str | None, screen: Screen) -> str:
    """Returns the document of a failure; `command` is None if the command line has none."""
    body = {
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "changed": problem.changed,
    }
    document = {"schema_version": SCHEMA_VERSION, "command": command, "error": body}
    return _dumps(document, screen, indent=2) + "\n"


def _body(report: object) -> dict[str, Any]:
    match report:
        case PreflightReport():
            return {"ok": report.ok, **_fields(report)}
        case MigrationReport() | UndoReport():
            return {**_change(report), "steps": [_step(step, report.dry_run) for step in report.steps]}
        case RepairReport():
            return _change(report)
        case VerifyReport():
            return {"ok": report.ok, **_fields(report), "checks": [*map(_check, report.checks)]}
        case StatsReport():
            return {"ok": report.ok, **_fields(report)}
        case GuardReport() | StatusReport() | DemoReport():
            return _fields(report)
        case FindingKind():
            return _kind(report)
        case Catalogue():
            return {"findings": [_kind(kind) for kind in report.kinds]}
        case str():
            return {"sql": report}
        case _:
            raise TypeError(f"no JSON for {type(report).__name__}")


def _kind(kind: FindingKind) -> dict[str, Any]:
    return {name: value for name, value in _fields(kind).items() if name != "hint"}


def _check(check: Check) -> dict[str, Any]:
    fields = {name: value for name, value in _fields(check).items() if name != "severity"}
    head = {name: fields.pop(name) for name in ("id", "slug", "title", "status")}
    return {**head, "ok": check.ok, **fields}


def _step(step: Step, dry_run: bool) -> dict[str, Any]:
    """Estimates belong to a dry run, measured times to a run."""
    absent = "seconds" if dry_run else "estimate_seconds"
    return {name: value for name, value in _fields(step).items() if name != absent}


def _change(report: MigrationReport | UndoReport | RepairReport) -> dict[str, Any]:
    """The same for the whole."""
    absent = "blocked_seconds" if report.dry_run else "blocked_estimate_seconds"
    return {name: value for name, value in _fields(report).items() if name != absent}


def _long(head: Mapping[str, Any], report: Tree | Timeline, last: str, screen: Screen) -> Iterator[str]:
    """Yields the named field last, with one item per line, while it is read."""
    body = {name: value for name, value in _fields(report).items() if name != last}
    yield _dumps({**head, **body}, screen, indent=2).removesuffix("\n}") + f',\n  "{last}": ['
    comma = end = ""
    encoder = _encoder(screen)
    for item in getattr(report, last):
        shown = {name: value for name, value in _fields(item).items() if name != "followed"}
        yield f"{comma}\n    {safe.json_escapes(encoder.encode(shown))}"
        comma, end = ",", "\n  "
    yield f"{end}]\n}}\n"


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _plain(value: object) -> object:
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")


def _dumps(value: object, screen: Screen, indent: int | None = None) -> str:
    return safe.json_escapes(_encoder(screen, indent).encode(value))


def _encoder(screen: Screen, indent: int | None = None) -> json.JSONEncoder:
    return json.JSONEncoder(default=_plain, indent=indent, ensure_ascii=not screen.unicode, allow_nan=False)
