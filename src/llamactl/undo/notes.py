"""Warnings before an undo, and notes on what it keeps."""

from __future__ import annotations

from collections.abc import Iterator

from llamactl.model.words import plural
from llamactl.sqlfiles.load import quote_literal as literal
from llamactl.sqlfiles.quoting import ident, qualified
from llamactl.table.leftovers import describe_leftover
from llamactl.table.present import LABEL
from llamactl.undo.steps import Standing
from llamactl.wording import listed


def undo_warnings(standing: Standing) -> Iterator[str]:
    """Yields the warnings to show beforehand, in sentences."""
    marked = standing.marked
    if marked.added_column is not None and marked.along:
        yield f"Dropping the column also drops what others created on it: {listed(marked.along)}."
    if standing.cleared.restored and marked.firing:
        triggers = "trigger" if len(marked.firing) == 1 else "triggers"
        yield f"Restoring parents fires the {triggers} {listed(marked.firing)}."


def undo_notes(dry_run: bool, standing: Standing, any_step: bool) -> Iterator[str]:
    """Yields what is kept and why. `any_step`: something is removed."""
    relation, marked = standing.relation, standing.marked
    if dry_run:
        yield from (sentence.removesuffix(".") for sentence in undo_warnings(standing))
    if marked.added_column is None and relation.root is not None:
        yield (
            f"Column {ident(relation.root.name)} is kept, with its values and indexes: its comment does not "
            "say that llamactl added it"
        )
    for unmarked, ours, name in (
        (marked.unmarked_index and marked.added_column is None, standing.index, standing.names.index),
        (marked.unmarked_job_index, standing.job_index, standing.names.job_index),
    ):
        if unmarked and not ours:
            yield f"Index {ident(name)} is kept: nothing shows that llamactl created it"
    if marked.added_column is None:
        yield from map(describe_leftover, standing.kept_leftovers)
    yield from _parents_notes(dry_run, standing)
    if any_step and relation.enum is not None and LABEL in relation.enum.values:
        enum = qualified(relation.enum.schema, relation.enum.name)
        yield f"The value {LABEL} remains in the enum type {enum}: Postgres cannot drop enum values"


def _parents_notes(dry_run: bool, standing: Standing) -> Iterator[str]:
    """Yields what happens to saved parents that are not restored."""
    cleared, names = standing.cleared, standing.names
    if cleared.kept:
        yield plural(
            cleared.kept,
            "row whose parent was cleared has been given a parent since, and keeps it",
            "rows whose parents were cleared have been given parents since, and keep them",
        )
    if cleared.other_oid:
        yield (
            f"{plural(cleared.other_oid, 'saved parent belongs', 'saved parents belong')} to a table of this "
            "name with another oid: the table was recreated, or the database was restored. They are matched "
            "by key, job and root flag"
        )
    if cleared.unmatched:
        yield _unmatched_note(dry_run, standing)
    here = f"SET table_schema = {literal(names.schema)}, table_name = {literal(names.table)}"
    again = f"run undo again after: UPDATE llamactl.cleared_parent {here} WHERE"
    if cleared.renamed:
        former = listed(cleared.formerly)
        gone = ", which no longer exists" if {*cleared.formerly} <= {*cleared.lost} else ""
        yield (
            f"{plural(cleared.renamed, 'parent of this table was', 'parents of this table were')} saved "
            f"under the name {former}{gone}. To restore them, {again} table_oid = {standing.relation.oid};"
        )
    lost = [name for name in cleared.lost if name not in cleared.formerly]
    if lost:
        name = literal(lost[0])
        yield (
            f"llamactl.cleared_parent contains parents of {listed(lost)}, which does not exist. If "
            f"that was this table's name, {again} format('%I.%I', table_schema, table_name) = {name};"
        )


def _unmatched_note(dry_run: bool, standing: Standing) -> str:
    cleared, names = standing.cleared, standing.names
    reasons = (
        (cleared.gone, "no row has the key any more"),
        (cleared.other_row, "the key now belongs to a different row"),
        (cleared.other_key, "the key column or its type has changed"),
        (cleared.misfit, "the value no longer fits the parent column"),
    )
    named = "; ".join(f"{count}: {reason}" for count, reason in reasons if count)
    old = f" ({cleared.unmatched_from_0_1} of them saved by 0.1)" if cleared.unmatched_from_0_1 else ""
    one = cleared.unmatched == 1
    text = (
        f"{plural(cleared.unmatched, 'saved parent')}{old} {'matches' if one else 'match'} no row, and "
        f"{'remains' if one else 'remain'} in llamactl.cleared_parent ({named})"
    )
    if dry_run:
        return text
    where = f"table_schema = {literal(names.schema)} AND table_name = {literal(names.table)}"
    return f"{text}. If they are not needed: DELETE FROM llamactl.cleared_parent WHERE {where};"
