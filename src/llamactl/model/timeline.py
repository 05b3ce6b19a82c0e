"""The history of a root, an album, an artist or a track."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from llamactl.model.tree import ALL_KNOWN, LogRow, UnknownStatus


class SubjectKind(StrEnum):
    """The kind of thing whose history a timeline shows."""

    ROOT = "root"
    """All rows of one root."""
    ALBUM = "album"
    ARTIST = "artist"
    TRACK = "track"


@dataclass(frozen=True, slots=True)
class Subject:
    """The thing whose history a timeline shows."""

    kind: SubjectKind
    id: str
    """As stored in the log."""
    name: str | None = None
    """None for a root, and if the log's foreign keys lead to no name or title that the role may read."""


@dataclass(frozen=True, slots=True)
class TimelineRow(LogRow):
    """A row of a timeline. Columns that do not exist are None, and so are blank job ids."""

    job_id: str | None
    parent_job_id: str | None
    """None also if it is ignored because of the root flag."""
    root_job_id: str | None
    origin_unknown: bool
    """The row has no root."""
    entity_name: str | None
    album_id: str | None
    album_name: str | None
    artist_id: str | None
    artist_name: str | None
    track_id: str | None
    track_name: str | None

    @property
    def is_root(self) -> bool:
        """Whether the row's job is the root."""
        return self.job_id is not None and self.job_id == self.root_job_id


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows ordered by created_at; among rows of the same time, those of the root come first.

    `total` is the number of rows shown plus the number of rows in `omitted`.
    """

    of: Subject
    created_at: str | None
    """ISO 8601. The time of its first CREATED row, for a root of its job's first row; None if unknown."""
    first_linked_at: str | None
    """The time of its first LINKED row; None for a root, and if unknown."""
    total: int
    """All its rows, including those that the filters and the limit leave out."""
    orphans: int
    """How many of these have no root."""
    failed: int
    """How many of these failed."""
    rows: Collection[TimelineRow]
    """The rows shown. Can be read repeatedly; a large collection is kept mostly on disk."""
    omitted: Mapping[str, int] = field(default_factory=dict)
    """Flag -> number of rows that it left out; a row counts under the first flag that excludes it."""
    next_cursor: str | None = None
    """The value of --after for the next page; None if the limit left nothing out."""
    notes: tuple[str, ...] = ()
    unknown_status: UnknownStatus = ALL_KNOWN
