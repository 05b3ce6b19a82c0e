"""The state of the guard on a table: which parts exist, whether they are current, and what prevents it."""

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
    "installs, so new rows may get a wrong root or none"
)
REPLACE = "`llamactl guard install` replaces it, and `llamactl repair --overwrite` corrects the rows"

_BODY = re.compile(r"AS (\$\w+\$)(.*)\1\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class GuardState:
    """The parts of the guard that exist (guard/look.sql)."""

    trigger: bool
    enabled: bool
    trust_root_flag: bool | None
    function: str | None
    up_to_date: bool
    """The function is the one that this version installs for the table's current names."""
    current: bool
    """The trigger calls the function of this name; if not, the table was renamed since."""
    index: str | None
    """A usable index whose first column is the job id."""
    index_ours: bool
    checked: bool
    schema_present: bool
    schema_empty: bool
    may_create: bool
    foreign_owner: str | None
    """The owner of the function, if the role does not have the owner's privileges."""

    @property
    def installed(self) -> bool:
        """Whether the trigger exists and calls the function for the table's current name."""
        return self.trigger and self.current

    @property
    def guarding(self) -> bool:
        """Whether new rows get their root by the rules of this version."""
        return self.installed and self.enabled and self.up_to_date

    @property
    def outdated(self) -> bool:
        """Whether the trigger exists but calls a function that differs from this version's."""
        return self.trigger and not (self.current and self.up_to_date)


def read_guard_state(table: Table) -> GuardState:
    """Returns the state of the guard. Reads only the catalogs."""
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
    """Returns the body of the function that is installed for these names, as the server stores it."""
    (statement,) = load_query("guard/create_function", names).statements
    found = _BODY.search(statement.sql)
    if not found:
        raise LlamactlError(ErrorCode.INTERNAL, "guard/create_function is not a function with a quoted body")
    return found[2]


def refuse_unguardable(relation: Relation) -> None:
    """Raises LlamactlError (config) if the guard cannot work with the columns.

    The guard looks parents up by job id with an index, and compares ids bytewise.
    """
    job, parent = relation.columns["job_id"], relation.columns["parent_job_id"]
    flag = relation.columns.get("is_root_job")
    types = f"{ident(job.name)} is {job.type_name}, {ident(parent.name)} {parent.type_name}"
    blank_padded = [column.bare_type for column in (job, parent)].count("bpchar") == 1
    if job.kind is not parent.kind or job.kind is IdKind.OTHER or blank_padded:
        problem = f"no index can compare the job id with the parent: {types}"
    elif job.collation != parent.collation:
        problem = f"no index can compare the job id with the parent: {types}, and their collations differ"
    elif not (job.bytewise and parent.bytewise):
        problem = f"the type of the id columns treats some different ids as equal: {types}"
    elif parent.computed or job.computed or (flag and flag.computed):
        problem = (
            "an id column or the root flag is a generated column, whose value is computed after the guard's "
            "BEFORE trigger"
        )
    else:
        return
    table = qualified(relation.schema, relation.name)
    raise LlamactlError(
        ErrorCode.CONFIG,
        f"The guard cannot be installed on {table}: {problem}",
        "Run `llamactl verify` to find new rows without a root and `llamactl repair` to fill them instead",
    )


def refuse_foreign_guard(session: Session, there: GuardState) -> None:
    """Raises LlamactlError (permission) if another role owns the function."""
    if there.foreign_owner is not None:
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"{session.user} does not own the guard's function in schema llamactl",
            f"Connect as its owner, {ident(there.foreign_owner)}",
        )


def refuse_uncreatable_guard(session: Session, there: GuardState) -> None:
    """Raises LlamactlError (permission), with the GRANT, if the role may not create the function."""
    if there.may_create:
        return
    raise LlamactlError(
        ErrorCode.PERMISSION,
        f"{session.user} may not create the guard's function in schema llamactl",
        missing_grants(session, (USE, CREATE)),
    )
