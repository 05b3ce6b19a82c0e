"""The roots of jobs before the migration, by walking as tree does.

1. Walk up from the jobs. All that is above them is then known, and so are their roots.
2. Walk down from these roots: what hangs below them, and from nothing else, has one of them as its root.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from llamactl.tree.log import Log


def roots_around(log: Log, jobs: Collection[str], *, fill_dangling: bool) -> dict[str, str]:
    """Every job that shares its root with one of `jobs` -> that root; those without a root are not in it."""
    parents = _parents(log, log.above(jobs))
    tops = {job for job, named in parents.items() if not named}
    if fill_dangling:
        tops.update({*jobs, *(parent for named in parents.values() for parent in named)} - parents.keys())
    found = ends(parents, tops)
    roots = {found[job] for job in jobs if job in found}
    return ends(_parents(log, log.below(roots)), roots) if roots else {}


def ends(parents: Mapping[str, Collection[str]], tops: Iterable[str]) -> dict[str, str]:
    """Each job whose walks upward all end at the same one of `tops` -> that one."""
    found = {top: top for top in tops}
    waiting = {job: len(named) for job, named in parents.items()}
    children: dict[str, list[str]] = {}
    for job, named in parents.items():
        for parent in named:
            children.setdefault(parent, []).append(job)
    done = list(found)
    for job in done:
        for child in children.get(job, ()):
            waiting[child] -= 1
            if not waiting[child] and len({found[parent] for parent in parents[child]}) == 1:
                found[child] = found[job]
                done.append(child)
    return found


def _parents(log: Log, jobs: Collection[str]) -> dict[str, set[str]]:
    """The logged ones of the jobs -> the parents that their rows name."""
    parents: dict[str, set[str]] = {}
    for row in log.rows(None, jobs):
        if row.job is not None:
            named = parents.setdefault(row.job, set())
            if row.parent is not None:
                named.add(row.parent)
    return parents
