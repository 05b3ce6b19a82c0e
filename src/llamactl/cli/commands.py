"""Every command, in the order in which `--help` lists them.

What is heavy (psycopg, sqlglot, rich, what a command calls) is imported where it
is used: `--help` must not wait.
"""

# ruff: noqa: I001
from llamactl.cli import preflight as _preflight
from llamactl.cli import migrate as _migrate
from llamactl.cli import verify as _verify
from llamactl.cli import repair as _repair
from llamactl.cli import guard as _guard
from llamactl.cli import undo as _undo
from llamactl.cli import status as _status
from llamactl.cli import stats as _stats
from llamactl.cli import tree as _tree
from llamactl.cli import timeline as _timeline
from llamactl.cli import sql as _sql
from llamactl.cli import explain as _explain
from llamactl.cli import demo as _demo
from llamactl.cli.app import app

__all__ = ["app"]

_COMMANDS = (
    _preflight,
    _migrate,
    _verify,
    _repair,
    _guard,
    _undo,
    _status,
    _stats,
    _tree,
    _timeline,
    _sql,
    _explain,
    _demo,
)
