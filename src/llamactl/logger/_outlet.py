"""The worker's life: started with the first row, stopped by close(), and at the interpreter's exit."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from llamactl.logger._buffer import Buffer, Warnings
from llamactl.logger._calls import Steps, said
from llamactl.logger._target import Target
from llamactl.logger._worker import Worker
from llamactl.logger._writing import Writer
from llamactl.model.words import plural
from llamactl.sqlfiles.names import Names

T = TypeVar("T")

EXIT_SECONDS = 5.0
"""How long the interpreter's exit waits for the server."""


class Outlet:
    """Where the buffer's rows go out. What it returns as a Future is done by the worker."""

    def __init__(
        self, target: Target, names: Names, buffer: Buffer, warn: Warnings, flush_seconds: float
    ) -> None:
        self._target, self._names, self._buffer, self._warn = target, names, buffer, warn
        self._flush_seconds = flush_seconds
        self._worker: Worker | None = None
        self._starting = threading.Lock()
        self._exiting = False

    def start(self) -> None:
        """Sees that there is a worker in this process."""
        if self._worker is None:
            self._started()
            if self._exiting:  # nobody comes after this row
                self.close(EXIT_SECONDS)

    def wake(self) -> None:
        """A batch is ready."""
        if worker := self._worker:
            worker.wake()

    def flush(self) -> Future[bool]:
        """Writes what is released, now; whether all of it was written."""
        if not self._buffer.empty and (worker := self._started()):
            return worker.flush()
        future: Future[bool] = Future()
        future.set_result(self._buffer.empty)
        return future

    def ask(self, steps: Callable[[Writer], Steps[T]]) -> Future[T]:
        """Takes some steps, once the write that is going on is over."""
        if worker := self._started():
            return worker.ask(steps)
        future: Future[T] = Future()
        future.set_exception(RuntimeError("no thread is available to query the server"))
        return future

    def close(self, timeout: float) -> None:
        """Writes what is left, tries again until the timeout, and gives up the rest, with a warning."""
        deadline = time.monotonic() + timeout
        atexit.unregister(self._close_at_exit)
        worker, in_time = self._worker, True
        while worker or not self._buffer.empty:
            worker = worker or self._started()
            if worker is None:
                in_time = False
                break
            worker.stop(deadline)
            in_time = _done(worker.stopped, deadline) and time.monotonic() < deadline
            with self._starting:
                if self._worker is worker:
                    self._worker = None
            worker = None
            if self._worker or not in_time:
                break  # a row that was recorded meanwhile has started another
        if not in_time and not self._buffer.empty:
            self._give_up()

    def forked(self) -> None:
        """Starts anew in a forked child: thread and connection are the parent's."""
        self._worker, self._starting, self._exiting = None, threading.Lock(), False
        self._target.leave_pool()

    def _started(self) -> Worker | None:
        """Returns the worker; None where no thread can be started."""
        with self._starting:
            if self._worker is None:
                writer = Writer(self._names, self._buffer, self._warn)
                worker = Worker(self._target, writer, self._buffer, self._flush_seconds, self._failed)
                try:
                    worker.start()
                except RuntimeError as error:
                    self._without_thread(worker, error)
                    return None
                self._worker = worker
                if not self._exiting:
                    _at_exit(self._close_at_exit)
            return self._worker

    def _without_thread(self, worker: Worker, error: RuntimeError) -> None:
        """At the interpreter's exit, where no thread is started any more, this one writes."""
        if self._exiting:
            worker.stop(time.monotonic() + EXIT_SECONDS)
            worker.run()
        else:
            rows = plural(self._buffer.counters().pending, "row is", "rows are")
            self._warn("thread", f"{rows} waiting to be written: {error}")

    def _close_at_exit(self) -> None:
        self._exiting = True
        self.close(EXIT_SECONDS)

    def _failed(self, error: Exception) -> None:
        self._buffer.count("failed_flushes")
        waiting = self._buffer.counters().pending
        rows = plural(waiting, "row is", "rows are")
        self._warn("write", f"{rows} waiting, since the log could not be written: {said(error)}")

    def _give_up(self) -> None:
        lost = self._buffer.abandon()
        if number := lost["abandoned"]:
            rows = plural(number, "row of the log is", "rows of the log are")
            self._warn("abandoned", f"{rows} lost: the log could not be written in time")
        if number := lost["unknown"]:
            rows = plural(number, "row")
            self._warn("doubt", f"{rows} of the log may be lost: the server has not confirmed the COMMIT")


def _done(future: Future[None], deadline: float) -> bool:
    try:
        future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return False
    return True


def _at_exit(close: Callable[[], None]) -> None:
    """Has it called at the interpreter's exit. A process of multiprocessing ends without atexit."""
    atexit.register(close)
    if "multiprocessing" in sys.modules:
        from multiprocessing import parent_process, util

        if parent_process() is not None:
            util.Finalize(None, close, exitpriority=0)
