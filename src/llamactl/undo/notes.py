"""What a person should know of an undo: beforehand, and of what stays."""

from __future__ import annotations

from collections.abc import Iterator

from llamactl.sqlfiles.load import quote_literal as literal
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.leftovers import describe_leftover
from llamactl.table.present import LABEL
from llamactl.undo.steps import Standing
from llamactl.wording import listed


def undo_warnings(standing: Standing) -> Iterator[str]:
    """What somebody should know beforehand, in sentences."""
    marked = standing.marked
    if marked.added_column is not None and marked.along:
        yield f"With the column goes what others made on it: {listed(marked.along)}."
    if standing.cleared.restored and marked.firing:
        yield f"Putting parents back fires trigger {listed(marked.firing)}."


def undo_notes(dry_run: bool, standing: Standing, any_step: bool) -> Iterator[str]:
    """What stays and why. `any_step`: something is taken off."""
    relation, marked = standing.relation, standing.marked
    if dry_run:
        yield from (sentence.removesuffix(".") for sentence in undo_warnings(standing))
    if marked.added_column is None and relation.root is not None:
        yield (
            f"Column {ident(relation.root.name)} stays, with its values and the indexes that others made: "
            "its comment does not say that llamactl added it"
        )
    for unmarked, ours, name in (
        (marked.unmarked_index and marked.added_column is None, standing.index, standing.names.index),
        (marked.unmarked_job_index, standing.job_index, standing.names.job_index),
    ):
        if unmarked and not ours:
            yield f"Index {ident(name)} stays: nothing says that llamactl made it"
    if marked.added_column is None:
        yield from map(describe_leftover, standing.kept_leftovers)
    yield from _parents_notes(dry_run, standing)
    if any_step and relation.enum is not None and LABEL in relation.enum.values:
        enum = qualified(relation.enum.schema, relation.enum.name)
        yield f"The value {LABEL} stays in the enum type {enum}: Postgres cannot drop one"


def _parents_notes(dry_run: bool, standing: Standing) -> Iterator[str]:
    """What becomes of saved parents that are not put back."""
    cleared, names = standing.cleared, standing.names
    if cleared.kept:
        yield f"{cleared.kept} rows whose parent was cleared have one by now, and keep it"
    if cleared.other_oid:
        yield (
            f"{cleared.other_oid} saved parents are of a table of this name that had another oid: it was "
            "created anew, or the database was restored. They go by key, job and root flag"
        )
    if cleared.unmatched:
        yield _unmatched_note(dry_run, standing)
    here = f"SET table_schema = {literal(names.schema)}, table_name = {literal(names.table)}"
    again = f"run undo again after: UPDATE llamactl.cleared_parent {here} WHERE"
    if cleared.renamed:
        former = listed(cleared.formerly)
        gone = ", which is not there any more" if {*cleared.formerly} <= {*cleared.lost} else ""
        yield (
            f"{cleared.renamed} parents of this table were saved under the name {former}{gone}. "
            f"To put them back, {again} table_oid = {standing.relation.oid};"
        )
    lost = [name for name in cleared.lost if name not in cleared.formerly]
    if lost:
        name = literal(lost[0])
        yield (
            f"llamactl.cleared_parent contains parents of {listed(lost)}, which is not there. If "
            f"that was this table's name, {again} format('%I.%I', table_schema, table_name) = {name};"
        )


def _unmatched_note(dry_run: bool, standing: Standing) -> str:
    cleared, names = standing.cleared, standing.names
    reasons = (
        (cleared.gone, "no row has their key any more"),
        (cleared.other_row, "the row with their key is another one"),
        (cleared.other_key, "the key column or its type has changed"),
        (cleared.misfit, "the parent column cannot hold them any more"),
    )
    named = "; ".join(f"{count}: {reason}" for count, reason in reasons if count)
    old = f" ({cleared.unmatched_from_0_1} of them recorded by 0.1)" if cleared.unmatched_from_0_1 else ""
    text = (
        f"{cleared.unmatched} saved parents{old} match no row, and stay in llamactl.cleared_parent ({named})"
    )
    if dry_run:
        return text
    where = f"table_schema = {literal(names.schema)} AND table_name = {literal(names.table)}"
    return f"{text}. If nobody needs them: DELETE FROM llamactl.cleared_parent WHERE {where};"
