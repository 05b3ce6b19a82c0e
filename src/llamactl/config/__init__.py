"""Settings from flags, the environment, configuration files and connection strings."""
