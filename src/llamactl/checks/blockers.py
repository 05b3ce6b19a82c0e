"""What makes the migration impossible according to the catalogs: preflight lists it, migrate refuses.

Nothing here reads a row of the log. row_blockers finds what only the rows show: an id that does not fit, a
parent that cannot be saved.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from llamactl.findings.kinds import make_finding
from llamactl.findings.refusal import refuse_findings
from llamactl.model import CheckPolicy, Finding, Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.catalog import unsupported
from llamactl.table.present import LABEL
from llamactl.table.shape import UNREADABLE, shape_findings
from llamactl.table.table import Table
from llamactl.wording import shell

TO_UPDATE = ("LL008", "LL015", "LL016", "LL026")
"""Findings that prevent llamactl from updating a row."""

_TO_ALTER = ("LL001", "LL002", "LL017", "LL027")


@dataclass(frozen=True, slots=True)
class Rights:
    """The row of rights.sql."""

    owner: bool
    could_own: bool
    enum_owner: bool | None
    could_own_enum: bool | None
    enum_usable: bool | None
    update: bool
    temporary: bool
    create_index: bool
    foreign_tablespace: str | None
    sees_others: bool
    inherits: bool
    beyond_owner: bool
    standby: bool


@dataclass(frozen=True, slots=True)
class Attached:
    """A line of attached.sql."""

    subject: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What the catalogs contain about the table and the role."""

    rights: Rights
    attached: Sequence[Attached]

    def named(self, subject: str) -> list[str]:
        """Returns the names of the objects with this subject in attached.sql."""
        return [one.name for one in self.attached if one.subject == subject]


def find_blockers(table: Table, around: TableFacts) -> list[Finding]:
    """Returns the error findings that follow from the catalogs."""
    return [
        *_rights(table, around),
        *shape_findings(table.relation),
        *_names_taken(table.relation, around.attached),
        *_unwritable(table.relation, around.attached),
    ]


def refuse_blockers(
    table: Table,
    *,
    check: CheckPolicy = CheckPolicy.AUTO,
    writing: bool = True,
    passed: Collection[str] = (),
) -> None:
    """Raises LlamactlError for the first obstacle: permission for a missing right, else config.

    Unless `writing`, only the privileges for computing are required: a dry run need not alter the table.
    `passed`: findings that do not stop the caller.
    """
    around = inspect_table(table)
    no_obstacle = {*passed, *(["LL012"] if check is CheckPolicy.NO else [])}
    if not writing:
        no_obstacle |= set(_TO_ALTER) if around.rights.standby else {"LL005", *_TO_ALTER}
    refuse_findings(one for one in find_blockers(table, around) if one.id not in no_obstacle)


def refuse_without_temporary(table: Table) -> None:
    """Raises LlamactlError (permission) where no temporary table can be created, as on a standby."""
    around = inspect_table(table)
    impossible = "LL005" if around.rights.standby else "LL003"
    refuse_findings(one for one in find_blockers(table, around) if one.id == impossible)


def refuse_unwritable(table: Table) -> None:
    """Raises LlamactlError (config) where no row can be read or updated; for commands that alter no table."""
    found = find_blockers(table, inspect_table(table))
    refuse_findings(finding for finding in found if finding.id in (*UNREADABLE, *TO_UPDATE))


def inspect_table(table: Table) -> TableFacts:
    """Returns what the catalogs contain about the table and the role."""
    enum = table.relation.enum
    rights = table.session.row(
        load_query("preflight/rights", Names()),
        Rights,
        relation=table.relation.oid,
        enum_schema=enum.schema if enum else "",
        enum=enum.name if enum else "",
    )
    attached = table.session.rows(
        load_query("preflight/attached", Names()),
        Attached,
        relation=table.relation.oid,
        job=table.names.columns["job_id"],
        parent=table.names.columns["parent_job_id"],
        root=table.names.columns["root_job_id"],
        index=table.names.index,
        check=table.names.check,
    )
    return TableFacts(rights, attached)


def _rights(table: Table, around: TableFacts) -> Iterator[Finding]:
    rights = around.rights
    user, table_name = ident(table.session.user), qualified(table.relation.schema, table.relation.name)
    if not rights.owner:
        remedy = _connect_as(table.relation.owner, rights.could_own)
        yield make_finding("LL001", 1, [table.shown], owner=ident(table.relation.owner), remedy=remedy)
    elif not rights.update:
        remedy = f"{user} lacks UPDATE on it: GRANT UPDATE ON {table_name} TO {user};"
        yield make_finding("LL001", 1, [table.shown], owner=ident(table.relation.owner), remedy=remedy)
    yield from _label_rights(table.relation, rights, user)
    if not rights.temporary and not rights.standby:
        yield make_finding(
            "LL003", 1, [table.session.database], database=ident(table.session.database), user=user
        )
    if rights.standby:
        yield make_finding("LL005", 1, [table.session.target], reason=_STANDBY)
    elif table.session.read_only_default:
        yield make_finding("LL005", 1, [table.session.target], reason=_READ_ONLY)
    if not rights.create_index and not around.named("root index"):
        schema = ident(table.relation.schema)
        # The role that can create the index.
        maker = user if rights.owner else ident(table.relation.owner)
        yield make_finding("LL017", 1, [schema], schema=schema, user=maker)
    if rights.foreign_tablespace and not around.named("root index"):
        tablespace = ident(rights.foreign_tablespace)
        yield make_finding("LL027", 1, [tablespace], tablespace=tablespace, user=user)


def _label_rights(relation: Relation, rights: Rights, user: str) -> Iterator[Finding]:
    """Yields a finding where the role lacks a privilege to add our value to the category enum."""
    enum = relation.enum
    if enum is None or LABEL in enum.values or (rights.enum_owner and rights.enum_usable):
        return
    name = qualified(enum.schema, enum.name)
    remedy = f"GRANT USAGE ON SCHEMA {ident(enum.schema)} TO {user};"
    if not rights.enum_owner:
        remedy = f"{_connect_as(enum.owner, rights.could_own_enum)} Or its owner can run: "
        remedy += f"ALTER TYPE {name} ADD VALUE '{LABEL}';"
    yield make_finding("LL002", 1, [name], type=name, owner=ident(enum.owner), remedy=remedy)


_STANDBY = (
    "It is a standby: connect to the primary. llamactl computes lineage in temporary tables, which cannot be "
    "created on a standby. tree, timeline, status and guard status work here, preflight and stats in part"
)
_READ_ONLY = (
    "default_transaction_read_only is on for this role, database or server: connect as a role that can write"
)


def _connect_as(owner: str, may_become: bool | None) -> str:
    """Returns how to get the owner's privileges: never by a membership, which would remain afterwards."""
    if not may_become:
        return f"Connect as the owner, {ident(owner)}."
    escaped = re.sub(r"([\s\\])", r"\\\1", owner)
    options = shell(f"-crole={escaped}")
    return f"Connect as the owner, {ident(owner)}, which this login can become with `PGOPTIONS={options}`."


def _names_taken(relation: Relation, attached: Sequence[Attached]) -> Iterator[Finding]:
    for one in attached:
        index = qualified(relation.schema, one.name)
        if one.subject == "invalid index":
            yield make_finding("LL010", 1, [index], index=index)
        elif one.subject == "index name":
            yield make_finding("LL011", 1, [index], index=index, what=one.detail)
        elif one.subject == "constraint name":
            yield make_finding("LL012", 1, [one.name], constraint=ident(one.name), what=one.detail)


_UNWRITABLE = {
    "typed table": "LL013",
    "replacing rule": "LL015",
    "replica identity": "LL016",
    "column limit": "LL024",
    "published columns": "LL026",
}


def _unwritable(relation: Relation, attached: Sequence[Attached]) -> Iterator[Finding]:
    """Yields what makes it impossible to add or fill the column; one finding per subject."""
    table = qualified(relation.schema, relation.name)
    stopping = [one for one in attached if one.subject in _UNWRITABLE]
    for subject, group in groupby(stopping, key=lambda one: one.subject):
        # Views and the like were already reported by their kind.
        if subject != "typed table" or not unsupported(relation):
            found = [one.name for one in group]
            yield make_finding(_UNWRITABLE[subject], len(found), found, table=table, kind="a typed table")
