"""Converts the results of counts.sql and rows.sql."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from llamactl.model import TimelineRow, UnknownStatus
from llamactl.timeline.titles import Entity, Library
from llamactl.tree.log import milliseconds

Row = tuple[Any, ...]
"""A row of the log, as rows.sql returns it."""

_CHUNK = 2000
"""Rows whose titles are looked up together."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A row of counts.sql: the figures on all rows, shown or not."""

    total: int
    orphans: int
    failed: int
    unknown_statuses: Sequence[str | None] | None
    unknown_rows: Sequence[int] | None
    left_out_no_orphans: int
    left_out_category: int
    left_out_since: int
    left_out_until: int
    left_out_after: int
    first_created: str | None
    first_linked: str | None
    lowest: str | None
    highest: str | None
    undated: bool

    @property
    def unknown(self) -> UnknownStatus:
        return UnknownStatus.of(dict(zip(self.unknown_statuses or (), self.unknown_rows or (), strict=True)))

    @property
    def left_out(self) -> tuple[int, ...]:
        """How many rows each of filters.FLAGS left out."""
        return (
            self.left_out_no_orphans,
            self.left_out_category,
            self.left_out_since,
            self.left_out_until,
            self.left_out_after,
        )

    @property
    def extent(self) -> Mapping[str, object]:
        """The parameters of rows.sql that say between which times the rows are."""
        return {"lowest": self.lowest, "highest": self.highest, "undated": self.undated}


def tie(row: Row) -> str | None:
    """Returns the job that decides the row's root: its own, else its parent."""
    job: str | None = row[9]
    parent: str | None = row[10]
    return parent if job is None else job


def titled(found: Iterable[Row], roots: Mapping[str, str], library: Library) -> Iterator[list[TimelineRow]]:
    """Yields the rows with the names of their entities, in chunks; `roots`: job -> root."""
    rows = iter(found)
    while chunk := list(islice(rows, _CHUNK)):
        titles = library.titles(entity for row in chunk for entity in _entities(row, library))
        yield [_row(row, roots, [titles.get(entity) for entity in _entities(row, library)]) for row in chunk]


def _entities(row: Row, library: Library) -> list[Entity]:
    """Returns the entities of a row, each with the column whose foreign key refers to it."""
    entity_type, entity_id = row[4:6]
    album, artist, track = row[12:15]
    entity = library.entity_column(entity_type), entity_id
    return [entity, ("album_id", album), ("artist_id", artist), ("track_id", track)]


def _row(row: Row, roots: Mapping[str, str], names: list[str | None]) -> TimelineRow:
    id_, operation, category, status, entity_type, entity_id, duration, error, created = row[:9]
    job, parent, _, album, artist, track = row[9:]
    root = roots.get(tie(row) or "")
    entity_name, album_name, artist_name, track_name = names
    return TimelineRow(
        id=id_,
        operation=operation,
        category=category,
        status=status,
        entity_type=entity_type,
        entity_id=entity_id,
        duration_ms=milliseconds(duration),
        error_message=error,
        created_at=created,
        job_id=job,
        parent_job_id=parent,
        root_job_id=root,
        origin_unknown=root is None,
        entity_name=entity_name,
        album_id=album,
        album_name=album_name,
        artist_id=artist,
        artist_name=artist_name,
        track_id=track,
        track_name=track_name,
    )
