"""tree: a job's tree, whole or from the job down, before and after the migration.

Pure: a snapshot, READ ONLY, no temporary relations; it needs no right but SELECT, and works on a standby.

1. Ask what the log knows of the job, and which root its rows store. That is a guess: an index to find rows
   quickly, and nothing more.
2. Walk down from the guess. After the migration the rows that store it come by the index on the root column,
   and the walk looks for those only that do not. Where the parents among these rows lead from the job to the
   guess, it is the top.
3. Else walk up over the parents: the rows of the jobs above decide at whose top the job is shown. Walk down
   from there.
4. Lay the rows out by their parents. A stored root that they contradict is marked. It counts only where rows
   between were deleted: for jobs of whose parents none is logged.

The way up to the root (`up`) needs the walk up only, unless rows between were deleted.
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
    """Returns the tree of the root of the job `view.asked`, or what the view shows of it.

    A job that has no root is shown at the top that the first-named parents lead to. Raises
    LlamactlError: not_found where the log does not know the job, and as all that read the log do.
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
    """The top of the tree that shows the job; and the rows of that tree, or of the jobs above (`up`)."""
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
    """The job that the tree of `asked` hangs from, if the stored roots are right."""
    if not known.is_child:
        return asked
    return known.root_lo if log.root and known.root_lo == known.root_hi else None


def _leads(log: Log, graph: Graph, asked: str, top: str) -> bool:
    """Whether the parents that are named first lead from the job to the top, which has no parent itself."""
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
    """Whether the job names no parent. One that is not logged does not."""
    return not log.known(job).is_child
