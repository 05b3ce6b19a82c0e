"""Quotes names like quote_ident()."""

from __future__ import annotations

import re

from llamactl.sqlfiles.keywords import KEYWORDS
from llamactl.sqlfiles.names import quote


def qualified(schema: str, name: str) -> str:
    """Returns schema.name, quoted where necessary."""
    return f"{ident(schema)}.{ident(name)}"


def ident(name: str) -> str:
    """Returns the name for use in SQL, quoted like quote_ident()."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in KEYWORDS
    return name if plain else quote(name)
