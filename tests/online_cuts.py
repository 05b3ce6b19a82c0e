"""Cuts of the commands that commit as they go; the same command again is to end as if there had been none."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psycopg

from cutting import (
    Connection,
    Done,
    Stopper,
    batches_of,
    dated_rows,
    nothing_left,
    outcome,
    run_here,
    wait_until,
)
from servers import Server

GO_ON = "rerun the same command"
WIDE = "x" * 420
"""So that a page holds about fourteen rows."""
ONLINE = ("--online", "--grace", "0s")


def many_rows(copies: int) -> list[dict[str, Any]]:
    """The log with every fault but the self-parent, which would keep the CHECK out, so many times."""
    kept = [row for row in dated_rows() if row["job_id"] is None or row["job_id"] != row["parent_job_id"]]
    return [
        {**row, "id": f"{copy:08}{row['id'][8:]}", "error_message": WIDE, **_renamed(row, copy)}
        for copy in range(copies)
        for row in kept
    ]


def _renamed(row: dict[str, Any], copy: int) -> dict[str, Any]:
    """Jobs of its own for each copy; blank ids stay blank."""
    ids = {name: row[name] for name in ("job_id", "parent_job_id")}
    return {name: f"{copy} {id_}" if id_ and id_.strip() else id_ for name, id_ in ids.items()}


Cut = Callable[[Stopper, int, Connection], None]


def kill(stopper: Stopper, pid: int, connection: Connection) -> None:
    os.kill(pid, signal.SIGKILL)
    assert stopper.ended() is None


THEIRS = """
SELECT {} FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'llamactl%'
"""


def terminate(stopper: Stopper, pid: int, connection: Connection) -> None:
    connection.execute(THEIRS.format("pg_terminate_backend(pid)").encode())
    wait_until(connection, f"SELECT WHERE NOT EXISTS ({THEIRS.format('')})")
    with suppress(ProcessLookupError):  # one that had gone on is gone by now
        stopper.go_on(pid)
    lost(stopper.ended())


def lost(done: Done | None) -> None:
    """The run says that its connection was lost, never that it is complete, and how to go on if it began."""
    assert done
    assert (done.code, done.out, len(done.errors)) == (3, "", 1), done
    assert (GO_ON in done.errors[0]) == (
        "changes committed so far" in done.errors[0] or "COMMIT succeeded" in done.errors[0]
    )


def after(seconds: float, cut: Cut) -> Cut:
    """The cut, so long after the run went on."""

    def later(stopper: Stopper, pid: int, connection: Connection) -> None:
        stopper.go_on(pid)
        time.sleep(seconds)
        cut(stopper, pid, connection)

    return later


LEFT_INVALID = "SELECT indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)"

LAST_RUN = "SELECT ended_at IS NOT NULL FROM llamactl.run ORDER BY id DESC LIMIT 1"


@dataclass
class Course:
    """A command and a log for it to be cut on, and what it sends and gives undisturbed."""

    server: Server
    pg_dump: Path
    template: str
    command: str
    arguments: Sequence[str]
    pages: int
    before: str | None = None
    """The state that `status` tells before the command begins to write."""
    sent: list[str] = field(default_factory=list)
    files: bool = True
    """Whether what is left of temporary relations and files is looked for: not after a crash."""

    def __post_init__(self) -> None:
        with self.copied() as dsn, batches_of(self.pages):
            done = run_here(*self.words(dsn), before=lambda one: self.sent.append(one.text))
            assert done.code == 0, done.err
            self.expected = outcome(self.pg_dump, dsn)
            assert run_here("verify", "--dsn", dsn, "--grace", "0s").code == 0

    def warm(self, stopper: Stopper) -> None:
        """Has the stopper load what its processes will need."""
        with self.copied() as dsn:
            assert stopper.run(*self.words(dsn), forked=False).code == 0
            assert stopper.run("status", "--dsn", dsn, forked=False).code == 0

    def words(self, dsn: str) -> list[str]:
        return [self.command, "--yes", "--dsn", dsn, *self.arguments]

    @contextmanager
    def copied(self) -> Iterator[str]:
        """A database with the log."""
        name = self.server.create(self.template)
        try:
            yield self.server.conninfo(name)
        finally:
            self.server.drop(name)

    def commits(self) -> list[int]:
        """The statements that come after a commit, by number: after batches only the first ones, and not
        after the mere records of the steps.
        """
        batches, found = 0, []
        for number, (before, sent) in enumerate(pairwise(self.sent), 2):
            whole = "SET rows_done" in sent and "WITH here" in sent  # a batch that commits by itself
            batches += (batch := whole or (sent == "COMMIT" and "SET rows_done" in before))
            alone = whole or "CONCURRENTLY" in sent or "COMMENT ON INDEX" in sent
            recorded = (not whole and "INTO llamactl.step" in before) or (batch and batches > 3)
            if (alone or sent == "COMMIT") and not recorded:
                found.append(number + 1)
        return [number for number in found if number <= len(self.sent)]

    def boundaries(self) -> list[int]:
        """All statements by number; of those that write to temporary tables only, one in ten."""
        found, reading = [], False
        for number, sent in enumerate(self.sent, 1):
            if not reading or sent == "COMMIT" or number % 10 == 0:
                found.append(number)
            reading = "REPEATABLE READ" in sent or (reading and sent != "COMMIT")
        return found

    def numbers_of(self, *words: str) -> list[int]:
        """The statements that hold one of the words, by number."""
        return [number for number, sent in enumerate(self.sent, 1) if any(word in sent for word in words)]

    def state_before(self, number: int) -> str | None:
        """What `status` is to say of a run that was cut before the statement of this number."""
        (begun,) = self.numbers_of("INSERT INTO llamactl.run")
        first_commit, last_commit = self.sent.index("COMMIT", begun) + 1, self.numbers_of("COMMIT")[-1]
        if number <= first_commit:
            return self.before
        return "cut" if number <= last_commit else "done"

    def stopped(self, stopper: Stopper, dsn: str, number: int) -> int:
        """The pid of a run that has stopped before the statement of this number."""
        return stopper.stopped(dsn, *self.arguments, number=number, command=self.command, outside=True)

    @contextmanager
    def cut(self, stopper: Stopper, number: int, cut: Cut) -> Iterator[tuple[str, Connection]]:
        """A database whose run was cut before the statement, or after it went on from there."""
        with self.copied() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
            cut(stopper, self.stopped(stopper, dsn, number), connection)
            nothing_left(connection, files=self.files)
            yield dsn, connection

    def again(self, stopper: Stopper, dsn: str, connection: Connection) -> None:
        """The same command comes to the same end as an undisturbed run."""
        done = stopper.run(*self.words(dsn))
        assert done.code == 0, done.err
        self.as_undisturbed(dsn, connection)

    def as_undisturbed(self, dsn: str, connection: Connection) -> None:
        assert outcome(self.pg_dump, dsn) == self.expected
        nothing_left(connection, files=self.files)
        assert connection.execute(LEFT_INVALID).fetchall() == []
        assert connection.execute(LAST_RUN).fetchone() == (True,)

    def cut_and_again(self, stopper: Stopper, number: int, cut: Cut) -> None:
        with self.cut(stopper, number, cut) as (dsn, connection):
            self.state_and_again(stopper, number, dsn, connection)

    def state_and_again(self, stopper: Stopper, number: int, dsn: str, connection: Connection) -> None:
        assert status_of(stopper, dsn) == self.state_before(number), self.sent[number - 1]
        self.again(stopper, dsn, connection)


def status_of(stopper: Stopper, dsn: str) -> str | None:
    """The state that `status` tells; of one that was cut, it tells how to go on."""
    done = stopper.run("status", "--dsn", dsn, "--format", "json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    state: str | None = document["run"] and document["run"]["state"]
    assert any(GO_ON in note for note in document["notes"]) == (state == "cut"), document["notes"]
    return state


def side_by_side(
    stoppers: Sequence[Stopper], numbers: Iterable[int], check: Callable[[Stopper, int], None]
) -> None:
    """Calls the check for each number; as many at a time as there are stoppers. All that fail are named."""
    idle: SimpleQueue[Stopper] = SimpleQueue()
    for stopper in stoppers:
        idle.put(stopper)
    failed: dict[int, BaseException] = {}

    def one(number: int) -> None:
        stopper = idle.get()
        try:
            check(stopper, number)
        except BaseException as error:
            failed[number] = error
        finally:
            idle.put(stopper)

    points = list(numbers)
    assert points
    with ThreadPoolExecutor(len(stoppers)) as pool:
        pool.map(one, points)
    for number, error in sorted(failed.items()):
        error.add_note(f"cut at {number}; all that failed: {sorted(failed)}")
        raise error
