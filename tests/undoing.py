"""Logs to be undone: what they were, what llamactl made on them, and whether they are as they were."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from cutting import Connection, Done, dump, run_here
from faults import FAULTY_LOG, row_id
from llamactl.sqlfiles.load import load_query
from llamactl.table import catalog
from sessions import session, settings_for

FLAGGED = row_id(next(n for n, (job, parent, flag, _) in enumerate(FAULTY_LOG) if flag and job and parent))
"""The row whose parent, c, is cleared."""
ROWS = 'SELECT t::text FROM "LlamaLog" AS t ORDER BY "id"'
PARENT = 'SELECT "parent_job_id" FROM "LlamaLog" WHERE "id" = %s'
ADD_COLUMN = 'ALTER TABLE "LlamaLog" ADD COLUMN "root_job_id" varchar(100)'
ADD_INDEX = 'CREATE INDEX "LlamaLog_root_job_id_idx" ON "LlamaLog" ("root_job_id")'
STATE = ("migrate/create_schema", "online/create_state", "online/begin_run")
GUARD = ("guard/create_function", "guard/create_trigger")
JOB_INDEX_FILES = ("guard/create_job_index", "guard/mark_job_index")
JOB_INDEX = "LlamaLog_job_id_parent_job_id_idx"
RUN = {"schema": "public", "table": "LlamaLog", "command": "migrate"}
INVALIDATE = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"{}\"'::regclass"


@dataclass(frozen=True)
class Log:
    """A log with every fault, and what it was before anything was done to it."""

    dsn: str
    pg_dump: Path
    schema: str
    rows: list[Any]

    def connect(self) -> Connection:
        return psycopg.connect(self.dsn, autocommit=True)

    def run(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def files(self, *paths: str, **values: object) -> None:
        run_files(self.dsn, {}, *paths, **values)

    def as_it_was(self) -> None:
        assert dump(self.pg_dump, self.dsn, "-s") == self.schema
        with self.connect() as connection:
            assert connection.execute(ROWS.encode()).fetchall() == self.rows

    def undone(self, *arguments: str) -> Any:
        """Undoes it; the document."""
        done = undo_here(self.dsn, "--format", "json", *arguments)
        assert done.code == 0, done.err
        return json.loads(done.out)


def run_files(dsn: str, named: dict[str, Any], *paths: str, **values: object) -> None:
    """Runs SQL files of llamactl, each statement by itself."""
    settings = settings_for(dsn, **named)
    with session(dsn) as opened:
        relation = catalog.locate(opened, settings)
        names = catalog.names_for(relation, settings)
        values = {"relation": relation.oid, **values}
        for path in paths:
            query = load_query(path, names)
            if path == "guard/create_trigger":
                query = query.literal(trust_root_flag=True)
            wanted = {name for one in query.statements for name in one.parameters}
            opened.autocommit_run(query, **{k: v for k, v in values.items() if k in wanted})


def undo_here(dsn: str, *arguments: str, **hooks: Any) -> Done:
    return run_here("undo", "--yes", "--dsn", dsn, *arguments, **hooks)


def seen(dsn: str, pg_dump: Path) -> Log:
    """The log as it is now; with the enum's value, which nothing takes off."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("""ALTER TYPE "LlamaLogCategory" ADD VALUE IF NOT EXISTS 'LINKED'""")
        rows = connection.execute(ROWS.encode()).fetchall()
    return Log(dsn, pg_dump, dump(pg_dump, dsn, "-s"), rows)


def parents(document: Any) -> dict[str, int]:
    """What became of saved parents, without what there is none of."""
    counts = {**document["parents"]}
    counts |= {f"{name}_from_0_1": count for name, count in counts.pop("from_0_1").items()}
    return {name: count for name, count in counts.items() if count}


def names_of(document: Any) -> list[str]:
    return [step["name"] for step in document["steps"]]
