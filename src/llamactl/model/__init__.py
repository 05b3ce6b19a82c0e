"""What llamactl's modules hand to each other: frozen dataclasses and closed sets of words.

Imports only the standard library. The words of the enums and the names of the fields are those of the
JSON output, which other people's scripts read.

A name is loaded with its module when it is first used: making dataclasses takes time, and `--help` uses few.
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
    "run",
    "change",
    "audit",
    "details",
    "demo",
    "tree",
    "timeline",
)
"""Those that most need first."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = vars(import_module(f"{__name__}.{module}"))
            if name in found:
                globals()[name] = found[name]
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
