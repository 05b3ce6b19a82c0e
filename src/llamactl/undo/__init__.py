"""undo: removes everything that llamactl created."""
