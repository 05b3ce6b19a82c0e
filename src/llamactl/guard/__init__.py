"""The trigger that gives new rows their root."""
