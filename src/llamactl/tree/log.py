"""Reads the log for a tree: the jobs above, the jobs below, and their rows.

A walk probes an index if one leads with the column that it needs. Otherwise it reads the whole table
(reach.sql), and a note says so.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from llamactl.model import Column, ErrorCode, IdKind, LlamactlError, LogRow
from llamactl.model.ids import array_literal, as_stored, exact
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.quoting import ident
from llamactl.table.table import Table
from llamactl.tree.graph import Entry

Link = tuple[str | None, str | None, str | None]
"""The columns of a row that concern its root: job, parent, stored root."""

# The planner cannot know how far a walk goes, and would read the table again at each level.
PROBING = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
AS_BEFORE = dict.fromkeys(PROBING, "on")


SMALL = 64 * 2**20
"""The size in bytes up to which reading the whole table takes only a moment."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the log contains about a job."""

    is_root: bool
    """Some row stores it as its root."""
    row_count: int
    """The number of its own rows; also 0 if they were not read."""
    root_lo: str | None
    root_hi: str | None
    """The smallest and largest root that its own rows store."""
    is_child: bool
    """One of its own rows has a parent."""
    is_parent: bool
    """It has no row of its own, but is the parent of some row."""

    @property
    def logged(self) -> bool:
        """Whether it has rows of its own, or other rows refer to it."""
        return self.is_root or self.row_count > 0 or self.is_parent


@dataclass(frozen=True, slots=True)
class _Index:
    name: str
    next: str | None


@dataclass(slots=True)
class Log:
    """The table in one snapshot. Create it with open()."""

    table: Table
    job: Column
    parent: Column
    trust_root_flag: bool
    comparable: bool
    """The id columns have the same type and collation, so an index on one finds values of the other."""
    job_index: bool
    parent_index: bool
    root: Column | None
    """The root column, if an index leads with it; without an index it is not searched."""
    small: bool
    """Reading the whole table takes only a moment, so it need not be reported."""
    thorough: bool
    """Rows of a job are searched by their job id, whatever root they store. Without an index on the job id, a
    large table is searched only if something contradicts the stored roots."""
    led: Collection[tuple[str, str | None]]
    """The leading columns of indexes, each with the second column of the index."""
    read_whole: dict[str, str] = field(default_factory=dict)
    """Why the whole table was read, by column."""

    @classmethod
    def open(cls, table: Table) -> Log:
        """Raises LlamactlError (config) if the id columns have kinds that cannot be compared."""
        relation = table.relation
        job, parent, root = relation.columns["job_id"], relation.columns["parent_job_id"], relation.root
        if job.kind is not parent.kind or job.kind is IdKind.OTHER:
            raise LlamactlError(
                ErrorCode.CONFIG,
                f"{job.name} ({job.type_name}) and {parent.name} ({parent.type_name}) cannot be compared",
                "Both must be strings, integers or uuids; use --column ours=theirs to map other columns",
            )
        found = table.rows("tree/indexes", _Index, relation=relation.oid)
        led = {(index.name, index.next) for index in found}
        first = {index.name for index in found}
        small = relation.bytes - relation.index_bytes - relation.toast_bytes < SMALL
        return cls(
            table=table,
            job=job,
            parent=parent,
            trust_root_flag=table.settings.trust_root_flag,
            comparable=_alike(job, parent),
            job_index=job.name in first,
            parent_index=parent.name in first,
            root=root if root is not None and root.name in first else None,
            small=small,
            thorough=small or job.name in first,
            led=led,
        )

    def find(self, job: str) -> tuple[str, Known]:
        """Like look_up(), but raises LlamactlError (not_found) if the job is not in the log."""
        found = self.look_up(job)
        if found is None:
            raise _not_found(job)
        return found

    def look_up(self, job: str) -> tuple[str, Known] | None:
        """Returns the id as stored in the log, and what is known about it; None if it is not in the log.

        The columns may store an id differently: char(n), for example, drops trailing blanks. The unchanged id
        is tried first.
        """
        held = [as_stored(column, job) for column in (self.job, self.parent, self.root) if column]
        for id_ in dict.fromkeys([*(one for one in held if one == job), *held]):
            known = self.known(id_, own=self.thorough) if id_ is not None else None
            if id_ is not None and known is not None and known.logged:
                return id_, known
        return None

    def known(self, job: str, *, own: bool = True) -> Known:
        """Returns what the log contains about a job.

        Without `own`, its rows are not read if other rows store it as their root.
        """
        known = self.table.row(
            "tree/asked",
            Known,
            job=exact(self.job, job),
            parent=exact(self.parent, job),
            root=exact(self.root, job) if self.root else None,
            own=own,
            trust_root_flag=self.trust_root_flag,
        )
        if not known.is_root:
            self._needs(self.job, self.job_index)
            if not known.row_count:
                self._needs(self.parent, self.parent_index)
        return known

    def above(self, jobs: Collection[str]) -> set[str]:
        """Returns the jobs and all logged jobs above them; parents that are not logged may be missing."""
        if not (self.comparable and self.job_index):
            return self._reach(jobs, upward=True)
        return {*jobs, *(above for (above,) in self._probe("tree/up", jobs=array_literal(self.job, jobs)))}

    def trees(self, tops: Collection[str]) -> Iterator[Entry]:
        """Yields the rows of all jobs from `tops` down, and the rows that store one of `tops` as their root.

        The oldest come first. A row that stores one of `tops` is not necessarily below it: its parents
        decide.
        """
        return self.rows(*self._of_trees(tops))

    def tree_links(self, tops: Collection[str]) -> Iterator[Link]:
        """Yields the links of the rows of trees(), in any order."""
        return self.links(*self._of_trees(tops))

    def _of_trees(self, tops: Collection[str]) -> tuple[Collection[str], Collection[str]]:
        """Returns the jobs and the stored roots by which rows() finds the trees."""
        if self.root is None:
            return self.below(tops), ()
        roots = array_literal(self.root, tops)
        if not (self.comparable and self.parent_index):
            return self._reach(tops, upward=False, roots=roots), tops
        found = list(self._probe("tree/down", jobs=array_literal(self.job, tops), roots=roots))
        if self.thorough or any(walked for _, walked in found):
            self.thorough = True
            return {*tops, *(job for job, _ in found if job is not None)}, tops
        name, table = ident(self.job.name), self.table.names.quoted_table()
        self.read_whole.setdefault(
            self.job.name,
            f"No index leads with {name}, so rows of these jobs that store another root or none, and have no "
            f"parent in this tree, are not included: CREATE INDEX CONCURRENTLY ON {table} ({name});",
        )
        return (), tops

    def below(self, jobs: Collection[str]) -> set[str]:
        """Returns the jobs and all logged jobs below them, by their parents only."""
        if not (self.comparable and self.parent_index):
            return self._reach(jobs, upward=False)
        found = self._probe("tree/down", jobs=array_literal(self.job, jobs), roots="{}")
        return {*jobs, *(job for job, _ in found if job is not None)}

    def rows(self, jobs: Collection[str], roots: Collection[str] = ()) -> Iterator[Entry]:
        """Yields the rows of these jobs, rows without a job id below them, and rows that store one of the
        roots.

        The oldest come first.
        """
        for job, parent, root, *log in self._read("tree/rows", jobs, roots):
            log[6] = milliseconds(log[6])
            yield Entry(job, parent, root, LogRow(*log))

    def links(self, jobs: Collection[str], roots: Collection[str] = ()) -> Iterator[Link]:
        """Yields the links of the rows of rows(), in any order."""
        return self._read("tree/links", jobs, roots)

    def _read(self, path: str, jobs: Collection[str], roots: Collection[str]) -> Iterator[tuple[Any, ...]]:
        if jobs and not (self.small and roots):
            self._needs(self.job, self.job_index)
            self._needs(self.parent, self.parent_index)
        literal = array_literal(self.job, jobs)
        found = self.table.tuples(
            path,
            roots=array_literal(self.root, roots) if self.root else "{}",
            jobs=literal,
            parents=literal if self.comparable else array_literal(self.parent, jobs),
            trust_root_flag=self.trust_root_flag,
        )
        for row in found:
            job, parent, root = row[:3]
            # Different ids may compare as equal in the column's type.
            if root in roots or (job in jobs if job is not None else parent in jobs):
                yield row

    def logged(self, jobs: Collection[str]) -> set[str]:
        """Returns the jobs that have rows."""
        if not jobs:
            return set()
        self._needs(self.job, self.job_index)
        query = load_query("tree/logged", self.table.names)
        return {
            job for (job,) in self.table.session.tuples(query, jobs=array_literal(self.job, jobs))
        }.intersection(jobs)

    def notes(self) -> list[str]:
        """Returns notes on what made reading slow, and what would help."""
        return list(self.read_whole.values())

    def _probe(self, path: str, **params: str | None) -> Iterator[tuple[Any, ...]]:
        self.table.session.set_local(**PROBING)
        query = load_query(path, self.table.names)
        yield from self.table.session.tuples(query, trust_root_flag=self.trust_root_flag, **params)
        self.table.session.set_local(**AS_BEFORE)

    def _reach(self, jobs: Collection[str], *, upward: bool, roots: str = "{}") -> set[str]:
        column, index = (self.job, self.job_index) if upward else (self.parent, self.parent_index)
        self._needs(column, index)
        if index:
            self.read_whole[column.name] = (
                f"{ident(self.job.name)} and {ident(self.parent.name)} differ in type or collation, "
                "so no index could be used and the whole table was read"
            )
        query = load_query("tree/reach", self.table.names)
        found = self.table.session.tuples(
            query, jobs=[*jobs], upward=upward, roots=roots, trust_root_flag=self.trust_root_flag
        )
        return {*jobs, *(reached for (reached,) in found)}

    def _needs(self, column: Column, index: bool) -> None:
        if not index:
            name, table = ident(column.name), self.table.names.quoted_table()
            self.read_whole[column.name] = (
                f"No index leads with {name}, so the whole table was read: "
                f"CREATE INDEX CONCURRENTLY ON {table} ({name});"
            )


def _alike(one: Column, other: Column) -> bool:
    same = (one.bare_type, one.collation) == (other.bare_type, other.collation)
    return same and one.bytewise and other.bytewise


@lru_cache(maxsize=4096)
def milliseconds(text: str | None) -> int | None:
    """Returns the value in whole milliseconds; the column may be of any numeric type."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return round(value) if math.isfinite(value) else None


def _not_found(job: str) -> LlamactlError:
    return LlamactlError(
        ErrorCode.NOT_FOUND,
        f"Job {job} is not in the log",
        "It is neither the job nor the parent of any row. Ids must match exactly",
    )
