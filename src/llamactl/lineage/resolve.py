"""Lineage of the whole log: who is whose root, in temporary relations, and what that comes to.

1. The log is grouped into one row a job, with its smallest and largest parent (edge).
2. From the tops (jobs without a parent, dangling parents, jobs with several parents) a walk goes down through
   the jobs with one parent, as far as they are parents themselves, which few are. Each is reached once.
3. The jobs with several parents are solved among themselves, from their ends upwards (solve).
4. One more step down, in a single hash join, reaches every job (roots). What is not reached is cyclic.
5. Where jobs are cyclic, and somebody asks, the cycles are the strongly connected components of these jobs.

The definitions are in docs/lineage.md; the files in sql/lineage/, which the migration's script holds too.
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

# The planner's estimates for the temporary tables are guesses where few rows matter, and a nested loop
# over the log would be one scan a row; the walk down, on the contrary, must be nothing else.
DEFAULT_PLANNER: Mapping[str, str] = dict.fromkeys(
    ("enable_nestloop", "enable_hashjoin", "enable_mergejoin", "enable_seqscan"), "on"
)
SET_BASED_PLANNER: Mapping[str, str] = {**DEFAULT_PLANNER, "enable_nestloop": "off"}
PROBING_PLANNER: Mapping[str, str] = {**DEFAULT_PLANNER, "enable_seqscan": "off"}

CREATE = "lineage/create"
RESOLVE_FILES: Sequence[tuple[str, Mapping[str, str]]] = (
    ("lineage/configure", SET_BASED_PLANNER),
    ("lineage/edge", SET_BASED_PLANNER),
    ("lineage/cuts", SET_BASED_PLANNER),
    ("lineage/inner", SET_BASED_PLANNER),
    ("lineage/walk", PROBING_PLANNER),
    ("lineage/solve", SET_BASED_PLANNER),
    ("lineage/roots", SET_BASED_PLANNER),
)
"""The files in their order, and the planner settings that each needs."""


@dataclass(frozen=True, slots=True)
class CountRow:
    """What counts.sql returns; see model.Counts."""

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
    """Dangling parents that the root column cannot hold."""

    jobs: int
    misfit: bool
    sample: list[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """How many ids a finding shows, and how many characters of each."""

    sample: int
    longest: int = 2**31 - 1


def lineage_parameters(settings: Settings) -> dict[str, object]:
    """The values of configure.sql."""
    return {
        "trust_root_flag": settings.trust_root_flag,
        "fill_dangling": settings.dangling is DanglingPolicy.FILL,
    }


def prepare_lineage(table: Table) -> None:
    """Creates the temporary relations. They end with the transaction that must be open."""
    with naming_temporary(table.session):
        table.run(CREATE)


def resolve_roots(table: Table) -> None:
    """Fills the temporary relations: afterwards `lineage` and `graded` hold every root (see create.sql)."""
    for path, planner in RESOLVE_FILES:
        table.session.set_local(**planner)
        values = lineage_parameters(table.settings) if path == "lineage/configure" else {}
        table.run(path, **values)


def count_rows(table: Table) -> tuple[Counts, int]:
    """The counts, and the number of rows that lack their computed root. Units: rows, jobs for `depths`."""
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
    """The first `sample` cycles, smallest id first, with their first `sample` jobs; and how many in all.

    `integers`: the ids are, and are ordered as such.
    """
    table.run("lineage/cyclic", integers=integers)
    table.run("lineage/cyclic_parents")
    children, parents = array("i"), array("i")
    for child, parent in table.tuples("lineage/cyclic_edges"):
        children.append(child)
        parents.append(parent)
    # Numbers follow the ids' order, so the components come sorted as the ids would.
    found = sorted(strong_components(children, parents), key=lambda members: members[0])
    shown = [(members[:sample], len(members)) for members in found[:sample]]
    wanted = [number for members, _ in shown for number in members]
    ids = {row.number: row.job for row in table.rows("lineage/cyclic_jobs", NumberedJob, numbers=wanted)}
    listed = tuple(Cycle(tuple(ids[number] for number in members), size) for members, size in shown)
    return listed, len(found)


def integer_limits(column: Column) -> dict[str, object]:
    """The values of misfits.sql that say what an id column holds: strings, or integers of some size."""
    return {
        "max_length": None if column.max_length is None else str(column.max_length),
        "bound": None if column.bound is None else str(column.bound),
        "padded": column.bare_type == "bpchar",
    }


def find_misfits(table: Table, shown: Shown) -> Misfits:
    """Dangling parents that would be filled in but are no value of job_id's type."""
    job = table.relation.columns["job_id"]
    return table.row(
        "lineage/misfits",
        Misfits,
        **integer_limits(job),
        sample=shown.sample,
        longest=shown.longest,
    )


def count_roots_not_logged(table: Table) -> int:
    """Returns how many rows hold a root that is no job of the log, by the stored values alone.

    The root column must be there, the temporary relations need not.
    """
    return table.row("verify/unlogged_roots", _Rows).rows
