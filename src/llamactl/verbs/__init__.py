"""The verbs: each takes its settings, calls, and renders.

What is heavy (psycopg, sqlglot, rich, what a verb calls) is imported where it is used: `--help` must not
wait. It lists the commands in the order in which these modules are imported.
"""

from llamactl.verbs import change, look, rest
from llamactl.verbs.app import app

__all__ = ["app", "change", "look", "rest"]
