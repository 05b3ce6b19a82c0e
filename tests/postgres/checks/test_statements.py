"""Every statement of each road that touches what is the user's, and the tests in which the server refuses it.

The statements are those that the roads really send. One that comes, goes or moves to another road fails here
until REFUSALS says how the server may refuse it, and which test has it do so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from test_refusals import CASES

from cutting import Hook, Statement, dated_rows, run_here
from llamactl.sqlfiles.load import all_query_paths, query_text
from servers import Server

TESTS = Path(__file__).parents[1]
FOLDERS = ("migrate/", "online/", "guard/", "undo/")
OF_THE_SESSION = re.compile(
    r"BEGIN|COMMIT$|ROLLBACK$|SHOW|SET (search_path|LOCAL|TRANSACTION)|SELECT (pg_catalog|name)"
)
"""What db/ sends: it names nothing of the user's."""
TOUCHES = re.compile(r'"|\bllamactl\.|SCHEMA llamactl')
"""A quoted name is the user's; the schema llamactl may be another's."""

CHANGES = re.compile(
    r'^ *(ALTER|DROP|COMMENT ON|LOCK|UPDATE|ANALYZE|CREATE (?!TEMP|UNLOGGED)).*("|llamactl\b)', re.M
)

OWN_COLUMN = 'ALTER TABLE "LlamaLog" ADD root_job_id varchar(100)'
NO_ROOTS = 'UPDATE "LlamaLog" SET root_job_id = NULL'
FLAGGED_AGAIN = """UPDATE "LlamaLog" SET parent_job_id = 'a' WHERE is_root_job AND job_id IS NOT NULL"""
OTHERS_STATE = """
INSERT INTO llamactl.cleared_parent
  (table_schema, table_name, table_oid, key_column, key_type, row_id, job_id, parent_job_id)
SELECT 'public', 'other', 0, key_column, key_type, row_id, job_id, parent_job_id
FROM llamactl.cleared_parent LIMIT 1
"""
MIGRATE, ONLINE = ("migrate", "--yes"), ("migrate", "--online", "--yes", "--grace", "0s")
UNDO = ("undo", "--yes")
NOT_VALID = ("--check", "not-valid")

Step = str | tuple[str, ...]
"""A statement of a test's, or a command."""


@dataclass(frozen=True)
class Scenario:
    """Commands, the last one by this road; the statements of all that go it count."""

    road: str
    steps: Sequence[Step]
    self_parents: bool = True


SCENARIOS = [
    Scenario("one transaction", [MIGRATE, NO_ROOTS, MIGRATE], self_parents=False),
    Scenario("one transaction", [OWN_COLUMN, (*MIGRATE, *NOT_VALID)]),
    Scenario("online", [ONLINE, NO_ROOTS, (*ONLINE, "--no-guard")], self_parents=False),
    Scenario("online", [OWN_COLUMN, (*ONLINE, *NOT_VALID)]),
    Scenario("repair", [MIGRATE, NO_ROOTS, FLAGGED_AGAIN, ("repair", "--yes", "--grace", "0s")]),
    Scenario("guard install", [MIGRATE, ("guard", "install", "--yes")]),
    Scenario("undo", [ONLINE, UNDO], self_parents=False),
    Scenario("undo", [OWN_COLUMN, MIGRATE, OTHERS_STATE, UNDO]),
]


# --- how the server may refuse them ------------------------------------------------------------------------

READ = (
    "table/test_rights.py::test_a_reader_needs_each",
    "table/test_catalog.py::test_row_security_that_hides_rows",
)
TEMPORARY = ("checks/test_preflight.py::test_no_temporary_tables",)
SCHEMA = (
    "table/test_rights.py::test_an_owner_needs_each",
    "guard/test_guard.py::test_rights_in_a_schema_of_anothers",
)
RUNS = (
    "a view in place of the runs",
    "table/test_rights.py::test_who_may_not_record_a_run_is_told_the_grant",
)
SAVED = (
    "a type in place of the parents",
    "checks/test_preflight.py::test_parents_that_cannot_be_saved",
    "undo/test_saved_parents.py::test_only_its_owner_upgrades_it",
)
OWNER = (
    "checks/test_preflight.py::test_what_a_reader_lacks",
    "table/test_grants.py::test_a_superusers_table",
)
LOCK = ("migrate/test_migrate.py::test_lock_not_got_names_who_is_in_the_way",)
EMPTY = (
    *OWNER,
    "migrate/test_usable_indexes.py::test_an_event_trigger_that_refuses_ddl_refuses_no_migration",
)
LOCK_ONLINE = ("online/test_online_locks.py::test_an_idle_transaction_holds_the_table",)
WRITTEN = (
    "NOT VALID CHECK on another column",
    "append-only log",
    "append-only log, by statement",
    "ALWAYS trigger",
    "checks/test_preflight.py::test_no_replica_identity",
    "checks/test_preflight.py::test_a_rule_in_place_of_update",
    "checks/test_refusals.py::test_published_columns",
    "migrate/test_migrate_meddling.py::test_deferred_triggers",
    "table/test_grants.py::test_repair_by_somebody_else",
)
FILLED = (
    *WRITTEN,
    "CHECK by a function",
    "CHECK on the root",
    "CHECK on a generated column",
    "CHECK that raises",
    "root of a domain",
    "UNIQUE root",
    "UNIQUE root and status, deferred",
    "unique index on an expression, in part",
    "EXCLUDE",
    "FOREIGN KEY on the root",
    "long root",  # by an index that is there
    "checks/test_preflight.py::test_dangling_parents_that_do_not_fit",
)
CLEARED = (
    *WRITTEN,
    "generated parent",
    "parent NOT NULL",
    "parent of a domain NOT NULL",
    "parent of a domain that refuses NULL",
    "CHECK that refuses NULL parents",
    "one parent may be NULL",
    "FOREIGN KEY MATCH FULL with the parent",
    "trigger that refuses NULL parents",
    "trigger OF the parent",
    "trigger WHEN",
)
BATCHES = ("rule beside UPDATE", "online/test_online_locks.py::test_an_idle_transaction_holds_rows")
INDEXED = (
    "long root",
    "checks/test_refusals.py::test_the_longest_root",
    "checks/test_refusals.py::test_a_tablespace_of_others",
    "checks/test_preflight.py::test_the_indexs_name_is_taken",
)
COLUMN = (
    *OWNER,
    "checks/test_refusals.py::test_dropped_columns_count",
    "checks/test_preflight.py::test_other_kinds",
    "table/test_surroundings.py::test_a_typed_table",
)
CHECKED = (*OWNER, "checks/test_preflight.py::test_the_checks_name_is_taken")
SELF_PARENTS = "online/test_online_locks.py::test_a_self_parent_that_comes_after_the_decision"
DROPPED = ("undo/test_undo.py::test_without_the_rights_nothing_is_changed",)
LOCK_UNDO = ("undo/test_undo.py::test_a_lock_not_got_names_who_is_in_the_way",)
NEVER = "The role owns what it comments on: it was made, or proved to be its own, in the same step."

REFUSALS: dict[str, Sequence[str]] = {
    "migrate/lock: LOCK TABLE": (*OWNER, *LOCK, *LOCK_UNDO),
    "migrate/present: WITH root": READ,
    "migrate/create_schema: CREATE SCHEMA": SCHEMA,
    "migrate/create_schema: COMMENT ON": (NEVER,),
    "migrate/create_cleared_parent: CREATE TABLE": (*SCHEMA, *SAVED),
    "migrate/upgrade_parents: DO $upgrade$": SAVED,
    "migrate/save_parents: INSERT INTO": SAVED,
    'migrate/clear_parents: UPDATE "public"."LlamaLog"': CLEARED,
    "migrate/add_column: ALTER TABLE": (*COLUMN, *LOCK_ONLINE),
    "migrate/add_column: DO $comment$": (NEVER,),
    "migrate/create_empty_indexes: DO $empty$": EMPTY,
    "migrate/drop_empty_indexes: DO $empty$": EMPTY,
    'migrate/fill: UPDATE "public"."LlamaLog"': FILLED,
    "migrate/prove: SELECT count(*)": (
        "online/test_online_triggers.py::test_one_transaction_is_rolled_back",
    ),
    "migrate/create_index: CREATE INDEX": INDEXED,
    "migrate/mark_index: COMMENT ON": (NEVER,),
    "migrate/add_check: ALTER TABLE": CHECKED,
    "migrate/add_check: COMMENT ON": (NEVER,),
    "migrate/add_check_not_valid: ALTER TABLE": (*CHECKED, *LOCK_ONLINE),
    "migrate/add_check_not_valid: COMMENT ON": (NEVER,),
    "migrate/add_label: ALTER TYPE": OWNER,
    'migrate/analyze: ANALYZE "public"."LlamaLog"': (
        "online/test_online_locks.py::test_a_vacuum_that_takes_longer_than_the_lock_timeout",
    ),
    "migrate/drop_index: DROP INDEX": OWNER,
    "migrate/comment: DO $comment$": OWNER,
    "online/create_round: CREATE TEMPORARY": TEMPORARY,
    "online/fill_pending: INSERT INTO": READ,
    "online/clear_pending: INSERT INTO": READ,
    "online/create_state: CREATE TABLE": (*SCHEMA, *RUNS),
    "online/begin_run: INSERT INTO": RUNS,
    "online/begin_step: WITH former": RUNS,
    "online/checkpoint: UPDATE llamactl.run": RUNS,
    "online/choose_flagged: WITH former": (*READ, "table/test_grants.py::test_repair_by_somebody_else"),
    'online/clear_parents: UPDATE "public"."LlamaLog"': (*CLEARED, *BATCHES),
    "online/judge_cleared: DELETE FROM": READ,
    "online/save_cleared: INSERT INTO": (
        "checks/test_preflight.py::test_parents_that_cannot_be_saved",
        "table/test_grants.py::test_the_owner_beside_what_another_role_made",
    ),
    "online/fill: WITH here": (*FILLED, *BATCHES, *RUNS),
    "online/snapshot: SELECT counted.rows,": READ,
    "online/prove: SELECT counted.known,": READ,
    "online/create_index: CREATE INDEX": (
        "online/test_online_locks.py::test_an_index_of_our_name_on_another_column",
        "table/test_indexes.py::test_a_build_that_is_ended",
        "checks/test_refusals.py::test_a_tablespace_of_others",
    ),
    "online/drop_index: DROP INDEX": ("table/test_indexes.py::test_what_cannot_be_cleared_is_told",),
    "online/validate_check: ALTER TABLE": (SELF_PARENTS,),
    "online/end_run: WITH last": RUNS,
    "online/runs: SELECT recorded.id,": DROPPED,
    "online/cut_steps: SELECT DISTINCT": RUNS,
    "guard/create_job_index: CREATE INDEX": (
        "long ids of a row",
        "the name of the guard's index",
        "guard/test_guard.py::test_rights",
    ),
    "guard/mark_job_index: COMMENT ON": (NEVER,),
    "guard/create_function: CREATE OR": (
        "the guard's function is another",
        "guard/test_guard.py::test_rights_in_a_schema_of_anothers",
        "table/test_rights.py::test_who_may_not_make_the_guard_is_told_before_anything_is_changed",
    ),
    "guard/create_trigger: CREATE OR": (
        "the guard's trigger is the user's",
        "guard/test_guard.py::test_a_lock_that_is_not_got",
        "guard/test_guard.py::test_columns_that_cannot_have_it",
    ),
    "guard/drop_trigger: DROP TRIGGER": (
        "guard/test_guard.py::test_rights_of_a_reader",
        *DROPPED,
        *LOCK_ONLINE,
    ),
    "guard/drop_function: DROP FUNCTION": ("table/test_grants.py::test_a_guard_of_another_role", *DROPPED),
    "guard/drop_job_index: DROP INDEX": ("table/test_indexes.py::test_what_cannot_be_cleared_is_told",),
    "undo/state: WITH kept": DROPPED,
    "undo/create_matched: CREATE TEMPORARY": (
        "undo/test_saved_parents.py::test_without_the_right_to_temporary_tables",
    ),
    "undo/look: WITH RECURSIVE": DROPPED,
    "undo/match_parents: WITH former": (
        *DROPPED,
        "undo/test_saved_parents.py::test_a_key_of_another_type",
    ),
    "undo/parents: WITH elsewhere": DROPPED,
    "undo/other_runs: SELECT count(*)": DROPPED,
    "undo/lock_parents: LOCK TABLE": ("table/test_grants.py::test_undo_of_what_another_role_made",),
    "undo/lock_runs: LOCK TABLE": ("table/test_grants.py::test_undo_of_what_another_role_made",),
    "migrate/drop_check: ALTER TABLE": DROPPED,
    'undo/restore_parents: UPDATE "public"."LlamaLog"': (
        "undo/test_undo.py::test_a_trigger_that_keeps_a_parent_from_coming_back",
        "undo/test_undo.py::test_deferred_triggers_do_not_stop_it",
        "undo/test_saved_parents.py::test_a_parent_that_its_column_cannot_hold",
    ),
    "undo/drop_job_index: DROP INDEX": DROPPED,
    "undo/drop_column: ALTER TABLE": (
        *DROPPED,
        "undo/test_undo.py::test_what_depends_on_the_column_is_never_dropped",
        "undo/test_undo.py::test_a_publications_list_of_columns",
    ),
    "undo/drop_comment: COMMENT ON": DROPPED,
    "undo/drop_cleared_parent: DROP TABLE": ("table/test_grants.py::test_undo_of_what_another_role_made",),
    "undo/drop_runs: DROP TABLE": ("table/test_grants.py::test_undo_of_what_another_role_made",),
    "undo/drop_schema: DROP SCHEMA": (
        *DROPPED,
        "undo/test_undo_cut.py::test_what_others_keep_in_the_schema_stays",
    ),
    "undo/forget_parents: DELETE FROM": ("undo/test_undo_cut.py::test_another_tables_saved_state_stays",),
}
"""Each statement: cases of test_refusals by their labels, other tests, or the reason why nothing refuses it.

That any of them may be cut off, or wait for a lock in vain, is tested for all at once: test_migrate_cut,
test_online_cut and test_undo_cut stop before each.
"""

ELSEWHERE = {
    "migrate/analyze_expressions": (
        "online/test_online_locks.py::test_a_vacuum_that_takes_longer_than_the_lock_timeout",
    ),
    "guard/look": READ,
    "migrate/upgrade_state": ("table/test_recorded_runs.py::test_runs_that_0_1_recorded",),
    "online/end_runs": ("table/test_recorded_runs.py::test_the_other_migration_ends_what_0_1_left",),
    "online/wait": RUNS,
    "undo/drop_column_and_views": ("table/test_leftovers.py::test_an_owner_who_is_no_superuser",),
    "undo/forget_runs": ("undo/test_undo_cut.py::test_another_tables_saved_state_stays",),
}
"""Files that these scenarios need not send, as they depend on what came before or on a moment."""


# --- what is sent ------------------------------------------------------------------------------------------


def kind(text: str) -> str:
    """The first words of a statement, without its comments."""
    words = " ".join(line for line in text.splitlines() if not line.startswith("--")).split()
    return " ".join(words[:2])


def first_line(path: str) -> str:
    return query_text(path).splitlines()[0]


def recorder(sent: set[str]) -> Hook:
    """A hook that notes each statement of the folders that touches what is the user's.

    Each file has a first line of its own; its other statements follow.
    """
    files = {first_line(path): path for path in all_query_paths()}
    assert len(files) == len(all_query_paths()), "two files have the same first line"
    current = "no file"

    def hook(statement: Statement) -> None:
        nonlocal current
        if OF_THE_SESSION.match(statement.text):
            return
        current = files.get(statement.text.splitlines()[0], current)
        if current.startswith((*FOLDERS, "no file")) and TOUCHES.search(statement.text):
            sent.add(f"{current}: {kind(statement.text)}")

    return hook


def sent_by(scenario: Scenario, dsn: str, insert_into: Callable[[str, Iterable[Any]], None]) -> set[str]:
    """The statements of all commands of the scenario that go its road."""
    kept = [row for row in dated_rows() if scenario.self_parents or row["job_id"] != row["parent_job_id"]]
    insert_into(dsn, kept)
    sent: set[str] = set()
    for step in scenario.steps:
        if isinstance(step, str):
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(step.encode())
        else:
            counts = step[:2] == scenario.steps[-1][:2]
            done = run_here(*step, "--dsn", dsn, before=recorder(sent) if counts else None)
            assert done.code == 0, (step, done.err)
    return sent


ROADS = {"migrate": "one transaction", "online": "online", "repair": "repair", "guard": "guard install"}
"""As test_refusals calls them."""


def sent_by_roads(server: Server, insert_into: Callable[[str, Iterable[Any]], None]) -> dict[str, set[str]]:
    """Road -> its statements."""
    found: dict[str, set[str]] = {}
    for scenario in SCENARIOS:
        name = server.create(server.template)
        found.setdefault(scenario.road, set()).update(sent_by(scenario, server.conninfo(name), insert_into))
        server.drop(name)
    return found


def test_each_statement_of_each_road_has_its_refusals(
    server: Server, insert_into: Callable[[str, Iterable[Any]], None]
) -> None:
    sent = sent_by_roads(server, insert_into)
    found = set().union(*sent.values())
    assert found - REFUSALS.keys() == set(), "say how the server may refuse these, and test it"
    assert REFUSALS.keys() - found == set(), "no road sends these"
    paths = {statement.partition(":")[0] for statement in found} | ELSEWHERE.keys()
    files = [path for path in all_query_paths() if path.startswith(FOLDERS)]
    changing = [path for path in files if CHANGES.search(query_text(path))]
    assert set(changing) - paths == set(), "no scenario sends these"
    for case in CASES:
        statements = {statement for statement, tests in REFUSALS.items() if case.label in tests}
        sending = [road for road in case.roads if statements & sent[ROADS[road]]]
        # Taken names are judged together: each road is refused for all that one of them needs.
        assert sending if case.id == "LL131" else sending == list(case.roads), (case.label, sending)


def test_the_named_tests_exist() -> None:
    labels = {case.label for case in CASES}
    for name in {name for tests in (*REFUSALS.values(), *ELSEWHERE.values()) for name in tests}:
        file, _, function = name.partition("::")
        if function:
            assert f"\ndef {function}(" in (TESTS / file).read_text(encoding="utf-8"), name
        else:
            assert name in labels or name is NEVER, name
