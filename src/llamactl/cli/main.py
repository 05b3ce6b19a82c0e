"""The program: runs one command; main() is the one error boundary."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise

import typer

from llamactl.cli.commands import app
from llamactl.cli.usage import usage_error
from llamactl.db.signals import INTERRUPTS
from llamactl.model import Changed, ErrorCode, ExitCode, LlamactlError, OutputFormat
from llamactl.render import failure, safe
from llamactl.render.console import Streams

COMMANDS = [command.name for command in app.registered_commands]
COMPLETING = "_LLAMACTL_COMPLETE"
"""The variable with which a shell asks for a completion."""
CHANGING = ("migrate", "undo", "repair", "guard")
"""The commands whose errors say what was changed: the others only read."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns the exit code; every failure ends here."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    streams = Streams(no_color="--no-color" in words)
    try:
        with INTERRUPTS.active():
            return _run(words, streams)
    except LlamactlError as exc:
        problem = exc
    except KeyboardInterrupt as exc:
        problem = _interrupted(exc, streams)
    return _failed(problem, words, streams)


def _run(words: list[str], streams: Streams) -> int:
    """Runs the command. Raises every failure as LlamactlError."""
    try:
        if any(safe.UNSAFE_SURROGATE.search(word) for word in words):
            raise LlamactlError(ErrorCode.USAGE, "The command line is not valid UTF-8")
        code: int | None = app(args=words, prog_name="llamactl", obj=streams, standalone_mode=False)
        if code == ExitCode.INTERRUPTED:  # what Typer makes of KeyboardInterrupt
            raise _interrupted(None, streams)
        return code or ExitCode.OK
    except LlamactlError:
        raise
    except typer.TyperException as exc:
        raise usage_error(exc, " ".join(filter(None, ["llamactl", _command(words)]))) from exc
    except typer.Abort as exc:
        raise _interrupted(None, streams) from exc
    except SystemExit as exc:
        # Typer's: fish reads the code of a completion; else it means that nobody reads the help.
        return exc.code if COMPLETING in os.environ and isinstance(exc.code, int) else ExitCode.OK
    except Exception as exc:  # the one place for what nobody expected
        if any(isinstance(one, KeyboardInterrupt) for one in _behind(exc)):
            raise _interrupted(exc, streams) from exc
        raise _unexpected(exc, streams) from exc


def _unexpected(exc: Exception, streams: Streams) -> LlamactlError:
    """Returns the error for an unexpected exception, with what the session has changed so far."""
    from llamactl.db.errors import is_out_of_memory, out_of_memory

    if is_out_of_memory(exc):
        problem = out_of_memory()
    else:
        message = streams.scrub(f"This is a bug in llamactl: {type(exc).__name__}: {exc}")
        hint = "Please report it, with the traceback that LLAMACTL_DEBUG=1 shows"
        problem = LlamactlError(ErrorCode.INTERNAL, message, hint)
    problem.changed = streams.changed or Changed.NOTHING
    return problem


def _interrupted(exc: BaseException | None, streams: Streams) -> LlamactlError:
    """Returns the error for Ctrl-C: the session's own, where there is one."""
    told = (one for one in _behind(exc) if isinstance(one, LlamactlError))
    known = (one for one in told if one.code is ErrorCode.INTERRUPTED)
    changed = streams.changed or Changed.NOTHING
    return next(known, LlamactlError(ErrorCode.INTERRUPTED, "Interrupted", changed=changed))


def _behind(exc: BaseException | None) -> Iterator[BaseException]:
    """Yields the exception and the ones that were being handled when it was raised."""
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _failed(problem: LlamactlError, words: Sequence[str], streams: Streams) -> int:
    """Prints the error to stderr, and to stdout if JSON is requested. Returns the exit code."""
    message = problem.message
    # A usage or settings error before the connection needs no such sentence.
    connected = streams.changed is not None or problem.exit_code is not ExitCode.USAGE
    if connected and _command(words) in CHANGING:
        message = f"{message}; {problem.outcome}"
    # A URL may stand where none belongs, or in another session's query.
    message, hint = (safe.without_passwords(streams.scrub(text)) for text in (message, problem.hint))
    problem.message, problem.hint = message, hint
    if os.environ.get("LLAMACTL_DEBUG") == "1":
        import traceback

        streams.diagnose(safe.visible_lines(streams.scrub("".join(traceback.format_exception(problem)))))
    streams.fail(problem)
    try:
        if not streams.begun:  # a document is one, whatever happens after it
            streams.data([failure(problem, _command(words), _format(words), streams.screen())])
    except LlamactlError as unwritten:
        streams.fail(unwritten)
    return problem.exit_code


def _command(words: Sequence[str]) -> str | None:
    return words[0] if words and words[0] in COMMANDS else None


def _format(words: Sequence[str]) -> OutputFormat:
    """Returns the requested format, even if Typer rejects the rest of the command line."""
    wanted = OutputFormat.TEXT
    for word, following in pairwise([*words, ""]):
        value = following if word == "--format" else word.removeprefix("--format=")
        if word == "--":
            break
        if word.startswith("--format") and value in list(OutputFormat):
            wanted = OutputFormat(value)
    return wanted
