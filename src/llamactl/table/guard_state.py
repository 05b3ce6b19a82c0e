"""The guard as it is on a table: what of it is there, whether it is this version's, and what forbids it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llamactl.db.session import Session
from llamactl.model import ErrorCode, IdKind, LlamactlError, Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.grants import CREATE, USE, missing_grants
from llamactl.table.table import Table

OUTDATED = (
    "The guard on the table is outdated: its function differs from the one that this version of llamactl "
    "installs, so that new rows may get a wrong root, or none"
)
REPLACE = "`llamactl guard install` replaces it, and `llamactl repair --overwrite` corrects the rows"

_BODY = re.compile(r"AS (\$\w+\$)(.*)\1\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class GuardState:
    """What of the guard is there (guard/look.sql)."""

    trigger: bool
    enabled: bool
    trust_root_flag: bool | None
    function: str | None
    up_to_date: bool
    """The function is the one that this version installs, for the table's names as they are."""
    current: bool
    """The trigger calls the function of this name; else the table was renamed since."""
    index: str | None
    """A usable one that leads with the job id."""
    index_ours: bool
    checked: bool
    schema_present: bool
    schema_empty: bool
    may_create: bool
    foreign_owner: str | None
    """The owner of its function, where the role lacks the owner's rights."""

    @property
    def installed(self) -> bool:
        """And not merely a trigger that looks for a table of another name."""
        return self.trigger and self.current

    @property
    def guarding(self) -> bool:
        """New rows get their root, by the rules of this version."""
        return self.installed and self.enabled and self.up_to_date

    @property
    def outdated(self) -> bool:
        """Its trigger is there, and calls another function than this version would."""
        return self.trigger and not (self.current and self.up_to_date)


def read_guard_state(table: Table) -> GuardState:
    """Returns what of the guard is there. Reads catalogs only."""
    return table.session.row(
        load_query("guard/look", Names()),
        GuardState,
        relation=table.relation.oid,
        job=table.names.columns["job_id"],
        guard=table.names.guard,
        body=_body(table.names),
        check=table.names.check,
    )


def _body(names: Names) -> str:
    """Returns the body of the function that is installed for these names, as the server keeps it."""
    (statement,) = load_query("guard/create_function", names).statements
    found = _BODY.search(statement.sql)
    if not found:
        raise LlamactlError(ErrorCode.INTERNAL, "guard/create_function is not a function with a quoted body")
    return found[2]


def refuse_unguardable(relation: Relation) -> None:
    """Raises LlamactlError (config) where the columns are such that the guard could not do its work.

    It compares parents with job ids by an index, and ids byte by byte.
    """
    job, parent = relation.columns["job_id"], relation.columns["parent_job_id"]
    flag = relation.columns.get("is_root_job")
    types = f"{ident(job.name)} is {job.type_name}, {ident(parent.name)} {parent.type_name}"
    blank_padded = [column.bare_type for column in (job, parent)].count("bpchar") == 1
    if job.kind is not parent.kind or job.kind is IdKind.OTHER or blank_padded:
        problem = f"no index compares them: {types}"
    elif job.collation != parent.collation:
        problem = f"no index compares them: {types}, of another collation"
    elif not (job.bytewise and parent.bytewise):
        problem = f"their type takes different ids for equal: {types}"
    elif parent.computed or job.computed or (flag and flag.computed):
        problem = "one of them, or the root flag, is generated, and a trigger comes before that"
    else:
        return
    table = qualified(relation.schema, relation.name)
    raise LlamactlError(
        ErrorCode.CONFIG,
        f"{table} cannot have a guard, for its ids: {problem}",
        "`llamactl verify` finds the rows that lack their root, and `llamactl repair` fills them",
    )


def refuse_foreign_guard(session: Session, there: GuardState) -> None:
    """Raises LlamactlError (permission) where the function is another role's."""
    if there.foreign_owner is not None:
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"{session.user} does not own the guard's function in schema llamactl",
            f"Connect as its owner, {ident(there.foreign_owner)}",
        )


def refuse_uncreatable_guard(session: Session, there: GuardState) -> None:
    """Raises LlamactlError (permission), with the GRANT, where the role may not make the function."""
    if there.may_create:
        return
    raise LlamactlError(
        ErrorCode.PERMISSION,
        f"{session.user} may not make the guard's function, in schema llamactl",
        missing_grants(session, (USE, CREATE)),
    )
