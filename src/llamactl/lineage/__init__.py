"""Lineage: which job is the root of which, with counts and cycles."""
