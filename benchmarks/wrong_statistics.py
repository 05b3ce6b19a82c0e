"""What dry run and verify cost where ANALYZE misjudges the number of distinct ids by far, either way.

The planner then expects far too few groups (10), or as many as rows (-1). "temp MB" is the largest size that
temporary files and relations had together, "written MB" all that was written to files.
"""

from __future__ import annotations

from lab import BASE, Lab
from meter import Cost, run_command
from rich.console import Console
from rich.table import Table

DISTINCT = ("", "10", "-1")
"""The settings n_distinct of both id columns; "" is none."""


def compare(lab: Lab, migrated: str) -> list[tuple[str, str]]:
    """Prints the table, and returns the largest temporary disk. `migrated`: the database for verify."""
    table = Table(title="Wrong statistics: n_distinct of job_id and parent_job_id")
    for head in ("", "n_distinct", "CPU s", "wall s", "temp MB", "written MB"):
        table.add_column(head, justify="left" if not head else "right")
    peaks: dict[str, float] = {}
    for name, database, words in (
        ("dry run", BASE, ("migrate", "--dry-run")),
        ("verify", migrated, ("verify",)),
    ):
        for distinct in DISTINCT:
            cost = _measure(lab, database, distinct, words)
            figures = (cost.cpu, cost.wall, cost.temp_mb, cost.spilled_mb)
            table.add_row(name, distinct or "true", *(f"{figure:.1f}" for figure in figures))
            peaks[name] = max(cost.temp_mb, peaks.get(name, 0))
    Console(width=100).print(table)
    told = ", ".join(f"{name} {peak:,.0f} MB" for name, peak in peaks.items())
    return [("Largest temporary disk with wrong n_distinct statistics", told)]


def _measure(lab: Lab, database: str, distinct: str, words: tuple[str, ...]) -> Cost:
    change = f"SET (n_distinct = {distinct})" if distinct else "RESET (n_distinct)"
    _alter(lab, database, change)
    try:
        return lab.meter.measure(database, run_command(*words))
    finally:
        _alter(lab, database, "RESET (n_distinct)")


def _alter(lab: Lab, database: str, change: str) -> None:
    with lab.connect(database) as connection:
        for column in ("job_id", "parent_job_id"):
            connection.execute(f'ALTER TABLE "LlamaLog" ALTER COLUMN "{column}" {change}'.encode())
        connection.execute('ANALYZE "LlamaLog"')
