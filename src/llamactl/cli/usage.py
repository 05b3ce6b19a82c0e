"""What is wrong with a command line, in words for a person, with the word that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Any

import typer

from llamactl.model import ErrorCode, LlamactlError

_EXTRA = re.compile(r"Got unexpected extra argument\(s\) \((.*)\)", re.DOTALL)


def usage_error(problem: typer.TyperException, called: str) -> LlamactlError:
    """Returns the error for a command line that Typer refuses. `called`: the program and its command."""
    context = getattr(problem, "ctx", None)
    if isinstance(problem, typer.BadParameter):
        message, meant = _bad_value(problem)
    elif context and problem.message.startswith("No such option: "):
        message, meant = problem.message, _option_meant(getattr(problem, "option_name", ""), context)
    elif context and (found := _EXTRA.fullmatch(problem.message)):
        message, meant = f"Unexpected argument: {found[1]}", _closest_option(found[1], context.command)
    elif (option := getattr(problem, "option_name", "")) and "requires an argument" in problem.message:
        message, meant = f"{option} needs a value", ""
    else:
        message, meant = problem.format_message().rstrip("."), ""
    return LlamactlError(ErrorCode.USAGE, message, meant or f"See {called} --help")


def unknown_command(name: str, commands: Iterable[str]) -> LlamactlError:
    """Returns the error for a command that does not exist."""
    hint = did_you_mean(name, commands) or "llamactl --help lists the commands"
    return LlamactlError(ErrorCode.USAGE, f"No such command: {name}", hint)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns `Did you mean install?`, whatever the case of the letters; empty if nothing is close."""
    from llamactl.wording import near

    close = [one for one in near(word, known) if word.lower() != f"un{one}"]  # the opposite is close too
    return f"Did you mean {' or '.join(close)}?" if close else ""


def _option_meant(word: str, context: Any) -> str:
    if context.parent is None and any(word in _options(one) for one in context.command.commands.values()):
        return f"Options follow the command: llamactl COMMAND {word}"
    return _closest_option(word, context.command)


def _closest_option(word: str, command: Any) -> str:
    """Returns the hint for a word that was to be an option; the dashes, which all have, do not count."""
    from llamactl.wording import near

    long = [option.removeprefix("--") for option in _options(command) if option.startswith("--")]
    close = near(word.lstrip("-"), long)
    return f"Did you mean --{close[0]}?" if close else ""


def _options(command: Any) -> list[str]:
    return [word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)]


def _bad_value(problem: typer.BadParameter) -> tuple[str, str]:
    """Returns what is wrong with the value of an option or argument, and what was probably meant."""
    parameter: Any = problem.param
    name = argument_name(parameter) if parameter.param_type_name == "argument" else parameter.opts[-1]
    words = [_word(choice) for choice in parameter.type_descriptor.choices or ()]
    invalid: Any = problem.__cause__  # pydantic's error
    if invalid is None:
        return f"{name} is missing" + (f": {_either(words)}" if words else ""), ""
    given = str(invalid.errors()[0]["input"])
    if words:
        return f"{name} must be {_either(words)}, not {given}", did_you_mean(given, words)
    least = "" if parameter.min is None else f", {parameter.min} or more"
    return f"{name} must be a whole number{least}, not {given}", ""


def argument_name(parameter: Any) -> str:
    """Returns an argument's name as the help shows it: `JOB`."""
    return str(parameter.metavar or parameter.name.upper())


def _word(choice: object) -> str:
    return str(choice.value if isinstance(choice, Enum) else choice)


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
