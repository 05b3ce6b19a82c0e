"""Every SQL file on real servers: in psql as it stands, under odd names, and with the lock that it says."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from faults import expected_roots, faulty_rows
from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.lineage.needs import Needs
from llamactl.lineage.resolve import CREATE, RESOLVE_FILES, lineage_parameters
from llamactl.migrate.steps import PlannedStep, plan_steps
from llamactl.model import CheckPolicy
from llamactl.sqlfiles.load import (
    Query,
    all_query_paths,
    load_query,
    parse_query,
    query_text,
)
from llamactl.sqlfiles.names import Names
from llamactl.table.present import read_present
from llamactl.table.table import Table
from llamactl.undo.saved_parents import prepare_saved_parents
from llamactl.undo.steps import plan_undo_steps, read_standing
from odd_names import ODD_NAMES, rename
from servers import Server
from sessions import session, settings_for

PATHS = all_query_paths()
# What the verbs create before they make the transaction read-only.
CREATED = [CREATE]
LINEAGE = [*CREATED, *(path for path, _ in RESOLVE_FILES)]
# They read what lineage leaves, in its transaction.
RESOLVED = [
    *(
        "lineage/counts",
        "lineage/cyclic",
        "lineage/cyclic_parents",
        "lineage/cyclic_edges",
        "lineage/cyclic_jobs",
        "lineage/misfits",
    ),
    *("migrate/needs", "preflight/conflicts", "preflight/jobs", "preflight/rows", "stats/roots"),
    "stats/recent",
    *("preflight/created_twice", "preflight/summaries", "preflight/unrooted"),
    *("preflight/long_candidates", "preflight/long_roots", "verify/suspects", "verify/dangling_roots"),
    *("verify/broken", "verify/local", "verify/local_sample", "verify/rows", "lineage/entry"),
    "lineage/rooted",
]
# Of the migration, but no part of a step.
BESIDE = [
    "migrate/claim",
    "migrate/claimant",
    "migrate/delayed_indexes",
    "migrate/plain_indexes",
    "migrate/drop_check",
    "migrate/present",
    "migrate/upgrade_state",
]
# They read what online runs record.
RECORDED = [
    *("online/create_state", "migrate/upgrade_state", "online/begin_run", "online/begin_step"),
    *("online/checkpoint", "online/wait"),
    *("online/runs", "status/steps", "online/cut_steps"),
    *("online/end_run", "online/end_runs"),
]
# A round of batches, once the lineage is resolved.
ROUND = [
    *("online/create_round", "online/target", "online/fill_pending", "online/clear_pending"),
    *("online/index_pending", "online/pending", "online/snapshot", "online/window"),
    *("online/choose_flagged", "online/clear_parents", "online/judge_cleared"),
    *("online/save_cleared", "online/fill", "online/prove"),
]
ONLINE = ["online/drop_index", "online/create_index"]
CHECK = ["migrate/add_check_not_valid", "online/validate_check"]
STEPS = [path for path in PATHS if path.startswith("migrate/") and path not in {*RESOLVED, *BESIDE}]
# In an order in which they can run, once there is everything that undo takes off.
UNDO_READING = ["undo/look", "undo/state", "undo/other_runs"]
MATCHING = ["undo/create_matched", "undo/match_parents", "undo/parents"]
UNDO = [
    *("undo/lock_parents", "undo/lock_runs", "undo/drop_leftovers", "migrate/drop_check"),
    *(*MATCHING, "undo/restore_parents"),
    *("undo/drop_job_index", "undo/drop_comment", "undo/drop_column", "undo/forget_parents"),
    *("undo/forget_runs", "undo/drop_cleared_parent", "undo/drop_runs", "undo/drop_schema"),
]
COLUMN = ["undo/drop_column_and_views"]
# In an order in which they can run, each by itself.
GUARD = [
    *("guard/create_job_index", "guard/mark_job_index", "guard/create_function", "guard/create_trigger"),
    *("guard/drop_trigger", "guard/drop_function", "guard/drop_job_index"),
]
# It names every column, the root's too; the logger leaves out those that the table lacks.
LOGGER = ["logger/insert"]
# They run by themselves, on any log table.
ALONE = [
    path
    for path in PATHS
    if path not in {*GUARD, *LINEAGE, *RESOLVED, *RECORDED, *ROUND, *ONLINE, *CHECK, "migrate/drop_check"}
    and path not in {*STEPS, *UNDO_READING, *UNDO, *COLUMN, *LOGGER}
]
# No row is its own parent, so that the CHECK can be added.
ROWS = [{**row, "created_at": "2025-01-31 12:00"} for row in faulty_rows() if row["job_id"] != "s"]
ROOTS = {row["id"]: expected_roots()[row["id"]] for row in ROWS}
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
ALL_NEEDED = Needs(
    disregarded=1, save_parents=True, fill=True, refill=True, check_holds=True, check_broken=False
)

Told = dict[tuple[str, str], Any]
"""Stage and file -> what it returned, told in the default names."""
ONE_BY_ONE = ("before", "after", "logger", "guard", "online", "not valid", "valid")
# What they return is no property of the table.
VOLATILE = (
    *("catalog/locks", "catalog/relation", "catalog/relations", "migrate/claimant"),
    *("preflight/limits", "preflight/prepared", "preflight/snapshots", "preflight/space", "status/table"),
    "preflight/refusals",
    *(
        "catalog/kept_rights",
        "undo/look",
        "undo/state",
        "catalog/index",
        "migrate/plain_indexes",
        "guard/look",
        *("online/runs", "online/shape", "online/target", "online/pending", "online/window"),
        *("online/snapshot", "online/prove"),
        "status/steps",
    ),
)
MODES = [
    *("", "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock"),
    *("ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"),
]
# Our own on the user's relations, indexes included.
HELD = parse_query(
    "test",
    """
    SELECT l.relation::bigint, l.mode
    FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)';
    """,
    Names(),
)


class Log:
    """A log table, and all files in an order in which they can run."""

    def __init__(self, opened: Session, settings: Settings) -> None:
        self.session, self.settings = opened, settings
        self.look()

    def look(self) -> None:
        self.table = Table.open(self.session, self.settings)
        self.relation, self.names = self.table.relation, self.table.names

    def change(self, statement: str) -> None:
        """Runs a statement that is written against the default names."""
        self.session.run(parse_query("test", statement, self.names))

    def steps(self) -> list[PlannedStep]:
        """Those that are taken where the rows ask for all of them."""
        self.look()
        steps = plan_steps(self.table, read_present(self.table), CheckPolicy.AUTO)
        return [step for step in steps if step.taken(ALL_NEEDED)]

    def stages(self) -> Iterator[tuple[str, list[str]]]:
        """Yields groups of files; those of ONE_BY_ONE run each by itself, the others in one transaction."""
        yield "before", ALONE
        yield "snapshot", [*LINEAGE, *RESOLVED]
        yield "update", paths(self.steps())
        yield "after", ALONE
        yield "logger", LOGGER
        yield "recorded", RECORDED
        self.change('UPDATE "public"."LlamaLog" SET "root_job_id" = NULL;')
        yield "round", [*LINEAGE, *ROUND]
        self.change('UPDATE "public"."LlamaLog" SET "root_job_id" = NULL;')
        self.change('COMMENT ON COLUMN "public"."LlamaLog"."root_job_id" IS NULL;')
        yield "update again", [*paths(self.steps()), "migrate/analyze_expressions"]
        yield "guard", GUARD
        yield "online", ONLINE
        self.change('ALTER TABLE "public"."LlamaLog" DROP CONSTRAINT "LlamaLog_job_id_not_parent_check";')
        yield "not valid", ["migrate/add_check_not_valid", "migrate/drop_check"]
        yield "valid", CHECK
        self.change(
            'CREATE INDEX "LlamaLog_job_id_parent_job_id_idx" '
            'ON "public"."LlamaLog" ("job_id", "parent_job_id");'
        )
        yield "undo reading", UNDO_READING
        yield "undo", UNDO
        self.change('ALTER TABLE "public"."LlamaLog" ADD COLUMN "root_job_id" text;')
        yield "column", COLUMN

    def values(self, path: str) -> dict[str, object]:
        """What the file takes."""
        columns = self.names.columns
        if path.startswith("tree/"):
            known: dict[str, object] = {
                "job": "c",
                "parent": "c",
                "root": "a",
                "roots": "{a}",
                "own": True,
                "upward": True,
            }
        elif path.startswith("timeline/"):
            known = {
                "of_root": True,
                "types": "{ALBUM}",
                "tops": ["a"],
                "places": "{}",
                "apart": [],
                "ties": ["a"],
                "roots": "{a}",
                "no_orphans": False,
                "categories": None,
            }
            known |= {"known": ["SUCCESS", "FAILED"]}
            known |= dict.fromkeys(("entity", "album", "artist", "track", "since", "until"))
            known |= {"after_created": None, "after_root": None, "after_id": None, "most": 3, "ids": "{}"}
            known |= {"lowest": "-infinity", "highest": "infinity", "undated": True}
        elif path.startswith("verify/"):
            known = {"check": "split", "grace_seconds": 0}
        elif path.startswith("report/"):
            known = {"ids": "{" + ",".join(str(row["id"]) for row in ROWS[:3]) + "}", "most": 3}
        elif path.startswith("stats/"):
            known = {"root": "a", "most": 10, "days": 30, "largest": 5, "since": None, "since_seconds": 60}
        else:
            known = {
                "job": columns["job_id"],
                "parent": columns["parent_job_id"],
                "root": columns["root_job_id"],
            }
            known |= {"check": self.names.check, "index": self.names.index}
            known |= {"job_index": self.names.job_index, "guard": self.names.guard, "body": ""}
            known |= {"function": self.names.guard}
            known |= {"flag": columns["is_root_job"], "clearing": True, "users_code": True}
            known |= {"stored_type": "text"}
        known |= lineage_parameters(self.settings)
        known |= {"relation": self.relation.oid, "schema": self.names.schema, "table": self.names.table}
        known |= {"enum_schema": self.names.enum_schema, "enum": self.names.enum}
        known |= {"column": columns["category"], "root_column": columns["root_job_id"]}
        known |= {"sample": 10, "longest": 100, "depth": 2, "numbers": [1, 2], "wanted": []}
        known |= {"max_length": "100", "bound": None, "integers": False}
        known |= {"since_epoch": 0, "leftovers": []}
        known |= {"columns": [columns["job_id"], columns["parent_job_id"]], "key": columns["id"]}
        known |= {"padded": False, "pid": 0, "run": 1, "runs": [1]}
        known |= {"key_column": columns["id"], "key_type": "uuid", "bound": None, "uuid": False}
        known |= {"command": "migrate", "name": "fill"}
        known |= {"rows": 1, "total": 2, "rows_per_second": 1.5, "reason": None}
        known |= {"task": "fill", "page": 0, "first_page": 0, "end_page": 100, "passes": 1, "pass": 0}
        known |= {"overwrite": False, "keyed": True, "grace_seconds": 0, "old_seconds": 0, "prune": True}
        known |= {"shape": [], "oldest": "3", "ours": []}
        known |= {"host": 0, **({"client": 0} if path == "online/client" else {})}
        known |= {"entries": "[]", "entity_type": "ALBUM", "entity_id": UNKNOWN_ID}
        known |= {"schemas": self.session.schemas(), "path": self.session.search_path}
        known |= {"jobs": '{a,c,"a "}', "parents": "{c}"}
        query = loaded(path, self.names)
        return {name: known[name] for statement in query.statements for name in statement.parameters}

    def roots(self) -> dict[str, str | None]:
        query = parse_query("test", 'SELECT "id"::text, "root_job_id" FROM "public"."LlamaLog";', self.names)
        with self.session.snapshot():
            return dict(self.session.tuples(query))


def paths(steps: Iterable[PlannedStep]) -> list[str]:
    return [path for step in steps for path in step.paths]


@pytest.fixture
def filled(each_database: str, insert_into: Callable[..., None]) -> str:
    insert_into(each_database, ROWS)
    return each_database


def test_lists_are_right() -> None:
    assert {*RESOLVED, *BESIDE} <= set(PATHS)
    assert set(LINEAGE).isdisjoint(RESOLVED)


# --- in psql ----------------------------------------------------------------------------------------------


def test_in_psql(filled: str, psql: Path) -> None:
    ran: set[str] = set()
    with session(filled) as opened:
        log = Log(opened, settings_for(filled))
        for stage, files in log.stages():
            if stage in ONE_BY_ONE:
                for path in files:
                    run_in_psql(psql, filled, path)
            else:
                run_in_psql(psql, filled, *files, before="BEGIN", after="COMMIT")
            ran.update(files)
            if stage in ("update", "round", "update again"):
                assert log.roots() == ROOTS
    assert ran == set(PATHS)


def test_the_tool_writes_what_psql_runs() -> None:
    path = PATHS[0]
    command = [sys.executable, "-m", "llamactl.sqlfiles", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == load_query(path, Names()).script


def run_in_psql(psql: Path, dsn: str, *files: str, before: str = "", after: str = "") -> None:
    written = "".join(load_query(path, Names()).script for path in files)
    command = [psql, "-X", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", "-"]
    script = f"{before};\n{written}\n{after};\n"
    done = subprocess.run(command, input=script, capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "NOTICE" not in line]
    assert (done.returncode, said) == (0, []), files


# --- under odd names ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_all(insert_into: Callable[..., None]) -> Callable[[Server, Names], Told]:
    """A function: run all files on a log table of these names."""

    def run(server: Server, names: Names) -> Told:
        database = server.create(server.template)
        dsn = server.conninfo(database)
        insert_into(dsn, ROWS)
        with psycopg.connect(dsn, autocommit=True) as connection:
            rename(connection, names)
        try:
            return told_by(dsn, names)
        finally:
            server.drop(database)

    return run


@pytest.fixture(scope="module")
def under_default_names(run_all: Callable[..., Told], server: Server) -> Told:
    return run_all(server, Names())


@pytest.mark.parametrize("names", ODD_NAMES.values(), ids=ODD_NAMES)
def test_under_odd_names(
    run_all: Callable[..., Told], server: Server, names: Names, under_default_names: Told
) -> None:
    assert run_all(server, names) == under_default_names


def test_under_odd_names_on_each_version(run_all: Callable[..., Told], each_server: Server) -> None:
    expected = run_all(each_server, Names())
    for odd in ("double quote", "closes a body"):
        assert run_all(each_server, ODD_NAMES[odd]) == expected


def told_by(dsn: str, names: Names) -> Told:
    columns = {ours: theirs for ours, theirs in names.columns.items() if ours != theirs}
    values = {"schema": names.schema, "table": names.table, "columns": columns}
    told: Told = {}
    with session(dsn, **values) as opened:
        log = Log(opened, settings_for(dsn, **values))
        assert replace(log.names, root_type="pg_catalog.text", id_cast="text") == names
        for stage, files in log.stages():
            for path, rows in run_stage(log, stage, files):
                told[stage, path] = in_default_names(path, rows, log.names)
            if stage in ("update", "round", "update again"):
                assert log.roots() == ROOTS
                told[stage, "saved"] = saved(dsn, names)
    assert {path for _, path in told} == {*PATHS, "saved"}
    return told


def run_stage(log: Log, stage: str, files: list[str]) -> Iterator[tuple[str, Any]]:
    """Yields each file with its rows, or with its row count."""
    if stage in ("guard", "online"):
        for path in files:
            yield path, log.session.autocommit_run(loaded(path, log.names))
        return
    reading = stage in ("before", "snapshot", "after", "undo reading")
    with log.session.snapshot() if reading else log.session.transaction():
        for path in files:
            if reading and path not in CREATED:
                log.session.read_only()
            query = loaded(path, log.names)
            last = query.statements[-1].sql
            writes = re.search(r"^ *(INSERT|UPDATE) ", last, re.MULTILINE)
            if re.match(r"(--.*\n|\s)*(SELECT|WITH)\b", last) and not writes:
                yield path, sorted(log.session.tuples(query, **log.values(path)), key=str)
            else:
                yield path, log.session.run(query, **log.values(path))


def loaded(path: str, names: Names, text: str | None = None) -> Query:
    """The query of the file, or of its text; a flag is written into it where it takes no parameter."""
    query = parse_query(path, text or query_text(path), names)
    return query.literal(trust_root_flag=True) if path == "guard/create_trigger" else query


def in_default_names(path: str, rows: Any, names: Names) -> Any:
    ours = {theirs: ours for ours, theirs in names.columns.items()}
    if path == "catalog/find":
        return [(schema == names.schema, table == names.table, usable) for _, schema, table, usable in rows]
    if path == "catalog/enum":
        return [(schema == names.enum_schema, enum == names.enum, label) for schema, enum, _, label in rows]
    if path == "catalog/columns":  # the enum has another name as well
        return sorted((ours[name], *(rest if ours[name] != "category" else ())) for name, *rest in rows)
    if path == "catalog/named":  # each column's name, a space, its type; the enum has another name as well
        return [
            sorted(next(ours[n] for n in ours if one.startswith(f"{n} ")) for one in columns)
            for _, columns in rows
        ]
    if path == "tree/indexes":
        return sorted((ours[name], ours.get(next_)) for name, next_ in rows)
    if path == "timeline/references":
        return sorted((ours[name], *rest) for name, *rest in rows)
    if path == "preflight/attached":
        return [(subject, name.replace(names.index, Names().index)) for subject, name, _ in rows]
    if path == "report/rows":
        return [(id_, [ours[name] for name in named], *rest) for id_, named, *rest in rows]
    if path == "stats/rows":  # it begins with a time that goes by now
        return [row[1:] for row in rows]
    return None if path in VOLATILE else rows


def saved(dsn: str, names: Names) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT row_id, parent_job_id FROM llamactl.cleared_parent"
            " WHERE table_schema = %s AND table_name = %s ORDER BY row_id",
            [names.schema, names.table],
        ).fetchall()


# --- locks --------------------------------------------------------------------------------------------------


def test_locks(filled: str) -> None:
    """On the user's table: what a file's header says; of a step's files the strongest, what the plan says."""
    found: dict[tuple[str, str], str] = {}
    planned: list[tuple[str, PlannedStep]] = []
    with session(filled) as opened:
        log = Log(opened, settings_for(filled))
        for stage, files in log.stages():
            planned += [(stage, step) for step in log.steps() if stage.startswith("update")]
            if stage == "undo":
                with opened.snapshot():
                    prepare_saved_parents(opened)
                    standing = read_standing(log.table)
                planned += [(stage, step) for step in plan_undo_steps(standing) if {*step.paths} <= {*files}]
            with session(filled) as own:
                for path in files:
                    alone = re.search("^VACUUM|CONCURRENTLY", query_text(path), re.MULTILINE)
                    lock = lock_waited_for(filled, log, path) if alone else lock_of(own, log, path)
                    found[stage, path] = lock
    assert found == {(stage, path): said_lock(path) for stage, path in found}
    for stage, step in planned:
        assert max((found[stage, path] for path in step.paths), key=MODES.index) == step.lock, step.name


def lock_of(own: Session, log: Log, path: str) -> str:
    """The strongest that the session holds after the file has run in a transaction of its own."""
    # So that the temporary relations are there for the next file, and the lock that made them is not.
    text = query_text(path).replace(" ON COMMIT DROP", "")
    with own.transaction():
        own.run(loaded(path, log.names, text), **log.values(path))
        held = list(own.tuples(HELD))
    if path not in {
        *LOGGER,
        *STEPS,
        *UNDO,
        *COLUMN,
        *GUARD,
        *RECORDED,
        *ROUND,
        *ONLINE,
        *CHECK,
        "migrate/drop_check",
    }:
        assert {mode for _, mode in held} <= {"AccessShareLock"}, path
    return max((mode for relation, mode in held if relation == log.relation.oid), key=MODES.index, default="")


def lock_waited_for(dsn: str, log: Log, path: str) -> str:
    """Of a file that runs outside a transaction: once it is done it holds none."""
    (statement,) = load_query(path, log.names).statements

    def run() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement.sql.encode())

    waiting = "SELECT mode FROM pg_locks WHERE relation = %s AND NOT granted"
    thread = threading.Thread(target=run)
    with psycopg.connect(dsn) as other:
        other.execute(f"LOCK TABLE {log.names.quoted_table()} IN SHARE UPDATE EXCLUSIVE MODE".encode())
        thread.start()
        deadline = time.monotonic() + 10
        while not (row := other.execute(waiting, [log.relation.oid]).fetchone()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    thread.join()
    return str(row[0])


def said_lock(path: str) -> str:
    """What the header says: "ACCESS SHARE" is AccessShareLock."""
    said = re.findall(
        r"^--.*?\bLock: (none|an advisory one|[A-Z]+(?: [A-Z]+)*)\b", query_text(path), re.MULTILINE
    )
    assert len(said) <= 1
    words = "".join(said).title().replace(" ", "")
    return f"{words}Lock" if words not in ("", "None", "AnAdvisoryOne") else ""
