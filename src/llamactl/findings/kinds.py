"""The catalogue of everything that preflight and verify can say, by stable id.

The texts are in findings.toml: LL001.. stop a migration, LL101.. are warnings, LL201.. are good to know,
V01.. are what verify proves. An id is never given another meaning.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType

from llamactl.model import ErrorCode, Finding, LlamactlError, Severity


@dataclass(frozen=True, slots=True)
class FindingKind:
    """What one id stands for."""

    id: str
    severity: Severity
    title: str
    hint: str
    """What to do, in a sentence; `{names}` in it are filled in by make()."""
    description: str
    """For `llamactl explain`: paragraphs apart by an empty line; indented lines are code."""


@cache
def _catalogue() -> Mapping[str, FindingKind]:
    texts = tomllib.loads(Path(__file__).with_name("findings.toml").read_text(encoding="utf-8"))
    kinds = {
        id_: FindingKind(
            id=id_,
            severity=Severity(text["severity"]),
            title=text["title"],
            hint=text["hint"],
            description=text["description"].strip(),
        )
        for id_, text in texts.items()
    }
    return MappingProxyType(kinds)


FINDINGS: Mapping[str, FindingKind] = _catalogue()


def make_finding(id_: str, count: int, sample: Sequence[str] = (), **values: object) -> Finding:
    """The finding `id_`, its hint filled in. KeyError for an unknown id or a value that the hint lacks."""
    kind = FINDINGS[id_]
    return Finding(
        id=kind.id,
        severity=kind.severity,
        title=kind.title,
        count=count,
        sample=tuple(sample),
        hint=kind.hint.format_map(values),
    )


def find_kind(id_: str) -> FindingKind:
    """The kind with this id, in upper or lower case. Raises LlamactlError (usage)."""
    kind = FINDINGS.get(id_.upper())
    if kind is None:
        near = get_close_matches(id_.upper(), FINDINGS, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known are {', '.join(FINDINGS)}"
        raise LlamactlError(ErrorCode.USAGE, f"There is no finding {id_}", hint)
    return kind
