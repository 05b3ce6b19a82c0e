"""Finds and loads SQL files, and retargets them to the names of the user's table."""
