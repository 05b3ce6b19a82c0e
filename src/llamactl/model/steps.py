"""The steps of the commands that change the table."""

from __future__ import annotations

from enum import StrEnum


class StepName(StrEnum):
    """The name of a step in the records of runs and in the JSON, which scripts read.

    `label` is the title that people read. `undone_by` is the SQL file with which undo reverses the step;
    empty if the step creates nothing, or nothing that can be reversed.
    """

    label: str
    undone_by: str

    def __new__(cls, value: str, label: str, undone_by: str = "") -> StepName:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label, member.undone_by = label, undone_by
        return member

    CLAIM = "claim", "Claiming the table for this run"
    LOCK = "lock", "Waiting for the lock on the table"
    RESOLVE = "resolve", "Resolving the lineage"
    CREATE_SCHEMA = "create_schema", "Creating schema llamactl", "undo/drop_schema"
    CREATE_STATE = "create_state", "Creating the tables that record the run", "undo/drop_runs"
    SAVE_PARENTS = "save_parents", "Saving the parents to be cleared", "undo/drop_cleared_parent"
    CLEAR_PARENTS = "clear_parents", "Clearing the parents of root jobs", "undo/restore_parents"
    ADD_COLUMN = "add_column", "Adding the root column", "undo/drop_column"
    DROP_INDEX = "drop_index", "Dropping the index on the root column"
    DROP_USERS_INDEX = "drop_users_index", "Dropping your index on the root column", "migrate/create_index"
    DROP_PLAIN_INDEXES = "drop_plain_indexes", "Dropping plain indexes, to build them again"
    FILL = "fill", "Filling the root column"
    LAST_PASS = "last_pass", "Looking for rows that still have no root"
    PROVE = "prove", "Checking every row"
    CREATE_INDEX = "create_index", "Building the index on the root column", "migrate/drop_index"
    REBUILD_INDEXES = "rebuild_indexes", "Building the dropped indexes again"
    ADD_CHECK = "add_check", "Adding the CHECK against self-parents", "migrate/drop_check"
    ADD_CHECK_NOT_VALID = (
        "add_check_not_valid",
        "Adding the CHECK against self-parents for new rows",
        "migrate/drop_check",
    )
    VALIDATE_CHECK = "validate_check", "Validating the CHECK against self-parents"
    ADD_LABEL = "add_label", "Adding enum value LINKED"
    COMMENT = "comment", "Commenting on the root column", "undo/drop_comment"
    CREATE_JOB_INDEX = "create_job_index", "Building the guard's index", "undo/drop_job_index"
    CREATE_GUARD = "create_guard", "Installing the guard", "guard/drop_trigger"
    REMOVE_GUARD = "remove_guard", "Removing the guard"
    ANALYZE = "analyze", "Collecting statistics"
    COMMIT = "commit", "Committing"
    LOCK_STATE = "lock_state", "Waiting for the lock on the saved state"
    DROP_LEFTOVERS = "drop_leftovers", "Dropping what an earlier version left behind"
    DROP_TRIGGER = "drop_trigger", "Dropping the guard's trigger"
    DROP_FUNCTION = "drop_function", "Dropping the guard's function"
    DROP_CHECK = "drop_check", "Dropping the CHECK against self-parents"
    RESTORE_PARENTS = "restore_parents", "Restoring the parents that were cleared"
    DROP_JOB_INDEX = "drop_job_index", "Dropping the guard's index"
    DROP_COLUMN = "drop_column", "Dropping the root column"
    DROP_COMMENT = "drop_comment", "Removing the comment on the root column"
    FORGET_PARENTS = "forget_parents", "Forgetting the saved parents of this table"
    FORGET_RUNS = "forget_runs", "Forgetting the recorded runs of this table"
    DROP_PARENTS = "drop_parents", "Dropping the table of saved parents"
    DROP_RUNS = "drop_runs", "Dropping the tables that record runs"
    DROP_SCHEMA = "drop_schema", "Dropping schema llamactl"
