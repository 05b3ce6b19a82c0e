"""The command line. One module per command: parse, call, render."""
