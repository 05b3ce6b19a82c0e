"""Loads every command.

What is heavy (psycopg, sqlglot, rich, what a command calls) is imported where it
is used: `--help` must not wait.
"""

from importlib import import_module

from llamactl.cli.app import app

__all__ = ["app"]

ORDER = (
    *("preflight", "migrate", "verify", "repair", "undo"),
    *("tree", "timeline"),
    *("guard", "status", "stats"),
    *("explain", "sql", "demo"),
)
"""As `--help` lists them: each module registers its command."""

for _name in ORDER:
    import_module(f"llamactl.cli.{_name}")
