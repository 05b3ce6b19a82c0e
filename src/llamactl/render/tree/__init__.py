"""A tree as lines of text."""

from llamactl.render.tree.text import render

__all__ = ["render"]
