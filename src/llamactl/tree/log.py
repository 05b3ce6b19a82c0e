"""The user's table, as a tree reads it: who is above, who is below, and their rows.

A walk probes an index where one leads with the column that it needs; else it reads the table (reach.sql), and
that is said.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from llamactl import catalog, queries
from llamactl.db import Session
from llamactl.ids import array, as_held
from llamactl.model import Column, ErrorCode, IdKind, LlamactlError, LogRow, Relation
from llamactl.names import Names
from llamactl.settings import Settings
from llamactl.tree.graph import Entry
from llamactl.wording import ident

# Not knowing how far a walk goes, the planner would read the table again at each level.
PROBING = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
AS_BEFORE = dict.fromkeys(PROBING, "on")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What asked.sql returns."""

    is_root: bool
    row_count: int
    unfilled: int
    root_lo: str | None
    root_hi: str | None
    is_child: bool
    is_parent: bool


@dataclass(frozen=True, slots=True)
class _Index:
    name: str
    next: str | None


@dataclass(slots=True)
class Log:
    """The table in one snapshot; open() makes it."""

    session: Session
    names: Names
    job: Column
    parent: Column
    trust_root_flag: bool
    comparable: bool
    """The id columns are of one type and collation, so that an index on one serves values of the other."""
    job_index: bool
    parent_index: bool
    root_index: bool
    """An index leads with the root column, and that is of job_id's type."""
    led: Collection[tuple[str, str | None]]
    """The columns that indexes lead with, each with the one that comes next there."""
    read_whole: dict[str, str] = field(default_factory=dict)
    """Why the whole table was read, by column."""

    @classmethod
    def open(cls, session: Session, settings: Settings, relation: Relation) -> Log:
        """Raises LlamactlError (config) where the id columns are of kinds that cannot be compared."""
        job, parent, root = relation.columns["job_id"], relation.columns["parent_job_id"], relation.root
        if job.kind is not parent.kind or job.kind is IdKind.OTHER:
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"{job.name} is {job.type_name}, {parent.name} {parent.type_name}: they cannot be compared",
                "Both must be strings, both integers, or both uuid; --column ours=theirs names other columns",
            )
        names = catalog.names_for(relation, settings)
        found = session.rows(queries.load("tree/indexes", names), _Index, relation=relation.oid)
        led = {(index.name, index.next) for index in found}
        first = {index.name for index in found}
        return cls(
            session=session,
            names=names,
            job=job,
            parent=parent,
            trust_root_flag=settings.trust_root_flag,
            comparable=_alike(job, parent),
            job_index=job.name in first,
            parent_index=parent.name in first,
            root_index=root is not None and _alike(job, root) and root.name in first,
            led=led,
        )

    def canonical(self, job: str) -> str:
        """The id as the log writes it. Raises LlamactlError (not_found) where its columns cannot hold it."""
        found = as_held(self.job, job) or as_held(self.parent, job)
        if found is None:
            raise _not_found(job)
        return found

    def root(self, job: str) -> str | None:
        """The root, where the own rows tell it: all of them hold it, or none names a parent; else None.

        Raises LlamactlError (not_found) where the log does not know the job.
        """
        held = as_held(self.job, job)
        known = self.session.row(
            queries.load("tree/asked", self.names),
            _Asked,
            job=held,
            parent=as_held(self.parent, job),
            root=held if self.root_index else None,
            trust_root_flag=self.trust_root_flag,
        )
        if known.is_root:
            return job
        self._needs(self.job, self.job_index)
        if not known.row_count:
            self._needs(self.parent, self.parent_index)
            if not known.is_parent:
                raise _not_found(job)
        if self.root_index and known.row_count and not known.unfilled and known.root_lo == known.root_hi:
            return known.root_lo
        return None if known.is_child else job

    def above(self, jobs: Collection[str]) -> set[str]:
        """The jobs and all logged ones above them; parents that are not logged may be missing."""
        if not (self.comparable and self.job_index):
            return self._reach(jobs, upward=True)
        return {*jobs, *(above for (above,) in self._probe("tree/up", jobs=array(self.job, jobs)))}

    def tree(self, top: str) -> Iterator[Entry]:
        """The rows of all jobs from `top` down, oldest first; and those that hold it as their root."""
        if not self.root_index:
            return self.rows(None, self.below([top]))
        if not (self.comparable and self.parent_index):
            return self.rows(top, self._reach([top], upward=False))
        found = list(self._probe("tree/down", jobs=array(self.job, [top]), root=top))
        jobs = {top, *(job for job, _ in found if job is not None)}
        # Rows that do not hold the root are found by their job; without an index only if there are some.
        strays = any(walked for _, walked in found)
        return self.rows(top, jobs if strays or self.job_index else ())

    def below(self, jobs: Collection[str]) -> set[str]:
        """The jobs and all logged ones below them, by their parents alone."""
        if not (self.comparable and self.parent_index):
            return self._reach(jobs, upward=False)
        found = self._probe("tree/down", jobs=array(self.job, jobs), root=None)
        return {*jobs, *(job for job, _ in found if job is not None)}

    def rows(self, root: str | None, jobs: Collection[str]) -> Iterator[Entry]:
        """The rows of these jobs, those below without a job id, and those that hold `root`; oldest first."""
        if jobs:
            self._needs(self.job, self.job_index)
            self._needs(self.parent, self.parent_index)
        found = self.session.tuples(
            queries.load("tree/rows", self.names),
            root=root,
            jobs=array(self.job, jobs),
            parents=array(self.parent, jobs),
            trust_root_flag=self.trust_root_flag,
        )
        for job, parent, of_root, *log in found:
            if of_root or job in jobs or (job is None and parent in jobs):
                yield Entry(job, parent, of_root, _log_row(log))

    def logged(self, jobs: Collection[str]) -> set[str]:
        """Those of the jobs that have rows."""
        if not jobs:
            return set()
        self._needs(self.job, self.job_index)
        query = queries.load("tree/logged", self.names)
        return {job for (job,) in self.session.tuples(query, jobs=array(self.job, jobs))}.intersection(jobs)

    def notes(self) -> list[str]:
        """What slowed the reading down, and what would help."""
        return list(self.read_whole.values())

    def _probe(self, path: str, **params: str | None) -> Iterator[tuple[Any, ...]]:
        self.session.set_local(**PROBING)
        query = queries.load(path, self.names)
        yield from self.session.tuples(query, trust_root_flag=self.trust_root_flag, **params)
        self.session.set_local(**AS_BEFORE)

    def _reach(self, jobs: Collection[str], *, upward: bool) -> set[str]:
        column, index = (self.job, self.job_index) if upward else (self.parent, self.parent_index)
        self._needs(column, index)
        if index:
            self.read_whole[column.name] = (
                f"{ident(self.job.name)} and {ident(self.parent.name)} differ in type or collation, "
                "so that no index serves the walk: the whole table was read"
            )
        query = queries.load("tree/reach", self.names)
        found = self.session.tuples(query, jobs=[*jobs], upward=upward, trust_root_flag=self.trust_root_flag)
        return {*jobs, *(reached for (reached,) in found)}

    def _needs(self, column: Column, index: bool) -> None:
        if not index:
            name, table = ident(column.name), self.names.quoted_table()
            self.read_whole[column.name] = (
                f"No index leads with {name}, so the whole table was read: "
                f"CREATE INDEX CONCURRENTLY ON {table} ({name});"
            )


def _alike(one: Column, other: Column) -> bool:
    same = (one.bare_type, one.collation) == (other.bare_type, other.collation)
    return same and one.bytewise and other.bytewise


def _log_row(values: list[Any]) -> LogRow:
    id_, operation, category, status, entity_type, entity_id, duration, error, created = values
    return LogRow(
        id_, operation, category, status, entity_type, entity_id, milliseconds(duration), error, created
    )


def milliseconds(text: str | None) -> int | None:
    """The column may be of any numeric type."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return round(value) if math.isfinite(value) else None


def _not_found(job: str) -> LlamactlError:
    return LlamactlError(
        ErrorCode.NOT_FOUND,
        f"The log does not know job {job}",
        "It is neither the job nor the parent of any row; ids are compared whole, byte by byte",
    )
