"""What all verbs share on the command line: the common options, and the Call that carries them.

Typer reads a function's signature; verb() gives each verb the common options without repeating them.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from llamactl import __version__, render
from llamactl.cli.help import CommandHelp
from llamactl.cli.options import output_options
from llamactl.db.signals import INTERRUPTS
from llamactl.model import Changed, ErrorCode, ExitCode, LlamactlError, OutputFormat
from llamactl.render import safe
from llamactl.render.console import Streams, is_terminal

if TYPE_CHECKING:
    from llamactl.cli.next_steps import Around
    from llamactl.config.settings import Settings
    from llamactl.db.blocking import Blocking
    from llamactl.db.session import Session
    from llamactl.model import Progress, StatusReport, Timeline, Tree
    from llamactl.tree.whole_rows import Details

Verb = TypeVar("Verb", bound=Callable[..., ExitCode])
"""Takes a Call first."""
Options = Callable[..., dict[str, Any]]
Take = Callable[[Iterable[str]], bool]
"""Writes the pieces of a file; returns whether its reader is still there."""


@dataclass(slots=True)
class Page:
    """Takes one report's HTML file; Call.page() gives one."""

    take: Take
    note: Callable[[str], None]
    told: str = ""
    """What was written; empty where nobody reads it any more."""

    def write(self, report: Tree | Timeline, details: Details) -> ExitCode:
        """Writes the report with its rows' details, and its notes to stderr."""
        from llamactl.render import html

        made = datetime.now(UTC).isoformat(timespec="seconds")
        written = html.File(report, details, f"Made by llamactl {__version__}, {made}, from {details.source}")
        if self.take(written.pieces()):
            self.told = written.told()
        for line in (*written.notes(), *report.notes):
            self.note(line)
        return ExitCode.OK


@dataclass(frozen=True, slots=True)
class Call:
    """One run of one verb."""

    command: str
    given: dict[str, Any]
    """The options of settings.Flags."""
    format: OutputFormat
    no_color: bool
    verbose: bool
    streams: Streams
    context: typer.Context

    def note(self, line: str) -> None:
        """One line on stderr."""
        self.streams.note(line)

    @contextmanager
    def session(self, *, one_snapshot: bool = False) -> Iterator[tuple[Session, Settings]]:
        """The settings and a connection made with them; says on stderr what these are.

        `one_snapshot`: what is read later belongs to what was read first.
        """
        from llamactl.config.settings import Flags, load_settings
        from llamactl.db.session import connection_place, open_session

        loaded = load_settings(Flags(**self.given), os.environ, _working_directory())
        self.streams.scrub = loaded.dsn.scrub
        place = safe.without_passwords(connection_place(loaded))
        self.note(f"Connection: {loaded.dsn.source}, {place}")
        for line in (*loaded.notes, *(loaded.details if self.verbose else ())):
            self.note(line)
        self.streams.changed = Changed.NOTHING
        with open_session(loaded, self.command) as session:
            if self.verbose:
                self.note(f"Connected to {session.target}")
            try:
                with (
                    session.holding_snapshot() if one_snapshot else nullcontext(),
                    self._blocking(session.blocking),
                ):
                    yield session, loaded
            finally:
                self.streams.changed = session.changed

    @contextmanager
    def _blocking(self, blocking: Blocking) -> Iterator[None]:
        """Shows the steps under a blocking lock, and after a failure how long there was one."""
        from llamactl.render import held

        with held.shown(self.streams) as blocking.show:
            try:
                yield
            except BaseException:
                if blocking.seconds:
                    self.note(f"The table was blocked for {blocking.seconds:.1f} s")
                raise

    @contextmanager
    def progress(self) -> Iterator[Callable[[Progress], None]]:
        """A function that shows how far a run is: a bar on a terminal, else a line now and then."""
        from llamactl.render import progress

        with progress.shown(self.streams) as show:
            yield show

    def show(
        self,
        report: render.Report,
        *,
        found: bool = False,
        ascii_only: bool = False,
        around: Around | None = None,
    ) -> ExitCode:
        """Writes the report to stdout, its notes and what to do next to stderr.

        Returns 1 where a problem was found. `around`: what was found before a migration.
        """
        from llamactl.cli.next_steps import given_options, next_steps

        screen = self.streams.screen(ascii_only)
        document = self.format is not OutputFormat.TEXT
        with INTERRUPTS.shield() if document else nullcontext():
            self.streams.data(render.lines(report, self.command, self.format, screen, self.verbose))
        for line in getattr(report, "notes", ()):
            self.note(line)
        for step in next_steps(report, given_options(self.context), around):
            self.streams.note(step.sentence)
            self.streams.command_line(step.line)
        return ExitCode.FOUND if found else ExitCode.OK

    @contextmanager
    def page(self, output: str | None) -> Iterator[Page | None]:
        """Yields what writes a report's HTML file; None if another format is requested.

        The file is there once the context ends well. Raises LlamactlError (usage) where format and output do
        not go together, or the file cannot be made.
        """
        if self.format is not OutputFormat.HTML:
            if output is not None:
                raise LlamactlError(ErrorCode.USAGE, "--output requires --format html")
            yield None
            return
        if output is None and self.streams.screen().terminal:
            raise LlamactlError(
                ErrorCode.USAGE,
                "--format html cannot be shown on a terminal",
                "Use -o FILE to write it to a file, or -o - to write it to stdout",
            )
        from llamactl.render import file

        # The descriptor: what was printed so far is in the stream's buffer, and a closed pipe is no error.
        path = None if output is None or output == "-" or file.descriptor(Path(output)) == 1 else Path(output)
        with nullcontext(self.streams.data) if path is None else file.replacing(path) as taking:
            page = Page(taking, self.note)
            yield page
        if page.told:
            self.note(f"Wrote {'stdout' if path is None else output}: {page.told}")

    def watch(self, reports: Iterator[StatusReport]) -> ExitCode:
        """Shows each report as it comes; the notes of the last one go to stderr."""
        from llamactl.render import watching

        last = watching.watch(reports, self.streams)
        for line in last.notes if last else ():
            self.note(line)
        return ExitCode.OK

    def confirmation(self, needed: bool) -> Callable[[str], bool] | None:
        """Returns what asks a person; None where nobody needs to be asked.

        Raises LlamactlError (usage) where nobody is there.
        """
        if not needed:
            return None
        if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
            raise LlamactlError(
                ErrorCode.USAGE,
                f"{self.command} asks for confirmation, but there is no terminal to ask on",
                "Use --yes to proceed, or --dry-run to see what it would do",
            )
        return self._ask

    def _ask(self, question: str) -> bool:
        self.streams.diagnose(f"{safe.visible(question)} [y/N] ")
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _working_directory() -> Path | None:
    """Returns None if it was deleted. Raises LlamactlError (config) if it cannot be determined."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None
    except OSError as exc:
        message = f"The working directory cannot be read: {exc.strerror}"
        raise LlamactlError(ErrorCode.CONFIG, message, "Run it in another directory") from exc


def milliseconds(flag: str, text: str) -> int:
    """The length of time that a flag gives. Raises LlamactlError (usage)."""
    from llamactl.config.settings import duration_ms

    try:
        return duration_ms(text)
    except ValueError as exc:
        raise LlamactlError(ErrorCode.USAGE, f"{flag}: {exc}", f"For example {flag} 500ms, 2s, 10m") from exc


def moment(flag: str, text: str | None) -> datetime | None:
    """The time that a flag gives; None where it is not given. Raises LlamactlError (usage)."""
    try:
        return datetime.fromisoformat(text) if text is not None else None
    except ValueError as exc:
        message = f"{flag} {text}: not an ISO 8601 time"
        hint = f"For example {flag} 2025-06-01, or {flag} 2025-06-01T10:00:00Z"
        raise LlamactlError(ErrorCode.USAGE, message, hint) from exc


def verb(
    app: typer.Typer, options: Options, formats: object, *, panel: str, examples: Sequence[str]
) -> Callable[[Verb], Verb]:
    """Registers a function as a command, which takes `options` and those of all verbs besides its own.

    Its docstring is its help: a summary, an empty line, the rest. `panel` and `examples`: where the help
    lists it, and how it is used.
    """

    def register(run: Verb) -> Verb:
        first = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        format_ = first.replace(name="format", annotation=formats, default=OutputFormat.TEXT.value)
        own, shared, output = _parameters(run)[1:], _parameters(options), _parameters(output_options)

        def command(**given: Any) -> ExitCode:
            taken = partial(_taken, given)
            context = given.pop("context")
            no_color, verbose = output_options(**taken(output))
            call = Call(
                command=run.__name__,
                given=options(**taken(shared)),
                format=OutputFormat(given.pop("format")),
                no_color=no_color,
                verbose=verbose,
                streams=context.find_object(Streams),
                context=context,
            )
            return run(call, **given)

        command.__dict__["__signature__"] = inspect.Signature([first, *own, *shared, format_, *output])
        shown: dict[str, Any] = {"help": run.__doc__, "epilog": "\n".join(examples), "rich_help_panel": panel}
        app.command(run.__name__, cls=CommandHelp, options_metavar="[OPTIONS]", **shown)(command)
        return run

    return register


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]


def _taken(given: dict[str, Any], parameters: list[inspect.Parameter]) -> dict[str, Any]:
    return {parameter.name: given.pop(parameter.name) for parameter in parameters}
