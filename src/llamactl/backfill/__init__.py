"""Filling the root column in batches, beside the application: what online migration and repair share."""
