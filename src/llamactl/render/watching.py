"""Shows a report repeatedly: in place on a terminal, otherwise one line per change."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from llamactl.model import StatusReport
from llamactl.render import safe, status_text
from llamactl.render.console import Screen, Streams


def watch(reports: Iterator[StatusReport], streams: Streams) -> StatusReport | None:
    """Shows each report as it arrives. Returns the last one; None if there was none."""
    screen = streams.screen()
    return _in_place(reports, screen) if screen.terminal else _line_by_line(reports, streams)


def _line_by_line(reports: Iterator[StatusReport], streams: Streams) -> StatusReport | None:
    last, before = None, ""
    for last in reports:
        line = status_text.line(last)
        if line != before:
            streams.data([safe.visible(f"{last.as_of.isoformat(timespec='seconds')}  {line}") + "\n"])
        if streams.unread:
            break
        before = line
    return last


def _in_place(reports: Iterator[StatusReport], screen: Screen) -> StatusReport | None:
    console = Console(color_system="auto" if screen.colour else None, highlight=False, markup=False)
    last = None
    with Live(console=console, auto_refresh=False) as live:
        for last in reports:
            shown = "".join(status_text.render(last, screen)).rstrip("\n")
            live.update(Text.from_ansi(shown), refresh=True)
    return last
