"""SQL files: found, loaded, and retargeted to the names of the user's table."""
