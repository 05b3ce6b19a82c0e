"""Blocks of data inside a page."""

from __future__ import annotations

import json

_ESCAPES = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\x7f": r"\u007f"})


def block(attributes: str, value: object) -> str:
    """The value as a JSON block that no parser of HTML can leave, in ASCII.

    The characters that are escaped occur inside JSON's strings only.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)
    return f'<script type="application/json" {attributes}>{text}</script>\n'
