"""The statements that the subscribers of a published table need: DDL is not replicated.

If a row arrives with a column or an enum value, or for a table, that the subscriber does not have, its apply
worker fails and retries endlessly. A publication FOR ALL TABLES publishes the schema llamactl as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from llamactl.checks.blockers import TableFacts, inspect_table
from llamactl.db.session import Session
from llamactl.model import Note
from llamactl.model.steps import StepName
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.present import LABEL
from llamactl.table.runs import read_state_tables
from llamactl.table.table import Table
from llamactl.wording import listed

_STATE = ("online/create_state", "migrate/create_cleared_parent")
_UPGRADES = ("migrate/upgrade_state", "migrate/upgrade_parents")
_COMMENT = re.compile(r"--[^\n]*")


def publications(around: TableFacts) -> list[str]:
    """Returns the publications of the table and of the schema llamactl."""
    return sorted({*around.named("publication"), *around.named("state publication")})


def subscriber_ddl(table: Table, around: TableFacts) -> str:
    """Returns the statements, on one line, that a subscriber must run first; empty where it needs none.

    They do nothing where they have already been run.
    """
    return " ".join(_statements(table, around))


def _statements(table: Table, around: TableFacts) -> Iterator[str]:
    # A new column is not added to a column list.
    if any(one.subject == "publication" and not one.detail for one in around.attached):
        table_name, column = (
            qualified(table.relation.schema, table.relation.name),
            ident(table.names.columns["root_job_id"]),
        )
        yield f"ALTER TABLE {table_name} ADD COLUMN IF NOT EXISTS {column} {table.names.root_type};"
    if around.named("publication") and table.relation.enum:
        enum = qualified(table.relation.enum.schema, table.relation.enum.name)
        yield f"ALTER TYPE {enum} ADD VALUE IF NOT EXISTS '{LABEL}';"
    if around.named("state publication"):
        yield "CREATE SCHEMA IF NOT EXISTS llamactl;"
        upgrades = _UPGRADES if read_state_tables(table.session).outdated else ()
        for path in (*_STATE, *upgrades):
            for statement in load_query(path, Names()).statements:
                yield f"{' '.join(_COMMENT.sub('', statement.sql).split())};"


def subscriber_warning(table: Table) -> str:
    """Returns what to do on the subscribers before rows are written; empty where nothing is needed."""
    around = inspect_table(table)
    lacks_label = table.relation.enum is not None and LABEL not in table.relation.enum.values
    if not (table.relation.root is None or lacks_label or around.named("state publication")):
        return ""  # replication would have stopped already
    needed = subscriber_ddl(table, around)
    if not needed:
        return ""
    return (
        f"Published by {listed(publications(around))}: replication stops on each subscriber unless you run "
        f"these statements there first: {needed}"
    )


def ask_with_warning(
    session: Session, confirm: Callable[[str], bool], question: str, warned: str, note: Note
) -> None:
    """Prints the warning, if there is one, then asks as session.ask() does."""
    if warned:
        note(warned)
        question += " Its subscribers need the statements above first."
    session.ask(confirm, question)


def after_undo(table: Table, steps: Collection[str]) -> str:
    """Returns what to do on the subscribers after an undo of these steps; empty where nothing is needed."""
    around = inspect_table(table)
    dropped = []
    if StepName.DROP_COLUMN in steps and around.named("publication"):
        table_name, column = (
            qualified(table.relation.schema, table.relation.name),
            ident(table.names.columns["root_job_id"]),
        )
        dropped.append(f"ALTER TABLE {table_name} DROP COLUMN IF EXISTS {column};")
    if around.named("state publication"):
        tables = {"drop_runs": "llamactl.step, llamactl.run", "drop_parents": "llamactl.cleared_parent"}
        dropped += [f"DROP TABLE IF EXISTS {tables[step]};" for step in tables if step in steps]
        if StepName.DROP_SCHEMA in steps:
            dropped.append("DROP SCHEMA IF EXISTS llamactl;")
    if not dropped:
        return ""
    return (
        f"Published by {listed(publications(around))}: the subscribers still have what was dropped here. "
        f"Once they have received all rows from before the undo, run on each of them: {' '.join(dropped)}"
    )
