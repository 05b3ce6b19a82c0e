"""undo from any state that a cut leaves, and cut itself: all of it, or nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cutting import (
    NOBODY_LEFT,
    Connection,
    Statement,
    Stopper,
    at,
    dated_rows,
    dump,
    migrate_here,
    nothing_left,
    quick_look,
    run_here,
    wait_until,
)
from undoing import (
    ADD_COLUMN,
    ADD_INDEX,
    FLAGGED,
    GUARD,
    INVALIDATE,
    JOB_INDEX,
    JOB_INDEX_FILES,
    ROWS,
    RUN,
    STATE,
    Log,
    names_of,
    seen,
    undo_here,
)


@pytest.fixture
def log(database: str, insert: Callable[[Any], None], pg_tool: Callable[[str], Path]) -> Log:
    insert(dated_rows())
    return seen(database, pg_tool("pg_dump"))


# --- from any state ----------------------------------------------------------------------------------------


STAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "state": (STATE, ()),
    "column": ((*STATE, "migrate/add_column"), ()),
    "invalid job index": (
        (*STATE, "migrate/add_column", "guard/create_job_index"),
        (INVALIDATE.format(JOB_INDEX),),
    ),
    "job index": ((*STATE, "migrate/add_column", *JOB_INDEX_FILES), ()),
    "function": ((*STATE, "migrate/add_column", "guard/create_function"), ()),
    "guard": ((*STATE, "migrate/add_column", *GUARD), ()),
    "invalid index": (
        (*STATE, "migrate/add_column", *GUARD, "migrate/create_index"),
        (INVALIDATE.format("LlamaLog_root_job_id_idx"),),
    ),
    "index without its mark": ((*STATE, "migrate/add_column", *GUARD, "migrate/create_index"), ()),
    "check": ((*STATE, "migrate/add_column", "migrate/add_check_not_valid"), ()),
    "parents": (
        (*STATE, "migrate/add_column", "migrate/create_cleared_parent", *GUARD),
        (
            "INSERT INTO llamactl.cleared_parent (table_schema, table_name, row_id, parent_job_id) "
            f"VALUES ('public', 'LlamaLog', '{FLAGGED}', 'c')",
            f"""UPDATE "LlamaLog" SET "parent_job_id" = NULL WHERE "id" = '{FLAGGED}'""",
        ),
    ),
    "everything": (
        (
            *(*STATE, "migrate/add_column", *JOB_INDEX_FILES, *GUARD),
            *("migrate/create_index", "migrate/mark_index", "migrate/add_check_not_valid"),
        ),
        (),
    ),
}
"""What a cut of an online run, or of `guard install`, leaves."""


@pytest.mark.parametrize("stage", STAGES)
def test_from_any_state(stage: str, log: Log) -> None:
    files, statements = STAGES[stage]
    log.files(*files, **RUN)
    log.run(*statements)
    assert log.undone()["steps"]
    log.as_it_was()


@pytest.mark.parametrize("own_column", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_guard_that_was_installed(own_column: bool, log: Log) -> None:
    if own_column:
        log.run(ADD_COLUMN)
    else:
        migrate_here(log.dsn)
    schema = dump(log.pg_dump, log.dsn, "-s")
    assert run_here("guard", "install", "--yes", "--dsn", log.dsn).code == 0
    document = log.undone()
    assert {"drop_trigger", "drop_function", "drop_job_index", "drop_schema"} <= set(names_of(document))
    assert dump(log.pg_dump, log.dsn, "-s") == (schema if own_column else log.schema)


@pytest.mark.parametrize("own_column", [False, True])
@pytest.mark.parametrize("every", [67, pytest.param(5, marks=pytest.mark.slow)], ids=["few", "many"])
def test_from_wherever_an_online_run_was_cut(every: int, own_column: bool, log: Log) -> None:
    if own_column:
        log.run(ADD_COLUMN)
    schema = dump(log.pg_dump, log.dsn, "-s")
    arguments = ("--online", "--check", "not-valid")
    sent: list[str] = []
    assert migrate_here(log.dsn, *arguments, before=lambda one: sent.append(str(one))).code == 0
    assert any("CONCURRENTLY" in statement for statement in sent)
    log.undone()
    with log.connect() as connection:
        for number in range(1, len(sent) + 1, every):
            if own_column:
                log.run('UPDATE "LlamaLog" SET "root_job_id" = NULL')
            done = migrate_here(log.dsn, *arguments, before=terminating(connection, number))
            assert done.code == 3, sent[number - 1]
            nothing_left(connection)
            log.undone()
            assert dump(log.pg_dump, log.dsn, "-s") == schema, sent[number - 1]
            if not own_column:
                assert connection.execute(ROWS.encode()).fetchall() == log.rows, sent[number - 1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_index_of_the_users_that_a_cut_run_had_dropped(when: str, log: Log) -> None:
    """It was dropped to be built anew: undo builds it, or leaves it where it was built already."""
    log.run(ADD_COLUMN, ADD_INDEX)
    schema = dump(log.pg_dump, log.dsn, "-s")
    with log.connect() as connection:

        def cut(statement: Statement) -> None:
            if 'CREATE INDEX CONCURRENTLY "LlamaLog_root' in statement.text:
                connection.execute("SELECT pg_terminate_backend(%s)", [statement.pid])

        assert migrate_here(log.dsn, "--online", **{when: cut}).code == 3
        nothing_left(connection)
        assert dump(log.pg_dump, log.dsn, "-s") != schema
        document = log.undone()
    assert ("create_index" in names_of(document)) == (when == "before")
    assert dump(log.pg_dump, log.dsn, "-s") == schema


def terminating(connection: Connection, number: int) -> Callable[[Statement], None]:
    """A hook that ends the session before the statement of this number, whether in a transaction or not."""
    seen = 0

    def hook(statement: Statement) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            connection.execute("SELECT pg_terminate_backend(%s)", [statement.pid])
            wait_until(connection, NOBODY_LEFT)

    return hook


@pytest.mark.parametrize("index", ["root", "job"])
def test_an_index_that_a_cut_left_without_its_mark(index: str, log: Log) -> None:
    """On columns of the user's: that the step was at work tells whose it is."""
    log.run(ADD_COLUMN)
    schema = dump(log.pg_dump, log.dsn, "-s")
    made = {
        "root": ("migrate/create_index", "create_index"),
        "job": ("guard/create_job_index", "create_job_index"),
    }
    path, step = made[index]
    log.files(*STATE, "online/begin_step", path, **RUN, run=1, name=step)
    log.undone()
    assert dump(log.pg_dump, log.dsn, "-s") == schema


@pytest.mark.parametrize("index", ["root", "job"])
def test_a_valid_index_of_the_same_name_stays(index: str, log: Log) -> None:
    log.run(ADD_COLUMN)
    log.files("migrate/create_index" if index == "root" else "guard/create_job_index")
    schema = dump(log.pg_dump, log.dsn, "-s")
    log.files(*STATE, **RUN)
    notes = log.undone()["notes"]
    name = JOB_INDEX if index == "job" else "LlamaLog_root_job_id_idx"
    assert any(note.startswith(f'Index "{name}" is kept') for note in notes)
    assert dump(log.pg_dump, log.dsn, "-s") == schema


def test_another_tables_saved_state_stays(log: Log, insert_into: Callable[[str, Any], None]) -> None:
    log.run('CREATE TABLE "other" (LIKE "LlamaLog" INCLUDING ALL)', 'INSERT INTO "other" TABLE "LlamaLog"')
    before = dump(log.pg_dump, log.dsn, "-s")
    other = ("--table", "other")
    migrate_here(log.dsn, *other)
    between = dump(log.pg_dump, log.dsn, "-s")
    migrate_here(log.dsn)
    first = log.undone()
    assert "forget_parents" in names_of(first)
    assert "drop_schema" in first["skipped"]
    assert dump(log.pg_dump, log.dsn, "-s") == between
    assert log.undone(*other)["parents"]["restored"] == 1
    assert dump(log.pg_dump, log.dsn, "-s") == before


def test_what_others_keep_in_the_schema_stays(log: Log) -> None:
    migrate_here(log.dsn)
    log.run("CREATE TABLE llamactl.mine (n int)")
    document = log.undone()
    assert "drop_schema" in document["skipped"]
    with log.connect() as connection:
        query = "SELECT relname FROM pg_class WHERE relnamespace = 'llamactl'::regnamespace AND relkind = 'r'"
        assert connection.execute(query).fetchall() == [("mine",)]


def test_a_table_and_a_column_that_were_renamed(log: Log) -> None:
    migrate_here(log.dsn, "--check", "not-valid")
    log.files(*JOB_INDEX_FILES, *GUARD)
    log.run(
        'ALTER TABLE "LlamaLog" RENAME COLUMN "root_job_id" TO "origin"',
        'ALTER TABLE "LlamaLog" RENAME TO "events"',
    )
    document = log.undone("--table", "events")
    assert {
        "drop_trigger",
        "drop_function",
        "drop_check",
        "drop_index",
        "drop_job_index",
        "drop_column",
    } <= set(names_of(document))
    # By the name alone the saved parents are not known to be this table's.
    assert any('public."LlamaLog"' in note and "no longer exists" in note for note in document["notes"])
    log.run("UPDATE llamactl.cleared_parent SET table_name = 'events'")
    assert log.undone("--table", "events")["parents"]["restored"] == 1
    log.run('ALTER TABLE "events" RENAME TO "LlamaLog"')
    log.as_it_was()


# --- cut at each statement ---------------------------------------------------------------------------------


EVERY = pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)], ids=["few", "each"])
"""Of the statements that are sent, the last always."""


@pytest.fixture
def migrated(log: Log) -> Iterator[tuple[Log, Connection, list[str]]]:
    """A log to be cut, and what an undisturbed undo sends inside its transaction."""
    arguments = ("--check", "not-valid")
    sent: list[str] = []
    migrate_here(log.dsn, *arguments)
    log.files(*JOB_INDEX_FILES, *GUARD)
    undo_here(log.dsn, before=lambda one: sent.append(str(one)) if one.inside else None)
    log.as_it_was()
    assert sent[-1] == "COMMIT"
    assert sum("DROP" in statement for statement in sent) >= 8
    migrate_here(log.dsn, *arguments)
    log.files(*JOB_INDEX_FILES, *GUARD)
    with log.connect() as connection:
        yield log, connection, sent


@EVERY
def test_terminated_before_each_statement(every: int, migrated: tuple[Log, Connection, list[str]]) -> None:
    log, connection, sent = migrated

    def terminate(statement: Statement) -> None:
        connection.execute("SELECT pg_terminate_backend(%s)", [statement.pid])
        wait_until(connection, NOBODY_LEFT)

    before = quick_look(connection)
    for number in range(len(sent), 0, -every):
        done = undo_here(log.dsn, before=at(number, terminate))
        assert (done.code, len(done.errors)) == (3, 1), sent[number - 1]
        if number == len(sent):
            assert "it is unknown whether the COMMIT succeeded" in done.errors[0]
        elif number > sent.index("ROLLBACK") + 1:  # until then it has only read
            assert "nothing was changed" in done.errors[0]
        nothing_left(connection)
        assert quick_look(connection) == before, sent[number - 1]
    log.undone()
    log.as_it_was()


@EVERY
def test_a_signal_before_each_statement(every: int, migrated: tuple[Log, Connection, list[str]]) -> None:
    log, connection, sent = migrated
    before = quick_look(connection)
    for number in range(1, len(sent), every):
        signalled = (signal.SIGINT, signal.SIGTERM)[number % 2]
        done = undo_here(log.dsn, before=at(number, lambda _, sent=signalled: signal.raise_signal(sent)))
        assert (done.code, done.errors) == (130, ["error: Interrupted; nothing was changed"])
        nothing_left(connection)
        assert quick_look(connection) == before
    # A COMMIT under way is let finish.
    done = undo_here(log.dsn, before=at(len(sent), lambda _: signal.raise_signal(signal.SIGINT)))
    assert (done.code, done.errors) == (130, ["error: Interrupted; changes committed so far remain"])
    log.as_it_was()


@pytest.mark.slow
def test_killed_before_each_statement(migrated: tuple[Log, Connection, list[str]]) -> None:
    log, connection, sent = migrated
    before = quick_look(connection)
    stopper = Stopper()
    try:
        for number in range(1, len(sent) + 1):
            os.kill(stopper.stopped(log.dsn, number=number, command="undo"), signal.SIGKILL)
            nothing_left(connection)
            assert quick_look(connection) == before, sent[number - 1]
    finally:
        stopper.close()
    log.undone()
    log.as_it_was()
