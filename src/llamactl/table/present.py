"""What a migration made of the table so far: column, index, CHECK, enum value."""

from __future__ import annotations

from dataclasses import dataclass

from llamactl.db.session import Session
from llamactl.model import Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names

LABEL = "LINKED"


MAINTENANCE_MEMORY = "256MB"
"""For building indexes; under the server's default of 64MB the sort spills."""


@dataclass(frozen=True, slots=True)
class Present:
    """What of the migration is there already (present.sql)."""

    index_present: bool
    index_ours: bool
    index_marked: bool
    check_present: bool
    check_validated: bool
    check_enforced: bool
    comment_present: bool
    schema_present: bool
    index_count: int
    """Of the table's indexes, for estimates."""


def read_present(session: Session, relation: Relation, names: Names) -> Present:
    """Returns what of the migration is there already. Reads catalogs only."""
    return session.row(
        load_query("migrate/present", names),
        Present,
        relation=relation.oid,
        root_column=names.columns["root_job_id"],
        check=names.check,
        index=names.index,
    )
