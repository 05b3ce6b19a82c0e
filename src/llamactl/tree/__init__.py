"""tree: a job's tree, whole or from the job down, before and after the migration.

Pure: a snapshot, READ ONLY, no temporary relations; it needs no right but SELECT, and works on a standby.

1. Ask what the log knows of the job, and whether its root column tells the root.
2. Else walk up over the parents: the rows of the jobs above decide at whose top the job is shown.
3. Walk down from there. After the migration the rows of the root come by the index on the root column, and
   the walk looks for those only that do not hold it: new ones, and those of jobs that have no root.
4. Read the rows of all these jobs, and lay them out.

The way up to the root (`up`) needs the first two only, where the root column does not know better.
"""

from __future__ import annotations

from llamactl import catalog, obstacles
from llamactl.db import Session
from llamactl.model import DanglingPolicy, Tree
from llamactl.settings import Settings
from llamactl.tree.cuts import View
from llamactl.tree.graph import Graph, topmost
from llamactl.tree.layout import draw
from llamactl.tree.log import Log


def run(
    session: Session,
    settings: Settings,
    job: str,
    *,
    subtree: bool = False,
    depth: int | None = None,
    limit: int | None = None,
    only: str | None = None,
    up: bool = False,
    fold: bool = False,
) -> Tree:
    """Returns the tree of the job's root, or of the job itself (`subtree`), or the chain above it (`up`).

    `depth` is the number of levels below the first node, `limit` that of siblings of one kind; `fold` chooses
    them so that a person can read it. `only` keeps failed jobs, or those of an operation or category, and
    those above them. A job that has no root is shown at the top that the first-named parents lead to. Raises
    LlamactlError: not_found where the log does not know the job, and as all that read the log do.
    """
    relation = catalog.locate(session, settings)
    catalog.refuse_unsupported(relation)
    obstacles.refuse_unreadable(relation)
    catalog.require_whole_rows(session, relation)
    with session.snapshot():
        session.read_only()
        log = Log.open(session, settings, relation)
        asked = log.canonical(job)
        top, graph = _above(log, asked, up)
        if graph is None:
            graph = Graph.of(log.tree(top))
        logged = log.logged(graph.parents_outside() - {top})
    top_is_root = graph.has_rows(top) or settings.dangling is DanglingPolicy.FILL
    view = View(asked, subtree, depth, limit, only, up, fold)
    return draw(graph, top, view, top_is_root=top_is_root, logged=logged, notes=log.notes())


def _above(log: Log, asked: str, up: bool) -> tuple[str, Graph | None]:
    """The top of the tree that shows the job; and the graph above it, where that is all that is wanted."""
    root = log.root(asked)
    if root is not None and not up:
        return root, None
    above = Graph.of(log.rows(None, log.above([asked])))
    top = topmost(above, asked)
    if not up:
        return top, None
    # Where rows between were deleted, only the whole tree shows the way.
    return (top, above) if root in (None, top) else (str(root), None)
