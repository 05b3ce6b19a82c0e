"""guard: rows that come without a root get it in the database, and self-parents are refused.

Install
1. What makes it impossible is said before anything is changed.
2. An index that leads with the job id is built beside the application, unless there is one.
3. In one transaction: the schema, the function, the trigger. A lock not got in time is tried for again.
Remove
1. In one transaction: the trigger, and the function.
2. The index, where its comment says that it was made for the guard.
3. The schema, once nothing is left in it.

What is there already, or is gone already, is left as it is. The work itself is sql/guard/create_function.sql.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from llamactl.checks.blockers import find_blockers, inspect_table
from llamactl.checks.road_blockers import guard_blockers, name_blockers
from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.findings.refusal import refuse_findings
from llamactl.model import (
    Blocks,
    ErrorCode,
    GuardAction,
    GuardReport,
    LlamactlError,
    Note,
    RefusedBy,
)
from llamactl.model.steps import StepName
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import qualified
from llamactl.table.guard_state import (
    OUTDATED,
    REPLACE,
    GuardState,
    read_guard_state,
    refuse_foreign_guard,
    refuse_uncreatable_guard,
    refuse_unguardable,
)
from llamactl.table.indexes import build_index, drop_index, read_index_state
from llamactl.table.locks import claim_table, refuse_replaced, with_lock_retries
from llamactl.table.table import Table
from llamactl.wording import LISTED

OBSTACLES = ("LL001", "LL005", "LL006", "LL007", "LL008", "LL013", "LL018")
"""Of preflight's findings, those that stand in the guard's way too; LL017 where the index is to be made."""


def manage_guard(
    session: Session,
    settings: Settings,
    action: GuardAction,
    *,
    retries: int,
    confirm: Callable[[str], bool] | None,
    note: Note,
) -> GuardReport:
    """Installs or removes the guard, or tells what is there.

    `confirm` is asked once, before anything is changed; None: no need to ask. Raises LlamactlError: config
    where the table cannot have it, permission, lock, busy, interrupted.
    """
    table = Table.open(session, settings)
    before = read_guard_state(table)
    if action is not GuardAction.STATUS:
        _refuse(table, before, action)
        if _changes_index(table, before, action):
            session.require_own()
        if confirm:
            session.ask(confirm, _question(table, before, action))
    changed: list[str] = []
    if action is GuardAction.INSTALL:
        if build_guard_index(table, note):
            changed.append("job index")
        changed += create_guard(table, retries, note)
    elif action is GuardAction.REMOVE:
        changed += remove_guard(table, retries, note)
    after = read_guard_state(table)
    if action is GuardAction.INSTALL and not after.installed:
        raise LlamactlError(
            ErrorCode.BUSY,
            f"Another session took the guard off {table.shown} again",
            "Ask who did, then run the same command again",
        )
    return _report(action, after, changed, session.blocking.seconds)


def build_guard_index(table: Table, note: Note) -> bool:
    """Builds the index that the guard needs, unless a usable one is there; returns whether it did."""
    if read_guard_state(table).index:
        return False
    columns = [table.names.columns["job_id"], table.names.columns["parent_job_id"]]
    shown = qualified(table.names.schema, table.names.job_index)
    note(f"Building the index {shown}, which the guard looks parents up with; the application goes on ...")
    if not build_index(table, "guard/create_job_index", table.names.job_index, columns, note):
        return False
    table.session.autocommit_run(load_query("guard/mark_job_index", table.names))
    return True


def index_left_unmarked(table: Table) -> bool:
    """Returns whether an index stands as build_index() makes it, of which nothing says that it did."""
    columns = [table.names.columns["job_id"], table.names.columns["parent_job_id"]]
    found = read_index_state(table, table.names.job_index, columns)
    return found.as_wanted and found.valid and not found.ours


def create_guard(table: Table, retries: int, note: Note) -> list[str]:
    """Makes the function, and the trigger unless it is there as wanted.

    Returns what was made, in words; the function is named where it takes the place of an outdated one.
    """
    trusted = table.settings.trust_root_flag and "is_root_job" in table.relation.columns

    def attempt() -> list[str]:
        with table.session.transaction():
            claim_table(table.session, table.relation.oid)
            there = read_guard_state(table)
            if not there.schema_present:
                table.run("migrate/create_schema")
            table.run("guard/create_function")
            made = ["function"] if there.current and not there.up_to_date else []
            if there.installed and there.trust_root_flag is trusted:
                refuse_replaced(table)
                return made
            table.session.blocking.begin(Blocks.WRITES, StepName.CREATE_GUARD)
            table.session.run(
                load_query("guard/create_trigger", table.names).literal(trust_root_flag=trusted)
            )
            refuse_replaced(table)
            if there.trigger and not there.current:
                table.session.run(
                    load_query("guard/drop_function", _as_made(table.names, guard=there.function))
                )
            return [*made, "trigger"]

    return with_lock_retries(table.session, [table.relation.oid], attempt, retries, note)


def remove_guard(table: Table, retries: int, note: Note) -> list[str]:
    """Takes off trigger, function, the guard's own index, and the schema if it is empty then.

    Returns what was taken off, in words.
    """
    there = read_guard_state(table)
    removed: list[str] = []
    if there.trigger or there.function:
        removed += with_lock_retries(
            table.session, [table.relation.oid], lambda: _take_off(table), retries, note
        )
    cut = _cut_index(table)
    if there.index_ours or cut:
        made = table.names if cut else _as_made(table.names, job_index=there.index)
        note(f"Dropping the index {qualified(made.schema, made.job_index)}; the application goes on ...")
        drop_index(replace(table, names=made), "guard/drop_job_index", note)
        removed.append("job index")
    if read_guard_state(table).schema_empty:
        with table.session.transaction():
            table.run("undo/drop_schema")
        removed.append("schema")
    return removed


def _cut_index(table: Table) -> bool:
    """Returns whether an interrupted build left the guard's index INVALID."""
    columns = [table.names.columns["job_id"], table.names.columns["parent_job_id"]]
    return read_index_state(table, table.names.job_index, columns).left_behind


def _take_off(table: Table) -> list[str]:
    """One transaction."""
    with table.session.transaction():
        claim_table(table.session, table.relation.oid)
        there = read_guard_state(table)
        if there.trigger:
            table.session.blocking.begin(Blocks.ALL, StepName.REMOVE_GUARD)
            table.run("guard/drop_trigger")
            refuse_replaced(table)
        if there.function:
            table.session.run(load_query("guard/drop_function", _as_made(table.names, guard=there.function)))
    return ["trigger"] if there.trigger else []


def _as_made(names: Names, **made: str | None) -> Names:
    """Returns the names under which it was made: the table may have been renamed since."""
    return replace(names, made={**names.made, **{what: name for what, name in made.items() if name}})


def _refuse(table: Table, there: GuardState, action: GuardAction) -> None:
    """Raises LlamactlError for what makes the change impossible: config, or permission with the GRANT."""
    installing = action is GuardAction.INSTALL
    needed = {*OBSTACLES, *([] if there.index else ["LL017", "LL027"])} if installing else {"LL001", "LL005"}
    found = find_blockers(table, inspect_table(table))
    refuse_findings(finding for finding in found if finding.id in needed)
    refuse_foreign_guard(table.session, there)
    if not installing:
        return
    if table.relation.root is None:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"{table.shown} has no root column to fill",
            "Run llamactl migrate first",
        )
    refuse_unguardable(table.relation)
    refuse_findings(name_blockers(table))
    refuse_findings(guard_blockers(table, LISTED))
    refuse_uncreatable_guard(table.session, there)


def _changes_index(table: Table, there: GuardState, action: GuardAction) -> bool:
    if action is GuardAction.INSTALL:
        return not there.index
    return bool(there.index_ours) or _cut_index(table)


def _question(table: Table, there: GuardState, action: GuardAction) -> str:
    where = f"{table.shown} of database {table.session.database} on {table.session.host}"
    if action is GuardAction.REMOVE:
        return f"Remove the guard of {where}? Readers and writers wait for a moment."
    index = "" if there.index else " An index is built first, beside the application."
    return f"Install the guard on {where}?{index} Writers wait for a moment."


def _report(
    action: GuardAction, there: GuardState, changed: list[str], blocked_seconds: float
) -> GuardReport:
    guarding = there.installed and there.enabled
    alone = RefusedBy.GUARD if guarding else RefusedBy.CHECK if there.checked else RefusedBy.NOTHING
    return GuardReport(
        action=action,
        installed=there.installed,
        enabled=guarding,
        up_to_date=there.up_to_date if there.installed else None,
        trust_root_flag=there.trust_root_flag if there.installed else None,
        index=there.index,
        self_parents_refused_by=RefusedBy.BOTH if guarding and there.checked else alone,
        changed=tuple(changed),
        blocked_seconds=blocked_seconds,
        notes=tuple(_notes(action, there, changed)),
    )


def _notes(action: GuardAction, there: GuardState, changed: list[str]) -> list[str]:
    notes = []
    if there.installed and not there.enabled:
        notes.append("The trigger is disabled: ALTER TABLE ... ENABLE TRIGGER zz_llamactl_guard;")
    if there.trigger and not there.current:
        notes.append("The table was renamed since: rows get no root until `llamactl guard install`")
    elif there.outdated:
        notes.append(f"{OUTDATED}; {REPLACE}")
    if there.installed and not there.index:
        notes.append(
            "No index leads with the job id: each insert reads the table; `llamactl guard install` builds one"
        )
    if "function" in changed:
        notes.append(
            "Replaced an outdated function; rows that it filled are left as they are: "
            "`llamactl verify` finds wrong roots, and `llamactl repair --overwrite` corrects them"
        )
    elif action is GuardAction.INSTALL and changed:
        notes.append("Rows from before are left as they are: `llamactl repair` fills what is missing")
    return notes
