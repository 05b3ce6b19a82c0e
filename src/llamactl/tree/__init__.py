"""tree: a job's tree, whole or from the job down, before and after the migration.

It only reads: one READ ONLY snapshot, no temporary relations. It needs only SELECT, and works on a standby.

1. Look up the job and the root that its rows store. The stored root is a guess, which only serves to find
   rows quickly by index.
2. Walk down from the guess. After the migration, the index on the root column finds the rows that store it,
   and the walk only has to find the others. If the parents among these rows lead from the job to the guess,
   the guess is the top.
3. Otherwise walk up along the parents: the rows of the jobs above determine the top. Walk down from there.
4. Lay the rows out by their parents. A stored root that contradicts them is marked. It decides only if rows
   in between were deleted, for jobs none of whose parents is logged.

The path up to the root (`up`) only needs the walk up, unless rows in between were deleted.
"""

from __future__ import annotations

from dataclasses import replace

from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.model import DanglingPolicy, Tree
from llamactl.table import catalog
from llamactl.table.shape import refuse_unreadable
from llamactl.table.table import Table
from llamactl.tree.cuts import View
from llamactl.tree.graph import NONE, Graph, topmost
from llamactl.tree.layout import draw
from llamactl.tree.log import Known, Log


def read_tree(session: Session, settings: Settings, view: View) -> Tree:
    """Returns the tree of the root of the job `view.asked`, or the part of it that the view shows.

    A job without a root is shown below the top that the first parents lead to. Raises LlamactlError:
    not_found if the job is not in the log, and like every command that reads the log.
    """
    table = Table.open(session, settings)
    refuse_unreadable(table.relation)
    catalog.require_whole_rows(session, table.relation)
    with session.snapshot():
        session.read_only()
        log = Log.open(table)
        asked, known = log.find(view.asked)
        top, graph = _read(log, asked, known, view.up)
        logged = log.logged(graph.parents_outside() - {top})
    top_is_root = graph.has_rows(top) or settings.dangling is DanglingPolicy.FILL
    return draw(
        graph, top, replace(view, asked=asked), top_is_root=top_is_root, logged=logged, notes=log.notes()
    )


def _read(log: Log, asked: str, known: Known, up: bool) -> tuple[str, Graph]:
    """Returns the top of the tree that shows the job, and the rows of that tree, or of the jobs above
    (`up`)."""
    guess = _guess(log, asked, known)
    if guess is not None and not up:
        graph = Graph.of(log.trees([guess]))
        if _leads(log, graph, asked, guess):
            return guess, graph
        log.thorough = True
    above = Graph.of(log.rows(log.above([asked])))
    top = topmost(above, asked)
    way = above.end(above.node(asked))
    root = above.detached(way[-2]) if len(way) > 1 and log.root and not above.has_rows(top) else None
    if root is not None and root != top and _ends(log, root):
        return root, Graph.of(log.trees([root]))
    return top, above if up else Graph.of(log.trees([top]))


def _guess(log: Log, asked: str, known: Known) -> str | None:
    """Returns the top of the tree of `asked`, provided that the stored roots are correct."""
    if not known.is_child:
        return asked
    return known.root_lo if log.root and known.root_lo == known.root_hi else None


def _leads(log: Log, graph: Graph, asked: str, top: str) -> bool:
    """Returns whether the first parents lead from the job to the top, and the top has no parent."""
    if graph.parents[graph.node(top)] != NONE:
        return False
    way = graph.end(graph.node(asked))
    if way and graph.ids[way[-1]] != top:
        outside = {graph.ids[node] for node in graph.named(way[-2])} if len(way) > 1 else set()
        logged = log.logged({job for job in outside if job is not None})
        if len(way) < 2 or graph.detached(way[-2], logged) != top:
            return False
    return bool(way) and (graph.has_rows(top) or not log.logged({top}))


def _ends(log: Log, job: str) -> bool:
    """Returns whether the job has no parent. A job that is not logged has none."""
    return not log.known(job).is_child
