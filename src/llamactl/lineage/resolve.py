"""Computes the lineage of the whole log in temporary relations, and counts the result.

1. The jobs that are parents are numbered: the nodes (named). Most jobs are not, and nothing is stored about
   them one by one.
2. A pass over the rows of the nodes finds their parents (edge).
3. A walk goes down from the tops (nodes without a parent, dangling parents, nodes whose rows disagree on the
   parent) through the nodes with one parent. Each is reached once.
4. The nodes whose rows disagree are solved separately, from the ends of their upward walks (solve). Nodes
   that are not reached are cyclic, and so is what is below them.
5. Each row gets its root from its parent, in one hash join (rooted). A pass groups them by job, to find other
   jobs whose rows disagree (jobs), and counts them (tally).
6. On request, the cycles are found: the strongly connected components of the cyclic nodes.

The definitions are in docs/lineage.md. The files are in sql/lineage/; the migration's script contains them
too.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llamactl.config.settings import Settings
from llamactl.lineage.components import strong_components
from llamactl.model import Column, Counts, Cycle, DanglingPolicy, FilledBy, OrphansBy
from llamactl.table.grants import naming_temporary
from llamactl.table.table import Table

# The planner only guesses the size of the temporary tables, and a nested loop over the log could mean one
# scan per row. The walk down, however, must use nested loops with an index.
DEFAULT_PLANNER: Mapping[str, str] = {
    f"enable_{method}": "on" for method in ("nestloop", "hashjoin", "mergejoin", "seqscan", "hashagg", "sort")
}
SET_BASED_PLANNER: Mapping[str, str] = {**DEFAULT_PLANNER, "enable_nestloop": "off"}
# With a wrong estimate of the number of groups, the planner would sort the log on disk.
GROUPING_PLANNER: Mapping[str, str] = {**SET_BASED_PLANNER, "enable_sort": "off"}
PROBING_PLANNER: Mapping[str, str] = {**DEFAULT_PLANNER, "enable_seqscan": "off"}

CREATE = "lineage/create"
RESOLVE_FILES: Sequence[tuple[str, Mapping[str, str]]] = (
    ("lineage/configure", SET_BASED_PLANNER),
    ("lineage/named", GROUPING_PLANNER),
    ("lineage/edge", GROUPING_PLANNER),
    ("lineage/cuts", SET_BASED_PLANNER),
    ("lineage/walk", PROBING_PLANNER),
    ("lineage/solve", SET_BASED_PLANNER),
    ("lineage/roots", SET_BASED_PLANNER),
    ("lineage/jobs", GROUPING_PLANNER),
    ("lineage/leaves", SET_BASED_PLANNER),
    ("lineage/tally", SET_BASED_PLANNER),
)
"""The files in order, with the planner settings that each needs."""


@dataclass(frozen=True, slots=True)
class CountRow:
    """The result of counts.sql; see model.Counts."""

    total: int
    filled: int
    orphans: int
    filled_by_root: int
    filled_by_descendant: int
    orphans_by_untracked: int
    orphans_by_cyclic: int
    orphans_by_ambiguous: int
    orphans_by_dangling: int
    dangling: int
    already_set: int
    conflicts: int
    missing: int
    max_depth: int
    jobs_by_depth: list[int]


@dataclass(frozen=True, slots=True)
class _Rows:
    rows: int


@dataclass(frozen=True, slots=True)
class NumberedJob:
    number: int
    job: str


@dataclass(frozen=True, slots=True)
class Misfits:
    """Dangling parents that do not fit the root column."""

    jobs: int
    misfit: bool
    sample: list[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """The limits of a finding's sample: the number of ids, and the characters of each."""

    sample: int
    longest: int = 2**31 - 1


def lineage_parameters(settings: Settings) -> dict[str, object]:
    """Returns the parameters of configure.sql."""
    return {
        "trust_root_flag": settings.trust_root_flag,
        "fill_dangling": settings.dangling is DanglingPolicy.FILL,
    }


def prepare_lineage(table: Table) -> None:
    """Creates the temporary relations, which are dropped at the end of the open transaction."""
    with naming_temporary(table.session):
        table.run(CREATE)


def resolve_roots(table: Table) -> None:
    """Fills the temporary relations, from which rooted.sql computes every row's root."""
    for path, planner in RESOLVE_FILES:
        table.session.set_local(**planner)
        values = lineage_parameters(table.settings) if path == "lineage/configure" else {}
        table.run(path, **values)


def count_rows(table: Table) -> tuple[Counts, int]:
    """Returns the counts, in rows (`depths`: in jobs), and the number of rows without their computed root."""
    row = table.row("lineage/counts", CountRow)
    depths = {
        str(depth) if depth < 20 else "20+": jobs for depth, jobs in enumerate(row.jobs_by_depth) if jobs
    }
    return Counts(
        total=row.total,
        filled=row.filled,
        orphans=row.orphans,
        filled_by=FilledBy(row.filled_by_root, row.filled_by_descendant),
        orphans_by=OrphansBy(
            row.orphans_by_untracked,
            row.orphans_by_cyclic,
            row.orphans_by_ambiguous,
            row.orphans_by_dangling,
        ),
        dangling=row.dangling,
        already_set=row.already_set,
        conflicts=row.conflicts,
        max_depth=row.max_depth,
        depths=depths,
    ), row.missing


def find_cycles(table: Table, sample: int, *, integers: bool = False) -> tuple[tuple[Cycle, ...], int]:
    """Returns the first `sample` cycles by smallest id, each with its first `sample` jobs, and the total
    number.

    `integers`: the ids are integers, and are ordered as such.
    """
    table.run("lineage/cyclic", integers=integers)
    table.run("lineage/cyclic_parents")
    children, parents = array("i"), array("i")
    for child, parent in table.tuples("lineage/cyclic_edges"):
        children.append(child)
        parents.append(parent)
    # The numbers have the order of the ids, so the components are sorted like the ids.
    found = sorted(strong_components(children, parents), key=lambda members: members[0])
    shown = [(members[:sample], len(members)) for members in found[:sample]]
    wanted = [number for members, _ in shown for number in members]
    ids = {row.number: row.job for row in table.rows("lineage/cyclic_jobs", NumberedJob, numbers=wanted)}
    listed = tuple(Cycle(tuple(ids[number] for number in members), size) for members, size in shown)
    return listed, len(found)


def integer_limits(column: Column) -> dict[str, object]:
    """Returns the parameters of misfits.sql that describe an id column: its length, or its integer range."""
    return {
        "max_length": None if column.max_length is None else str(column.max_length),
        "bound": None if column.bound is None else str(column.bound),
        "padded": column.bare_type == "bpchar",
    }


def find_misfits(table: Table, shown: Shown) -> Misfits:
    """Returns the dangling parents that would be filled in but are not valid values of job_id's type."""
    job = table.relation.columns["job_id"]
    return table.row(
        "lineage/misfits",
        Misfits,
        **integer_limits(job),
        sample=shown.sample,
        longest=shown.longest,
    )


def count_roots_not_logged(table: Table, counts: Counts | None) -> int:
    """Returns how many rows store a root that is not logged as a job. It needs the root column.

    `counts`: of this transaction, in which lineage is resolved; None: it is not.
    """
    if counts is None or counts.conflicts:
        return table.row("verify/unlogged_roots", _Rows).rows
    return table.row("verify/dangling_roots", _Rows).rows
