"""repair: fills in missing roots, and with `overwrite` corrects those that differ, in batches.

1. For a dry run, and before asking a person: work out the lineage, and with it which rows are to be written,
   READ ONLY.
2. Claim the table, as a migration does, and work them out for the batches.
3. Write them in batches (rounds.py); again, until a round finds nothing to write.

Rows that are younger than the grace period and whose chain leaves the log are not written: the row of their
parent may still arrive. All others are filled immediately.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from llamactl.checks.blockers import inspect_table, refuse_unwritable, refuse_without_temporary
from llamactl.checks.road_blockers import batch_blockers, name_blockers
from llamactl.checks.subscribers import ask_with_warning, subscriber_warning
from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.findings.refusal import refuse_findings
from llamactl.model import ErrorCode, LlamactlError, Note, Progress, RepairReport
from llamactl.model.steps import StepName
from llamactl.model.words import plural
from llamactl.online.batches import Work
from llamactl.online.notes import find_unwritten, unwritten_notes
from llamactl.online.record import Run, claim_session, filling, interrupted_steps, refuse_forbidden
from llamactl.online.rounds import Round, Rules, resolve_round, triggered, write_rounds
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.table import Table


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """The values of repair's flags."""

    overwrite: bool
    grace_ms: int
    retries: int
    dry_run: bool = False


def repair_roots(
    session: Session,
    settings: Settings,
    options: RepairOptions,
    *,
    confirm: Callable[[str], bool] | None,
    note: Note,
    progress: Callable[[Progress], None],
) -> RepairReport:
    """Repairs the table, or in a dry run reports what would be written.

    `confirm` is called once the number of rows is known. Raises LlamactlError: config if the table is not
    migrated or cannot be read, permission, lock, busy, interrupted. What was written until then is kept.
    """
    session.require_own()
    table = Table.open(session, settings)
    _refuse_unrepairable(table, options)
    rules = Rules(options.overwrite, options.grace_ms, keyed=triggered(table))
    note(f"Reading {table.shown} to compute its lineage; the application is not blocked")
    if options.dry_run or confirm:
        seen = resolve_round(table, rules, options.retries, note, dry_run=True)
        warned = subscriber_warning(table) if seen.pending.any_rows else ""
        if options.dry_run:
            report = _report(table, options, seen, seen)
            return replace(report, notes=(*report.notes, *filter(None, [warned])))
        if confirm and seen.pending.any_rows:
            ask_with_warning(session, confirm, _question(table, seen), warned, note)
    # Only now, since the user may take long to answer, and what was computed may be outdated.
    claim_session(table, note)
    session.announce(StepName.RESOLVE)
    first = resolve_round(table, rules, options.retries, note)
    if first.pending.clear_rows and (lacks := _grant_to_update(table, "parent_job_id")):
        refuse_forbidden(session, update=lacks)
    if not first.pending.any_rows:
        if interrupted_steps(table, "repair"):
            Run.begin(session, table.relation, "repair").end()  # what was interrupted is complete
        return _report(table, options, first, first)
    if not confirm and (warned := subscriber_warning(table)):
        note(warned)
    return _write(table, options, rules, first, note, progress)


def _refuse_unrepairable(table: Table, options: RepairOptions) -> None:
    """Raises LlamactlError: config if the table is not migrated or cannot be repaired, permission."""
    if table.relation.root is None:
        raise LlamactlError(
            ErrorCode.CONFIG,
            f"{table.shown} has no column {table.names.columns['root_job_id']}",
            "The table is not migrated yet: run llamactl migrate",
        )
    refuse_without_temporary(table)
    refuse_unwritable(table)
    refuse_findings(batch_blockers(table.relation, inspect_table(table)))
    refuse_findings(name_blockers(table))
    if not options.dry_run:
        refuse_forbidden(table.session, update=_grant_to_update(table, "root_job_id"))


def _grant_to_update(table: Table, column: str) -> str:
    """Returns the GRANT that the role lacks to write the column; empty if it lacks none."""
    found = table.relation.columns[column]
    table_name = qualified(table.relation.schema, table.relation.name)
    grant = f"GRANT UPDATE ({ident(found.name)}) ON {table_name} TO {ident(table.session.user)};"
    return "" if found.updatable else grant


def _write(
    table: Table,
    options: RepairOptions,
    rules: Rules,
    first: Round,
    note: Note,
    progress: Callable[[Progress], None],
) -> RepairReport:
    with filling(table.session):
        recorded = Run.begin(table.session, table.relation, "repair")
        work = Work(table, recorded, options.retries, note, progress)
        written = write_rounds(work, table.settings, rules, first)
        recorded.end()
    return _report(table, options, first, written.last, written=written.filled, cleared=written.cleared)


def _question(table: Table, first: Round) -> str:
    wrong = first.pending.fill_rows - first.pending.bare_rows
    what = [
        f"fill {plural(first.pending.bare_rows, 'row')}" if first.pending.bare_rows else "",
        f"correct {plural(wrong, 'row')}" if wrong else "",
        f"clear {plural(first.pending.clear_rows, 'parent')} of rows with the root flag"
        if first.pending.clear_rows
        else "",
    ]
    return (
        f"In {table.shown} in database {table.session.database} on {table.session.host}: "
        f"{', '.join(filter(None, what))}? The application is not blocked."
    )


def _report(
    table: Table, options: RepairOptions, first: Round, last: Round, *, written: int = 0, cleared: int = 0
) -> RepairReport:
    dry_run, overwrite = options.dry_run, options.overwrite
    unwritten, conflicts = find_unwritten(table, first, last), last.projected.counts.conflicts
    notes = unwritten_notes(unwritten, first, last)
    if (others := min(conflicts - last.altered, first.projected.counts.conflicts)) > 0 and not overwrite:
        rows = plural(others, "row has a root that differs", "rows have a root that differs")
        notes.append(f"{rows} from the computed one: --overwrite corrects them")
    left = last.pending.fill_rows + last.pending.parents_left
    if last is not first and left and not (unwritten.unfilled or unwritten.uncleared):
        rows = plural(left, "row was", "rows were")
        notes.append(f"{rows} added or changed meanwhile: rerun repair for these")
    if last.waiting:
        rows = plural(
            last.waiting, "row whose chain leaves the log is", "rows whose chain leaves the log are"
        )
        notes.append(f"{rows} younger than --grace and not written yet")
    return RepairReport(
        dry_run=dry_run,
        counts=first.projected.counts,
        missing=first.pending.bare_rows,
        wrong=first.pending.fill_rows - first.pending.bare_rows,
        disregarded=first.pending.clear_rows,
        waiting=last.waiting,
        written=written,
        cleared=cleared,
        unfilled=unwritten.unfilled,
        uncleared=unwritten.uncleared,
        conflicts_left=conflicts,
        notes=tuple(notes),
        blocked_seconds=None if dry_run else 0.0,  # it takes no lock that blocks others on the table
    )
