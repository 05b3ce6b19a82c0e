"""tree: a job's tree, whole or from the job down, before and after the migration.

Pure: a snapshot, READ ONLY, no temporary relations; it needs no right but SELECT, and works on a standby.

1. Ask what the log knows of the job, and whether its root column tells the root.
2. Else walk up over the parents: the rows of the jobs above decide at whose top the job is shown.
3. Walk down from there. After the migration the rows of the root come by the index on the root column, and
   the walk looks for those only that do not hold it: new ones, and those of jobs that have no root.
4. Read the rows of all these jobs, and lay them out.
"""

from __future__ import annotations

from llamactl import catalog, obstacles
from llamactl.db import Session
from llamactl.model import DanglingPolicy, Tree
from llamactl.settings import Settings
from llamactl.tree.graph import Graph, place, topmost
from llamactl.tree.layout import View, lay_out
from llamactl.tree.log import Log
from llamactl.tree.marks import mark


def run(
    session: Session,
    settings: Settings,
    job: str,
    *,
    subtree: bool = False,
    depth: int | None = None,
    limit: int | None = None,
) -> Tree:
    """Returns the tree of the job's root, or of the job itself (`subtree`).

    `depth` is the number of levels below the first node, `limit` that of the children of one node. A job that
    has no root is shown at the top that the first-named parents lead to. Raises LlamactlError: not_found
    where the log does not know the job, and as every command that reads the log does.
    """
    relation = catalog.locate(session, settings)
    catalog.refuse_unsupported(relation)
    obstacles.refuse_unreadable(relation)
    with session.snapshot():
        session.read_only()
        log = Log.open(session, settings, relation)
        asked = log.canonical(job)
        top = log.root(asked) or topmost(Graph.of(log.rows(None, log.above(asked))), asked)
        graph = Graph.of(log.tree(top))
        logged = log.logged(graph.parents_outside() - {top})
    placed = place(graph, top)
    top_is_root = top in graph.logs or settings.dangling is DanglingPolicy.FILL
    marks = mark(graph, placed, top_is_root=top_is_root, logged=logged)
    return lay_out(graph, placed, marks, View(asked, subtree, depth, limit), log.notes())
