"""Sessions. The only package that opens connections, but for the logger."""
