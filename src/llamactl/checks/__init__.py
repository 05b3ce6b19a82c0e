"""What llamactl checks before and after a change: preflight, blockers, the environment, verify."""
