"""Random triggers beside an online run: it exits with 0 if and only if every row is as the oracle says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from cutting import Connection, run_here
from oracle import Row, ask, present

Insert = Callable[[Any], None]

JOBS = ["a", "b", "C", "d", "E", "f", "g"]
ROOT_BACK = """UPDATE "LlamaLog" SET "root_job_id" = NULL
  WHERE "id" = NEW."id" AND "root_job_id" IS NOT NULL;"""
PARENT_BACK = """UPDATE "LlamaLog" SET "parent_job_id" = OLD."parent_job_id"
  WHERE "id" = NEW."id" AND NEW."parent_job_id" IS NULL AND OLD."parent_job_id" IS NOT NULL;"""
BEFORE = {
    "keeps the root NULL": "NEW.root_job_id := NULL;",
    "keeps the parent": "NEW.parent_job_id := OLD.parent_job_id;",
    "writes another root": "IF NEW.root_job_id IS NOT NULL THEN NEW.root_job_id := 'zz'; END IF;",
    "writes the root in lower case": "NEW.root_job_id := lower(NEW.root_job_id);",
    "returns the old row": "RETURN OLD;",
    "suppresses the row": "RETURN NULL;",
}
AFTER = {
    "takes the root back": ROOT_BACK,
    "puts the parent back": PARENT_BACK,
    "changes the parent of others": """UPDATE "LlamaLog" SET "parent_job_id" = '{other}'
      WHERE "job_id" = '{job}' AND "parent_job_id" IS DISTINCT FROM '{other}';""",
    "removes the parent of others": """UPDATE "LlamaLog" SET "parent_job_id" = NULL
      WHERE "job_id" = '{job}' AND "parent_job_id" IS NOT NULL;""",
    "renames others": """UPDATE "LlamaLog" SET "job_id" = '{other}' WHERE "job_id" = '{job}';""",
    "flags others": """UPDATE "LlamaLog" SET "is_root_job" = true
      WHERE "job_id" = '{job}' AND NOT "is_root_job";""",
    "writes the root of others": """UPDATE "LlamaLog" SET "root_job_id" = 'zz'
      WHERE "job_id" = '{job}' AND "root_job_id" IS DISTINCT FROM 'zz';""",
}
ROWS = {
    "all rows": "true",
    "some jobs": "OLD.job_id IN ('{job}', 'b', 'E')",
    "one job": "OLD.job_id = '{job}'",
    "flagged rows": "OLD.is_root_job",
    "filled rows": "NEW.root_job_id IS NOT NULL",
    "cleared rows": "NEW.parent_job_id IS NULL AND OLD.parent_job_id IS NOT NULL",
}
WHEN = ("AFTER UPDATE", "AFTER UPDATE DEFERRED")


@dataclass(frozen=True)
class Trigger:
    what: str
    removed: str | None
    """The job whose parents it removes by itself."""
    statement: str

    def removes(self, row: Row) -> bool:
        return self.removed is not None and row.job_id == self.removed


def random_trigger(random: Random, what: str) -> Trigger:
    """A trigger that does this to random rows."""
    rows, job, other = random.choice(list(ROWS)), random.choice(JOBS), random.choice([*JOBS, "new"])
    when = "BEFORE UPDATE" if what in BEFORE else random.choice(WHEN)
    body = {**BEFORE, **AFTER}[what].format(job=job, other=other)
    condition = ROWS[rows].format(job=job)
    depth = "" if what in BEFORE else "pg_trigger_depth() = 1 AND "
    timing, *_ = when.partition(" DEFERRED")
    constraint = "CONSTRAINT" if when.endswith("DEFERRED") else ""
    deferring = "DEFERRABLE INITIALLY DEFERRED" if constraint else ""
    return Trigger(
        f"{when}: {what} ({job}, {other}): {rows}",
        job if what.startswith("removes") else None,
        f"""CREATE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS
        $f$ BEGIN IF {depth}{condition} THEN {body} END IF; RETURN NEW; END $f$;
        CREATE {constraint} TRIGGER meddle {timing} ON "LlamaLog" {deferring}
        FOR EACH ROW EXECUTE FUNCTION public.meddle();""",
    )


def random_log(random: Random) -> list[dict[str, Any]]:
    """A small log with rows of all kinds: several of a job, flagged ones with a parent, cycles, blank ids."""
    ids = [*JOBS, *JOBS, "gone", None, " "]
    rows = [
        {
            "job_id": random.choice(ids),
            "parent_job_id": random.choice(ids),
            "is_root_job": random.random() < 0.2,
        }
        for _ in range(random.randint(1, 20))
    ]
    # Most jobs hang below the one before: else nearly everything would be cyclic.
    for child, parent in zip(JOBS[1:], JOBS, strict=False):
        rows.append({"job_id": child + child, "parent_job_id": parent + parent, "is_root_job": False})
        rows.append({"job_id": parent + child, "parent_job_id": parent + parent, "is_root_job": True})
    return [{**row, "created_at": "2026-01-01"} for row in rows]


def look(connection: Connection) -> dict[str, Row]:
    found = connection.execute('SELECT pg_catalog.to_jsonb(log) FROM "LlamaLog" AS log')
    names = ("id", "job_id", "parent_job_id", "is_root_job", "root_job_id")
    rows = [Row(*map(values.get, names)) for (values,) in found]
    return {row.id: row for row in rows}


def disregarded(row: Row) -> bool:
    """It has a parent that its root flag disregards."""
    return bool(row.is_root_job and present(row.job_id) and present(row.parent_job_id))


def missed(rows: dict[str, Row]) -> tuple[int, int]:
    """Returns how many rows hold another root than the oracle's, and how many a parent to be cleared."""
    roots = ask(rows.values()).roots
    return sum(roots[id_] != row.root_job_id for id_, row in rows.items()), sum(
        map(disregarded, rows.values())
    )


def saved(connection: Connection) -> list[tuple[str, str]]:
    """Row and parent of each record."""
    there = connection.execute("SELECT to_regclass('llamactl.cleared_parent') IS NOT NULL").fetchone()
    if there != (True,):
        return []
    return connection.execute("SELECT row_id, parent_job_id FROM llamactl.cleared_parent").fetchall()


WHATS = [*BEFORE, *AFTER]
SLOW = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 2 * len(WHATS))]


# In steps of five, so that both kinds are among the quick ones.
@pytest.mark.parametrize("seed", [*range(4), *SLOW])
def test_the_exit_code_tells_whether_every_row_is_right(
    database: str, connection: Connection, insert: Insert, seed: int
) -> None:
    random = Random(seed)
    trigger = random_trigger(random, WHATS[(5 * seed) % len(WHATS)])
    insert(random_log(random))
    before = look(connection)
    connection.execute(trigger.statement.encode())
    arguments = ("--yes", "--grace", "0s", "--retries", "1", "--format", "json", "--dsn", database)
    done = run_here("migrate", "--online", *arguments)
    report, after = json.loads(done.out), look(connection)
    wrong, uncleared = missed(after)
    assert (done.code, report.get("unfilled"), report.get("uncleared")) == (
        int(bool(wrong or uncleared)),
        wrong,
        uncleared,
    ), (trigger, done.err)
    emptied = {id_ for id_, row in after.items() if before[id_].parent_job_id and row.parent_job_id is None}
    # The trigger may have flagged rows too, and have removed parents itself.
    must = {id_ for id_ in emptied if disregarded(before[id_]) and not trigger.removes(before[id_])}
    records = saved(connection)
    assert len(records) == len(set(records)), trigger
    assert must <= {row_id for row_id, _ in records} <= emptied, trigger
    connection.execute('DROP TRIGGER meddle ON "LlamaLog"')
    done = run_here("repair", "--overwrite", *arguments)
    assert done.code == 0, (trigger, done.err)
    assert missed(look(connection)) == (0, 0), trigger
