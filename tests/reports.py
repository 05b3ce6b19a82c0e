"""Reports as the verbs return them, with all that can be in them, and the files that pin how they look."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from llamactl.findings.kinds import FINDINGS, FindingKind, make_finding
from llamactl.model import (
    Blocks,
    Check,
    CheckStatus,
    Counts,
    Cycle,
    Estimate,
    FilledBy,
    Finding,
    LogRow,
    Mark,
    MigrationReport,
    Node,
    OrphansBy,
    PreflightReport,
    Severity,
    Step,
    TableInfo,
    Tree,
    VerifyReport,
)
from llamactl.render.console import Screen

GOLDEN = Path(__file__).parent / "golden"
TERMINAL = Screen(terminal=True, width=80)
COLOURS = Screen(terminal=True, width=80, colour=True)
PIPE = Screen()
ASCII = Screen(unicode=False)

NASTY = "a\x1b[31mb\nc\x7f\x85\u202ed\u2028[bold]e[/bold]%s:,'\"<&>]]>"
"""What a job id can hold: controls, a line break, an override of direction, markup of several kinds."""
NASTY_SHOWN = r"a\x1b[31mb\nc\x7f\x85\u202ed\u2028[bold]e[/bold]%s:,'" + '"<&>]]>'
LONG = "job-" + "0123456789" * 10


def same_as_golden(name: str, chunks: Iterable[str]) -> None:
    """Compares with tests/golden/NAME; UPDATE_GOLDEN=1 writes it, to be read before a commit."""
    path = GOLDEN / name
    found = "".join(chunks)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


PLANNED = Counts(
    total=4052,
    filled=1567,
    orphans=2485,
    filled_by=FilledBy(root=1537, descendant=30),
    orphans_by=OrphansBy(untracked=2485, cyclic=0, ambiguous=0, dangling=0),
    dangling=0,
    already_set=0,
    conflicts=0,
    max_depth=3,
    depths={"0": 1537, "1": 6, "2": 21, "3": 3},
)
FAULTY = Counts(
    total=1_234_567,
    filled=1_034_567,
    orphans=200_000,
    filled_by=FilledBy(root=900_000, descendant=134_567),
    orphans_by=OrphansBy(untracked=150_000, cyclic=30_000, ambiguous=20_000, dangling=0),
    dangling=412,
    already_set=1000,
    conflicts=3,
    max_depth=1400,
    depths={**{str(depth): 900_000 >> depth for depth in range(20)}, "20+": 1380},
)
TABLE = TableInfo('public."LlamaLog"', 1_234_567, 1_900_000_000, 700_000_000, 8192, "15.6")
EMPTY = Counts(0, 0, 0, FilledBy(0, 0), OrphansBy(0, 0, 0, 0), 0, 0, 0, 0, {})

FOUND = PreflightReport(
    findings=(
        make_finding(
            "LL007",
            1,
            ["root_job_id"],
            root_type="text",
            job_type="character varying(100)",
            table='public."LlamaLog"',
            column="root_job_id",
        ),
        make_finding("LL101", 1, [NASTY]),
        make_finding("LL103", 482, [f"album-create-01J8ZK4Q{number}" for number in range(10)]),
        make_finding("LL107", 1, [LONG], threshold=8, depth=1400),
        make_finding("LL201", 1, table='public."LlamaLog"', column="job_id"),
    ),
    counts=FAULTY,
    cycles=(
        Cycle(("requeue-a", "requeue-b", "requeue-c"), 3),
        Cycle(tuple(f"ring-{number:05}" for number in range(10)), 100_000),
    ),
    cycles_total=42,
    table=TABLE,
)
CLEAN = PreflightReport(
    (), PLANNED, (), 0, TableInfo('public."LlamaLog"', 4052, 1_900_000, 700_000, 8192, "15.6")
)
UNREAD = PreflightReport(
    (make_finding("LL003", 1, database="music", user="ci"),),
    None,
    (),
    None,
    TableInfo('public."LlamaLog"', None, 1_900_000, 700_000, 8192, "15.6"),
)

ADD_COLUMN = (
    '-- Adds the column.\nALTER TABLE "public"."LlamaLog"\n  ADD COLUMN "root_job_id" character varying(100);'
)


def _steps(*, ran: bool) -> tuple[Step, ...]:
    def step(name: str, sql: str, lock: str, blocks: Blocks, seconds: float) -> Step:
        estimate = Estimate(round(seconds / 2, 3), max(2 * seconds, 0.1))
        return Step(name, sql, lock, blocks, *((None, seconds) if ran else (estimate, None)))

    return (
        step("lock", 'LOCK TABLE "public"."LlamaLog";', "AccessExclusiveLock", Blocks.ALL, 0.001),
        step("resolve", "CREATE TEMPORARY TABLE edge ();", "AccessShareLock", Blocks.ALL, 4.25),
        step("add_column", ADD_COLUMN, "AccessExclusiveLock", Blocks.ALL, 0.004),
        step("add_check_not_valid", "ALTER TABLE ...;", "AccessExclusiveLock", Blocks.ALL, 1210.5),
        step("add_label", "ALTER TYPE ... ADD VALUE 'LINKED';", "", Blocks.ALL, 0.001),
        step("create_guard", "CREATE TRIGGER ...;", "ShareRowExclusiveLock", Blocks.WRITES, 12.0),
    )


DRY_RUN = MigrationReport(
    True,
    PLANNED,
    _steps(ran=False),
    ("create_index", "comment"),
    ("mind the gap",),
    blocked_estimate_seconds=Estimate(613.4, 2453.5),
)
MIGRATED = MigrationReport(False, PLANNED, _steps(ran=True), (), blocked_seconds=1226.75)
NOTHING_TO_DO = MigrationReport(False, PLANNED, (_steps(ran=False)[0],), ("add_column",))
UNMET = MigrationReport(
    False, FAULTY, (), (), unmet=("expected 1567 filled, computed 1034567",), blocked_seconds=4.256
)


def _checks(
    failed: dict[str, tuple[int, tuple[str, ...]]], skipped: dict[str, str] | None = None
) -> tuple[Check, ...]:
    def check(kind: FindingKind) -> Check:
        if kind.id in (skipped or {}):
            reason = (skipped or {})[kind.id]
            return Check(kind.id, kind.slug, kind.title, CheckStatus.SKIPPED, reason, severity=kind.severity)
        if kind.id not in failed:
            return Check(kind.id, kind.slug, kind.title, CheckStatus.PASSED, severity=kind.severity)
        return Check(
            kind.id,
            kind.slug,
            kind.title,
            CheckStatus.FAILED,
            None,
            *failed[kind.id],
            kind.severity,
            kind.hint,
        )

    return tuple(check(kind) for kind in FINDINGS.values() if kind.id.startswith("V"))


VERIFIED = VerifyReport(_checks({}), PLANNED)
BROKEN = VerifyReport(
    _checks(
        {
            "V02": (12_345, ("row 1 of job a: stored NULL, computed b", NASTY)),
            "V08": (1, ("no valid index",)),
        },
        {"V09": "the category is not an enum"},
    ),
    PLANNED,
    waiting=4,
    root_not_logged=3,
    notes=("a note",),
)
NOT_MIGRATED = VerifyReport(
    _checks(
        {"V01": (1, ("it does not exist",))},
        {f"V{number:02}": "the table is not migrated yet" for number in range(2, 12)},
    ),
    None,
)

ROW = LogRow(
    "1", "album:created", "CREATED", "SUCCESS", "ALBUM", "4aaw", 1200, None, "2025-06-01T10:00:00.000"
)
TREE = Tree(
    root_job_id="root",
    jobs=2,
    logs=1,
    nodes=(
        Node("root", None, 0, (), (ROW,)),
        Node(NASTY, "root", 1, (Mark("asked"), Mark("also_under", "other")), ()),
    ),
)


def many_findings() -> tuple[Finding, ...]:
    """Three of each severity and then some, in no order."""
    kinds = [FINDINGS[f"LL{number}"] for number in (*range(101, 108), *range(201, 205))]
    kinds += [FINDINGS[f"LL00{number}"] for number in (1, 2, 3)]
    return tuple(Finding(kind.id, kind.slug, kind.severity, kind.title, 1, (), "") for kind in kinds)


def severities(findings: Iterable[Finding]) -> list[Severity]:
    return [finding.severity for finding in findings]
