"""What is found out before a change and after it: preflight, blockers, the environment, verify."""
