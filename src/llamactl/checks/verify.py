"""verify: compares every stored root with the computed one, and checks that what maintains them exists.

Changes nothing: it works in one snapshot, in temporary tables, READ ONLY. It also checks the stored roots
against each other, which would reveal a fault in the computation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from llamactl.checks.blockers import inspect_table, refuse_without_temporary
from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.findings.kinds import FINDINGS
from llamactl.lineage.needs import read_needs
from llamactl.lineage.resolve import count_roots_not_logged, count_rows, prepare_lineage, resolve_roots
from llamactl.model import Check, CheckStatus, Note, Relation, VerifyReport
from llamactl.sqlfiles.load import load_query
from llamactl.table.guard_state import OUTDATED, REPLACE, read_guard_state
from llamactl.table.locks import reading
from llamactl.table.present import LABEL, Present, read_present
from llamactl.table.runs import is_interrupted
from llamactl.table.shape import refuse_unreadable
from llamactl.table.table import Table

RESUME = (
    "An online migration of this table was interrupted. To resume it, rerun the same command: "
    "llamactl migrate --online"
)
NOT_MIGRATED = "The table is not migrated yet: run llamactl migrate"


@dataclass(frozen=True, slots=True)
class Broken:
    """A row of local.sql."""

    check: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row of local_sample.sql."""

    job: str
    held: str
    beside: str

    def line(self, template: str) -> str:
        """Returns the template with these values in it."""
        return template.format(job=self.job, stored=_shown(self.held), other=_shown(self.beside))


@dataclass(frozen=True, slots=True)
class FaultyRows:
    """The rows of one kind whose stored root is not the computed one."""

    kind: str
    rows: int
    sample: list[dict[str, Any]] | None

    def lines(self) -> list[str]:
        return [
            f"row {row['row']} of job {_shown(row['job'])}: stored {_shown(row['held'])}, "
            f"computed {_shown(row['computed'])}"
            for row in self.sample or []
        ]


def _shown(value: str | None) -> str:
    return "NULL" if value is None else value if value.strip() else f'"{value}"'


def verify_lineage(session: Session, settings: Settings, *, grace_ms: int, note: Note) -> VerifyReport:
    """Returns the checks, and the counts where the table is migrated.

    `grace_ms`: rows younger than this do not need a root yet. Raises LlamactlError as every command that
    reads the log does.
    """
    table = Table.open(session, settings)
    refuse_unreadable(table.relation)
    shape = _shape(table)
    if table.relation.root is None:
        unmade = [_skipped(id_, "the table is not migrated yet") for id_ in _CHECKS if id_ != shape.id]
        return VerifyReport((shape, *unmade), None, notes=(NOT_MIGRATED,))
    refuse_without_temporary(table)
    note(f"Comparing every row of {table.shown} with its computed root")
    with reading(session, table.relation.oid, table.shown), session.snapshot():
        prepare_lineage(table)
        session.read_only()
        resolve_roots(table)
        counts, missing = count_rows(table)
        faulty = _faulty(table, grace_ms) if missing or counts.conflicts else {}
        rows = [_rows_check(id_, faulty.get(kind)) for id_, kind in _ROWS.items()]
        table.run("verify/suspects")
        broken = {
            one.check: one.jobs for one in session.rows(load_query("verify/local", table.names), Broken)
        }
        jobs = [_jobs_check(table, broken, id_, kind) for id_, kind in _JOBS.items()]
        objects = _objects(table)
        unlogged = count_roots_not_logged(table, counts)
    waiting = faulty["waiting"].rows if "waiting" in faulty else 0
    outdated = read_guard_state(table).outdated
    notes = (f"{OUTDATED}; {REPLACE}",) if outdated else ()
    checks = [shape, *rows, *jobs, *objects]
    failed = any(check.ok is False and check.id in _MIGRATED for check in checks)
    if failed and is_interrupted(table, "migrate"):
        checks = [_resumed(check) for check in checks]
    return VerifyReport(tuple(checks), counts, waiting, unlogged, notes)


_MIGRATED = {"V02", "V08", "V09", "V10", "V11"}
"""What resuming an interrupted online migration completes."""
_CHECKS = [kind.id for kind in FINDINGS.values() if kind.is_check]
_ROWS = {"V02": "missing", "V03": "wrong", "V04": "unexpected"}
_JOBS = {"V05": "unrooted", "V06": "unlinked", "V07": "split"}
_DISAGREEMENTS = {
    "V05": "job {job} has the root {stored}, not itself",
    "V06": "job {job} has the root {stored}, its parent has {other}",
    "V07": "job {job} has the roots {stored} and {other}",
}


def _faulty(table: Table, grace_ms: int) -> dict[str, FaultyRows]:
    query = load_query("verify/rows", table.names)
    rows = table.session.rows(query, FaultyRows, grace_seconds=grace_ms / 1000, sample=table.settings.sample)
    return {row.kind: row for row in rows}


def _check(id_: str, violations: int, sample: Sequence[str]) -> Check:
    kind = FINDINGS[id_]
    status = CheckStatus.FAILED if violations else CheckStatus.PASSED
    return Check(
        id_,
        kind.slug,
        kind.title,
        status,
        violations=violations,
        sample=tuple(sample),
        severity=kind.severity,
        hint=kind.hint if violations else "",
    )


def _resumed(check: Check) -> Check:
    return replace(check, hint=RESUME) if check.ok is False and check.id in _MIGRATED else check


def _skipped(id_: str, reason: str) -> Check:
    kind = FINDINGS[id_]
    return Check(id_, kind.slug, kind.title, CheckStatus.SKIPPED, reason, severity=kind.severity)


def _rows_check(id_: str, found: FaultyRows | None) -> Check:
    return _check(id_, found.rows if found else 0, found.lines() if found else ())


def _jobs_check(table: Table, broken: dict[str, int], id_: str, kind: str) -> Check:
    violations = broken.get(kind, 0)
    if not violations:
        return _check(id_, 0, ())
    query = load_query("verify/local_sample", table.names)
    sample = table.session.rows(query, Disagreement, check=kind, sample=table.settings.sample)
    return _check(id_, violations, [one.line(_DISAGREEMENTS[id_]) for one in sample])


def _shape(table: Table) -> Check:
    """Returns V01: the root column exists and has the type of job_id."""
    root, job = table.relation.root, table.relation.columns["job_id"]
    column = f"{table.shown}.{table.names.columns['root_job_id']}"
    if root is None:
        return _check("V01", 1, [f"{column} does not exist: the table is not migrated yet"])
    if (root.type_name, root.collation) != (job.type_name, job.collation):
        differing = _check("V01", 1, [f"{column} is {root.type_name}, but the job column is {job.type_name}"])
        return replace(
            differing, hint="Run llamactl explain V01: it explains how to change the type of the column"
        )
    return _check("V01", 0, ())


def _objects(table: Table) -> list[Check]:
    """Returns the checks of the objects besides the rows: index, enum value, comment, CHECK."""
    present = read_present(table)
    column = table.names.columns["root_job_id"]
    return [
        _present("V08", present.index_present, f"no valid index on {column} alone"),
        _label(table.relation),
        _present("V10", present.comment_present, "no comment explains NULL"),
        _self_parents(table, present),
    ]


def _present(id_: str, there: bool, lacking: str) -> Check:
    return _check(id_, 0 if there else 1, () if there else [lacking])


def _label(relation: Relation) -> Check:
    if relation.enum is None:
        there = "category" in relation.columns
        return _skipped("V09", "the category is not an enum" if there else "the table has no category column")
    lacking = f"the enum type {relation.enum.name} has no value {LABEL}"
    return _present("V09", LABEL in relation.enum.values, lacking)


def _self_parents(table: Table, present: Present) -> Check:
    """Returns V11: the CHECK is required only where no row violates it."""
    if inspect_table(table).named("constraint name"):
        return _check("V11", 1, [f"another constraint has the name {table.names.check}"])
    if present.check_present:
        return _present("V11", present.check_enforced, f"the CHECK {table.names.check} is NOT ENFORCED")
    if read_needs(table).check_broken:
        return _skipped("V11", "rows are their own parent, so migrate does not add it")
    return _check("V11", 1, [f"there is no CHECK {table.names.check}, although no row violates it"])
