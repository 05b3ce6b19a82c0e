"""Computes the migration's counts, steps and notes before anything is written. A dry run is exactly this."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llamactl.checks.blockers import inspect_table
from llamactl.checks.forecast import forecast_findings, make_forecast
from llamactl.checks.refusals import find_refusals
from llamactl.checks.row_blockers import find_row_blockers
from llamactl.config.settings import Settings
from llamactl.findings.refusal import RIGHTS, refuse_findings
from llamactl.lineage.needs import Needs, read_needs
from llamactl.lineage.resolve import Shown, count_rows, prepare_lineage, resolve_roots
from llamactl.migrate import estimates
from llamactl.migrate.rebuild import PlainIndex, choose_rebuilt
from llamactl.migrate.steps import HOUSEKEEPING, PlannedStep, plan_steps
from llamactl.model import (
    CheckPolicy,
    Counts,
    DanglingPolicy,
    MigrationReport,
    Note,
    Step,
)
from llamactl.model.steps import StepName
from llamactl.model.words import plural
from llamactl.table.locks import reading
from llamactl.table.present import Present, read_present
from llamactl.table.table import Table
from llamactl.wording import LISTED

BRIEFLY = Shown(LISTED, 200)
"""The limits of a refusal's samples: under a lock, no more may be sent."""


@dataclass(frozen=True, slots=True)
class MigrateOptions:
    """The values of migrate's own flags."""

    check: CheckPolicy
    retries: int
    expect_filled: int | None
    expect_orphans: int | None
    keep_indexes: bool = False


@dataclass(frozen=True, slots=True)
class Projection:
    """The result of resolving the lineage, before anything is written."""

    counts: Counts
    missing: int
    """Rows whose computed root is not stored."""
    needs: Needs
    seconds: float


def project_migration(
    table: Table,
    options: MigrateOptions,
    note: Note,
) -> MigrationReport:
    """Returns the report of a dry run. It uses one READ ONLY snapshot, and no lock that blocks anybody."""
    announce_reading(table, note)
    with reading(table.session, table.relation.oid, table.shown), table.session.snapshot():
        prepare_lineage(table)
        table.session.read_only()
        projection = project_rows(table, writing=False)
        present = read_present(table)
        rebuilt = choose_rebuilt(
            table,
            present,
            projection.counts.total,
            projection.missing,
            keep=options.keep_indexes,
        )
    taken, skipped = choose_steps(table, present, projection, options, rebuilt)
    steps = estimated(table, present, projection, taken, online=False)
    found = build_report(table.settings, options, projection, (taken, skipped), dry_run=True, steps=steps)
    idle = all(step.name in HOUSEKEEPING for step in taken)
    return replace(found, blocked_estimate_seconds=estimates.blocked_seconds(() if idle else steps))


def announce_reading(table: Table, note: Note) -> None:
    """Notes what reading and migrating the table take, before it begins, and what of this will not do."""
    note(str(make_forecast(table.relation)))
    for found in forecast_findings(table):
        note(f"warning: {found.title}: {found.hint}")
    note(f"Reading {table.shown} to compute its lineage; nothing is changed and nobody is blocked")


def estimated(
    table: Table,
    present: Present,
    projection: Projection,
    taken: Sequence[PlannedStep],
    *,
    online: bool,
) -> tuple[Step, ...]:
    """Returns the steps with their estimates."""
    rebuilt = sum(len(step.written) for step in taken if step.name == StepName.DROP_PLAIN_INDEXES)
    work = estimates.workload(
        table.relation,
        projection.counts.total,
        projection.missing,
        projection.needs.disregarded,
        present.index_count,
        projection.seconds,
    )
    work = replace(work, indexes=work.indexes - rebuilt, rebuilt=rebuilt)
    if any("migrate/analyze" in step.paths for step in taken):
        work = replace(work, columns=1)
    return tuple(
        step.shown(table, estimate_seconds=estimates.estimate(step.name, work, online=online))
        for step in taken
    )


def project_rows(
    table: Table,
    *,
    writing: bool,
    overwrite: bool = False,
) -> Projection:
    """Computes the lineage in the open transaction.

    Raises LlamactlError if the rows make the migration impossible. Unless `writing`, the privileges to write
    are not required. `overwrite`: roots that differ are to be overwritten too.
    """
    begun = time.monotonic()
    resolve_roots(table)
    counts, missing = count_rows(table)
    needs = read_needs(table)
    found = find_row_blockers(table, BRIEFLY, needs)
    refuse_findings(one for one in found if writing or one.id not in RIGHTS)
    users_code = writing or not inspect_table(table).rights.beyond_owner
    refuse_findings(find_refusals(table, needs, overwrite=overwrite, users_code=users_code))
    return Projection(counts, missing, needs, round(time.monotonic() - begun, 3))


def choose_steps(
    table: Table,
    present: Present,
    projection: Projection,
    options: MigrateOptions,
    rebuilt: Sequence[PlainIndex],
) -> tuple[list[PlannedStep], tuple[str, ...]]:
    """Returns the steps that are taken, and the names of the others."""
    steps = plan_steps(table, present, options.check, rebuilt)
    taken = [step for step in steps if step.taken(projection.needs)]
    return taken, tuple(step.name for step in steps if step not in taken)


def unmet(counts: Counts, options: MigrateOptions) -> tuple[str, ...]:
    wanted = (
        ("filled", options.expect_filled, counts.filled),
        ("orphans", options.expect_orphans, counts.orphans),
    )
    return tuple(
        f"expected {expected} {what}, computed {found}"
        for what, expected, found in wanted
        if expected is not None and expected != found
    )


def build_report(
    settings: Settings,
    options: MigrateOptions,
    projection: Projection,
    chosen: tuple[Sequence[PlannedStep], tuple[str, ...]],
    *,
    dry_run: bool = False,
    steps: tuple[Step, ...] = (),
) -> MigrationReport:
    """Returns the report on the result of choose_steps(). `steps`: the steps as reported so far."""
    taken, skipped = chosen
    return MigrationReport(
        dry_run=dry_run,
        counts=projection.counts,
        steps=steps,
        skipped=skipped,
        notes=tuple(_notes(settings, options, projection, {step.name for step in taken})),
        unmet=unmet(projection.counts, options),
        blocked_seconds=None if dry_run else 0.0,
    )


def _notes(settings: Settings, options: MigrateOptions, projection: Projection, taken: set[str]) -> list[str]:
    counts, notes = projection.counts, []
    if counts.conflicts:
        notes.append(
            plural(
                counts.conflicts,
                "row already stores a root that differs from the computed one; it is left unchanged",
                "rows already store a root that differs from the computed one; they are left unchanged",
            )
        )
    if StepName.ADD_COLUMN in taken:
        notes.append(
            "A prepared SELECT * of the application fails once after the column is added, then works again"
        )
    if options.check is CheckPolicy.AUTO and projection.needs.check_broken:
        notes.append(
            "The CHECK against self-parents is not added, because rows violate it; "
            "--check not-valid adds it as NOT VALID"
        )
    keep = {
        "dangling": f'dangling = "{settings.dangling}"'
        if settings.dangling is not DanglingPolicy.FILL
        else "",
        "trust_root_flag": "" if settings.trust_root_flag else "trust_root_flag = false",
    }
    lines = [line for line in keep.values() if line]
    if lines:
        notes.append(f"Add to llamactl.toml, so that verify computes the same: {'; '.join(lines)}")
    return notes
