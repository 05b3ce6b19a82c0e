"""Shows the progress of a run on stderr: a bar on a terminal, otherwise a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from llamactl.model import Progress
from llamactl.render.console import Streams

LINE_EVERY_SECONDS = 10
BAR_AFTER_SECONDS = 2
"""Shorter runs show no progress."""


@contextmanager
def shown(streams: Streams) -> Iterator[Callable[[Progress], None]]:
    """Yields a function that shows the progress. The bar makes room for notes, and is removed at the end."""
    if not streams.live:
        yield _lines(streams)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, no_color=not streams.err_screen().colour)
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    bar = Bar(*columns, console=console, transient=True, redirect_stderr=False, redirect_stdout=False)
    task, begun = bar.add_task("rows", total=None, pace=""), time.monotonic()

    def show(progress: Progress) -> None:
        if time.monotonic() - begun >= BAR_AFTER_SECONDS:
            bar.start()
        bar.update(
            task, completed=progress.rows_done, total=progress.rows_total, pace=_pace(progress).strip(", ")
        )

    @contextmanager
    def aside() -> Iterator[None]:
        shown = bar.live.is_started
        bar.stop()
        yield
        if shown:
            bar.start()

    streams.aside = aside
    try:
        yield show
    finally:
        streams.aside = nullcontext
        bar.stop()


def _lines(streams: Streams) -> Callable[[Progress], None]:
    last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY_SECONDS:
            last = time.monotonic()
            streams.note(f"{progress.rows_done:,} of {progress.rows_total:,} rows{_pace(progress)}")

    return show


def _pace(progress: Progress) -> str:
    if not progress.rows_per_second:
        return ""
    eta = progress.eta_seconds
    left = f", {eta:.0f} s left" if eta is not None else ""
    return f", {progress.rows_per_second:,.0f} a second{left}"
