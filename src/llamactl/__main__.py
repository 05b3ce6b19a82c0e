"""The program's entry. Signals are put off before anything that takes time is loaded."""

import sys

_signal = __import__("_signal")  # the module around it is one of those


def main() -> int:
    """Runs one command. Returns the exit code."""
    numbers = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, numbers)
    from llamactl.db.signals import INTERRUPTS

    INTERRUPTS.install()
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, numbers)
    from llamactl.cli.main import main

    return INTERRUPTS.last_words(main())


if __name__ == "__main__":
    sys.exit(main())
