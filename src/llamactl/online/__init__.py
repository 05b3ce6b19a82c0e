"""The online migration, which writes in batches, and repair."""
