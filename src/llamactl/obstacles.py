"""What makes the migration impossible, as far as the catalogs tell: preflight lists it, migrate refuses.

Nothing here reads a row of the log. What only the rows tell (an id that does not fit, a parent that cannot be
saved) is said by preflight from the resolved lineage.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from llamactl import findings, queries
from llamactl.catalog import unsupported
from llamactl.db import Session
from llamactl.model import CheckPolicy, Column, ErrorCode, Finding, IdKind, LlamactlError, Relation
from llamactl.names import Names
from llamactl.plan import LABEL
from llamactl.wording import ident, listed, qualified, shell

RIGHTS = ("LL001", "LL002", "LL003", "LL004", "LL005", "LL017", "LL027")
"""What another role or server could do. The rest is wrong with the table itself."""
UNREADABLE = ("LL006", "LL013", "LL018")
"""With these the rows mean nothing to llamactl."""
TO_UPDATE = ("LL008", "LL015", "LL016", "LL026")
"""With these no row can be updated as llamactl does it."""

_TO_ALTER = ("LL001", "LL002", "LL017", "LL027")
_TIMES = ("timestamp without time zone", "timestamp with time zone", "date")


@dataclass(frozen=True, slots=True)
class Rights:
    """What rights.sql tells."""

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
class Around:
    """What the catalogs tell of the table's surroundings."""

    rights: Rights
    attached: Sequence[Attached]

    def named(self, subject: str) -> list[str]:
        """Returns the names of what stands on the table, of one subject of attached.sql."""
        return [one.name for one in self.attached if one.subject == subject]


def find(session: Session, relation: Relation, names: Names, around: Around) -> list[Finding]:
    """Returns the error findings that the catalogs give cause for."""
    return [
        *_rights(session, relation, names, around),
        *shape(relation),
        *_names_taken(relation, around.attached),
        *_unwritable(relation, around.attached),
    ]


def refuse(
    session: Session,
    relation: Relation,
    names: Names,
    *,
    check: CheckPolicy = CheckPolicy.AUTO,
    writing: bool = True,
    passed: Collection[str] = (),
) -> None:
    """Raises LlamactlError for the first obstacle: permission for a missing right, else config.

    Unless `writing`, only what computing needs is asked for: a dry run needs no right to alter the table.
    `passed`: findings that are no obstacle to the caller.
    """
    around = look(session, relation, names)
    no_obstacle = {*passed, *(["LL012"] if check is CheckPolicy.NO else [])}
    if not writing:
        no_obstacle |= set(_TO_ALTER) if around.rights.standby else {"LL005", *_TO_ALTER}
    refuse_for(one for one in find(session, relation, names, around) if one.id not in no_obstacle)


def refuse_unreadable(relation: Relation) -> None:
    """Raises LlamactlError (config) where a column is of a type that cannot be read as what it stands for."""
    refuse_for(finding for finding in shape(relation) if finding.id in UNREADABLE)


def refuse_without_temporary(session: Session, relation: Relation, names: Names) -> None:
    """Raises LlamactlError (permission) where no temporary table can be created, as on a standby."""
    around = look(session, relation, names)
    impossible = "LL005" if around.rights.standby else "LL003"
    refuse_for(one for one in find(session, relation, names, around) if one.id == impossible)


def refuse_unwritable(session: Session, relation: Relation, names: Names) -> None:
    """Raises LlamactlError (config) where no row can be read or updated: for what alters no table."""
    found = find(session, relation, names, look(session, relation, names))
    refuse_for(finding for finding in found if finding.id in (*UNREADABLE, *TO_UPDATE))


def refuse_for(obstacles: Iterable[Finding]) -> None:
    """Raises LlamactlError for the first, if any: permission, with the hints of all rights; else config."""
    found = list(obstacles)
    if not found:
        return
    first, rights = found[0], [one for one in found if one.id in RIGHTS]
    what = f": {listed(first.sample)}" if first.sample else ""
    message = f"{first.title}{what}; nothing was changed"
    if first not in rights:
        raise LlamactlError(ErrorCode.CONFIG, message, first.hint)
    raise LlamactlError(ErrorCode.PERMISSION, message, " ".join(one.hint for one in rights))


def look(session: Session, relation: Relation, names: Names) -> Around:
    """Returns the table's surroundings. Reads catalogs only."""
    enum = relation.enum
    rights = session.row(
        queries.load("preflight/rights", Names()),
        Rights,
        relation=relation.oid,
        enum_schema=enum.schema if enum else "",
        enum=enum.name if enum else "",
    )
    attached = session.rows(
        queries.load("preflight/attached", Names()),
        Attached,
        relation=relation.oid,
        job=names.columns["job_id"],
        parent=names.columns["parent_job_id"],
        root=names.columns["root_job_id"],
        index=names.index,
        check=names.check,
    )
    return Around(rights, attached)


def shape(relation: Relation) -> Iterator[Finding]:
    """Yields what is wrong with the kind of the relation and the types of its columns."""
    table = qualified(relation.schema, relation.name)
    kind = unsupported(relation)
    if kind:
        yield findings.make("LL013", 1, [table], table=table, kind=kind)
    job, parent = relation.columns["job_id"], relation.columns["parent_job_id"]
    if job.kind is not parent.kind or job.kind is IdKind.OTHER:
        yield findings.make("LL006", 1, [], job_type=job.type_name, parent_type=parent.type_name)
    needs = list(_unusable(relation))
    if needs:
        yield findings.make("LL018", len(needs), needs, needs="; ".join(needs))
    if relation.root:
        yield from _root_shape(table, relation.root, job)


def _unusable(relation: Relation) -> Iterator[str]:
    flag, created = relation.columns.get("is_root_job"), relation.columns.get("created_at")
    if flag and flag.bare_type != "boolean":
        yield f"{ident(flag.name)} is {flag.type_name}, and is_root_job must be boolean"
    if created and created.bare_type not in _TIMES:
        yield f"{ident(created.name)} is {created.type_name}, and created_at must be a timestamp"


def _root_shape(table: str, root: Column, job: Column) -> Iterator[Finding]:
    column = ident(root.name)
    if (root.type_name, root.collation) != (job.type_name, job.collation):
        yield findings.make(
            "LL007",
            1,
            [f"{column} {_type(root)}"],
            root_type=_type(root),
            job_type=_type(job),
            table=table,
            column=column,
        )
    if root.generated:
        remedy = (
            f"ALTER TABLE {table} ALTER COLUMN {column} DROP EXPRESSION; (DROP IDENTITY; for an identity)"
        )
        yield findings.make("LL008", 1, [column], column=column, reason="generated", remedy=remedy)
    if root.not_null:
        remedy = f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL;"
        yield findings.make("LL008", 1, [column], column=column, reason="NOT NULL", remedy=remedy)


def _type(column: Column) -> str:
    return column.type_name + (f" COLLATE {column.collation}" if column.collation else "")


def _rights(session: Session, relation: Relation, names: Names, around: Around) -> Iterator[Finding]:
    rights = around.rights
    user, table = ident(session.user), qualified(relation.schema, relation.name)
    if not rights.owner:
        remedy = _connect_as(relation.owner, rights.could_own)
        yield findings.make("LL001", 1, [names.quoted_table()], owner=ident(relation.owner), remedy=remedy)
    elif not rights.update:
        remedy = f"{user} lacks UPDATE on it: GRANT UPDATE ON {table} TO {user};"
        yield findings.make("LL001", 1, [names.quoted_table()], owner=ident(relation.owner), remedy=remedy)
    yield from _label_rights(relation, rights, user)
    if not rights.temporary and not rights.standby:
        yield findings.make("LL003", 1, [session.database], database=ident(session.database), user=user)
    if rights.standby:
        yield findings.make("LL005", 1, [session.target], reason=_STANDBY)
    elif session.read_only_default:
        yield findings.make("LL005", 1, [session.target], reason=_READ_ONLY)
    if not rights.create_index and not around.named("root index"):
        schema = ident(relation.schema)
        # Of the role that can make the index.
        maker = user if rights.owner else ident(relation.owner)
        yield findings.make("LL017", 1, [schema], schema=schema, user=maker)
    if rights.foreign_tablespace and not around.named("root index"):
        tablespace = ident(rights.foreign_tablespace)
        yield findings.make("LL027", 1, [tablespace], tablespace=tablespace, user=user)


def _label_rights(relation: Relation, rights: Rights, user: str) -> Iterator[Finding]:
    """Yields what the role lacks to add our value to the category's type."""
    enum = relation.enum
    if enum is None or LABEL in enum.values or (rights.enum_owner and rights.enum_usable):
        return
    name = qualified(enum.schema, enum.name)
    remedy = f"GRANT USAGE ON SCHEMA {ident(enum.schema)} TO {user};"
    if not rights.enum_owner:
        remedy = f"{_connect_as(enum.owner, rights.could_own_enum)} Or its owner runs: "
        remedy += f"ALTER TYPE {name} ADD VALUE '{LABEL}';"
    yield findings.make("LL002", 1, [name], type=name, owner=ident(enum.owner), remedy=remedy)


_STANDBY = (
    "It is a standby: point llamactl at the primary. Lineage is computed in temporary tables, which a "
    "standby cannot create; tree, timeline, status and guard status work here, preflight and stats in part"
)
_READ_ONLY = (
    "default_transaction_read_only is on for this role, database or server: connect as a role that may write"
)


def _connect_as(owner: str, may_become: bool | None) -> str:
    """Returns how to get the owner's rights: never by a membership, which would stay."""
    if not may_become:
        return f"Connect as the owner, {ident(owner)}."
    escaped = re.sub(r"([\s\\])", r"\\\1", owner)
    options = shell(f"-crole={escaped}")
    return f"Connect as the owner, {ident(owner)}, which this login may become: `PGOPTIONS={options}`."


def _names_taken(relation: Relation, attached: Sequence[Attached]) -> Iterator[Finding]:
    for one in attached:
        index = qualified(relation.schema, one.name)
        if one.subject == "invalid index":
            yield findings.make("LL010", 1, [index], index=index)
        elif one.subject == "index name":
            yield findings.make("LL011", 1, [index], index=index, what=one.detail)
        elif one.subject == "constraint name":
            yield findings.make("LL012", 1, [one.name], constraint=ident(one.name), what=one.detail)


_UNWRITABLE = {
    "typed table": "LL013",
    "replacing rule": "LL015",
    "replica identity": "LL016",
    "column limit": "LL024",
    "published columns": "LL026",
}


def _unwritable(relation: Relation, attached: Sequence[Attached]) -> Iterator[Finding]:
    """Yields what makes it impossible to add the column, or to fill it; one finding a subject."""
    table = qualified(relation.schema, relation.name)
    stopping = [one for one in attached if one.subject in _UNWRITABLE]
    for subject, group in groupby(stopping, key=lambda one: one.subject):
        # A view and its like were reported by their kind already.
        if subject != "typed table" or not unsupported(relation):
            found = [one.name for one in group]
            yield findings.make(_UNWRITABLE[subject], len(found), found, table=table, kind="a typed table")
