"""What runs recorded in the schema llamactl, and whose runs they are. Reads 0.1's tables as well."""

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
    """What there is for recording runs (online/state_present.sql)."""

    schema_present: bool
    present: bool
    outdated: bool
    """Made by 0.1."""
    owner: str | None
    """Of outdated ones, where the role has not the owner's rights."""
    readable: bool
    recordable: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a run recorded (online/runs.sql)."""

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
    """False: of a table that is gone."""
    same_name: bool
    """Of a table that had this one's name."""
    restored: bool
    """Recorded before the database was restored from a dump, which gives tables other oids."""


@dataclass(frozen=True, slots=True)
class _Step:
    name: str


def read_state_tables(session: Session) -> StateTables:
    """Returns what there is for recording runs. Reads catalogs only."""
    return session.row(load_query("online/state_present", _NO_NAMES), StateTables)


def recorded_runs(session: Session, oid: int, schema: str, name: str) -> list[Recorded]:
    """Returns the runs of the table, and those of tables that are gone, the newest first.

    The tables of runs must be there.
    """
    query = load_query("online/runs", _NO_NAMES)
    return session.rows(query, Recorded, relation=oid, schema=schema, table=name)


def interrupted_runs(found: Sequence[Recorded], command: str) -> list[int]:
    """Returns the ids of the table's runs of the command that did not end, and that none completed since."""
    mine = (run for run in found if run.same_table and run.command == command)
    return [run.id for run in takewhile(lambda run: run.ended_at is None, mine)]


def is_interrupted(table: Table, command: str) -> bool:
    """Returns whether the table's last run of the command did not end; False where the role cannot know."""
    if not read_state_tables(table.session).readable:
        return False
    return bool(
        interrupted_runs(
            recorded_runs(table.session, table.relation.oid, table.relation.schema, table.relation.name),
            command,
        )
    )


def recorded_steps(session: Session, ids: Sequence[int]) -> frozenset[str]:
    """Returns the steps at which these runs were interrupted, '' where before the first."""
    found = session.rows(load_query("online/cut_steps", _NO_NAMES), _Step, runs=list(ids))
    return frozenset(step.name for step in found)


def end_runs(table: Table) -> None:
    """Ends the table's runs that were cut, in the open transaction: what they were at is done.

    A role that may not record runs leaves them: what is recorded is no reason to fail.
    """
    there = read_state_tables(table.session)
    if not (there.present and there.recordable):
        return
    found = recorded_runs(table.session, table.relation.oid, table.relation.schema, table.relation.name)
    open_runs = [run.id for run in found if run.same_table and run.ended_at is None]
    if open_runs:
        table.session.run(load_query("online/end_runs", _NO_NAMES), runs=open_runs)
