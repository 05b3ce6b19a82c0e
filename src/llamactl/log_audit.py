"""What the rows tell of those who wrote them: roots left out, summaries, entities that were created twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from llamactl import findings, queries
from llamactl.db import Session
from llamactl.model import Counts, Finding, Relation
from llamactl.names import Names
from llamactl.settings import Settings


@dataclass(frozen=True, slots=True)
class Migrated:
    """What migrated.sql returns."""

    since: str | None


@dataclass(frozen=True, slots=True)
class Unrooted:
    """What unrooted.sql returns."""

    rows: int
    computable: int
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summaries:
    """What summaries.sql returns."""

    rows: int
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CreatedTwice:
    """What created_twice.sql returns."""

    entities: int
    sample: tuple[str, ...]


def find(
    session: Session, settings: Settings, relation: Relation, names: Names, counts: Counts, missing: int
) -> Iterator[Finding]:
    """Yields the findings, in the transaction in which lineage is resolved.

    What needs a column that the table lacks, or that the role may not read, is left out. `missing`: the rows
    that lack their computed root.
    """
    by = counts.orphans_by
    if missing or by.cyclic or by.ambiguous or by.dangling:
        yield from _unrooted(session, settings, relation, names)
    metadata = relation.columns.get("metadata")
    if metadata and metadata.bare_type == "jsonb" and _readable(relation, "metadata", *_ENTITY):
        summaries = session.row(queries.load("preflight/summaries", names), Summaries, sample=settings.sample)
        if summaries.rows:
            yield findings.make("LL124", summaries.rows, summaries.sample)
    wanted = ("category", "entity_id")
    if all(ours in relation.columns for ours in wanted) and _readable(relation, *wanted, "entity_type"):
        twice = session.row(
            queries.load("preflight/created_twice", names), CreatedTwice, sample=settings.sample
        )
        if twice.entities:
            yield findings.make("LL125", twice.entities, twice.sample)


_ENTITY = ("entity_type", "entity_id", "track_id")


def _readable(relation: Relation, *columns: str) -> bool:
    """Whether the role may read those of the columns that are there."""
    return all(relation.columns[ours].readable for ours in columns if ours in relation.columns)


def _unrooted(session: Session, settings: Settings, relation: Relation, names: Names) -> Iterator[Finding]:
    since = _migrated_since(session, relation)
    if since is None or "created_at" not in relation.columns:
        return
    query = queries.load("preflight/unrooted", names)
    found = session.row(query, Unrooted, since_epoch=since.timestamp(), sample=settings.sample)
    if found.rows:
        day, computable = f"{since:%Y-%m-%d}", found.computable
        yield findings.make("LL123", found.rows, found.sample, day=day, computable=computable)


def _migrated_since(session: Session, relation: Relation) -> datetime | None:
    """Returns the day of the migration, from the comment of the root column; None where it says none."""
    if relation.root is None:
        return None
    query = queries.load("preflight/migrated", Names())
    told = session.row(query, Migrated, relation=relation.oid, root_column=relation.root.name)
    try:
        return datetime.fromisoformat(told.since or "").replace(tzinfo=UTC)
    except ValueError:
        return None
