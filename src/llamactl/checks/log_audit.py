"""What the rows show about the applications that wrote them: no root, summaries, duplicate creations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from llamactl.findings.kinds import make_finding, make_skipped
from llamactl.model import Counts, Finding, Relation, Skipped
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table.table import Table
from llamactl.wording import listed


@dataclass(frozen=True, slots=True)
class Migrated:
    """The row of migrated.sql."""

    since: str | None


@dataclass(frozen=True, slots=True)
class Unrooted:
    """The row of unrooted.sql."""

    rows: int
    computable: int
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summaries:
    """The row of summaries.sql."""

    rows: int
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CreatedTwice:
    """The row of created_twice.sql."""

    entities: int
    sample: tuple[str, ...]


def audit_log(table: Table, counts: Counts, missing: int) -> Iterator[Finding | Skipped]:
    """Yields the findings, in the transaction in which lineage is resolved.

    A finding that needs a column that the table lacks, or that the role cannot read, is skipped. `missing`:
    the number of rows that lack their computed root.
    """
    by = counts.orphans_by
    yield from _unrooted(table, any_rows=bool(missing or by.cyclic or by.ambiguous or by.dangling))
    if reason := _lacking(table.relation, ["metadata"], _ENTITY):
        yield make_skipped("LL124", reason)
    elif table.relation.columns["metadata"].bare_type != "jsonb":
        yield make_skipped("LL124", "metadata is not jsonb")
    else:
        summaries = table.row("preflight/summaries", Summaries, sample=table.settings.sample)
        if summaries.rows:
            yield make_finding("LL124", summaries.rows, summaries.sample)
    if reason := _lacking(table.relation, ["category", "entity_id"], ["entity_type"]):
        yield make_skipped("LL125", reason)
    else:
        twice = table.row("preflight/created_twice", CreatedTwice, sample=table.settings.sample)
        if twice.entities:
            yield make_finding("LL125", twice.entities, twice.sample)


_ENTITY = ("entity_type", "entity_id", "track_id")


def _lacking(relation: Relation, needed: Sequence[str], also: Sequence[str]) -> str:
    """Returns why the columns cannot be read; empty where they can. `also`: columns that need not exist."""
    columns = relation.columns
    if absent := [ours for ours in needed if ours not in columns]:
        return f"the table has no {listed(absent)}"
    hidden = [ours for ours in (*needed, *also) if ours in columns and not columns[ours].readable]
    return f"the role cannot read {listed(hidden)}" if hidden else ""


def _unrooted(table: Table, *, any_rows: bool) -> Iterator[Finding | Skipped]:
    if table.relation.root is None:
        return  # nothing was written since the migration
    if reason := _lacking(table.relation, ["created_at"], ()):
        yield make_skipped("LL123", reason)
        return
    since = _migrated_since(table)
    if since is None:
        yield make_skipped("LL123", "the comment on the root column does not name the day of the migration")
        return
    if not any_rows:
        return
    query = load_query("preflight/unrooted", table.names)
    found = table.session.row(query, Unrooted, since_epoch=since.timestamp(), sample=table.settings.sample)
    if found.rows:
        day, computable = f"{since:%Y-%m-%d}", found.computable
        yield make_finding("LL123", found.rows, found.sample, day=day, computable=computable)


def _migrated_since(table: Table) -> datetime | None:
    """Returns the day of the migration, from the comment on the root column; None where it contains none."""
    if table.relation.root is None:
        return None
    query = load_query("preflight/migrated", Names())
    found = table.session.row(
        query, Migrated, relation=table.relation.oid, root_column=table.relation.root.name
    )
    try:
        return datetime.fromisoformat(found.since or "").replace(tzinfo=UTC)
    except ValueError:
        return None
