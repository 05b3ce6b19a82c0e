"""Finds the relation with the requested name, or with one of the two default names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.model import ErrorCode, LlamactlError
from llamactl.sqlfiles.load import load_query
from llamactl.sqlfiles.names import Names
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.wording import listed, near, shell

_NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class Found:
    """The relation with the requested name."""

    oid: int
    schema_name: str
    table_name: str
    usable: bool

    @property
    def shown(self) -> str:
        return qualified(self.schema_name, self.table_name)


@dataclass(frozen=True, slots=True)
class _Candidate:
    schema_name: str
    table_name: str
    job_log: bool


def find_table(session: Session, settings: Settings) -> Found:
    """Returns the table with the requested name, or with one of the two default names. Takes no lock.

    Raises LlamactlError (config), with similar names, if there is none, or both default names exist.
    """
    schema, table = settings.schema or "", settings.table or ""
    found = session.rows(
        load_query("catalog/find", _NO_NAMES),
        Found,
        schema=schema,
        table=table,
        schemas=session.schemas(),
        path=session.search_path,
    )
    found = [one for one in found if one.usable] or found[:1]
    if len(found) == 1:
        return found[0]
    candidates = session.rows(load_query("catalog/relations", _NO_NAMES), _Candidate)
    logs = [qualified(c.schema_name, c.table_name) for c in candidates if c.job_log]
    like_logs = f"Tables that look like job logs: {listed(logs)}" if logs else "No table looks like a job log"
    where = f"schema {ident(schema)}" if schema else "the search path"
    if found:
        both = " and ".join(one.shown for one in found)
        raise LlamactlError(ErrorCode.CONFIG, f"Both {both} exist: select one with --table", like_logs)
    if not table:
        message = f'Neither "LlamaLog" nor llama_logs exists in {where} of {session.target}'
        raise LlamactlError(ErrorCode.CONFIG, message, f"{like_logs}; select one with --schema and --table")
    hint = _near_tables(schema, table, candidates) or f"{like_logs}; select one with --schema and --table"
    message = f"There is no table {ident(table)} in {where} of {session.target}"
    raise LlamactlError(ErrorCode.CONFIG, message, hint)


def _near_tables(schema: str, table: str, candidates: Sequence[_Candidate]) -> str:
    """Returns similar names as flags, those in the same schema first. Also accepts a `schema.table`."""
    bare = table.rpartition(".")[2].strip('"')
    close = near(bare, {c.table_name for c in candidates})
    hits = [c for name in close for c in candidates if c.table_name == name]
    hits.sort(key=lambda c: (close.index(c.table_name), c.schema_name != schema))
    flags = [f"--schema {shell(c.schema_name)} --table {shell(c.table_name)}" for c in hits[:3]]
    return f"Similar names: {' or '.join(flags)}" if flags else ""
