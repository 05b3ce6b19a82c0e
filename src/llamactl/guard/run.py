"""guard: a trigger gives new rows their root in the database, and rejects rows whose job is its own parent.

Install
1. Report what makes it impossible, before anything is changed.
2. Build an index whose first column is the job id, concurrently with the application, unless there is one.
3. In one transaction: create the schema, the function and the trigger. A lock timeout is retried.
Remove
1. In one transaction: drop the trigger and the function.
2. Drop the index, if its comment says that it was created for the guard.
3. Drop the schema, if nothing remains in it.

What already exists, or has already been removed, is left as it is. The guard itself is
sql/guard/create_function.sql.
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
"""The findings of preflight that also prevent the guard; LL017 does if the index has to be built."""


def manage_guard(
    session: Session,
    settings: Settings,
    action: GuardAction,
    *,
    retries: int,
    confirm: Callable[[str], bool] | None,
    note: Note,
) -> GuardReport:
    """Installs or removes the guard, or reports its state.

    `confirm` is called once, before anything is changed; None: do not ask. Raises LlamactlError: config if
    the guard cannot be installed on the table, permission, lock, busy, interrupted.
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
            f"Another session removed the guard from {table.shown} again",
            "Find out who removed it, then rerun the same command",
        )
    return _report(action, after, changed, session.blocking.seconds)


def build_guard_index(table: Table, note: Note) -> bool:
    """Builds the index that the guard needs, unless a usable one exists; returns whether it did."""
    if read_guard_state(table).index:
        return False
    columns = [table.names.columns["job_id"], table.names.columns["parent_job_id"]]
    shown = qualified(table.names.schema, table.names.job_index)
    note(f"Building the index {shown} for the guard's lookups; the application is not blocked ...")
    if not build_index(table, "guard/create_job_index", table.names.job_index, columns, note):
        return False
    table.session.autocommit_run(load_query("guard/mark_job_index", table.names))
    return True


def index_left_unmarked(table: Table) -> bool:
    """Returns whether the guard's index exists without the comment that says that llamactl created it."""
    columns = [table.names.columns["job_id"], table.names.columns["parent_job_id"]]
    found = read_index_state(table, table.names.job_index, columns)
    return found.as_wanted and found.valid and not found.ours


def create_guard(table: Table, retries: int, note: Note) -> list[str]:
    """Creates the function, and the trigger unless it already exists as wanted.

    Returns what was created, in words; the function is included if it replaced an outdated one.
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
    """Drops the trigger, the function, the guard's own index, and the schema if it is empty then.

    Returns what was removed, in words.
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
        note(
            f"Dropping the index {qualified(made.schema, made.job_index)}; the application is not blocked ..."
        )
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
    """Drops the trigger and the function in one transaction. Returns what was removed, in words."""
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
    """Returns the names with which the guard was created: the table may have been renamed since."""
    return replace(names, made={**names.made, **{what: name for what, name in made.items() if name}})


def _refuse(table: Table, there: GuardState, action: GuardAction) -> None:
    """Raises LlamactlError if the change is impossible: config, or permission with the GRANT."""
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
            f"{table.shown} has no root column",
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
    where = f"{table.shown} in database {table.session.database} on {table.session.host}"
    if action is GuardAction.REMOVE:
        return f"Remove the guard from {where}? Readers and writers are blocked for a moment."
    index = "" if there.index else " An index is built first, without blocking the application."
    return f"Install the guard on {where}?{index} Writers are blocked for a moment."


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
        notes.append("The trigger is disabled. Enable it: ALTER TABLE ... ENABLE TRIGGER zz_llamactl_guard;")
    if there.trigger and not there.current:
        notes.append(
            "The table was renamed after the guard was installed: new rows get no root until you run "
            "`llamactl guard install`"
        )
    elif there.outdated:
        notes.append(f"{OUTDATED}; {REPLACE}")
    if there.installed and not there.index:
        notes.append(
            "No index leads with the job id, so each insert scans the table: "
            "`llamactl guard install` builds one"
        )
    if "function" in changed:
        notes.append(
            "Replaced an outdated function. Rows that it wrote are unchanged: "
            "`llamactl verify` finds wrong roots, and `llamactl repair --overwrite` corrects them"
        )
    elif action is GuardAction.INSTALL and changed:
        notes.append("Existing rows are unchanged: `llamactl repair` fills in missing roots")
    return notes
