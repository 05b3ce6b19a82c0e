"""sql: the migration as one psql script with the user's names; it has the same result as migrate.

The script consists of the files that migrate runs, in the order of plan_steps(). Conditions that depend on
the rows are evaluated inside the script (`\\gset`, `\\if`). It is generated for the current state of the
table: what already exists is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llamactl.checks.blockers import refuse_blockers
from llamactl.checks.subscribers import subscriber_warning
from llamactl.config.settings import Settings
from llamactl.db.liveness import SERVER
from llamactl.db.search_path import PINNED_PATH, TEXT_SETTINGS
from llamactl.db.session import Session
from llamactl.lineage.needs import Need
from llamactl.lineage.resolve import (
    CREATE,
    DEFAULT_PLANNER,
    RESOLVE_FILES,
    integer_limits,
    lineage_parameters,
)
from llamactl.migrate.steps import PlannedStep, plan_steps
from llamactl.model import CheckPolicy, ErrorCode, LlamactlError
from llamactl.model.steps import StepName
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.table import catalog
from llamactl.table.present import MAINTENANCE_MEMORY, read_present
from llamactl.table.table import Table

_PIN = "\n".join(
    [
        f"SET LOCAL search_path = {PINNED_PATH};",
        *(f"SET LOCAL {name} = '{value}';" for name, value in TEXT_SETTINGS.items()),
    ]
)
_FOLLOW_USER = "\n".join(
    rf"SELECT pg_catalog.set_config('{name}', :'{variable}', true) AS setting_made \gset"
    for name, variable in {"search_path": "users_path", **{name: name for name in TEXT_SETTINGS}}.items()
)


def build_script(session: Session, settings: Settings) -> str:
    """Returns the script. Reads only the catalogs. Raises LlamactlError like migrate before its lock."""
    table = Table.open(session, settings)
    refuse_blockers(table, writing=False)
    if not (table.relation.columns["job_id"].bytewise and table.relation.columns["parent_job_id"].bytewise):
        raise LlamactlError(
            ErrorCode.CONFIG,
            "The type of the id columns treats some different values as equal, which only migrate can check",
            "Run llamactl migrate, or change the type of the columns to text",
        )
    present = read_present(table)
    steps = plan_steps(table, present, CheckPolicy.AUTO)
    lines = [*_head(table), *_body(steps, table.names), _FOLLOW_USER, "COMMIT;", ""]
    return "\n".join(lines)


def _head(table: Table) -> Iterator[str]:
    shown = table.shown.replace("\n", "\\n").replace("\r", "\\r")  # a comment ends with its line
    yield f"-- The migration of {shown} as llamactl migrate performs it. Run it with: psql -X -f FILE"
    yield "-- llamactl migrate also checks every row after filling the column. To do the same here, run:"
    yield "--   llamactl verify"
    if warned := subscriber_warning(table):
        yield "-- " + warned.replace("\n", "\\n").replace("\r", "\\r")
    yield "-- One transaction, all or nothing. Nobody else can read or write the table until it ends."
    yield r"\set ON_ERROR_STOP on"
    yield r"\set AUTOCOMMIT on"
    for name, value in _variables(table).items():
        yield rf"\set {name} {_psql_literal(value)}"
    yield "BEGIN;"
    yield "-- Unqualified names are in pg_catalog, except in statements that may run the user's triggers."
    yield r"SHOW search_path \gset"
    yield from (rf"SHOW {name} \gset" for name in TEXT_SETTINGS)
    yield _PIN
    yield r"SELECT concat_ws(', ', nullif(:'search_path', ''), 'pg_temp') AS users_path \gset"
    transaction = {
        "jit": "off",
        "work_mem": "64MB",
        "hash_mem_multiplier": "2",
        "row_security": "off",
        "client_min_messages": "error",  # a NOTICE for each row would fill the connection
        "lock_timeout": f"{table.settings.lock_timeout_ms}ms",
        "statement_timeout": f"{table.settings.statement_timeout_ms}ms",
        "maintenance_work_mem": MAINTENANCE_MEMORY,
        "llamactl.filling": "on",  # the guard ignores these writes
    }
    yield from _set_local(transaction)
    yield "-- Let the server end the session if psql stops responding. A shorter limit of the role is kept."
    yield from (_limit(name, most) for name, most in SERVER.items())


def _variables(table: Table) -> dict[str, str]:
    """Returns the psql variables that the files use."""
    limits = integer_limits(table.relation.columns["job_id"])
    switches = {**lineage_parameters(table.settings), "padded": limits["padded"]}
    return {
        **{name: str(value).lower() for name, value in switches.items()},
        "root_type": table.names.root_type,
        "root_cast": table.names.root_cast,
        **{name: str(value) for name, value in catalog.identity(table.relation).items()},
        "max_length": str(limits["max_length"] or ""),
        "bound": str(limits["bound"] or ""),
        "sample": str(table.settings.sample),
    }


def _body(steps: list[PlannedStep], names: Names) -> Iterator[str]:
    for step in steps:
        if step.when is False or step.name == StepName.PROVE:
            continue
        yield f"\n-- Step: {step.name}"
        if isinstance(step.when, Need):
            yield rf"\if :{step.when}"
        yield from (
            _lineage(names) if step.name == StepName.RESOLVE else (_file(path, names) for path in step.paths)
        )
        if isinstance(step.when, Need):
            yield r"\endif"


def _lineage(names: Names) -> Iterator[str]:
    """Yields the lineage, the check that ids fit, and the queries for the conditions of the steps."""
    yield _file(CREATE, names)
    for path, planner in RESOLVE_FILES:
        yield from _set_local(planner)
        yield _file(path, names)
    yield _gset("lineage/misfits", names)
    yield r"\if :misfit"
    yield "-- psql has no command that raises an error; this cast does, with the reason as its message."
    yield "SELECT 'dangling parents do not fit the type of the job id column: nothing was changed'::integer;"
    yield r"\endif"
    yield _gset("migrate/needs", names)
    yield from _set_local(DEFAULT_PLANNER)


def _gset(path: str, names: Names) -> str:
    r"""Returns the file with `\gset` in place of its semicolon, which stores its row in psql variables."""
    text = _file(path, names)
    return text[: text.rindex(";")] + r" \gset"


def _file(path: str, names: Names) -> str:
    query = load_query(path, names)
    text = query.script.strip()
    return f"{_FOLLOW_USER}\n{text}\n{_PIN}" if query.runs_users_code else text


def _set_local(settings: Mapping[str, str]) -> Iterator[str]:
    for name, value in settings.items():
        yield f"SET LOCAL {name} = '{value}';"


def _limit(name: str, most: int) -> str:
    lower = f"least(nullif(setting::bigint, 0), {most})::text"
    return (
        rf"SELECT pg_catalog.set_config('{name}', {lower}, true) AS limited"
        rf" FROM pg_catalog.pg_settings WHERE name = '{name}' \gset"
    )


def _psql_literal(value: str) -> str:
    r"""Returns the value quoted for `\set`: in single quotes, with C-like escapes."""
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"'{escaped}'"
