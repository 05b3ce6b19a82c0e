"""What llamactl's modules hand to each other: frozen dataclasses and closed sets of words.

Imports only the standard library. The words of the enums and the names of the fields are those of the
JSON output, which other people's scripts read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

SCHEMA_VERSION = 1


class ExitCode(IntEnum):
    """What the process returns."""

    OK = 0
    """Done; nothing at or above the threshold was found."""
    FOUND = 1
    """The command ran and found a problem, or what was asked for is not there."""
    USAGE = 2
    """Wrong usage or configuration, or a fault of llamactl's own; nothing was changed."""
    UNAVAILABLE = 3
    """The database could not do it now."""
    INTERRUPTED = 130
    """Interrupted, or declined at the prompt."""


class ErrorCode(StrEnum):
    """The kind of failure, as in the JSON document's error.code."""

    CONNECTION = "connection"
    """The server is unreachable, refuses us, or went away."""
    PERMISSION = "permission"
    """A right is missing."""
    LOCK = "lock"
    """A lock was not got in time."""
    BUSY = "busy"
    """Another run is active, or another session makes the step unsound just now."""
    USAGE = "usage"
    """The command line cannot be."""
    CONFIG = "config"
    """A table, column, type, URL or setting that cannot be."""
    INTERNAL = "internal"
    """A fault of llamactl's own."""
    INTERRUPTED = "interrupted"
    """Ctrl-C, SIGTERM, or declined at the prompt."""
    NOT_FOUND = "not_found"
    """The job that was asked for is not in the log."""


EXIT_CODES: Mapping[ErrorCode, ExitCode] = {
    ErrorCode.CONNECTION: ExitCode.UNAVAILABLE,
    ErrorCode.PERMISSION: ExitCode.UNAVAILABLE,
    ErrorCode.LOCK: ExitCode.UNAVAILABLE,
    ErrorCode.BUSY: ExitCode.UNAVAILABLE,
    ErrorCode.USAGE: ExitCode.USAGE,
    ErrorCode.CONFIG: ExitCode.USAGE,
    ErrorCode.INTERNAL: ExitCode.USAGE,
    ErrorCode.INTERRUPTED: ExitCode.INTERRUPTED,
    ErrorCode.NOT_FOUND: ExitCode.FOUND,
}


class LlamactlError(Exception):
    """A failure that the user reads as one line, with a hint at what to do next."""

    def __init__(self, code: ErrorCode, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES[self.code]


class OutputFormat(StrEnum):
    """Of stdout."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    """Workflow annotations; verify and preflight only."""
    JUNIT = "junit"
    """JUnit XML; verify and preflight only."""


class DanglingPolicy(StrEnum):
    """What rows get whose one root is a dangling parent."""

    FILL = "fill"
    """That parent's id, the topmost one known."""
    NULL = "null"
    """Nothing."""


class CheckPolicy(StrEnum):
    """Whether migrate adds the self-parent CHECK."""

    AUTO = "auto"
    """Only where no row violates it."""
    NOT_VALID = "not-valid"
    """Also where rows violate it, NOT VALID: their next UPDATE fails."""
    NO = "no"
    """Never."""


class StrategyName(StrEnum):
    """How migrate fills the column."""

    UPDATE = "update"
    """An UPDATE: replicated, fires triggers, right under every snapshot."""
    REWRITE = "rewrite"
    """ALTER COLUMN ... TYPE ... USING: faster, no bloat; older snapshots see an empty table."""


class GuardAction(StrEnum):
    """What `guard` is asked for."""

    INSTALL = "install"
    """Make it, or what of it is missing."""
    REMOVE = "remove"
    """Take it off, and what was made for it."""
    STATUS = "status"
    """Tell what is there; changes nothing."""


class RefusedBy(StrEnum):
    """What refuses a new row whose job is its own parent."""

    GUARD = "guard"
    """The trigger alone."""
    CHECK = "check"
    """The constraint alone."""
    BOTH = "both"
    """One would do."""
    NOTHING = "nothing"
    """Such a row is taken."""


class Severity(StrEnum):
    """Of a finding."""

    ERROR = "error"
    """The migration is impossible."""
    WARNING = "warning"
    """To be known before the migration."""
    INFO = "info"
    """Good to know."""


class FailOn(StrEnum):
    """The severity from which preflight and verify exit with 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"

    def reached_by(self, severity: Severity) -> bool:
        """Whether `severity` is at or above this threshold."""
        order = list(Severity)
        return self is not FailOn.NEVER and order.index(severity) <= order.index(Severity(self.value))


class IdKind(StrEnum):
    """What an id column holds; job_id and parent_job_id must be of one kind."""

    STRING = "string"
    INTEGER = "integer"
    UUID = "uuid"
    OTHER = "other"
    """Not usable as an id."""


class Blocks(StrEnum):
    """Whom a lock keeps waiting."""

    NONE = "none"
    WRITES = "writes"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the user's table."""

    name: str
    type_name: str
    """As format_type gives it, length included: `character varying(100)`."""
    bare_type: str
    """Without the length: `character varying`, `bpchar`, `integer`, `uuid`."""
    kind: IdKind
    collation: str | None
    """Qualified and quoted, where it differs from the type's default; else None."""
    bytewise: bool
    """False where the type or collation may take different bytes for equal (citext, nondeterministic)."""
    not_null: bool
    generated: bool
    """GENERATED or IDENTITY ALWAYS: cannot be written."""

    @property
    def max_length(self) -> int | None:
        """In characters; None where the type has no bound."""
        bound = re.search(r"\((\d+)\)$", self.type_name)
        return int(bound[1]) if bound else None


@dataclass(frozen=True, slots=True)
class EnumType:
    """The enum type of the category column."""

    schema: str
    name: str
    owner: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """The user's table, as the catalogs tell it."""

    oid: int
    schema: str
    name: str
    kind: str
    """pg_class.relkind: r table, p partitioned, v view, m materialized view, f foreign."""
    persistence: str
    """pg_class.relpersistence: p permanent, u unlogged, t temporary."""
    owner: str
    inherits: bool
    """Has inheritance parents or children (partitions included)."""
    columns: Mapping[str, Column]
    """Keyed by our names (`job_id`, `created_at`, ...); only those that exist."""
    primary_key: tuple[str, ...]
    """Its columns, by the user's names."""
    enum: EnumType | None
    rows_estimate: int
    """pg_class.reltuples; -1 when never analysed."""
    bytes: int
    """Heap, indexes and TOAST."""
    index_bytes: int
    toast_bytes: int
    server_version: str
    """As SHOW server_version gives it."""
    server_version_num: int
    inheritance: str = ""
    """`parent`, `child` or `partition`; empty where `inherits` is false."""
    other_columns: tuple[str, ...] = ()
    """Those that are none of ours, by the user's names."""

    @property
    def root(self) -> Column | None:
        return self.columns.get("root_job_id")


@dataclass(frozen=True, slots=True)
class FilledBy:
    """Of the filled rows."""

    root: int
    """The row's root is its own job."""
    descendant: int
    """The row's root is an ancestor; rows without a job id too."""


@dataclass(frozen=True, slots=True)
class OrphansBy:
    """Why rows have no root; in this order where several reasons hold."""

    untracked: int
    """No job id and no parent."""
    cyclic: int
    """Some upward walk never ends."""
    ambiguous: int
    """Upward walks end at different jobs."""
    dangling: int
    """Their one root is a dangling parent, under the policy `null`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What lineage comes to, in rows of the log. total = filled + orphans."""

    total: int
    filled: int
    orphans: int
    filled_by: FilledBy
    orphans_by: OrphansBy
    dangling: int
    """Rows whose one root is a dangling parent, whatever the policy."""
    already_set: int
    """Rows that hold their computed root already."""
    conflicts: int
    """Rows that hold another value than the computed one, or a value where none is computed."""
    max_depth: int
    depths: Mapping[str, int]
    """Depth ("0" ... "19", "20+") -> logged jobs that are not cyclic."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A largest set of jobs of which each can reach each other by parent edges."""

    jobs: tuple[str, ...]
    """Sorted byte by byte; at most as many as the sample."""
    size: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What preflight has to say about one thing."""

    id: str
    """Stable: LL001 ..."""
    severity: Severity
    title: str
    count: int
    sample: tuple[str, ...]
    hint: str


@dataclass(frozen=True, slots=True)
class TableInfo:
    """The table, as preflight reports it."""

    name: str
    """Schema and name, quoted where need be."""
    rows: int | None
    """Exact where the rows were read, else None."""
    bytes: int
    index_bytes: int
    toast_bytes: int
    server_version: str


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """All that preflight found."""

    findings: tuple[Finding, ...]
    """Errors first, then warnings, then info; by id within."""
    counts: Counts | None
    """None where the rows could not be read (a finding says why)."""
    cycles: tuple[Cycle, ...]
    cycles_total: int | None
    table: TableInfo

    @property
    def ok(self) -> bool:
        """Nothing makes the migration impossible."""
        return not self.fails(FailOn.ERROR)

    def fails(self, fail_on: FailOn) -> bool:
        """Whether a finding is at or above the threshold."""
        return any(fail_on.reached_by(finding.severity) for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Strategy:
    """How the column is filled, and whether the other way would be sound here."""

    name: StrategyName
    rewrite_sound: bool
    reasons: tuple[str, ...]
    """Why a rewrite is not sound; also what else weighs (starts with `note: `)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, or file of statements, of the migration."""

    name: str
    sql: str
    lock: str
    """The strongest lock that it takes on the user's table, as pg_locks names it; empty for none."""
    blocks: Blocks
    estimate_seconds: float | None = None
    """Before the run."""
    seconds: float | None = None
    """After it."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What migrate did, or in a dry run would do."""

    dry_run: bool
    counts: Counts
    strategy: Strategy
    steps: tuple[Step, ...]
    skipped: tuple[str, ...]
    """Names of the steps that were not needed, because it is there already or nothing asks for it."""
    notes: tuple[str, ...] = ()
    """For the person: warnings, settings to keep."""
    unmet: tuple[str, ...] = ()
    """Expectations that were not met; nothing was changed then."""


@dataclass(frozen=True, slots=True)
class GuardReport:
    """The guard of the table, after what was asked for."""

    action: GuardAction
    installed: bool
    """The trigger is on the table, and calls the table's function."""
    enabled: bool
    """And fires."""
    trust_root_flag: bool | None
    """Whether the root flag disregards a row's parent; None where it is not installed."""
    index: str | None
    """A usable one that leads with the job id, whoever made it."""
    self_parents_refused_by: RefusedBy
    changed: tuple[str, ...]
    """What was made or taken off: `job index`, `trigger`, `schema`."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parents:
    """What becomes of the parents that were cleared, in rows."""

    restored: int
    kept: int
    """The row has a parent by now."""
    gone: int
    """The row is no more."""


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What undo took off, or in a dry run would take off."""

    dry_run: bool
    steps: tuple[Step, ...]
    """Empty where there was nothing to undo."""
    skipped: tuple[str, ...]
    """Names of the steps for which there is nothing."""
    parents: Parents
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    rows_done: int
    rows_total: int
    rows_per_second: float
    """In the last minute."""

    @property
    def eta_seconds(self) -> float | None:
        left = max(self.rows_total - self.rows_done, 0)
        return left / self.rows_per_second if self.rows_per_second else None


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What repair wrote, or in a dry run would write, in rows."""

    dry_run: bool
    counts: Counts
    """Afterwards; in a dry run as they are."""
    missing: int
    """Rows that lacked their root."""
    wrong: int
    """Rows that held another root than the computed one; 0 unless these are overwritten."""
    disregarded: int
    """Rows whose parent the root flag disregards."""
    waiting: int
    """Young rows that are left alone: their chain leaves the log."""
    written: int
    """Rows that got a root, or lost one that is not true."""
    cleared: int
    """Rows whose disregarded parent was cleared."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that verify proves."""

    id: str
    """Stable: V01 ..."""
    title: str
    ok: bool
    violations: int
    sample: tuple[str, ...]
    severity: Severity = Severity.ERROR
    """What a failure of it weighs against --fail-on."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """All that verify checked."""

    checks: tuple[Check, ...]
    counts: Counts | None
    """None where the table is not migrated yet."""
    waiting: int = 0
    """Rows younger than the grace that still lack a root."""
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Every check holds."""
        return all(check.ok for check in self.checks)

    def fails(self, fail_on: FailOn) -> bool:
        """Whether a check failed that weighs as much as the threshold."""
        return any(not check.ok and fail_on.reached_by(check.severity) for check in self.checks)


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the log, as a tree shows it. Absent columns are None."""

    id: str
    operation: str | None
    category: str | None
    status: str | None
    entity_type: str | None
    entity_id: str | None
    duration_ms: int | None
    error_message: str | None
    created_at: str | None
    """ISO 8601."""

    @property
    def failed(self) -> bool:
        return "FAILED" in (self.status, self.category)


class MarkKind(StrEnum):
    """What a mark says of its node; `id` is the mark's job_id."""

    ASKED = "asked"
    """The job that was asked for."""
    CYCLE = "cycle"
    """The job is a parent of `id` too: a cycle ends here."""
    PARENT_NOT_LOGGED = "parent_not_logged"
    """No row carries `id`: the job's own id, or a parent that it names."""
    ALSO_UNDER = "also_under"
    """The job names the parent `id` too."""
    ORIGIN_UNKNOWN = "origin_unknown"
    """The job has no root."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to be said of a node."""

    kind: MarkKind
    job_id: str | None = None
    """None where the kind needs none."""


@dataclass(frozen=True, slots=True)
class Omission:
    """What a flag leaves out directly below one node."""

    flag: str
    """`--depth` or `--limit`."""
    children: int
    nodes: int
    """The children, and all that is below them."""
    shown_by: int
    """The least value of the flag that leaves nothing out here."""


@dataclass(frozen=True, slots=True)
class Node:
    """A job in a tree; or a row without a job id, below the parent that it names."""

    job_id: str | None
    """None for a row without a job id: `logs` holds that row alone."""
    parent_job_id: str | None
    """The job that it stands under, shown or not; None for the topmost of the whole tree."""
    depth: int
    """Below the first node shown."""
    marks: tuple[Mark, ...]
    logs: tuple[LogRow, ...]
    """Oldest first; none where no row carries the job id."""
    omitted: tuple[Omission, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """A root's jobs in preorder, each once; counts include what a flag left out."""

    root_job_id: str | None
    """None where the job that was asked for has no root (cyclic, ambiguous)."""
    jobs: int
    logs: int
    nodes: tuple[Node, ...]
    notes: tuple[str, ...] = ()
    omitted: Mapping[str, int] = field(default_factory=dict)
    """What a flag left out: flag -> number of nodes."""
    depth: int = 0
    """Of the deepest node."""
    failed: int = 0
    """Nodes with a failed row."""
    first_failure: LogRow | None = None
    """The oldest failed row."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """One thing that stats watches."""

    id: str
    """`depth`, `size`, `timeline` or `unrooted`."""
    title: str
    ok: bool | None
    """False: past the threshold; None where there is no value."""
    value: float | None
    """None where it cannot be told; detail["reason"] says why."""
    threshold: int
    unit: str
    """Of value and threshold: `levels`, `bytes`, `ms` or `rows`."""
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StatsReport:
    """What the monitors show."""

    monitors: tuple[Monitor, ...]
    table: TableInfo

    @property
    def ok(self) -> bool:
        """No monitor is past its threshold."""
        return all(monitor.ok is not False for monitor in self.monitors)


class RunState(StrEnum):
    """Of an online run."""

    RUNNING = "running"
    """Its session lives, and works."""
    WAITING = "waiting"
    """Its session lives, and waits for others."""
    CUT = "cut"
    """It did not end, and has no session: the same command again goes on."""
    DONE = "done"
    """It ended well."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session, or a prepared transaction, that keeps a run waiting."""

    pid: int | None
    """None for a prepared transaction."""
    user: str | None
    state: str | None
    transaction_seconds: float | None
    """The age of its transaction; None where the role may not see it."""
    query: str | None
    sentence: str
    """All of it in one line."""


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """How far the building of an index has come, as the server tells it."""

    index_name: str
    """Empty before the index is in the catalogs."""
    phase: str
    blocks_done: int
    blocks_total: int
    lockers_done: int
    lockers_total: int
    """Transactions that the phase waits for."""


@dataclass(frozen=True, slots=True)
class RunStep:
    """A step of an online run; without an end it is the one at work, or the one that was cut."""

    name: str
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """An online run."""

    id: int
    command: str
    state: RunState
    step: str | None
    """The one at work, or the one that was cut."""
    step_since: datetime | None
    began_at: datetime
    ended_at: datetime | None
    rows_done: int
    rows_total: int | None
    """None where it is not known yet."""
    rows_per_second: float | None
    """In the last minute."""
    eta_seconds: float | None
    """Until all rows are written, at that rate."""
    waits_for: str | None
    waits_since: datetime | None
    blocked_by: tuple[Blocker, ...]
    index_build: IndexBuild | None


@dataclass(frozen=True, slots=True)
class TableStatus:
    """The table, at a glance."""

    name: str
    """Schema and name, quoted where need be."""
    migrated: bool
    """The root column is there, and no migration of it is under way or was cut."""
    guard: bool
    """The guard's trigger is there, and enabled."""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The newest online run of the table, and what the table is by now."""

    run: RunStatus | None
    steps: tuple[RunStep, ...]
    table: TableStatus
    claimed: bool
    """A session of llamactl is at work on the table: this run's, or one that has not recorded any."""
    as_of: datetime
    """The server's clock."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DemoCommand:
    """A command that the demo ran."""

    typed: str
    narration: str
    exit_code: int
    seconds: float
    output: Any
    """Its JSON document, where it was asked for."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo ran."""

    commands: tuple[DemoCommand, ...]

    @property
    def exit_code(self) -> int:
        """That of the first command that did not end well, else 0."""
        return next((command.exit_code for command in self.commands if command.exit_code), ExitCode.OK)
