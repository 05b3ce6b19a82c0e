"""The filters of a timeline, and their parameters for counts.sql and rows.sql."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from llamactl.model import ErrorCode, LlamactlError, Relation, Subject
from llamactl.timeline.cursor import Position, decode_cursor
from llamactl.wording import listed

FLAGS = ("--no-orphans", "--category", "--since", "--until", "--after")
"""In the order in which counts.sql leaves rows out."""

_ALMOST_A_DAY = timedelta(days=1, microseconds=-1)
_LATER_WORDS = ("LINKED",)
"""Categories that the migration adds; before it no row has them."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters from the command line."""

    no_orphans: bool = False
    """Only rows that have a root."""
    categories: tuple[str, ...] = ()
    """Only these categories; if empty, all."""
    since: datetime | None = None
    """Inclusive; UTC if it has no time zone."""
    until: datetime | None = None
    """Exclusive."""
    limit: int | None = None
    """The number of rows of a page."""
    after: str | None = None
    """The cursor of the previous page."""

    def params(self, relation: Relation, subject: Subject) -> dict[str, Any]:
        """Returns the parameters of counts.sql and rows.sql.

        Raises LlamactlError: usage for an invalid category or cursor, config if the column that a filter
        needs does not exist.
        """
        start = decode_cursor(subject, self.after) if self.after is not None else Position()
        return {
            "no_orphans": self.no_orphans,
            "categories": _categories(relation, self.categories) or None,
            "since": _moment(relation, "--since", self.since),
            "until": _moment(relation, "--until", self.until),
            "after_created": start.created_at,
            "after_root": start.is_root,
            "after_id": start.id,
        }


def _categories(relation: Relation, given: tuple[str, ...]) -> list[str]:
    """Returns the categories as spelled in the column's enum; for another type, as given."""
    if given and "category" not in relation.columns:
        raise _needs("--category", "category")
    if relation.enum is None:
        return [*given]
    written = {value.upper(): value for value in (*_LATER_WORDS, *relation.enum.values)}
    unknown = [one for one in given if one.upper() not in written]
    if unknown:
        raise LlamactlError(
            ErrorCode.USAGE,
            f"--category {unknown[0]}: unknown category",
            f"Known categories: {listed(sorted(written.values()))}",
        )
    return [written[one.upper()] for one in given]


def _moment(relation: Relation, flag: str, moment: datetime | None) -> str | None:
    if moment is None:
        return None
    column = relation.columns.get("created_at")
    if column is None:
        raise _needs(flag, "created_at")
    utc = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    if column.bare_type == "timestamp with time zone":
        return utc.isoformat()
    # In columns without a time zone, Prisma and most others store UTC. A day begins at midnight.
    bare = utc.replace(tzinfo=None)
    return bare.isoformat() if column.bare_type != "date" else (bare + _ALMOST_A_DAY).date().isoformat()


def _needs(flag: str, column: str) -> LlamactlError:
    return LlamactlError(
        ErrorCode.CONFIG,
        f"{flag} needs a column {column}, which the table does not have",
        f"If the column has another name, map it with --column {column}=theirs",
    )
