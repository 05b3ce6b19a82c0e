"""sql: the migration as one script that psql runs, with the user's names; it gives what migrate gives.

It holds the very files that migrate runs, in the order of plan.steps. What only the rows can decide is asked
inside the script (`\\gset`, `\\if`). It is made for the table as it is now:
what is there already is left out.
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
    """Returns the script. Reads the catalogs only. Raises LlamactlError as migrate does before its lock."""
    table = Table.open(session, settings)
    refuse_blockers(table, writing=False)
    if not (table.relation.columns["job_id"].bytewise and table.relation.columns["parent_job_id"].bytewise):
        raise LlamactlError(
            ErrorCode.CONFIG,
            "The type of the id columns takes different bytes for equal, which only migrate can check",
            "llamactl migrate does it, or change the columns to text",
        )
    present = read_present(table)
    steps = plan_steps(table, present, CheckPolicy.AUTO)
    lines = [*_head(table), *_body(steps, table.names), _FOLLOW_USER, "COMMIT;", ""]
    return "\n".join(lines)


def _head(table: Table) -> Iterator[str]:
    shown = table.shown.replace("\n", "\\n").replace("\r", "\\r")  # a comment ends with its line
    yield f"-- The migration of {shown}, as llamactl runs it. To run it: psql -X -f FILE"
    yield "-- What follows the fill in migrate, the proof, is left to: llamactl verify"
    if warned := subscriber_warning(table):
        yield "-- " + warned.replace("\n", "\\n").replace("\r", "\\r")
    yield "-- One transaction, all or nothing; nobody else can read or write the table until it ends."
    yield r"\set ON_ERROR_STOP on"
    yield r"\set AUTOCOMMIT on"
    for name, value in _variables(table).items():
        yield rf"\set {name} {_psql_literal(value)}"
    yield "BEGIN;"
    yield "-- Names are the server's own, except while the role's triggers and the like may run."
    yield r"SHOW search_path \gset"
    yield from (rf"SHOW {name} \gset" for name in TEXT_SETTINGS)
    yield _PIN
    yield r"SELECT concat_ws(', ', nullif(:'search_path', ''), 'pg_temp') AS users_path \gset"
    transaction = {
        "jit": "off",
        "work_mem": "64MB",
        "row_security": "off",
        "client_min_messages": "error",  # a trigger's NOTICE a row would fill the connection
        "lock_timeout": f"{table.settings.lock_timeout_ms}ms",
        "statement_timeout": f"{table.settings.statement_timeout_ms}ms",
        "maintenance_work_mem": MAINTENANCE_MEMORY,
        "llamactl.filling": "on",  # the guard keeps still
    }
    yield from _set_local(transaction)
    yield "-- The server ends the session of a psql that stopped. A shorter limit of the role's stays."
    yield from (_limit(name, most) for name, most in SERVER.items())


def _variables(table: Table) -> dict[str, str]:
    """What the files take as psql variables."""
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
    """The lineage, the refusal of what would not fit, and the questions that the steps hang on."""
    yield _file(CREATE, names)
    for path, planner in RESOLVE_FILES:
        yield from _set_local(planner)
        yield _file(path, names)
    yield _gset("lineage/misfits", names)
    yield r"\if :misfit"
    yield "-- psql has no command that fails; this one does, with the reason as its message."
    yield "SELECT 'dangling parents do not fit the type of the job id column: nothing was changed'::integer;"
    yield r"\endif"
    yield _gset("migrate/needs", names)
    yield from _set_local(DEFAULT_PLANNER)


def _gset(path: str, names: Names) -> str:
    r"""The file, its one row's columns kept as psql variables: `\gset` in the semicolon's place."""
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
    r"""The value as `\set` takes it: single-quoted, with C-like escapes inside."""
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"'{escaped}'"
