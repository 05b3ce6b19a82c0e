"""stats and status: monitoring of a log in use."""
