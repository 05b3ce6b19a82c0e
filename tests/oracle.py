"""What is true of a job log, computed from the definitions in docs/lineage.md alone.

The tests compare llamactl with this. It shares no code and no way of thinking with it: a networkx graph of
the parent edges, the jobs where upward walks can go on for ever, and the set of ends for all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from llamactl.model import Counts, DanglingPolicy, FilledBy, OrphansBy

BLANKS = " \t\n\r\f\x0b"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the log; ids as `id::text` gives them, whatever the column's type."""

    id: str
    job_id: str | None = None
    parent_job_id: str | None = None
    is_root_job: bool | None = None
    root_job_id: str | None = None
    """What the table holds today."""


@dataclass(frozen=True, slots=True)
class Options:
    """The two settings that change the outcome."""

    dangling: DanglingPolicy = DanglingPolicy.FILL
    trust_root_flag: bool = True


ALL_OPTIONS = tuple(Options(policy, trust) for policy in DanglingPolicy for trust in (True, False))


@dataclass(frozen=True, slots=True)
class Job:
    """A job that is not cyclic."""

    ends: frozenset[str]
    """Where its upward walks end: one job, or several when it is ambiguous."""
    depth: int
    """Edges of its longest upward walk."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that lineage says of a table."""

    roots: Mapping[str, str | None]
    """Row id -> what the root column should hold."""
    counts: Counts
    cycles: Sequence[Sequence[str]]
    """Each sorted byte by byte; the cycle with the smallest id first."""
    jobs: Mapping[str, Job]
    """Every job known that is not cyclic, dangling parents included."""
    cyclic: frozenset[str]
    logged: frozenset[str]


def present(value: str | None) -> str | None:
    """The id, or None where it is missing: NULL, or nothing but ASCII white space."""
    return None if value is None or not value.strip(BLANKS) else value


def byte_order(value: str) -> bytes:
    """Sort key: ids compare byte by byte."""
    return value.encode()


def ask(rows: Iterable[Row], options: Options = Options()) -> Answer:
    """Every root, count, depth and cycle of the rows."""
    rows = list(rows)
    graph = edges(rows, options)
    logged = frozenset(job for row in rows if (job := present(row.job_id)) is not None)
    cycles = list_cycles(graph)
    cyclic = at_or_below(graph, {job for cycle in cycles for job in cycle})
    jobs = walk_up(graph, cyclic)
    roots, counts = tally(rows, options, jobs, cyclic, logged)
    return Answer(roots, counts, cycles, jobs, cyclic, logged)


def parent_of(row: Row, options: Options) -> str | None:
    """The parent that the row names, unless its own root flag contradicts it."""
    flag_wins = options.trust_root_flag and row.is_root_job is True and present(row.job_id) is not None
    return None if flag_wins else present(row.parent_job_id)


def edges(rows: Iterable[Row], options: Options) -> nx.DiGraph[str]:
    """All jobs that we know of, with an edge from each to each of its parents."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for row in rows:
        job, parent = present(row.job_id), parent_of(row, options)
        graph.add_nodes_from(known for known in (job, parent) if known is not None)
        if job is not None and parent is not None:
            graph.add_edge(job, parent)
    return graph


def list_cycles(graph: nx.DiGraph[str]) -> list[list[str]]:
    """The largest sets of jobs that reach each other; of one job only where it is its own parent."""
    found = [
        sorted(members, key=byte_order)
        for members in nx.strongly_connected_components(graph)
        if len(members) > 1 or any(graph.has_edge(job, job) for job in members)
    ]
    return sorted(found, key=lambda members: byte_order(members[0]))


def at_or_below(graph: nx.DiGraph[str], inside: set[str]) -> frozenset[str]:
    """The cyclic jobs: those inside a cycle, and all from which a walk leads into one."""
    found, waiting = set(inside), list(inside)
    while waiting:
        children = [child for child in graph.predecessors(waiting.pop()) if child not in found]
        found.update(children)
        waiting.extend(children)
    return frozenset(found)


def walk_up(graph: nx.DiGraph[str], cyclic: frozenset[str]) -> dict[str, Job]:
    """Ends and depth of every job that is not cyclic, parents before their children."""
    acyclic = graph.subgraph(set(graph) - cyclic)
    jobs: dict[str, Job] = {}
    for job in nx.topological_sort(acyclic.reverse(copy=False)):
        parents = [jobs[parent] for parent in graph.successors(job)]
        if parents:
            ends = frozenset().union(*(parent.ends for parent in parents))
            jobs[job] = Job(ends, 1 + max(parent.depth for parent in parents))
        else:
            jobs[job] = Job(frozenset([job]), 0)
    return jobs


def verdict(
    row: Row, options: Options, jobs: Mapping[str, Job], cyclic: frozenset[str]
) -> tuple[str, str | None]:
    """Why the row has no root, or `rooted` and the root, whether logged or dangling."""
    job = present(row.job_id)
    start = job if job is not None else parent_of(row, options)
    if start is None:
        return "untracked", None
    if start in cyclic:
        return "cyclic", None
    ends = jobs[start].ends
    return ("rooted", next(iter(ends))) if len(ends) == 1 else ("ambiguous", None)


def tally(
    rows: Sequence[Row],
    options: Options,
    jobs: Mapping[str, Job],
    cyclic: frozenset[str],
    logged: frozenset[str],
) -> tuple[dict[str, str | None], Counts]:
    """Each row's root under the policy, and the counts."""
    roots: dict[str, str | None] = {}
    seen: Counter[str] = Counter()
    for row in rows:
        why, root = verdict(row, options, jobs, cyclic)
        seen[why] += 1
        if root is not None and root not in logged:
            seen["dangling"] += 1
            root = root if options.dangling is DanglingPolicy.FILL else None
        roots[row.id] = root
        if root is not None:
            seen["root" if root == present(row.job_id) else "descendant"] += 1
        if row.root_job_id is not None:  # a blank one is a value too, and the wrong one
            seen["already_set" if row.root_job_id == root else "conflicts"] += 1
    depths = [jobs[job].depth for job in logged - cyclic]
    return roots, to_counts(len(rows), seen, depths, options)


def to_counts(total: int, seen: Counter[str], depths: Sequence[int], options: Options) -> Counts:
    """The counts under their names."""
    filled = seen["root"] + seen["descendant"]
    unfilled_dangling = seen["dangling"] if options.dangling is DanglingPolicy.NULL else 0
    return Counts(
        total=total,
        filled=filled,
        orphans=total - filled,
        filled_by=FilledBy(seen["root"], seen["descendant"]),
        orphans_by=OrphansBy(seen["untracked"], seen["cyclic"], seen["ambiguous"], unfilled_dangling),
        dangling=seen["dangling"],
        already_set=seen["already_set"],
        conflicts=seen["conflicts"],
        max_depth=max(depths, default=0),
        depths=dict(Counter(str(depth) if depth < 20 else "20+" for depth in depths)),
    )
