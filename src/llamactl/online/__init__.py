"""The migration in batches, and repair."""
