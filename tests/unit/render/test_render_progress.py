"""How far a run is, on a terminal: the bar and the notes beside it."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from llamactl.model import Progress
from llamactl.render import progress
from llamactl.render.console import Streams


@contextmanager
def terminal() -> Iterator[Callable[[str], str]]:
    """Makes stderr one; a function: what it showed, once a text is among that."""
    master, slave = pty.openpty()
    shown = io.StringIO()

    def until(text: str) -> str:
        deadline = time.monotonic() + 10
        while text not in shown.getvalue():
            assert time.monotonic() < deadline, shown.getvalue()
            if select.select([master], [], [], 0.1)[0]:
                shown.write(os.read(master, 65536).decode())
        return shown.getvalue()

    with os.fdopen(slave, "w") as err, redirect_stderr(err):
        yield until
    os.close(master)


def test_a_note_has_a_line_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(progress, "BAR_AFTER_SECONDS", 0)
    with terminal() as until, progress.shown(streams := Streams()) as show:
        show(Progress(1, 40, 2.0))
        until("1/40")
        streams.note("somebody is in the way")
        told = until("in the way")
        show(Progress(7, 40, 2.0))
        after = until("7/40")[len(told) :]
    (note,) = (line for line in re.split(r"\r\n|\x1b\[2K", told) if "in the way" in line)
    assert re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r", "", note) == "somebody is in the way"
    assert "in the way" not in after
