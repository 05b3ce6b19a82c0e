"""The user's table as it is: catalog, objects that llamactl made, indexes, locks, sessions, recorded runs."""
