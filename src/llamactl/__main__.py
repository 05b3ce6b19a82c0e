"""The entry point of the program. It blocks signals before it imports anything that takes time."""

import gc
import sys

_signal = __import__("_signal")  # the module `signal` takes time to import


def main() -> int:
    """Runs one command and returns its exit code."""
    # Few objects are in cycles, and a tree has a million others that each collection would look at.
    gc.set_threshold(100_000)
    numbers = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, numbers)
    from llamactl.db.signals import INTERRUPTS

    INTERRUPTS.install()
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, numbers)
    from llamactl.cli.main import main

    return INTERRUPTS.last_words(main())


if __name__ == "__main__":
    sys.exit(main())
