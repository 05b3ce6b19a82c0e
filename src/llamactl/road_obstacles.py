"""What rules out some commands only: migrate --online, repair and the guard. preflight warns, these refuse.

What makes every migration impossible is in obstacles and row_obstacles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llamactl import findings, grants, guard_state, indexes, queries, refusals, runs
from llamactl.db import Session
from llamactl.model import Finding, Relation
from llamactl.names import Names
from llamactl.obstacles import Around
from llamactl.wording import ident, listed, qualified


@dataclass(frozen=True, slots=True)
class _Counted:
    number: int
    sample: tuple[str, ...]


def of_batches(relation: Relation, around: Around) -> Iterator[Finding]:
    """Yields what rules out writing in batches, as migrate --online and repair do."""
    if rules := around.named("accompanying rule"):
        table = qualified(relation.schema, relation.name)
        yield findings.make("LL129", len(rules), rules, table=table)


def of_the_guard(session: Session, relation: Relation, names: Names, sample: int) -> Iterator[Finding]:
    """Yields what rules out building the guard's index, where it is missing. May read every row."""
    if guard_state.look(session, relation, names).index:
        return
    index = qualified(names.schema, names.job_index)
    columns = [names.columns["job_id"], names.columns["parent_job_id"]]
    found = indexes.look(session, relation, names.job_index, columns)
    if found.what is not None and not found.as_wanted:
        remedy = f"ALTER INDEX {index} RENAME TO ...;" if " INDEX " in found.what else f"Rename {found.what}."
        reason = f"{index} is {found.what}"
        yield findings.make("LL130", 1, [index], reason=reason, remedy=remedy)
    if any(relation.columns[ours].may_exceed_index for ours in ("job_id", "parent_job_id")):
        wide = session.row(queries.load("preflight/wide_entries", names), _Counted, sample=sample)
        if wide.number:
            reason = (
                f"the ids of {wide.number:,} row{'' if wide.number == 1 else 's'} are too long for an entry"
            )
            yield findings.make("LL130", wide.number, wide.sample, reason=reason, remedy="Shorten them.")


def of_names(session: Session, relation: Relation, names: Names) -> Iterator[Finding]:
    """Yields what has a name that llamactl needs in its own schema, or for its trigger."""
    what = [one.what for one in refusals.names_taken(session, relation, names)]
    if what:
        yield findings.make("LL131", len(what), what, reason=listed(what))


def of_rights(session: Session) -> Iterator[Finding]:
    """Yields what the role lacks to record a run."""
    there = runs.present(session)
    if there.recordable:
        return
    if there.owner is not None:
        grant = f"Version 0.1 created llamactl.run: connect as its owner {ident(there.owner)}."
    else:
        schema = (grants.USE, *(() if there.present else (grants.CREATE,)))
        grant = grants.missing(session, schema, dict.fromkeys(grants.RUNS, grants.WRITE))
    yield findings.make("LL208", 1, [session.user], grant=grant)
