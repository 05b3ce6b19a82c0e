"""The entry point of the program. It blocks signals before it imports anything that takes time."""

import sys

_signal = __import__("_signal")  # the module `signal` takes time to import


def main() -> int:
    """Runs one command and returns its exit code."""
    numbers = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, numbers)
    from llamactl.db.signals import INTERRUPTS

    INTERRUPTS.install()
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, numbers)
    from llamactl.cli.main import main

    return INTERRUPTS.last_words(main())


if __name__ == "__main__":
    sys.exit(main())
