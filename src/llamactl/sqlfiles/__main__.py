"""Prints an SQL file for psql: `python -m llamactl.sqlfiles preflight/rights | psql`."""

from __future__ import annotations

import sys

from llamactl.model import LlamactlError
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names


def main(arguments: list[str]) -> int:
    """Returns 0, or 1 if a file does not exist."""
    try:
        for path in arguments:
            print(load_query(path.removeprefix("sql/").removesuffix(".sql"), Names()).script, end="")
    except LlamactlError as exc:
        print(exc.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
