"""What reading and migrating a table will take, from its size and measured rates, before any row is read.

1. The rates are those of `make bench`: the benchmark's rows have ids of 45 characters, and two of nine jobs
   are parents. A log of longer ids, or one in which most jobs are parents, takes more.
2. The server's own limit on temporary files is compared, and the free space where it can be known: if the
   server runs on this machine and tells the role its data directory.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

from llamactl.findings.kinds import make_finding
from llamactl.model import Estimate, Finding, Relation
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table.table import Table
from llamactl.wording import about, size

DISK_PER_BYTE, WAL_PER_BYTE = 1.7, 2.5
"""Additional bytes on disk at the peak, and bytes of WAL, per byte of heap and indexes that is updated."""
TEMPORARY_BYTES_PER_ROW = 110
SPILLED_BYTES_PER_ROW = 60
"""Of these, the part in temporary files, which temp_file_limit limits."""
IN_MEMORY_ROWS = 300_000
"""So many rows take no temporary files."""
READ_SECONDS_PER_ROW = (5e-6, 15e-6)
FEW_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The row of limits.sql."""

    temporary_limit: int | None
    data_directory: str | None
    backend_pid: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected work: sizes in bytes."""

    rows: int
    temporary: int
    """Temporary tables and files, while the lineage is computed."""
    spilled: int
    """Of these, temporary files."""
    wal: int
    """Of a migration of every row."""
    disk: int
    """That the table and its indexes take more until VACUUM has run, if every row is migrated."""
    seconds: Estimate
    """To read the rows and to compute the lineage."""

    def __str__(self) -> str:
        """Returns it as a line. Of a small table it gives bounds."""
        rows = f"About {_rounded(self.rows):,}" if self.rows > FEW_ROWS else f"Up to {FEW_ROWS:,}"
        return (
            f"{rows} rows, {size(_bound(self.temporary))} of temporary disk and {about(self.seconds)} "
            f"to read; {size(_bound(self.wal))} of WAL to migrate"
        )


def make_forecast(relation: Relation) -> Forecast:
    """Returns what the table will take, from the catalogs alone."""
    rows = rows_of(relation)
    changed = relation.bytes - relation.toast_bytes
    low, high = (round(max(rows, FEW_ROWS) * each, 2) for each in READ_SECONDS_PER_ROW)
    return Forecast(
        rows=rows,
        temporary=rows * TEMPORARY_BYTES_PER_ROW,
        spilled=rows * SPILLED_BYTES_PER_ROW if rows > IN_MEMORY_ROWS else 0,
        wal=int(changed * WAL_PER_BYTE),
        disk=int(changed * DISK_PER_BYTE),
        seconds=Estimate(low, high),
    )


def forecast_findings(table: Table) -> Iterator[Finding]:
    """Yields what will not do: a limit on temporary files, or the free space."""
    forecast = make_forecast(table.relation)
    limits = table.session.row(load_query("preflight/limits", Names()), Limits, relation=table.relation.oid)
    if limits.temporary_limit is not None and limits.temporary_limit < forecast.spilled:
        yield make_finding("LL132", 1, [], limit=size(limits.temporary_limit), needed=size(forecast.spilled))
    needed = forecast.temporary + forecast.wal + forecast.disk
    free = _free_bytes(table.session.host, limits)
    if free is not None and free < needed:
        parts = {"disk": forecast.disk, "wal": forecast.wal, "temporary": forecast.temporary, "free": free}
        yield make_finding("LL133", 1, [], **{name: size(bytes_) for name, bytes_ in parts.items()})


def rows_of(relation: Relation) -> int:
    """Returns the approximate number of rows in the table."""
    if relation.rows_estimate >= 0:
        return relation.rows_estimate
    # Never analyzed, for example after a restore: estimated from the size, at half a kilobyte per row.
    return (relation.bytes - relation.index_bytes) // 500


def _free_bytes(host: str, limits: Limits) -> int | None:
    """Returns the free space in the data directory; None where it cannot be known."""
    if limits.data_directory is None or (host and not host.startswith("/")):
        return None
    try:
        # A forwarded socket may lead to another machine.
        os.kill(limits.backend_pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        found = os.statvfs(limits.data_directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _rounded(rows: int) -> int:
    """Returns the number with two significant digits."""
    return round(rows, 2 - len(str(rows)))


def _bound(bytes_: int) -> int:
    """Returns a size of at least 10 MB, rounded up to two significant digits."""
    megabytes = max(bytes_ / 2**20, 10)
    digit = int(10 ** max(math.floor(math.log10(megabytes)) - 1, 0))
    return math.ceil(megabytes / digit) * digit * 2**20
