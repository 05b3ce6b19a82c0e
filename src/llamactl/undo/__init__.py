"""Removes what llamactl made."""
