"""The catalogue of everything that preflight and verify can report, by stable id.

The texts are in findings.toml: LL001.. stop a migration, LL101.. are warnings, LL201.. are information,
V01.. are the checks of verify. An id or a slug is never given another meaning.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from llamactl.model import ErrorCode, Finding, LlamactlError, Severity, Skipped
from llamactl.wording import near


@dataclass(frozen=True, slots=True)
class FindingKind:
    """What one id stands for."""

    id: str
    slug: str
    """The id in words: `ambiguous-parents`."""
    severity: Severity
    title: str
    hint: str
    """What to do, in a sentence; `{names}` in it are replaced by make_finding()."""
    description: str
    """For `llamactl explain`: paragraphs separated by an empty line; indented lines are code."""

    @property
    def is_check(self) -> bool:
        """Whether this is a check of verify, and not a finding of preflight."""
        return self.id.startswith("V")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The kinds that `llamactl explain` lists when no id is given."""

    kinds: tuple[FindingKind, ...]


@cache
def _read_kinds() -> Mapping[str, FindingKind]:
    texts = tomllib.loads(Path(__file__).with_name("findings.toml").read_text(encoding="utf-8"))
    kinds = {
        id_: FindingKind(
            id=id_,
            slug=text["slug"],
            severity=Severity(text["severity"]),
            title=text["title"],
            hint=text["hint"],
            description=text["description"].strip(),
        )
        for id_, text in texts.items()
    }
    return MappingProxyType(kinds)


FINDINGS: Mapping[str, FindingKind] = _read_kinds()


def make_finding(id_: str, count: int, sample: Sequence[str] = (), **values: object) -> Finding:
    """The finding `id_`, its hint filled in. KeyError for an unknown id or a value that the hint lacks."""
    kind = FINDINGS[id_]
    return Finding(
        id=kind.id,
        slug=kind.slug,
        severity=kind.severity,
        title=kind.title,
        count=count,
        sample=tuple(sample),
        hint=kind.hint.format_map(values),
    )


def make_skipped(id_: str, reason: str) -> Skipped:
    """Returns the finding `id_` as one that was not looked for. KeyError for an unknown id."""
    return Skipped(id_, FINDINGS[id_].slug, reason)


def find_kind(name: str) -> FindingKind:
    """Returns the kind with this id or slug, in upper or lower case. Raises LlamactlError (usage)."""
    by_name = _by_name()
    kind = by_name.get(name.lower())
    if kind is None:
        close = [by_name[known] for known in _similar(name.lower(), list(by_name))]
        suggestions = " or ".join(f"{one.id} ({one.slug})" for one in dict.fromkeys(close))
        hint = f"Did you mean {suggestions}?" if suggestions else "llamactl explain lists all of them"
        raise LlamactlError(ErrorCode.USAGE, f"There is no finding or check {name}", hint)
    return kind


def complete_name(incomplete: str) -> list[tuple[str, str]]:
    """Returns the ids and slugs that begin so, each with its title, for shell completion."""
    lower = incomplete.lower()
    typed_lower = incomplete == lower and incomplete != ""
    names = [
        (kind.id.lower() if typed_lower else kind.id, kind.title)
        for kind in FINDINGS.values()
        if kind.id.lower().startswith(lower)
    ]
    names += [(kind.slug, kind.title) for kind in FINDINGS.values() if kind.slug.startswith(lower)]
    return names


def _by_name() -> dict[str, FindingKind]:
    """Maps ids and slugs, in lower case, to their kinds."""
    return {name: kind for kind in FINDINGS.values() for name in (kind.id.lower(), kind.slug)}


def _similar(name: str, known: Sequence[str]) -> list[str]:
    """Returns at most three of the known names: those that are spelled alike, then those that contain it."""
    words = name.replace("_", "-").replace(" ", "-").strip("-")
    containing = [one for one in known if words in one.split("-") or (len(words) > 2 and words in one)]
    return [*dict.fromkeys([*near(name, known), *containing])][:3]
