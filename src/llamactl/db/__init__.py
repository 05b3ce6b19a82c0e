"""Database sessions. Apart from the logger, no other package opens connections."""
