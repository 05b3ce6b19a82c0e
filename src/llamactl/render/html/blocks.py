"""Blocks of data inside a page."""

from __future__ import annotations

import json

_ESCAPES = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\x7f": r"\u007f"})


def encoded(value: object) -> str:
    """Returns the value as JSON in ASCII, without characters that are special in HTML.

    The characters that are escaped occur inside JSON's strings only.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def block(attributes: str, value: object) -> str:
    """Returns a block of data."""
    return f'<script type="application/json" {attributes}>{encoded(value)}</script>\n'
