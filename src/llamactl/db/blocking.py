"""For how long a session keeps others from the user's table: from its lock to its transaction's end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from llamactl.model import Blocks, Held
from llamactl.model.steps import StepName


class Blocking:
    """The session's blocking locks. begin() after the lock, inside a transaction; the session calls end()."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """How long the table was blocked, in all transactions so far."""
        self.show: Callable[[Held | None], object] = lambda held: None
        """Called at each step under a lock, and with None at its end. It must not raise."""
        self._held: Held | None = None

    def begin(self, blocks: Blocks = Blocks.ALL, step: StepName | None = None) -> None:
        """A lock is held from now on. Without `step`, the next step() is the first that is shown."""
        now = time.monotonic()
        self._held = Held(step, blocks, now, now)
        if step:
            self.show(self._held)

    def step(self, name: StepName) -> None:
        """A step begins; it is shown if a lock is held."""
        if self._held is not None:
            self._held = replace(self._held, step=name, step_since=time.monotonic())
            self.show(self._held)

    def end(self, *, acquired: bool = True) -> None:
        """The transaction is over. `acquired`: False where the lock was not got after all."""
        held, self._held = self._held, None
        if held is None:
            return
        if acquired:
            self.seconds = round(self.seconds + time.monotonic() - held.since, 4)
        self.show(None)
