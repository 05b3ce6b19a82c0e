"""The claim on the table, and the records of a run in schema llamactl, for `status` and for the next run."""

from __future__ import annotations

import os
import socket
import time
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from llamactl.db.session import Session
from llamactl.lineage.resolve import DEFAULT_PLANNER
from llamactl.model import ErrorCode, LlamactlError, Note, Progress, Relation
from llamactl.model.steps import StepName
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident
from llamactl.table.grants import CREATE, RUNS, USE, WRITE, missing_grants
from llamactl.table.leftovers import drop_leftovers, find_leftovers
from llamactl.table.locks import LockHolder, another_run, claimants
from llamactl.table.runs import interrupted_runs, read_state_tables, recorded_runs, recorded_steps
from llamactl.table.table import Table

RATE_WINDOW_SECONDS = 60
DEAD_CLIENT_SECONDS = 60
"""How long to wait for the statement of a killed client; the server notices within a second."""

_NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class _Claimed:
    claimed: bool


@dataclass(frozen=True, slots=True)
class _Told:
    told: bool


@dataclass(frozen=True, slots=True)
class _Client:
    client: int


@dataclass(frozen=True, slots=True)
class _Begun:
    id: int


def refuse_forbidden(session: Session, *, creating: bool = False, update: str = "") -> None:
    """Raises LlamactlError (permission), with the GRANTs, if the role may not record a run.

    `creating`: it must also create other objects in schema llamactl. `update`: the GRANT that it lacks on the
    table itself.
    """
    there = read_state_tables(session)
    if there.recordable and not update:
        return
    if there.owner is not None:
        raise LlamactlError(
            ErrorCode.PERMISSION,
            f"llamactl.run is from an earlier version, and only {there.owner}, its owner, can upgrade it",
            f"Connect as the owner, {ident(there.owner)}, for the next run",
        )
    schema = (USE, *([CREATE] if creating or not there.present else []))
    lacks = missing_grants(session, schema, dict.fromkeys(RUNS, WRITE))
    what = "write to the table" if update else "record a run in schema llamactl"
    raise LlamactlError(
        ErrorCode.PERMISSION,
        f"{session.user} may not {what}",
        f"{update} {lacks}".strip(),
    )


@contextmanager
def filling(session: Session) -> Iterator[None]:
    """Settings for writing rows: the guard ignores these writes.

    The planner settings of the role or the database are overridden: with some of them each batch would scan
    the table.
    """
    session.next_step = "rerun the same command to continue"
    ours = {"llamactl.filling": "on", "enable_tidscan": "on"}
    with session.settings(**DEFAULT_PLANNER, **ours):
        yield


def claim_session(table: Table, note: Note) -> None:
    """Claims the table for as long as the session lasts, without waiting for another run.

    It only waits for the remaining server session of a client that was killed on this machine. Raises
    LlamactlError (busy), naming the session that holds the claim.
    """
    table.session.row(load_query("online/client", _NO_NAMES), _Told, host=_host_number(), client=os.getpid())
    deadline, told = time.monotonic() + DEAD_CLIENT_SECONDS, False
    query = load_query("online/claim", _NO_NAMES)
    while not table.session.row(query, _Claimed, relation=table.relation.oid).claimed:
        holders = claimants(table.session, table.relation.oid)
        if time.monotonic() > deadline or not all(_is_dead(table.session, holder) for holder in holders):
            raise another_run(holders)
        if not told:
            note("Waiting for the server to end the session of a run that was killed")
            told = True
        time.sleep(0.1)
    if left := find_leftovers(table.session, table.relation.oid):
        with table.session.transaction(temporary=True):
            drop_leftovers(table.session, left)


def _is_dead(session: Session, holder: LockHolder) -> bool:
    """Returns whether the session's client ran on this machine and no longer exists."""
    query = load_query("online/client_of", _NO_NAMES)
    found = session.rows(query, _Client, pid=holder.pid, host=_host_number())
    try:
        for one in found:
            os.kill(one.client, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _host_number() -> int:
    """Returns a number for this machine, for use as the first key of an advisory lock."""
    return zlib.crc32(socket.gethostname().encode()) >> 1


def interrupted_steps(table: Table, command: str) -> frozenset[str]:
    """Returns the steps at which runs of the command were interrupted; '' stands for before the first step.

    The caller must hold the claim, so that none of these runs is still active.
    """
    if not read_state_tables(table.session).present:
        return frozenset()
    found = recorded_runs(table.session, table.relation.oid, table.relation.schema, table.relation.name)
    return recorded_steps(table.session, interrupted_runs(found, command))


@dataclass(slots=True)
class Run:
    """A recorded run: its id and its progress."""

    session: Session
    id: int
    rows_done: int = 0
    rows_total: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    """The duration of each step."""
    _recent: deque[tuple[float, int]] = field(default_factory=deque)
    _waits_for: str | None = None

    @classmethod
    def begin(
        cls, session: Session, relation: Relation, command: str, seconds: dict[str, float] | None = None
    ) -> Run:
        """Records a new run. Creates the schema and its tables if they do not exist.

        `seconds`: the durations of earlier steps.
        """
        with session.transaction():
            there = read_state_tables(session)
            if not there.schema_present:
                session.run(load_query("migrate/create_schema", _NO_NAMES))
            if not there.present:
                session.run(load_query("online/create_state", _NO_NAMES))
            if there.outdated:
                session.run(load_query("migrate/upgrade_state", _NO_NAMES))
            begun = session.row(
                load_query("online/begin_run", _NO_NAMES),
                _Begun,
                relation=relation.oid,
                schema=relation.schema,
                table=relation.name,
                command=command,
            )
        return cls(session, begun.id, seconds=seconds or {})

    @contextmanager
    def step(self, name: StepName) -> Iterator[None]:
        """Records the step and its duration."""
        begun = time.monotonic()
        self.session.announce(name)
        with self.session.transaction():
            self.session.run(load_query("online/begin_step", _NO_NAMES), run=self.id, name=name)
        yield
        took = time.monotonic() - begun
        self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 3)

    def expect(self, rows: int) -> None:
        """Records how many rows remain to be written."""
        self.rows_total = self.rows_done + rows
        with self.session.transaction():
            self.checkpoint(0)

    def checkpoint(self, rows: int) -> None:
        """Records a batch's rows in its transaction; call advance() once that is committed."""
        self.session.run(
            load_query("online/checkpoint", _NO_NAMES),
            run=self.id,
            rows=rows,
            total=self.rows_total,
            rows_per_second=self.rows_per_second,
        )

    def advance(self, rows: int) -> Progress:
        """Returns the progress after a batch of so many rows was committed."""
        now = time.monotonic()
        self.rows_done += rows
        self._waits_for = None
        self._recent.append((now, self.rows_done))
        while self._recent[0][0] < now - RATE_WINDOW_SECONDS:
            self._recent.popleft()
        return Progress(self.rows_done, self.rows_total, self.rows_per_second)

    @property
    def rows_per_second(self) -> float:
        if len(self._recent) < 2:
            return 0.0
        (begun, before), (now, done) = self._recent[0], self._recent[-1]
        return (done - before) / (now - begun) if now > begun else 0.0

    def wait_for(self, reason: str | None) -> None:
        """Records what the run is waiting for; None if for nothing."""
        if reason == self._waits_for:
            return
        self._waits_for = reason
        with self.session.transaction():
            self.session.run(load_query("online/wait", _NO_NAMES), run=self.id, reason=reason)

    def end(self) -> None:
        with self.session.transaction():
            self.session.run(load_query("online/end_run", _NO_NAMES), run=self.id)
