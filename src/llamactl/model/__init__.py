"""The data that llamactl's modules pass to each other: frozen dataclasses and enums.

This package imports only the standard library. Enum values and field names appear in the JSON output, which
users' scripts read: do not rename them.

Each name is imported from its module on first use: creating dataclasses takes time, and `--help` needs few.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llamactl.model.audit import (
        Check,
        CheckStatus,
        Finding,
        Monitor,
        PreflightReport,
        Skipped,
        StatsReport,
        VerifyReport,
    )
    from llamactl.model.change import (
        Blocks,
        Estimate,
        GuardReport,
        Held,
        MigrationReport,
        Parents,
        ParentsFrom01,
        RefusedBy,
        RepairReport,
        Step,
        UndoReport,
    )
    from llamactl.model.counts import (
        Counts,
        Cycle,
        FilledBy,
        OrphansBy,
    )
    from llamactl.model.demo import (
        DemoCommand,
        DemoReport,
    )
    from llamactl.model.details import (
        WholeRow,
    )
    from llamactl.model.options import (
        CheckPolicy,
        DanglingPolicy,
        FailOn,
        GuardAction,
        OutputFormat,
        Severity,
    )
    from llamactl.model.outcome import (
        EXIT_CODES,
        Changed,
        ErrorCode,
        ExitCode,
        LlamactlError,
        Note,
    )
    from llamactl.model.run import (
        AtWork,
        Blocker,
        IndexBuild,
        Progress,
        RunState,
        RunStatus,
        RunStep,
        StatusReport,
        TableStatus,
    )
    from llamactl.model.table import (
        Column,
        EnumType,
        IdKind,
        Relation,
        TableInfo,
    )
    from llamactl.model.timeline import (
        Subject,
        SubjectKind,
        Timeline,
        TimelineRow,
    )
    from llamactl.model.tree import (
        FAILED,
        KNOWN_STATUSES,
        LogRow,
        Mark,
        MarkKind,
        Node,
        Omission,
        Tree,
        UnknownStatus,
        known_status,
    )

SCHEMA_VERSION = 2

__all__ = [
    "EXIT_CODES",
    "FAILED",
    "KNOWN_STATUSES",
    "SCHEMA_VERSION",
    "AtWork",
    "Blocker",
    "Blocks",
    "Changed",
    "Check",
    "CheckPolicy",
    "CheckStatus",
    "Column",
    "Counts",
    "Cycle",
    "DanglingPolicy",
    "DemoCommand",
    "DemoReport",
    "EnumType",
    "ErrorCode",
    "Estimate",
    "ExitCode",
    "FailOn",
    "FilledBy",
    "Finding",
    "GuardAction",
    "GuardReport",
    "Held",
    "IdKind",
    "IndexBuild",
    "LlamactlError",
    "LogRow",
    "Mark",
    "MarkKind",
    "MigrationReport",
    "Monitor",
    "Node",
    "Note",
    "Omission",
    "OrphansBy",
    "OutputFormat",
    "Parents",
    "ParentsFrom01",
    "PreflightReport",
    "Progress",
    "RefusedBy",
    "Relation",
    "RepairReport",
    "RunState",
    "RunStatus",
    "RunStep",
    "Severity",
    "Skipped",
    "StatsReport",
    "StatusReport",
    "Step",
    "Subject",
    "SubjectKind",
    "TableInfo",
    "TableStatus",
    "Timeline",
    "TimelineRow",
    "Tree",
    "UndoReport",
    "UnknownStatus",
    "VerifyReport",
    "WholeRow",
    "known_status",
]

_MODULES = (
    "outcome",
    "options",
    "steps",
    "table",
    "counts",
    "change",
    "audit",
    "tree",
    "run",
    "timeline",
    "details",
    "demo",
)
"""The modules that most commands need come first."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = vars(import_module(f"{__name__}.{module}"))
            if name in found:
                globals()[name] = found[name]
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
