"""Measures how long a session blocks others on the user's table: from the lock to the transaction's end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from llamactl.model import Blocks, Held
from llamactl.model.steps import StepName


class Blocking:
    """The time under blocking locks.

    Call begin() after the lock, in its transaction; the session calls end().
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        """How long the table was blocked by all transactions so far."""
        self.show: Callable[[Held | None], object] = lambda held: None
        """Called at each step under a lock, and with None when the lock is released. It must not raise."""
        self._held: Held | None = None

    def begin(self, blocks: Blocks = Blocks.ALL, step: StepName | None = None) -> None:
        """Records that a lock is held from now on.

        Without `step`, the first step shown is the next step().
        """
        now = time.monotonic()
        self._held = Held(step, blocks, now, now)
        if step:
            self.show(self._held)

    def step(self, name: StepName) -> None:
        """Records the beginning of a step, and shows it if a lock is held."""
        if self._held is not None:
            self._held = replace(self._held, step=name, step_since=time.monotonic())
            self.show(self._held)

    def end(self, *, acquired: bool = True) -> None:
        """Records the end of the transaction. `acquired`: False if the lock was not acquired after all."""
        held, self._held = self._held, None
        if held is None:
            return
        if acquired:
            self.seconds = round(self.seconds + time.monotonic() - held.since, 4)
        self.show(None)
