"""The history of a root, or of an album, an artist or a track, as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from llamactl.model.tree import ALL_KNOWN, LogRow, UnknownStatus


class SubjectKind(StrEnum):
    """What a timeline is of."""

    ROOT = "root"
    """All rows of one root."""
    ALBUM = "album"
    ARTIST = "artist"
    TRACK = "track"


@dataclass(frozen=True, slots=True)
class Subject:
    """The one thing that a timeline is of."""

    kind: SubjectKind
    id: str
    """As the log writes it."""
    name: str | None = None
    """None for a root, and where the log's foreign keys lead to no name or title that the role may read."""


@dataclass(frozen=True, slots=True)
class TimelineRow(LogRow):
    """A row of the log, as a timeline shows it. Absent columns are None, and so are blank job ids."""

    job_id: str | None
    parent_job_id: str | None
    """None also where the root flag disregards it."""
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
        """Whether its job is the root."""
        return self.job_id is not None and self.job_id == self.root_job_id


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows by created_at, the root's first among those of one time.

    `total` is the number of rows shown and of those in `omitted` together.
    """

    of: Subject
    created_at: str | None
    """ISO 8601: when it was first CREATED, a root when its job's first row was; None where no row tells."""
    first_linked_at: str | None
    """When it was first LINKED; None for a root, and where no row tells."""
    total: int
    """Rows that belong to it, whatever the filters and the limit leave out."""
    orphans: int
    """Those of them that have no root."""
    failed: int
    """Those of them that failed."""
    rows: Collection[TimelineRow]
    """What is shown. Can be read again and again; of many rows most are kept on disk."""
    omitted: Mapping[str, int] = field(default_factory=dict)
    """Flag -> rows that it left out; each row under the first flag that did."""
    next_cursor: str | None = None
    """What --after takes to go on; None where the limit left nothing out."""
    notes: tuple[str, ...] = ()
    unknown_status: UnknownStatus = ALL_KNOWN
