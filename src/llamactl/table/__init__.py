"""The user's table as it is: catalog, llamactl's objects, indexes, locks, sessions, recorded runs."""
