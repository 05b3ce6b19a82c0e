"""stats and status: what is watched while the log is in use."""
