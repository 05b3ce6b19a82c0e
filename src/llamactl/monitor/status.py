"""status: the progress of the newest online run. It reads only the catalogs and the records of runs.

It must answer while the run holds its locks, so it never opens the user's table.

1. The claim on the table: an unfinished run whose session does not hold the claim was interrupted.
2. The run's records: rows, rate, steps, and what it is waiting for.
3. The server's view of the run's session: what blocks it, and the progress of an index build.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.model import (
    AtWork,
    Blocker,
    ErrorCode,
    IndexBuild,
    LlamactlError,
    RunState,
    RunStatus,
    RunStep,
    StatusReport,
    TableStatus,
)
from llamactl.sqlfiles.load import Query, load_query
from llamactl.sqlfiles.names import Names
from llamactl.table.grants import READ, RUNS, USE, missing_grants
from llamactl.table.leftovers import describe_leftover, find_leftovers
from llamactl.table.locks import LockHolder, is_llamactl
from llamactl.table.lookup import Found, find_table
from llamactl.table.runs import Recorded, recorded_runs

POLL_SECONDS = 1.0
CUT = "was interrupted: it has not finished and has no session; rerun the same command to continue"

_NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class _Table:
    root_column_present: bool
    root_index_present: bool
    guard_present: bool
    state_present: bool
    as_of: datetime


@dataclass(frozen=True, slots=True)
class _LockWait:
    wanted: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class _Parts:
    """The state at one moment."""

    claimants: Sequence[LockHolder]
    table: _Table
    runs: Sequence[Recorded]
    """The table's newest run of each command, the newest of all first."""
    former: Sequence[Recorded]
    """The runs of former tables of this name."""
    steps: tuple[RunStep, ...]
    waits: Sequence[_LockWait]
    blockers: Sequence[LockHolder]
    builds: Sequence[IndexBuild]

    def lives(self, run: Recorded) -> bool:
        """Whether the run's session holds the claim."""
        return run.ended_at is None and any(holder.pid == run.backend_pid for holder in self.claimants)

    def cut(self, run: Recorded) -> bool:
        return run.ended_at is None and not self.lives(run)


def read_status(session: Session, settings: Settings) -> StatusReport:
    """Returns the current state of the newest run and of the table.

    Raises LlamactlError: config if the table does not exist, permission if the role may not read the records
    of runs.
    """
    found = find_table(session, settings)
    return _report(session, settings, found)


def watch_status(session: Session, settings: Settings) -> Iterator[StatusReport]:
    """Yields the result of read_status() every second until no session is working. Raises like it."""
    found = find_table(session, settings)
    while True:
        report = _report(session, settings, found)
        yield report
        if not report.claimed:
            return
        time.sleep(POLL_SECONDS)


def _report(session: Session, settings: Settings, found: Found) -> StatusReport:
    try:
        look = _read_parts(session, settings, found)
    except LlamactlError as exc:
        # `undo` locks the tables that record runs.
        if exc.code is not ErrorCode.LOCK:
            raise
        look = _read_parts(session, settings, found, recorded=False)
    if look.runs and look.cut(look.runs[0]):
        # The run may have ended between two of the statements.
        look = _read_parts(session, settings, found)
    newest = _status(look, look.runs[0]) if look.runs else None
    table = TableStatus(name=found.shown, migrated=_migrated(look), guard=look.table.guard_present)
    ended = {one.backend_pid for one in look.runs if one.ended_at}
    at_work = [_at_work(holder) for holder in look.claimants if holder.pid not in ended]
    left = () if look.claimants else find_leftovers(session, found.oid)
    return StatusReport(
        newest,
        look.steps,
        table,
        bool(at_work),
        look.table.as_of,
        at_work[0] if at_work else None,
        (*_notes(look), *map(describe_leftover, left)),
    )


def _migrated(look: _Parts) -> bool:
    """By the catalogs: the records may be of a former table of this name."""
    migrations = [one for one in look.runs if one.command == "migrate"]
    if any(one.ended_at is None for one in migrations):
        return False
    return look.table.root_column_present and (look.table.root_index_present or bool(migrations))


def _at_work(holder: LockHolder) -> AtWork:
    command, _, step = holder.application.removeprefix("llamactl ").partition(": ")
    ours = is_llamactl(holder.application)
    return AtWork(
        pid=holder.pid,
        user=holder.user_name,
        command=command if ours else None,
        step=step or None if ours else None,
        transaction_seconds=holder.age_seconds,
    )


def _read_parts(session: Session, settings: Settings, found: Found, *, recorded: bool = True) -> _Parts:
    def load(path: str) -> Query:
        return load_query(path, _NO_NAMES)

    root_column = Names(columns=settings.columns).columns["root_job_id"]
    with session.snapshot():
        session.read_only()
        claimants = session.rows(load("migrate/claimant"), LockHolder, relation=found.oid)
        table = session.row(load("status/table"), _Table, relation=found.oid, root_column=root_column)
        if table.state_present:
            _refuse_unreadable(session)
        all_runs = (
            recorded_runs(session, found.oid, found.schema_name, found.table_name)
            if table.state_present and recorded
            else []
        )
        newest = {one.command: one for one in reversed(all_runs) if one.same_table}
        mine = sorted(newest.values(), key=lambda one: one.id, reverse=True)
        former = [one for one in all_runs if one.same_name and not one.same_table]
        if not mine:
            return _Parts(claimants, table, (), former, (), (), (), ())
        pid = mine[0].backend_pid
        return _Parts(
            claimants,
            table,
            mine,
            former,
            tuple(session.rows(load("status/steps"), RunStep, run=mine[0].id)),
            session.rows(load("status/lock_wait"), _LockWait, pid=pid),
            session.rows(load("status/blockers"), LockHolder, pid=pid),
            session.rows(load("status/index_build"), IndexBuild, pid=pid),
        )


def _refuse_unreadable(session: Session) -> None:
    """Raises LlamactlError (permission), with the GRANT, if the role may not read the records of runs."""
    if hint := missing_grants(session, (USE,), dict.fromkeys(RUNS, READ)):
        raise LlamactlError(
            ErrorCode.PERMISSION, f"{session.user} may not read the records of runs in schema llamactl", hint
        )


def _status(look: _Parts, run: Recorded) -> RunStatus:
    """Once the run's session has ended, its pid may belong to another session."""
    live = look.lives(run)
    waits_for, waits_since = (run.waits_for, run.waits_since) if live else (None, None)
    if live and not waits_for and look.waits:
        waits_for, waits_since = look.waits[0].wanted, look.waits[0].since
    state = RunState.CUT
    if run.ended_at:
        state = RunState.DONE
    elif live:
        state = RunState.WAITING if waits_for else RunState.RUNNING
    current = look.steps[-1] if look.steps and not run.ended_at else None
    rate, total = run.rows_per_second, run.rows_total
    left = None if total is None else max(total - run.rows_done, 0)
    return RunStatus(
        id=run.id,
        command=run.command,
        state=state,
        step=current.name if current else None,
        step_since=current.began_at if current else None,
        began_at=run.began_at,
        ended_at=run.ended_at,
        rows_done=run.rows_done,
        rows_total=total,
        rows_per_second=rate if live else None,
        eta_seconds=round(left / rate, 1) if live and rate and left is not None else None,
        waits_for=waits_for,
        waits_since=waits_since,
        blocked_by=tuple(_blocker(holder) for holder in look.blockers) if live else (),
        index_build=look.builds[0] if live and look.builds else None,
    )


def _blocker(holder: LockHolder) -> Blocker:
    return Blocker(
        pid=holder.pid,
        user=holder.user_name,
        state=holder.state,
        transaction_seconds=holder.age_seconds,
        query=holder.query,
        sentence=holder.sentence(),
    )


def _notes(look: _Parts) -> Iterator[str]:
    for one in look.runs:
        if look.cut(one):
            yield f"Run {one.id} ({one.command}) {CUT}"
        if one.restored:
            yield f"Run {one.id} ({one.command}) was recorded before this database was restored from a dump"
    if look.former and not look.runs:
        former = look.former[0]
        began = former.began_at.isoformat(timespec="seconds")
        run = f"Run {former.id} ({former.command}, began {began})"
        yield f"{run} was on a former table of this name, which no longer exists"
    for holder in look.claimants:
        if look.runs and not any(one.backend_pid == holder.pid for one in look.runs):
            yield (
                f"Another llamactl run is working on the table: {holder.sentence()}; to terminate it: "
                f"{holder.ending()}"
            )
