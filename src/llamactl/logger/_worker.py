"""The thread that writes. It alone touches the connection, so that nobody else ever waits for the server."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg.rows import namedtuple_row

from llamactl.logger import _calls
from llamactl.logger._buffer import Buffer, SupersededError
from llamactl.logger._calls import Answer, Call, Steps
from llamactl.logger._target import Target
from llamactl.logger._writing import Writer

T = TypeVar("T")

_POOL_SECONDS = 10.0
_AGAIN_SECONDS = 0.1


class Worker:
    """Writes the buffer every `flush_seconds`, when a batch is ready, and on request.

    Its methods do not wait: what they return is done in the thread. One that is given up may be stuck for as
    long as the server is; it commits nothing any more, and ends when the server answers.
    """

    def __init__(
        self,
        target: Target,
        writer: Writer,
        buffer: Buffer,
        flush_seconds: float,
        failed: Callable[[Exception], None],
    ) -> None:
        self._target, self._writer, self._buffer = target, writer, buffer
        self._flush_seconds, self._failed = flush_seconds, failed
        self._connection: psycopg.Connection[Any] | None = None
        self._news = threading.Event()
        self._questions: deque[tuple[Steps[Any], Future[Any]]] = deque()
        self._flushes: deque[Future[bool]] = deque()
        self._stop_by: float | None = None
        self.stopped: Future[None] = Future()

    def start(self) -> None:
        """Raises RuntimeError where no thread can be started, as at the interpreter's exit."""
        threading.Thread(target=self.run, name="llamactl logger", daemon=True).start()

    def wake(self) -> None:
        """A batch is ready."""
        self._news.set()

    def flush(self) -> Future[bool]:
        """Writes now; whether all of it was written."""
        future: Future[bool] = Future()
        self._flushes.append(future)
        self._news.set()
        if self.stopped.done():
            self._settle_flushes(self._buffer.empty)
        return future

    def ask(self, steps: Callable[[Writer], Steps[T]]) -> Future[T]:
        """Takes some steps, between two batches."""
        future: Future[T] = Future()
        self._questions.append((steps(self._writer), future))
        self._news.set()
        return future

    def stop(self, by: float) -> None:
        """Writes what is left, tries again until that time, and ends: `stopped`."""
        self._stop_by = by
        self._news.set()

    # --- in the thread --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Writes until stop() is called, then writes the remaining rows and returns."""
        failures, due = 0, time.monotonic() + self._flush_seconds
        while self._stop_by is None:
            woken = self._news.wait(max(0.0, due - time.monotonic()))
            self._news.clear()
            self._answer()
            if woken and failures and not self._flushes and time.monotonic() < due:
                continue  # a batch that is ready is no reason to try earlier what has failed
            failures = 0 if self._write() else failures + 1
            pause = backoff_seconds(failures) if failures else self._flush_seconds
            due = time.monotonic() + pause
        while not self._write() and time.monotonic() < self._stop_by:
            time.sleep(_AGAIN_SECONDS)
        self._answer()
        self._disconnect()
        self.stopped.set_result(None)
        self._settle_flushes(self._buffer.empty)

    def _write(self) -> bool:
        """Writes batch after batch; returns whether none is left. Never raises."""
        flushes = len(self._flushes)
        try:
            while not self._buffer.empty:
                self._drive(self._writer.batch())
                self._answer()
        except SupersededError:
            self._settle_flushes(False)
            return False
        except Exception as error:
            if self._connection and isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                self._disconnect()  # this server became a standby: another may be the primary now
            self._failed(error)
        written = self._buffer.empty
        self._settle_flushes(written, flushes)
        return written

    def _settle_flushes(self, written: bool, most: int | None = None) -> None:
        """Tells those who wait, up to those that came before the write."""
        while self._flushes and (most is None or most > 0):
            future = self._flushes.popleft()
            most = most and most - 1
            if future.set_running_or_notify_cancel():
                future.set_result(written)

    def _answer(self) -> None:
        while self._questions:
            steps, future = self._questions.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._drive(steps))
            except Exception as error:
                future.set_exception(error)

    def _drive(self, steps: Steps[T]) -> T:
        with self._connected() as connection:
            try:
                call = next(steps)
                while True:
                    try:
                        answer = self._execute(connection, call)
                    except (psycopg.Error, UnicodeError) as error:
                        call = steps.throw(error)
                    else:
                        call = steps.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result

    def _execute(self, connection: psycopg.Connection[Any], call: Call) -> Answer:
        with connection.transaction(), psycopg.RawCursor(connection, row_factory=namedtuple_row) as cursor:
            cursor.execute(_calls.SETTINGS + (_calls.OWN_PATH if call.own_path else b""))
            cursor.execute(*call.statement)
            rows = cursor.fetchall() if cursor.description else []
            written, present = cursor.rowcount, None
            if call.check and (call.always_check or written < len(call.rows)):
                present = [position for (position,) in cursor.execute(*call.check)]
            if call.rows:
                self._writer.committing(call.rows)
        return Answer(rows, written, present)

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        if pool := self._target.open_pool:
            with pool.connection(timeout=_POOL_SECONDS) as connection:
                yield connection
            return
        if self._connection is None:
            self._connection = psycopg.connect(
                autocommit=True, prepare_threshold=None, **self._target.parameters()
            )
        try:
            yield self._connection
        finally:
            if self._connection.closed:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                connection.close()


def backoff_seconds(failures: int) -> float:
    """Returns how long to wait after so many failed writes in a row, jittered: up to 10 s."""
    return min(10.0, 0.25 * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)
