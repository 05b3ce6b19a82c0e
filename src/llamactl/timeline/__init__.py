"""timeline: the rows of a root, an album, an artist or a track, oldest first; before and after the migration.

It only reads: one READ ONLY snapshot, no temporary relations. It needs only SELECT, and works on a standby.

1. Find the columns that contain such an id, and the indexes on them.
2. Find the roots of the rows that have the id, and all jobs of these roots, by their parents.
3. One query returns figures on all their rows, shown or not; another one returns the rows that are shown.
4. Look up the names of their albums, artists and tracks, for a chunk of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from llamactl.config.settings import Settings
from llamactl.db.session import Session
from llamactl.model import (
    KNOWN_STATUSES,
    DanglingPolicy,
    ErrorCode,
    LlamactlError,
    Relation,
    Subject,
    SubjectKind,
    Timeline,
)
from llamactl.model.ids import array_literal, text_array_literal
from llamactl.table import catalog
from llamactl.table.shape import refuse_unreadable
from llamactl.table.table import Table
from llamactl.timeline.asked import CARRYING, Asked, resolve_subject
from llamactl.timeline.cursor import encode_cursor
from llamactl.timeline.filters import FLAGS, Filters
from llamactl.timeline.rows import Counts, titled
from llamactl.timeline.spool import Spool
from llamactl.timeline.titles import Library
from llamactl.timeline.walk import Around, roots_around
from llamactl.tree.log import Log


def read_timeline(session: Session, settings: Settings, subject: Subject, filters: Filters) -> Timeline:
    """Returns the timeline of a subject with the filters applied; its counts include all rows.

    Raises LlamactlError: not_found if no row belongs to the subject; usage if its id or a filter is invalid;
    and like every command that reads the log.
    """
    table = Table.open(session, settings)
    refuse_unreadable(table.relation)
    catalog.require_whole_rows(session, table.relation)
    asked = resolve_subject(table, subject)
    with session.snapshot():
        session.read_only()
        log = Log.open(table)
        asked, around, places = _walked(log, asked, table)
        shown = filters.params(table.relation, asked.subject)
        chosen = {**_chosen(log, around), **shown, "places": text_array_literal(places)}
        counts = table.row("timeline/counts", Counts, known=[*KNOWN_STATUSES], **asked.params, **chosen)
        if not counts.total:
            raise _not_found(asked.subject)
        found = table.tuples(
            "timeline/rows",
            most=filters.limit,
            trust_root_flag=log.trust_root_flag,
            **counts.extent,
            **chosen,
        )
        library = Library.open(session, table.relation)
        rows = Spool(titled(found, around.roots, library))
        name = library.title(asked.subject)
    return _timeline(
        Subject(asked.subject.kind, asked.subject.id, name),
        counts,
        rows,
        (*_slow(log, asked), *log.notes(), *_order(table.relation), *library.notes),
    )


def _walked(log: Log, asked: Asked, table: Table) -> tuple[Asked, Around, Sequence[str]]:
    """Returns the jobs that have the same roots as the requested rows, and the places of rows without a root.

    The id of a root is returned as stored in the log.
    """
    fill = table.settings.dangling is DanglingPolicy.FILL
    if asked.subject.kind is SubjectKind.ROOT:
        found = log.look_up(asked.subject.id)
        if found is not None:
            id_, _ = found
            around = roots_around(log, {id_}, fill_dangling=fill, stored={id_} if log.root else ())
            if around.roots.get(id_) == id_:
                return replace(asked, subject=replace(asked.subject, id=id_)), around, ()
        return asked, Around(), ()
    if not asked.unindexed(log):
        # The planner cannot know how many rows there will be, and might read the whole table.
        log.table.session.set_local(enable_seqscan="off")
    wanted = {name: asked.params[name] for name in CARRYING}
    carrying = [*log.table.tuples("timeline/carrying", **wanted)]
    jobs = {job for _, job, _ in carrying if job is not None}
    stored = {root for _, job, root in carrying if None not in (job, root)} if log.root else ()
    around = roots_around(log, jobs, fill_dangling=fill, stored=stored) if jobs else Around()
    return asked, around, [place for place, job, _ in carrying if job not in around.roots]


def _chosen(log: Log, around: Around) -> Mapping[str, Any]:
    """Returns the parameters of counts.sql and rows.sql that say which rows have one of the roots."""
    if not around.further or (log.job_index and log.parent_index):
        log.table.session.set_local(enable_seqscan="off")
    return {
        "roots": array_literal(log.root, around.indexed) if log.root else "{}",
        "apart": [*around.apart],
        "ties": [*around.further],
        "jobs": array_literal(log.job, around.further),
        "parents": array_literal(log.parent, around.further),
        "tops": [*around.tops],
    }


def _timeline(of: Subject, counts: Counts, rows: Spool, notes: tuple[str, ...]) -> Timeline:
    omitted = dict(zip(FLAGS, counts.left_out, strict=True))
    omitted["--limit"] = counts.total - len(rows) - sum(counts.left_out)
    return Timeline(
        of=of,
        created_at=counts.first_created,
        first_linked_at=counts.first_linked,
        total=counts.total,
        orphans=counts.orphans,
        failed=counts.failed,
        rows=rows,
        omitted={flag: count for flag, count in omitted.items() if count},
        next_cursor=encode_cursor(of, rows.last) if rows.last and omitted["--limit"] else None,
        notes=notes,
        unknown_status=counts.unknown,
    )


def _slow(log: Log, asked: Asked) -> Iterator[str]:
    """Yields notes on indexes that would help."""
    for columns in asked.unindexed(log):
        table = log.table.names.quoted_table()
        yield (
            f"No index on {columns}, so the whole table was read: "
            f"CREATE INDEX CONCURRENTLY ON {table} ({columns});"
        )


def _order(relation: Relation) -> Iterator[str]:
    if "created_at" not in relation.columns:
        yield "The table has no created_at column: the root's rows come first, then the others ordered by id"


def _not_found(subject: Subject) -> LlamactlError:
    if subject.kind is SubjectKind.ROOT:
        message = f"No row of the log has the root {subject.id}"
        return LlamactlError(
            ErrorCode.NOT_FOUND, message, "Run `llamactl tree JOB` to find the root of a job"
        )
    message = f"The log has no rows for {subject.kind} {subject.id}"
    return LlamactlError(ErrorCode.NOT_FOUND, message, "Give the complete id")
