"""The runs that are recorded in the schema llamactl. Also reads the tables of version 0.1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from llamactl.db.session import Session
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table.table import Table

_NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class StateTables:
    """The state of the tables that record runs (online/state_present.sql)."""

    schema_present: bool
    present: bool
    outdated: bool
    """Created by version 0.1."""
    owner: str | None
    """The owner of outdated tables, if the role does not have the owner's privileges."""
    readable: bool
    recordable: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded run (online/runs.sql)."""

    id: int
    command: str
    backend_pid: int
    began_at: datetime
    ended_at: datetime | None
    rows_done: int
    rows_total: int | None
    rows_per_second: float | None
    waits_for: str | None
    waits_since: datetime | None
    same_table: bool
    """False if the run's table no longer exists."""
    same_name: bool
    """The run's table had the name of this one."""
    restored: bool
    """Recorded before the database was restored from a dump, which gives tables new oids."""


@dataclass(frozen=True, slots=True)
class _Step:
    name: str


def read_state_tables(session: Session) -> StateTables:
    """Returns the state of the tables that record runs. Reads only the catalogs."""
    return session.row(load_query("online/state_present", _NO_NAMES), StateTables)


def recorded_runs(session: Session, oid: int, schema: str, name: str) -> list[Recorded]:
    """Returns the runs of the table and of tables that no longer exist, the newest first.

    The tables that record runs must exist.
    """
    query = load_query("online/runs", _NO_NAMES)
    return session.rows(query, Recorded, relation=oid, schema=schema, table=name)


def interrupted_runs(found: Sequence[Recorded], command: str) -> list[int]:
    """Returns the ids of the table's interrupted runs of the command that no later run has completed."""
    mine = (run for run in found if run.same_table and run.command == command)
    return [run.id for run in takewhile(lambda run: run.ended_at is None, mine)]


def is_interrupted(table: Table, command: str) -> bool:
    """Returns whether the table's last run of the command was interrupted; False if the role cannot know."""
    if not read_state_tables(table.session).readable:
        return False
    return bool(
        interrupted_runs(
            recorded_runs(table.session, table.relation.oid, table.relation.schema, table.relation.name),
            command,
        )
    )


def recorded_steps(session: Session, ids: Sequence[int]) -> frozenset[str]:
    """Returns the steps at which these runs were interrupted; '' stands for before the first step."""
    found = session.rows(load_query("online/cut_steps", _NO_NAMES), _Step, runs=list(ids))
    return frozenset(step.name for step in found)


def end_runs(table: Table) -> None:
    """Records the table's interrupted runs as ended, in the open transaction: their work is now done.

    If the role may not record runs, they stay as they are: that is no reason to fail.
    """
    there = read_state_tables(table.session)
    if not (there.present and there.recordable):
        return
    found = recorded_runs(table.session, table.relation.oid, table.relation.schema, table.relation.name)
    open_runs = [run.id for run in found if run.same_table and run.ended_at is None]
    if open_runs:
        table.session.run(load_query("online/end_runs", _NO_NAMES), runs=open_runs)
