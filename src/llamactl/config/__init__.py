"""Settings: flags, environment, configuration file, connection strings."""
