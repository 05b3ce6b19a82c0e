"""How `--help` looks: commands in panels, options in groups, an example in each command's help.

Typer draws panels with rich only, which takes longer to load than all the rest of `--help`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from llamactl.cli.conversion import convert_late
from llamactl.cli.usage import argument_name, unknown_command

MIGRATE, SEE, KEEP, MORE = "Migrate", "See", "Keep", "More"
"""The panels of commands."""
TABLE, OUTPUT = "Connection and table", "Output"
"""The groups of options that several commands share; a command's own options come before them."""
OWN = "Options"
WIDEST = 100
"""Lines are not longer than this, however wide the terminal is."""
START = (
    ("llamactl preflight", "Check your database (DATABASE_URL, or --dsn URL)."),
    ("llamactl demo", "See a whole migration on a private Postgres."),
)
OF_A_COMMAND = ("llamactl COMMAND --help", "List a command's options, with examples.")
OF_THE_PROGRAM = ("llamactl --help", "List the commands.")

_NEGATABLE = re.compile(r"^--(\S+) / --no-\1$")
_NAMES_COLUMN = 25
"""Longer names of options get a line of their own."""


class CommandHelp(TyperCommand):
    """A command whose options are grouped by their `rich_help_panel`, and whose epilog is its examples."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the arguments and options, --help among them."""
        return [convert_late(parameter) for parameter in super().get_params(ctx)]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns `[OPTIONS]` and the arguments, without Typer's braces."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def get_short_help_str(self, limit: int = 0) -> str:
        """Returns the first paragraph, whole."""
        return (self.help or "").strip().partition("\n\n")[0]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_sections(formatter, _option_groups(self.get_params(ctx), ctx))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Examples"):
            for line in (self.epilog or "").splitlines():
                formatter.write(f"  {line}\n")


class ProgramHelp(TyperGroup):
    """The program, its commands in panels."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Returns the options."""
        return [convert_late(parameter) for parameter in super().get_params(ctx)]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Returns a command and its words. Raises LlamactlError (usage) where there is no such command."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise unknown_command(args[0], self.commands)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            panel = getattr(command, "rich_help_panel", MORE)
            panels.setdefault(panel, []).append((name, command.get_short_help_str()))
        _write_sections(formatter, panels)
        _write_sections(formatter, _option_groups(self.get_params(ctx), ctx))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        write_start(formatter, OF_A_COMMAND)


def write_start(formatter: Any, more: tuple[str, str]) -> None:
    """Writes what to do first, and where more is to be read."""
    _write_sections(formatter, {"Start here": [*START, more]})


def _write_sections(formatter: Any, sections: dict[str, list[tuple[str, str]]]) -> None:
    """Writes each with its heading; their second columns are aligned."""
    width = _common_width(name for rows in sections.values() for name, _ in rows)
    for title, rows in sections.items():
        with formatter.section(title):
            formatter.write_dl([(name.ljust(width), text) for name, text in rows], col_max=_NAMES_COLUMN)


def _common_width(names: Iterable[str]) -> int:
    return max((min(len(name), _NAMES_COLUMN) for name in names), default=0)


def _option_groups(parameters: Sequence[Any], ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Returns the arguments and options by group, in the order of the groups: name and help."""
    groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], OWN: [], TABLE: [], OUTPUT: []}
    for parameter in parameters:
        if record := parameter.get_help_record(ctx):
            group = _group(parameter, OUTPUT if ctx.parent else OWN)
            groups[group].append((_shown_name(parameter, record[0]), _shown_help(parameter)))
    return {group: rows for group, rows in groups.items() if rows}


def _group(parameter: TyperArgument | TyperOption, of_help: str) -> str:
    if isinstance(parameter, TyperArgument):
        return "Arguments"
    return of_help if parameter.name == "help" else parameter.rich_help_panel or OWN


def _shown_name(parameter: TyperArgument | TyperOption, name: str) -> str:
    """Returns `JOB`, `--[no-]guard`, `--check auto|not-valid|no`."""
    if isinstance(parameter, TyperArgument):
        return argument_name(parameter)
    return re.sub("[<>]", "", _NEGATABLE.sub(r"--[no-]\1", name))


def _shown_help(parameter: TyperArgument | TyperOption) -> str:
    """Returns the help, with the default where there is one that the help does not name itself."""
    default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    if default is None or isinstance(default, bool) or default == ():
        return parameter.help or ""
    return f"{(parameter.help or '').removesuffix('.')} (default: {default})."
