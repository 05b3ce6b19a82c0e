"""A migration cut at each of its statements, by whatever ends it: the table is as it was, down to the rows' places.

One test cuts at every statement in turn. Since nothing may change, all cuts of a test have one database; at its
end the whole dump is compared, and an ordinary run gives what an undisturbed one gives.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cutting import (
    NOBODY_LEFT,
    Connection,
    Done,
    Statement,
    Stopper,
    at,
    dated_rows,
    dump,
    migrate_here,
    nothing_left,
    outcome,
    quick_look,
    statements_of,
    wait_until,
)

STRATEGIES = ["update", "rewrite"]


@dataclass
class Cutter:
    """A log with every fault, to be cut, and what an undisturbed migration sends and gives."""

    dsn: str
    strategy: str
    pg_dump: Path
    statements: list[str]
    expected: Any
    connection: Connection
    """To look on."""

    def __post_init__(self) -> None:
        self.dump = dump(self.pg_dump, self.dsn)
        self.look = quick_look(self.connection)

    def points(self) -> list[int]:
        """The statements to cut before, by number. Up to the first write both strategies send the same."""
        first = 1 if self.strategy == "update" else self.statements.index("CREATE SCHEMA llamactl") + 1
        return list(range(first, len(self.statements) + 1))

    def run(self, number: int, action: Callable[[Statement], object]) -> Done:
        return migrate_here(self.dsn, "--strategy", self.strategy, before=at(number, action))

    def nothing_changed(self, number: int, *, files: bool = True) -> None:
        nothing_left(self.connection, files=files)
        assert quick_look(self.connection) == self.look, self.statements[number - 1]

    def finish(self) -> None:
        """Nothing has changed at all, and an ordinary run succeeds."""
        assert dump(self.pg_dump, self.dsn) == self.dump
        done = migrate_here(self.dsn, "--strategy", self.strategy)
        assert done.code == 0, done.err
        assert outcome(self.pg_dump, self.dsn) == self.expected


@pytest.fixture(params=STRATEGIES)
def strategy(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def cutter(
    strategy: str,
    new_database: Callable[..., str],
    insert_into: Callable[[str, Any], None],
    pg_tool: Callable[[str], Path],
) -> Iterator[Cutter]:
    yield from make_cutter(strategy, new_database(), new_database(), insert_into, pg_tool)


def make_cutter(
    strategy: str,
    dsn: str,
    other: str,
    insert_into: Callable[[str, Any], None],
    pg_tool: Callable[[str], Path],
) -> Iterator[Cutter]:
    for database in (dsn, other):
        insert_into(database, dated_rows())
    statements = statements_of(other, "--strategy", strategy)
    expected = outcome(pg_tool("pg_dump"), other)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Cutter(dsn, strategy, pg_tool("pg_dump"), statements, expected, connection)


def test_terminated_before_each_statement(cutter: Cutter) -> None:
    def terminate(statement: Statement) -> None:
        cutter.connection.execute("SELECT pg_terminate_backend(%s)", [statement.pid])
        wait_until(cutter.connection, NOBODY_LEFT)

    for number in cutter.points():
        done = cutter.run(number, terminate)
        commit = number == len(cutter.statements)
        told = "whether the commit was done is not known" if commit else "nothing was changed"
        assert done.code == 3, cutter.statements[number - 1]
        assert len(done.errors) == 1
        assert told in done.errors[0]
        cutter.nothing_changed(number)
    cutter.finish()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_each_statement(cutter: Cutter, sent: signal.Signals) -> None:
    other_half = sent is signal.SIGTERM
    for number in cutter.points()[:-1]:
        if number % 2 == other_half:
            done = cutter.run(number, lambda _: signal.raise_signal(sent))
            assert (done.code, done.errors) == (130, ["error: Interrupted; nothing was changed"])
            cutter.nothing_changed(number)
    # A COMMIT under way is let finish.
    done = cutter.run(len(cutter.statements), lambda _: signal.raise_signal(sent))
    assert (done.code, done.errors) == (130, ["error: Interrupted; what was committed before stays"])
    nothing_left(cutter.connection)
    assert outcome(cutter.pg_dump, cutter.dsn) == cutter.expected


@pytest.fixture
def stopper() -> Iterator[Stopper]:
    stopper = Stopper()
    yield stopper
    stopper.close()


def test_killed_before_each_statement(cutter: Cutter, stopper: Stopper) -> None:
    for number in cutter.points():
        pid = stopper.stopped(cutter.dsn, "--strategy", cutter.strategy, number=number)
        os.kill(pid, signal.SIGKILL)
        cutter.nothing_changed(number)
    cutter.finish()
